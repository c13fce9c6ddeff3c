"""What one query sees, on the grid that its keys stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from maskc import ir, points
from maskc.setting import Setting
from maskc.show import MOST_STEPS, steps

MOST_PLANES = 8
"""Planes of a grid with three axes that are drawn."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What one query sees.

    Attributes:
        planes: rows of 0 and 1 for each plane of the grid, one where it has two axes.
        query: plane, row and column of the query, None where it stands on no such grid.
        place: where the query is, in words, such as `y = 3, x = 5`.
        axes: names of planes (empty where there is one), rows and columns.
        n_elsewhere: how many keys it sees outside of the grid: of other segments.

    """

    planes: tuple[tuple[tuple[bool, ...], ...], ...]
    query: tuple[int, int, int] | None
    place: str
    axes: tuple[str, str, str]
    n_elsewhere: int = 0

    @property
    def n_seen(self) -> int:
        """How many keys of the grid the query sees."""
        return sum(sum(row) for plane in self.planes for row in plane)


@dataclass(frozen=True, slots=True)
class View:
    """What one query sees in some heads, in order."""

    heads: tuple[int, ...]
    near: Neighbourhood


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the positions of a grid start, and its axes with their lengths."""

    start: int
    axes: tuple[str, ...]
    extents: tuple[int, ...]

    @property
    def middle(self) -> int:
        position = 0
        for extent in self.extents:
            position = position * extent + extent // 2
        return self.start + position

    def coordinates(self, position: int) -> tuple[int, ...] | None:
        rest, found = position - self.start, []
        if not 0 <= rest < prod(self.extents):
            return None
        for extent in reversed(self.extents):
            rest, coordinate = divmod(rest, extent)
            found.append(coordinate)
        return tuple(reversed(found))


def views(
    pattern: ir.Pattern, call: Setting, groups: Iterable[tuple[int, ...]], row: int | None = None
) -> tuple[View, ...]:
    """What a query sees in each group of heads that have one mask; what is equal stands once."""
    found: dict[Neighbourhood, tuple[int, ...]] = {}
    for heads in groups:
        near = neighbourhood(pattern, call, heads[0], row)
        if near is not None:
            found[near] = (*found.get(near, ()), *heads)
    return tuple(View(tuple(sorted(heads)), near) for near, heads in found.items())


def neighbourhood(
    pattern: ir.Pattern, call: Setting, head: int, row: int | None = None
) -> Neighbourhood | None:
    """What a query sees where keys stand on a grid of two or three axes.

    Args:
        pattern: the checked pattern.
        call: lengths, parameters and inputs.
        head: whose mask.
        row: the query's row in the call, None for one in the middle of its grid.

    Returns:
        None where there is no such grid, or where it is too large to draw.

    """
    values, tensors = call.values(head), call.tensors()
    keys = _grid(pattern.space.key, values, tensors)
    if keys is None or steps(pattern.mask) * call.n_k > MOST_STEPS:
        return None
    *outer, n_rows, n_columns = keys.extents
    if prod(outer) > MOST_PLANES:
        return None
    first = call.n_k - call.n_q if pattern.space.align == "end" else 0
    own = _grid(pattern.space.query, values, tensors)
    position = first + row if row is not None else own.middle if own else first + call.n_q // 2
    position = min(max(position, first), first + call.n_q - 1)
    values["q"] = position
    kept = [
        bool(points.evaluate(pattern.mask, {**values, "k": k}, tensors)) for k in range(call.n_k)
    ]
    seen = kept[keys.start : keys.start + prod(keys.extents)]
    rows = [tuple(seen[i : i + n_columns]) for i in range(0, len(seen), n_columns)]
    planes = tuple(tuple(rows[i : i + n_rows]) for i in range(0, len(rows), n_rows))
    at = own.coordinates(position) if own else None
    words = f"position {position}"
    query = None
    if own is not None and at is not None:
        words = ", ".join(f"{axis} = {i}" for axis, i in zip(own.axes, at, strict=True))
        if own.extents == keys.extents:
            plane, y, x = (0, *at)[-3:]
            query = (plane, y, x)
    plane_axis, row_axis, column_axis = ("", *keys.axes)[-3:]
    axes = plane_axis, row_axis, column_axis
    return Neighbourhood(planes, query, words, axes, sum(kept) - sum(seen))


def _grid(
    side: ir.Side | None, values: Mapping[str, Any], tensors: Mapping[str, Any]
) -> _Grid | None:
    """The first grid of two or three axes on a side."""
    start = 0
    for _, extents in side.segments if side and not side.packed else ():
        lengths = tuple(int(points.evaluate(e.value, values, tensors)) for e in extents)
        if len(extents) in (2, 3) and all(e.is_axis for e in extents) and prod(lengths):
            return _Grid(start, tuple(e.name.rpartition(".")[2] for e in extents), lengths)
        start += prod(lengths)
    return None
