"""Where positions stand: segments, grids and packed items of one side of the mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskc import syntax
from meaning.values import Value, arithmetic, integers


@dataclass(frozen=True)
class Segment:
    """Positions `start` to `start + length` (exclusive) with row-major axes (name, extent)."""

    name: str | None
    start: int
    length: int
    axes: tuple[tuple[str, int], ...]

    def coordinate(self, axis: str, position: Value) -> Value:
        """The coordinate on `axis` of positions inside the segment."""
        offset = arithmetic("-", position, self.start)
        names = [name for name, _ in self.axes]
        inner = 1
        for _, extent in self.axes[names.index(axis) + 1 :]:
            inner *= extent
        outer = arithmetic("//", offset, inner)
        if names.index(axis) == 0:
            return outer
        return arithmetic("%", outer, dict(self.axes)[axis])


@dataclass(frozen=True)
class Side:
    """One side's sequence. `items` [n, axes] are the extents of a packed side, else None."""

    segments: tuple[Segment, ...]
    items: np.ndarray | None = field(default=None, compare=False)

    @property
    def length(self) -> int:
        """Number of positions."""
        if self.items is not None:
            return int(self.items.prod(axis=1).sum())
        return sum(s.length for s in self.segments)

    def segment(self, name: str) -> Segment:
        """The segment called `name`."""
        return next(s for s in self.segments if s.name == name)

    def holder(self, axis: str) -> Segment:
        """The one segment with an axis called `axis`."""
        (found,) = [s for s in self.segments if axis in dict(s.axes)]
        return found

    def has(self, name: str) -> bool:
        """Whether `name` is a segment or an axis here."""
        return any(s.name == name or name in dict(s.axes) for s in self.segments)

    def member(self, path: tuple[str, ...], position: Value) -> Value:
        """`q.y`, `q.text`, `q.image.y`, `q.item` at `position`."""
        if self.items is not None:
            return self._packed(path[-1], position)
        if len(path) == 2:
            return self.segment(path[0]).coordinate(path[1], position)
        for s in self.segments:
            if s.name == path[0]:
                return arithmetic("-", position, s.start)
        return self.holder(path[0]).coordinate(path[0], position)

    def extent(self, name: str, position: Value) -> Value:
        """`len(axis)` or `len(segment)`; in a packed side, of the item at `position`."""
        if self.items is not None:
            axes = [axis for axis, _ in self.segments[0].axes]
            item = self._item(position)
            return integers(self.items[:, axes.index(name)])[item]
        for s in self.segments:
            if s.name == name:
                return s.length
        return dict(self.holder(name).axes)[name]

    def _item(self, position: Value) -> np.ndarray:
        assert self.items is not None
        ends = self.items.prod(axis=1).cumsum()
        where = np.searchsorted(ends, np.asarray(position).astype(np.int64), side="right")
        return np.where(where < len(ends), where, 0)

    def _packed(self, name: str, position: Value) -> Value:
        assert self.items is not None
        item = self._item(position)
        if name == "item":
            return integers(item)
        sizes = self.items.prod(axis=1)
        offset = np.asarray(position).astype(np.int64) - (sizes.cumsum() - sizes)[item]
        axes = [axis for axis, _ in self.segments[0].axes]
        for axis in range(len(axes) - 1, axes.index(name), -1):
            offset = offset // self.items[item, axis]
        if axes.index(name) > 0:
            offset = offset % self.items[item, axes.index(name)]
        return integers(offset)


def line(length: int) -> Side:
    """The default space: one axis `x`."""
    return Side((Segment(None, 0, length, (("x", length),)),))


def build(
    space: syntax.Space,
    length: int,
    free: Callable[[str | None, str], int],
    given: Mapping[str, Any],
    constant: Callable[[syntax.Expression], int],
) -> Side:
    """The side that `space` describes over `length` positions.

    Args:
        space: what the spec says.
        length: number of positions; settles the one segment whose length nothing else gives.
        free: the extent of a free axis, by segment and axis name.
        given: `segments=` of the call.
        constant: value of a length expression.

    """
    sizes: list[tuple[str | None, int | None, tuple[tuple[str, int], ...]]] = []
    for s in space.segments:
        layout = s.layout
        if isinstance(layout, syntax.Grid):
            if layout.packed:
                items = np.asarray(given["grid"]).astype(np.int64)
                axes = tuple((a.name, 0) for a in layout.axes)
                return Side((Segment(s.name, 0, length, axes),), items)
            axes = tuple(
                (a.name, free(s.name, a.name) if a.extent is None else constant(a.extent))
                for a in layout.axes
            )
            total = 1
            for _, extent in axes:
                total *= extent
            sizes.append((s.name, total, axes))
        elif s.name in given:
            sizes.append((s.name, int(given[s.name]), ()))
        elif isinstance(layout, syntax.Name) and layout.name in given:
            sizes.append((s.name, int(given[layout.name]), ()))
        else:
            try:
                sizes.append((s.name, None if layout is None else constant(layout), ()))
            except KeyError:
                sizes.append((s.name, None, ()))
    known = sum(n for _, n, _ in sizes if n is not None)
    segments, start = [], 0
    for name, size, axes in sizes:
        size = length - known if size is None else size
        segments.append(Segment(name, start, size, axes))
        start += size
    return Side(tuple(segments))
