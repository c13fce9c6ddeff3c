"""Files in the form of `maskc fmt`: what each would become, and how it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from maskc import pipeline
from maskc.files import replace

MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text and its form. The byte order mark and the kind of line end stay as they were.

    Attributes:
        name: what messages call it.
        before: its bytes.
        old: the text, with LF line ends and no byte order mark.
        new: its form.
        mark: the byte order mark, or nothing.
        line_end: that of the first line.

    """

    name: str
    before: bytes
    old: str
    new: str
    mark: str
    line_end: str

    @property
    def changes(self) -> bool:
        """Whether any byte changes."""
        return self.before != self.data()

    def data(self) -> bytes:
        """What the file becomes."""
        return (self.mark + self.new.replace("\n", self.line_end)).encode()

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff."""
        old, new = self.old.splitlines(keepends=True), self.new.splitlines(keepends=True)
        for line in unified_diff(old, new, self.name, self.name):
            yield line.removesuffix("\n")
            if not line.endswith("\n"):
                yield "\\ No newline at end of file"


def formatted(data: bytes, name: str) -> Formatted:
    """The form of a text.

    Args:
        data: its bytes, UTF-8.
        name: what messages call it.

    Raises:
        MaskcError: with every syntax error.

    """
    text = data.decode("utf-8", "surrogateescape")
    old, new = pipeline.formatted(text, name)
    mark = MARK if text.startswith(MARK) else ""
    first, sign, _ = text.partition("\n")
    line_end = "\r\n" if sign and first.endswith("\r") else "\n"
    return Formatted(name, data, old, new, mark, line_end)


def read(path: Path) -> Formatted:
    """The form of a file; raises MaskcError where it cannot be read or has syntax errors."""
    return formatted(pipeline.read_bytes(path), str(path))


def write(path: Path, data: bytes) -> None:
    """Replace a file at once: its new bytes are written beside it and renamed over it.

    The file keeps its permissions; a link stays, and what it leads to is replaced.
    """
    place = Path(os.path.realpath(path))
    if not os.access(place, os.W_OK):
        raise PermissionError(13, "the file may not be written", str(path))
    replace(place, data, place.stat().st_mode & 0o7777)
