"""From text to a module: the stages in order, and the only room that knows them all.

Each stage is a function of the file and can be printed (`emit`). Nothing here imports torch until
a layout is asked for or a generated module is loaded.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from maskc import syntax
from maskc.diagnostics import Diagnostic, MaskcError
from maskc.files import replace
from maskc.source import Source, Span
from maskc.version import __version__

if TYPE_CHECKING:
    from maskc import ir

PRELUDE = Path(__file__).with_name("prelude.attn")

STDIN = "<stdin>"
"""What messages call standard input."""

TOKENS = 4096
"""Tokens of a layout that is printed, where nothing says how many."""


def load(path: str | os.PathLike[str] | Source) -> SimpleNamespace:
    """The patterns of a `.attn` file, one attribute each, compiled and imported.

    Args:
        path: the file, or what was read of it; `use` paths in it are relative to it.

    Raises:
        MaskcError: with every error of the spec.
        ModuleNotFoundError: where torch, which patterns run on, is not installed.

    """
    return _loaded(_read(path if isinstance(path, Source) else Path(path)))


def loads(text: str, name: str = "spec.attn") -> SimpleNamespace:
    """The patterns of a spec given as text, as `load`; `name` is what messages call it.

    Example:
        >>> local = loads("pattern local(w: int >= 1 = 4) = recent(w)").local
        >>> local.dense_mask(3, w=2)[0, 0].int().tolist()
        [[1, 0, 0], [1, 1, 0], [0, 1, 1]]

    """
    if not isinstance(text, str):
        raise TypeError(f"text is a {type(text).__name__}; wanted a str: maskc.load takes a path")
    return _loaded(_source(text, name))


def check(file: Path | Source) -> tuple[ir.Pattern, ...]:
    """The patterns of a file, none for a library; raises MaskcError with every error of it."""
    return _checked(_read(file))


def warnings(file: Path | Source, patterns: Sequence[ir.Pattern] = ()) -> tuple[Diagnostic, ...]:
    """What a file without errors hardly means: idle names, names of Python's own, odd expressions.

    Args:
        file: the spec.
        patterns: those that `check` found in it.

    """
    from maskc.check.doubts import doubts
    from maskc.check.keywords import keywords
    from maskc.check.unused import unused

    tree = parse(_read(file))
    return (*unused(tree, patterns), *keywords(tree), *doubts(tree))


def check_text(text: str, name: str = "spec.attn") -> tuple[ir.Pattern, ...]:
    """The patterns of a spec given as text, as `check`."""
    return _checked(_source(text, name))


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that may be a spec; raises MaskcError where it cannot be read."""
    from maskc.grammar.parse import read_bytes as read

    return read(path)


def standard_input() -> bytes:
    """The bytes of a spec that comes as standard input; raises MaskcError as `read_bytes` does."""
    from maskc.grammar.parse import stream_bytes

    return stream_bytes(getattr(sys.stdin, "buffer", io.BytesIO()), STDIN)


def piped() -> Source:
    """The source of a spec that comes as standard input."""
    return _source(standard_input().decode("utf-8", "surrogateescape"), STDIN)


def formatted(text: str, name: str = "spec.attn") -> tuple[str, str]:
    """A spec as it is read (LF line ends, no byte order mark), and in the form of `maskc fmt`.

    Raises:
        MaskcError: with every syntax error of it.

    """
    from maskc.grammar.format import formatted as form

    source = _source(text, name)
    return source.text, form(source)


def compile_text(text: str, name: str = "spec.attn") -> str:
    """The Python module of a spec given as text."""
    return _compiled(_source(text, name))


def compile_file(path: Path, folder: Path, pattern: str | None = None) -> Path:
    """Write the module of `path` into `folder` and return its path; None for all its patterns.

    The module is written beside its place and renamed, so an interrupted run leaves the old one.
    """
    text = _compiled(_read(path), pattern)
    folder.mkdir(parents=True, exist_ok=True)
    return replace(folder / f"{path.stem}.py", text.encode())


def module_text(path: Path) -> str:
    """The module of `path` as text: what `maskc.hook` imports."""
    return _compiled(_read(path))


def pattern_of(text: str, name: str, pattern: str) -> Any:
    """One pattern of a spec given as text: what a pickled pattern becomes."""
    return vars(loads(text, name))[pattern]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage that can be printed.

    `text` makes it from the source, the tokens of a layout, and the one pattern to show or None.
    """

    name: str
    shows: str
    text: Callable[[Source, int | None, str | None], str]


def emit(
    stage: str, file: Path | Source, *, n: int | None = None, pattern: str | None = None
) -> str:
    """What the stage called `stage` leaves of a file, as text.

    Args:
        stage: a name in STAGES.
        file: the file, or what was read of it.
        n: tokens of a layout, None for as many as the space has by itself, else TOKENS.
        pattern: the only one to show, None for all; no choice for a stage in WHOLE.

    """
    return STAGES[stage].text(_read(file), n, pattern)


def parse(source: Source) -> syntax.File:
    """The syntax tree of a source."""
    from maskc.grammar.parse import parse as parsed

    return parsed(source)


@cache
def prelude() -> syntax.File:
    """The syntax tree of the prelude."""
    return parse(_read(PRELUDE))


def _read(file: Path | Source) -> Source:
    from maskc.grammar.parse import read

    return file if isinstance(file, Source) else read(file)


def _source(text: str, name: str) -> Source:
    from maskc.grammar.parse import source

    return source(text, name)


def _checked(source: Source, only: str | None = None) -> tuple[ir.Pattern, ...]:
    from maskc.check import check as check_tree
    from maskc.grammar.salvage import checked
    from maskc.passes import run

    folder = Path(source.name).parent

    def check(file: syntax.File) -> tuple[ir.Pattern, ...]:
        return check_tree(file, prelude=prelude(), read=lambda path: parse(_read(folder / path)))

    patterns = checked(source, check)
    return tuple(run(pattern) for pattern in patterns if only in (None, pattern.name))


def _compiled(source: Source, only: str | None = None) -> str:
    from maskc.codegen.module import Origin, generate

    patterns = _checked(source, only)
    if not patterns:
        raise MaskcError(
            [
                Diagnostic(
                    "no-pattern",
                    "there is no pattern in this file, so nothing to compile",
                    Span(source, 0, 0),
                    hint="add `pattern name = MASK`, or bring this library into another with `use`",
                )
            ]
        )
    return generate(patterns, Origin(Path(source.name).name, source.text, __version__, only))


def _loaded(source: Source) -> SimpleNamespace:
    """The patterns of a source, which are pickled as its text: their module has no file."""
    from maskc.modules import module_of

    module = module_of(_compiled(source))
    place = os.path.abspath(source.name)
    module.Attention.__reduce__ = lambda own: (pattern_of, (source.text, place, own.spec.name))
    return SimpleNamespace(**module.PATTERNS)


def _tokens(source: Source, n: int | None, only: str | None) -> str:
    from maskc.grammar.parse import tokens

    return "\n".join(str(token) for token in tokens(source))


def _ast(source: Source, n: int | None, only: str | None) -> str:
    from maskc.grammar.dump import dump

    return dump(parse(source))


def _ir(source: Source, n: int | None, only: str | None) -> str:
    from maskc.codegen.render_attn import ir_text

    return "\n\n".join(ir_text(pattern) for pattern in _checked(source, only))


def _layout(source: Source, n: int | None, only: str | None) -> str:
    from maskc.explain import call_arguments
    from maskc.setting import setting

    attentions = vars(_loaded(source))
    shown = []
    for pattern in _checked(source, only):
        attention, call = attentions[pattern.name], setting(pattern, n, otherwise=TOKENS)
        layout = attention.layout(call.n_q, call.n_k, **call_arguments(attention, call))
        shown.append("\n".join([repr(layout), *(f"  with {told}" for told in call.made_up)]))
    return "\n\n".join(shown)


def _schedule(source: Source, n: int | None, only: str | None) -> str:
    from maskc.schedule import schedule

    return "\n\n".join(str(schedule(pattern)) for pattern in _checked(source, only))


def _kernel(source: Source, n: int | None, only: str | None) -> str:
    return _compiled(source, only)


WHOLE = ("tokens", "ast")
"""Stages that know no patterns yet."""

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("tokens", "the words of the file, one a line, with their places", _tokens),
        Stage("ast", "the syntax tree, one node a line", _ast),
        Stage("ir", "the mask as one expression, every name inlined", _ir),
        Stage("layout", "the block-sparse form for --n tokens (needs torch)", _layout),
        Stage("schedule", "how the layout is divided and walked", _schedule),
        Stage("kernel", "the whole Python module", _kernel),
    )
}
