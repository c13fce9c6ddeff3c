"""Text that knows where it may break: groups are put on one line where they fit, else broken.

A document is a str (text without line ends), a tuple of documents, or one of the classes below.
The algorithm is that of P. Wadler, "A prettier printer" (2003), with a stack in place of recursion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

WIDTH = 100
STEP = 4


@dataclass(frozen=True, slots=True)
class Line:
    """`flat` in a group that fits, else a line end. A hard one lets no group around it fit."""

    flat: str = " "
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Lines of `inside` are all flat or all broken, those of groups in it apart."""

    inside: Document


@dataclass(frozen=True, slots=True)
class Indent:
    """Lines of `inside` start one step further right."""

    inside: Document


@dataclass(frozen=True, slots=True)
class Fill:
    """Parts with as many on each line as fit, a blank between two."""

    parts: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class IfBroken:
    """Text that appears only where the group around it is broken."""

    text: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A comment for the end of the line that it stands on; the line must end after it."""

    text: str


Document = Union[str, "tuple[Document, ...]", Line, Group, Indent, Fill, IfBroken, Beside]

SOFT, SPACE, HARD = Line(""), Line(), Line(hard=True)

Pending = tuple[int, bool, Document]
"""An indentation, whether lines are flat, and a document still to be written."""


def written(document: Document) -> str:
    """A document as text of at most WIDTH columns where its groups allow it.

    Example:
        >>> written(Group(("f(", Indent((SOFT, "x")), SOFT, ")")))
        'f(x)'

    """
    out: list[str] = []
    column = 0
    beside: list[str] = []
    stack: list[Pending] = [(0, False, document)]
    while stack:
        indent, flat, part = stack.pop()
        if isinstance(part, str):
            out.append(part)
            column += len(part)
        elif isinstance(part, tuple):
            stack.extend((indent, flat, inner) for inner in reversed(part))
        elif isinstance(part, Indent):
            stack.append((indent + STEP, flat, part.inside))
        elif isinstance(part, Group):
            fits = flat or _fits(WIDTH - column, part.inside, stack)
            stack.append((indent, fits, part.inside))
        elif isinstance(part, IfBroken):
            if not flat:
                stack.append((indent, flat, part.text))
        elif isinstance(part, Fill):
            stack.extend(_filled(indent, flat, part))
        elif isinstance(part, Beside):
            beside.append(part.text)
        elif flat and not part.hard:
            out.append(part.flat)
            column += len(part.flat)
        else:
            newline = "\n" + " " * indent
            out += [_at_line_end(beside, newline), newline]
            column, beside = indent, []
    out.append(_at_line_end(beside, "\n"))
    lines = "".join(out).split("\n")
    return "\n".join(line.rstrip(" ") for line in lines)


def _at_line_end(comments: list[str], newline: str) -> str:
    """The first comment at the end of its line, any others on lines of their own."""
    return "  " + newline.join(comments) if comments else ""


def _filled(indent: int, flat: bool, fill: Fill) -> list[Pending]:
    """The parts of a Fill, each break a group with the part after it, in stack order."""
    parts: list[Document] = [fill.parts[0]] if fill.parts else []
    parts += [Group((SPACE, part)) for part in fill.parts[1:]]
    return [(indent, flat, part) for part in reversed(parts)]


def _fits(room: int, inside: Document, after: list[Pending]) -> bool:
    """Whether `inside` flat, and what follows it up to the next line end, takes `room` columns."""
    stack: list[tuple[bool, Document]] = [(True, inside)]
    following, commented = len(after), False
    while room >= 0:
        if not stack:
            if not following:
                return True
            following -= 1
            _, flat, part = after[following]
            stack.append((flat, part))
        flat, part = stack.pop()
        if isinstance(part, str):
            room -= len(part)
        elif isinstance(part, tuple):
            stack.extend((flat, inner) for inner in reversed(part))
        elif isinstance(part, (Indent, Group)):
            stack.append((flat, part.inside))
        elif isinstance(part, Fill):
            if not flat:
                return True
            stack.extend((flat, (SPACE, inner)) for inner in reversed(part.parts))
        elif isinstance(part, Line):
            if part.hard or not flat:
                return not part.hard or not flat
            if commented:
                return False
            room -= len(part.flat)
        elif isinstance(part, Beside):
            commented = True
        elif not flat:
            room -= len(part.text)
    return False
