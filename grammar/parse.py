"""Text to syntax tree: `read` a file, `parse` what it says."""

from __future__ import annotations

import gc
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from maskc import syntax
from maskc.diagnostics import Diagnostic, MaskcError, shortened
from maskc.grammar.build import Builder
from maskc.grammar.errors import Errors, raise_all
from maskc.grammar.lalr import Automaton
from maskc.grammar.lex import Lexed, lex
from maskc.grammar.lines import statements
from maskc.grammar.tokens import Placed, Statement
from maskc.grammar.words import settled
from maskc.source import Source, Span

MOST_BYTES = 2**20


def read(path: str | os.PathLike[str]) -> Source:
    """The text of a file; its bytes are checked by `parse`.

    Raises:
        MaskcError: where it is missing, no regular file, unreadable, too large, or binary.

    """
    return source(read_bytes(path).decode("utf-8", "surrogateescape"), os.fspath(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises:
        MaskcError: where it is missing, no regular file, unreadable, or too large.

    """
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            what = "a folder" if Path(path).is_dir() else "not a regular file"
            raise _refused("cannot-read", f"`{shortened(name)}` is {what}", name)
        with open(path, "rb") as file:
            return stream_bytes(file, name)
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None


def stream_bytes(stream: BinaryIO, name: str) -> bytes:
    """What is left of an open file; `name` is what messages call it.

    Raises:
        MaskcError: where it cannot be read, or is too large.

    """
    try:
        data = stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(error, name) from None
    if len(data) > MOST_BYTES:
        raise _too_large(name)
    return data


def source(text: str, name: str = "spec.attn") -> Source:
    """A source from text in memory: without byte order mark, line ends as LF.

    Raises:
        MaskcError: where it is larger than a file may be.

    """
    if len(text) > MOST_BYTES or len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise _too_large(name)
    made = Source(name, text.removeprefix("\ufeff").replace("\r\n", "\n"))
    nul = made.text.find("\0")
    if nul >= 0:
        message = "this is a binary file: it holds a zero byte"
        raise MaskcError([Diagnostic("not-text", message, Span(made, nul, nul + 1))])
    return made


def parse(source: Source) -> syntax.File:
    """The syntax tree of a source.

    Raises:
        MaskcError: with every syntax error of the file, in order.

    Example:
        >>> file = parse(Source("local.attn", "pattern local(w: int = 4) = recent(w)"))
        >>> file.declarations[0].name
        'local'

    """
    reading = attempt(source)
    raise_all(*reading.errors)
    assert reading.file is not None, "without errors there is a tree"
    return reading.file


def attempt(source: Source) -> Reading:
    """All that is known of a source after one reading, right or wrong.

    Raises:
        MaskcError: where it has too many words to be read at all.

    """
    words, lines, sentences = errors = Errors(source), Errors(source), Errors(source)
    with _collector_paused():
        lexed = lex(source, words)
        automaton = Automaton(Builder(lexed, sentences), sentences)
        found = list(statements(lexed.tokens, lines))
        file = automaton.run(found)
    wrong = any(error.diagnostics for error in errors)
    lost = frozenset(map(id, automaton.lost))
    return Reading(source, lexed, found, lost, errors, None if wrong else file)


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a source.

    `lost`: ids of the statements that could not be read. `file`: the tree, None where anything is
    wrong.
    """

    source: Source
    lexed: Lexed
    statements: list[Statement]
    lost: frozenset[int]
    errors: tuple[Errors, ...]
    file: syntax.File | None

    def diagnostics(self) -> list[Diagnostic]:
        """Every error that is kept."""
        return [d for errors in self.errors for d in errors.diagnostics]

    def omitted(self) -> int:
        """How many more there were."""
        return sum(errors.omitted for errors in self.errors)


def tokens(source: Source) -> list[Placed]:
    """The tokens of a source as the parser reads them, `_END` after each statement.

    Raises:
        MaskcError: with every error of its characters and brackets.

    """
    words, lines = Errors(source), Errors(source)
    lexed = lex(source, words)
    found = [t for s in statements(lexed.tokens, lines) for t in settled(s.tokens, words)]
    raise_all(words, lines)
    return [Placed(token, source) for token in found]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: trees have no cycles, and the search doubles the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _unreadable(error: OSError | ValueError, name: str) -> MaskcError:
    reason = (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
    id = "missing-file" if isinstance(error, FileNotFoundError) else "cannot-read"
    return _refused(id, f"cannot read `{shortened(name)}`: {reason.lower()}", name)


def _refused(id: str, message: str, name: str) -> MaskcError:
    return MaskcError([Diagnostic(id, message, None, file_name=name)])


def _too_large(name: str) -> MaskcError:
    message = f"`{shortened(name)}` is larger than {MOST_BYTES} bytes, the most a spec may have"
    return _refused("file-too-large", message, name)
