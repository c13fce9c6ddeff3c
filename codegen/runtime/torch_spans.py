"""Spans of tiles cut, joined and put into regular rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from maskc.codegen.runtime.torch_tiles import ABSENT, FULL, LIVE, Span


@dataclass(frozen=True, slots=True)
class Progression:
    """The ints `first + i * step` for i in range(n)."""

    first: int
    step: int
    n: int

    def __getitem__(self, i: int) -> int:
        return self.first + i * self.step

    def part(self, begin: int, end: int) -> Progression:
        """Those for i in range(begin, end); the step of a single one is 0."""
        n = end - begin
        return Progression(self[begin], self.step if n > 1 else 0, n)

    def within(self, ints: range) -> tuple[int, int]:
        """The i, as a range, for which the int is in `ints`, whose step is 1."""
        inside = [i for i in range(self.n) if self[i] in ints]
        return (inside[0], inside[-1] + 1) if inside else (0, 0)


def in_step(places: list[tuple[int, int]]) -> list[tuple[Progression, Progression]]:
    """Places (row, column) as few pairs of progressions.

    A place joins those with its `column - row` or those with its `column`, whichever are more.
    """
    beside: dict[int, int] = defaultdict(int)
    below: dict[int, int] = defaultdict(int)
    for row, column in places:
        beside[column - row] += 1
        below[column] += 1
    lines: dict[tuple[bool, int], list[tuple[int, int]]] = defaultdict(list)
    for row, column in places:
        along = beside[column - row] >= below[column]
        lines[along, column - row if along else column].append((row, column))
    return [pair for line in lines.values() for pair in progressions(sorted(line))]


def progressions(pairs: list[tuple[int, int]]) -> list[tuple[Progression, Progression]]:
    """The pairs, in order, cut into runs with one step, which is not negative."""
    out = []
    i = 0
    while i < len(pairs):
        a, b = pairs[i]
        n = 1
        step_a = step_b = 0
        if i + 1 < len(pairs):
            step_a, step_b = pairs[i + 1][0] - a, pairs[i + 1][1] - b
        ahead = step_a >= 0 and step_b >= 0
        while i + n < len(pairs) and ahead and pairs[i + n] == (a + n * step_a, b + n * step_b):
            n += 1
        if n == 1:
            step_a = step_b = 0
        out.append((Progression(a, step_a, n), Progression(b, step_b, n)))
        i += n
    return out


def touching_spans(spans: Iterable[Span]) -> list[list[Span]]:
    """Spans in order of their first key tiles, in clusters that overlap or touch."""
    clusters: list[list[Span]] = []
    end = -1
    for span in sorted(spans, key=lambda span: (span.first, span.row)):
        if span.first > end:
            clusters.append([])
        clusters[-1].append(span)
        end = max(end, span.last)
    return clusters


def as_one_span(cluster: list[Span], row: int, height: int) -> Span:
    """Spans of height 1 that overlap or touch, as one of the `height` rows from `row` on."""
    first, last = cluster[0].first, max(span.last for span in cluster)
    tiles = [[ABSENT] * (last - first) for _ in range(height)]
    for span in cluster:
        tiles[span.row - row][span.first - first : span.last - first] = span.tiles
    return Span(row, first, tuple(number for line in tiles for number in line), height)


def stacked_spans(cluster: list[Span]) -> list[Span]:
    """Spans of height 1, with adjacent rows that see the same keys in full as one span."""
    stacks: list[list[Span]] = []
    for span in sorted(cluster, key=lambda span: (span.first, span.last, span.row)):
        full = all(number == FULL for number in span.tiles)
        above = stacks[-1][-1] if stacks else None
        same = above is not None and (above.first, above.tiles) == (span.first, span.tiles)
        if full and same and above is not None and above.row + 1 == span.row:
            stacks[-1].append(span)
        else:
            stacks.append([span])
    return [as_one_span(stack, stack[0].row, len(stack)) for stack in stacks]


def full_runs_of(span: Span) -> list[tuple[int, int]]:
    """[first, last) of the runs of full tiles in a span."""
    runs = []
    begin = None
    for i, number in enumerate((*span.tiles, LIVE)):
        if number == FULL and begin is None:
            begin = i
        elif number != FULL and begin is not None:
            runs.append((span.first + begin, span.first + i))
            begin = None
    return runs


def common_ranges(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The intersection of two lists of disjoint ranges."""
    ranges = [(max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b]
    return [(first, last) for first, last in ranges if first < last]


def without_ranges(span: Span, cuts: Iterable[tuple[int, int]]) -> list[Span]:
    """What is left of a span when ranges of its tiles are cut out."""
    parts = []
    begin = span.first
    end = span.first + len(span.tiles)
    for first, last in cuts:
        if first >= end or last <= begin:
            continue
        parts.append((begin, first))
        begin = last
    parts.append((begin, end))
    return [
        Span(span.row, a, span.tiles[a - span.first : b - span.first]) for a, b in parts if a < b
    ]
