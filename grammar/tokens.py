"""What the lexer makes and every later step of the parser reads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from maskc.source import Source, Span

DEEPEST = 200
"""The deepest that trees, and brackets in a text, may nest."""


class Token(NamedTuple):
    """A word, number or sign; a NamedTuple since a file may have a hundred thousand.

    Attributes:
        kind: its terminal of `attn.lark`; `WRONG` where the lexer has told an error about it.
        text: the user's characters.
        start: offset of its first character.
        first: whether it is the first of its line.

    """

    kind: str
    text: str
    start: int
    first: bool = False

    @property
    def end(self) -> int:
        """Offset just after its last character."""
        return self.start + len(self.text)

    def span(self, source: Source) -> Span:
        """Its place."""
        return Span(source, self.start, self.end)


@dataclass(frozen=True, slots=True)
class Placed:
    """A token with its place, for `--emit tokens`."""

    token: Token
    source: Source

    def __str__(self) -> str:
        """Its place, terminal and text."""
        (line, column), (_, end) = map(self.source.place, (self.token.start, self.token.end))
        return f"{line}:{column}-{end}  {self.token.kind}  {self.token.text}".rstrip()


class Role(Enum):
    """What a statement is to the file around it."""

    WHOLE = "stands alone"
    OPENS = "a pattern's head, up to the brace that opens its body"
    CLOSES = "the brace that closes a body"


@dataclass(frozen=True, slots=True)
class Statement:
    """The tokens of one statement, with its `_END`; `broken` if an error in it was told already."""

    role: Role
    tokens: tuple[Token, ...]
    broken: bool = False
