"""What a user is told: diagnostics with a place, a cause and a cure, and how they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from heapq import nsmallest
from itertools import islice
from typing import Any, Literal
from unicodedata import combining, east_asian_width

from maskc.source import Span

MOST_KEPT = 1_000
MOST_PRINTED = 100
TAB = 4
WIDEST = 120
"""Characters of a source line that are shown; of a longer one, those around the error."""

UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What would move a terminal's cursor, turn its text round, or cannot be encoded."""

COLOURS = {
    "error": "1;31",
    "warning": "1;33",
    "bold": "1",
    "gutter": "1;34",
    "second": "1;34",
    "help": "1;36",
}


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that an error speaks of, with its own short text."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning.

    `id` is kebab-case; `note` stands at the underlined span; `hint` is the cure.
    """

    id: str
    message: str
    span: Span | None = field(repr=False)
    note: str = ""
    hint: str = ""
    labels: tuple[Label, ...] = ()
    file_name: str = ""
    severity: Literal["error", "warning"] = "error"

    @property
    def file(self) -> str:
        """Name of the file, as the user gave it."""
        return self.span.source.name if self.span else self.file_name

    @property
    def line(self) -> int:
        """First line of the span, from 1."""
        return self.span.source.place(self.span.start)[0] if self.span else 1

    @property
    def column(self) -> int:
        """First column of the span, from 1, in characters."""
        return self.span.source.place(self.span.start)[1] if self.span else 1

    @property
    def end_line(self) -> int:
        """Line of the span's end, from 1."""
        return self.span.source.place(self.span.end)[0] if self.span else 1

    @property
    def end_column(self) -> int:
        """Column just after the span, from 1, in characters."""
        return self.span.source.place(self.span.end)[1] if self.span else 1


class MaskcError(Exception):
    """The one error that users of the compiler see.

    Attributes:
        diagnostics: every error found, in source order, at most 1,000.
        omitted: how many more there were.

    """

    def __init__(self, diagnostics: Sequence[Diagnostic], omitted: int = 0) -> None:
        ordered = sorted(diagnostics, key=lambda d: (d.file, d.line, d.column))
        self.diagnostics: tuple[Diagnostic, ...] = tuple(ordered[:MOST_KEPT])
        self.omitted = omitted + len(ordered) - len(self.diagnostics)
        super().__init__(self.diagnostics, self.omitted)

    def __str__(self) -> str:
        """Everything as the command line prints it, without colours."""
        return render(self.diagnostics, omitted=self.omitted)


def render(diagnostics: Sequence[Diagnostic], colour: bool = False, omitted: int = 0) -> str:
    """Diagnostics as text: each with its lines of source, the first 100, then a count.

    Args:
        diagnostics: in the order in which to print them.
        colour: whether to use the escape codes of terminals.
        omitted: how many more there were that nobody kept.

    Example:
        >>> from maskc.source import Source
        >>> span = Span(Source("a.attn", "mask casual"), 5, 11)
        >>> print(render([Diagnostic("unknown-name", "there is no `casual`", span, "not defined")]))
        error[unknown-name]: there is no `casual`
         --> a.attn:1:6
          |
        1 | mask casual
          |      ^^^^^^ not defined
          |

    """
    paint = _paint if colour else _plain
    parts = [_one(diagnostic, paint) for diagnostic in diagnostics[:MOST_PRINTED]]
    n_all = len(diagnostics) + omitted
    if n_all > MOST_PRINTED:
        text = f"{paint('error', 'error')}: {n_all:,} errors; the first {MOST_PRINTED} are shown"
        parts.append(text)
    return "\n\n".join(parts)


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data, for machines; places count from 1, in characters."""
    keys = ("id", "file", "line", "column", "end_line", "end_column", "message", "hint")
    return {key: getattr(diagnostic, key) for key in keys}


def shortened(name: str) -> str:
    """A name of any length as messages show it.

    Example:
        >>> shortened("x.attn"), len(shortened("x" * 900))
        ('x.attn', 203)

    """
    return name if len(name) <= 200 else f"{name[:100]}...{name[-100:]}"


def near_miss(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` was probably meant to be, or None.

    It stays quick for many errors in a file of many names: it looks at a thousand candidates and
    compares only the likeliest of them closely.

    Example:
        >>> near_miss("casual", ["causal", "sink"])
        'causal'

    """
    letters = set(name)
    near: list[tuple[int, str]] = []
    for candidate in islice(candidates, 1_000):
        apart = abs(len(candidate) - len(name))
        if apart <= 3 and candidate != name:
            apart += len(letters.symmetric_difference(candidate))
            if apart <= 5:
                near.append((apart, candidate))
    likeliest = [candidate for _, candidate in nsmallest(8, near)]
    found = get_close_matches(name, likeliest, n=1, cutoff=0.65) if len(name) <= 200 else []
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class _Mark:
    """Characters `start` to `end` (exclusive) of one line to underline, and what to say there."""

    line: int
    start: int
    end: int
    text: str
    sign: str


def _plain(style: str, text: str) -> str:
    return text


def _paint(style: str, text: str) -> str:
    return f"\x1b[{COLOURS[style]}m{text}\x1b[0m"


def _one(diagnostic: Diagnostic, paint: Any) -> str:
    head = paint(diagnostic.severity, f"{diagnostic.severity}[{diagnostic.id}]")
    lines = [f"{head}{paint('bold', ': ' + _clean(diagnostic.message))}"]
    span = diagnostic.span
    if span is None:
        if diagnostic.file_name:
            lines.append(f"{paint('gutter', ' -->')} {_clean(shortened(diagnostic.file_name))}")
    else:
        lines += _places(diagnostic, span, paint)
    if diagnostic.hint:
        lines.append(f"{paint('help', 'help')}: {_clean(diagnostic.hint)}")
    return "\n".join(lines)


def _places(diagnostic: Diagnostic, span: Span, paint: Any) -> list[str]:
    """The lines of source of an error, those of its own file first, then those of others."""
    here = [label for label in diagnostic.labels if label.span.source.name == span.source.name]
    marks = _marks(span, diagnostic.note, "^")
    marks += [mark for label in here for mark in _marks(label.span, label.text, "-")]
    elsewhere = [label for label in diagnostic.labels if label not in here]
    last = [label.span.source.place(label.span.end)[0] for label in elsewhere]
    width = len(str(max([mark.line for mark in marks] + last)))
    bar = paint("gutter", " " * width + " |")
    lines = [f"{paint('gutter', ' ' * width + '-->')} {_place(span)}", bar]
    lines += _snippet(span, marks, width, paint)
    for label in elsewhere:
        lines += [bar, f"{paint('gutter', ' ' * width + ':::')} {_place(label.span)}", bar]
        lines += _snippet(label.span, _marks(label.span, label.text, "-"), width, paint)
    return [*lines, bar]


def _place(span: Span) -> str:
    line, column = span.source.place(span.start)
    return f"{_clean(span.source.name)}:{line}:{column}"


def _marks(span: Span, text: str, sign: str) -> list[_Mark]:
    """What to underline of a span: all of it in its line, or the ends of its first and last."""
    source = span.source
    line, column = source.place(span.start)
    end_line, end_column = source.place(span.end)
    if end_line > line and end_column == 1:
        end_line, end_column = end_line - 1, len(source.line(end_line - 1)) + 1
    if end_line == line:
        return [_Mark(line, column - 1, end_column - 1, text, sign)]
    last = source.line(end_line)
    indent = len(last) - len(last.lstrip(" \t"))
    return [
        _Mark(line, column - 1, len(source.line(line)), "", sign),
        _Mark(end_line, min(indent, end_column - 1), end_column - 1, text, sign),
    ]


def _snippet(span: Span, marks: Sequence[_Mark], width: int, paint: Any) -> list[str]:
    rows: list[str] = []
    before = 0
    for number in sorted({mark.line for mark in marks}):
        if before and number == before + 2:
            rows.append(_row(span.source.line(number - 1)[:WIDEST], number - 1, width, paint))
        elif before and number > before + 1:
            rows.append(paint("gutter", "..."))
        before = number
        text = span.source.line(number)
        on_line = [mark for mark in marks if mark.line == number]
        first = 0
        if len(text) > WIDEST:
            first = max(0, on_line[0].start - WIDEST // 2)
        shown = text[first : first + WIDEST]
        left, right = "..." * (first > 0), "..." * (first + WIDEST < len(text))
        rows.append(_row(left + shown + right, number, width, paint))
        for mark in on_line:
            start = len(left) + _width(shown[: max(0, mark.start - first)], len(left))
            stop = min(max(mark.end, mark.start + 1) - first, len(shown) + 1)
            long = len(left) + _width(shown[: max(0, stop)], len(left)) - start
            under = mark.sign * max(1, long)
            says = f"{under} {_clean(mark.text)}".rstrip()
            style = "error" if mark.sign == "^" else "second"
            bar = paint("gutter", " " * width + " |")
            rows.append(f"{bar} {' ' * start}{paint(style, says)}")
    return rows


def _row(text: str, number: int, width: int, paint: Any) -> str:
    shown, column = [], 0
    for char in text:
        piece = " " * (TAB - column % TAB) if char == "\t" else char
        shown.append(piece)
        column += len(piece) if char == "\t" else _width(char, 0)
    gutter = paint("gutter", f"{number:>{width}} |")
    return f"{gutter} {_clean(''.join(shown))}".rstrip()


def _width(text: str, column: int) -> int:
    """Columns of a terminal that text takes when it starts at `column`."""
    start = column
    for char in text:
        if char == "\t":
            column += TAB - column % TAB
        elif not combining(char):
            column += 2 if east_asian_width(char) in "WF" else 1
    return column - start


def _clean(text: str) -> str:
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
