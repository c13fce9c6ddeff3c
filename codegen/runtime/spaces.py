"""Where the tokens of a call stand: `grid=` and `segments=` bound to sizes and checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from maskc.codegen.runtime.arguments import as_lists, checked_count, is_sequence, shown
from maskc.codegen.runtime.call import Call

SIDES = {"query": "q", "key": "k"}
"""The tensor whose tokens each side counts."""


@dataclass(frozen=True, slots=True)
class Extent:
    """One axis of a grid, or the length of a segment.

    `name`: what messages and `grid=` call it, such as "y", "image.y" or "query.y". `value`: the
    name of the size that the call gives, an int, or a function of the Call so far.
    """

    name: str
    value: str | int | Callable[[Call], int]

    @property
    def size(self) -> str | None:
        """The size that the call gives, None where the spec says the extent."""
        return self.value if isinstance(self.value, str) else None

    @property
    def axis(self) -> str:
        """The name of the axis or segment, without its side."""
        return self.name.rpartition(".")[2]

    def known(self, call: Call) -> int | None:
        """The extent in this call, None where a size that it wants is not known yet."""
        if isinstance(self.value, int):
            return self.value
        try:
            return call.sizes[self.value] if isinstance(self.value, str) else self.value(call)
        except KeyError:
            return None


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a sequence: the axes of its grid, slowest first, or its one length."""

    name: str | None
    extents: tuple[Extent, ...]
    is_grid: bool

    def n_tokens(self, call: Call) -> int:
        """Number of tokens, all extents being known."""
        return math.prod(extent.known(call) or 0 for extent in self.extents)


Side = tuple[Segment, ...]
"""One side's sequence, part by part."""


@dataclass(frozen=True, slots=True)
class Place:
    """One extent of a space: its side ("query" or "key") and its segment."""

    side: str
    segment: Segment
    extent: Extent

    @property
    def owners(self) -> tuple[str, ...]:
        """What a dict may call the segment, and the side."""
        name = self.segment.name
        return (self.side,) if name is None else (name, self.side, f"{self.side}.{name}")


@dataclass(frozen=True, slots=True)
class Segments:
    """The segments of each side; `query` is None where both sides are one sequence."""

    key: Side
    query: Side | None = None

    def bind(self, pattern: str, grid: Any, segments: Any, call: Call, /) -> None:
        """Put the sizes of the space into `call.sizes`.

        A size that neither `grid` nor `segments` gives follows from the number of tokens, where it
        is the only one of its side.

        Args:
            pattern: what messages call the pattern.
            grid: free extents in order of appearance, or by segment or axis name.
            segments: free lengths by the name of the segment, or of the length.
            call: of the right lengths.

        Raises:
            TypeError, ValueError: naming the argument, what was wanted and what came.

        """
        sides = [("query", self.query)] if self.query is not None else []
        sides.append(("key", self.key))
        places = [
            Place(name, segment, extent)
            for name, side in sides
            for segment in side
            for extent in segment.extents
        ]
        axes = [place for place in places if place.segment.is_grid]
        lines = [place for place in places if not place.segment.is_grid]
        for argument, value, its_places in (("grid", grid, axes), ("segments", segments, lines)):
            if value is not None and not its_places:
                raise ValueError(f"{argument} is given, but {pattern} has no {argument}")
        given = [*_of_grid(axes, grid), *_of_segments(lines, segments)]
        for what, place, value in given:
            size = checked_count(what, value)
            name = place.extent.size
            if name is not None and call.sizes.setdefault(name, size) != size:
                other = call.sizes[name]
                raise ValueError(f"{what} is {size}; its length is also given as {other}")
        for name, side in (*sides, *sides):
            _infer(side, _length(name, call), call)
        for name, side in sides:
            _check_known(name, side, grid, segments, call)
        for what, place, value in given:
            wanted = place.extent.known(call)
            if value != wanted:
                raise ValueError(f"{what} is {value}; the spec says {wanted}")
        for name, side in sides:
            _check_total(name, side, call)
        _check_shared(sides, call)


def _of_grid(axes: list[Place], value: Any) -> Iterator[tuple[str, Place, Any]]:
    """What `grid` says of each extent: how to call it, the extent, its value."""
    free = [place for place in axes if place.extent.size is not None]
    value = as_lists("grid", value)
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _of_name(axes, name, as_lists(f"grid[{name!r}]", entry))
    elif is_sequence(value):
        distinct = _distinct(free)
        if len(value) not in (len(free), len(distinct)):
            names = ", ".join(place.extent.name for place in distinct)
            raise ValueError(f"grid has {len(value)} entries; wanted {len(distinct)}: {names}")
        for i, place in enumerate(free):
            at = i if len(value) == len(free) else distinct.index(_first_like(place, distinct))
            yield f"grid[{at}]", place, value[at]
    elif value is not None:
        raise TypeError(f"grid is {shown(value)}; wanted a dict or a sequence of ints")


def _of_name(axes: list[Place], name: Any, value: Any) -> Iterator[tuple[str, Place, Any]]:
    """What one entry of a dict says: of an axis, or with a sequence of the axes of a segment."""
    what = f"grid[{name!r}]"
    found = [place for place in axes if name == place.extent.name]
    of_axis = [place for place in axes if name == place.extent.axis]
    free = [place for place in of_axis if place.extent.size is not None]
    found = found or free or of_axis
    parts = [place for place in axes if name in place.owners]
    if parts and (is_sequence(value) or not found):
        for side in dict.fromkeys(place.side for place in parts):
            own = [place for place in parts if place.side == side]
            yield from _of_segment(what, own, value)
    elif found:
        if len(_distinct(found)) > 1:
            names = " or ".join(f"`{place.extent.name}`" for place in found)
            raise ValueError(f"grid has several axes `{name}`; write {names}")
        for place in found:
            yield what, place, value
    else:
        known = dict.fromkeys(place.extent.name for place in axes)
        raise ValueError(f"grid has no `{name}`; wanted {', '.join(known)}")


def _of_segment(what: str, axes: list[Place], value: Any) -> Iterator[tuple[str, Place, Any]]:
    """What a sequence says of one side's axes: of the free ones, or of all."""
    values = value if is_sequence(value) else (value,)
    free = [place for place in axes if place.extent.size is not None]
    if len(values) not in (len(free), len(axes)):
        names = ", ".join(place.extent.axis for place in free)
        raise ValueError(f"{what} is {shown(value)}; wanted the lengths of {names}")
    for i, place in enumerate(free if len(values) == len(free) else axes):
        yield f"{what}[{i}]", place, values[i]


def _of_segments(lines: list[Place], value: Any) -> Iterator[tuple[str, Place, Any]]:
    """What `segments` says of each length, as `_of_grid`."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise TypeError(f"segments is {shown(value)}; wanted a dict of lengths by name")
    for name, entry in value.items():
        found = [place for place in lines if name == place.segment.name]
        found = found or [place for place in lines if name == place.extent.size]
        if not found:
            known = ", ".join(dict.fromkeys(str(place.segment.name) for place in lines))
            raise ValueError(f"segments has no `{name}`; wanted {known}")
        for place in found:
            yield f"segments[{name!r}]", place, entry


def _distinct(places: list[Place]) -> list[Place]:
    """One place of each extent: those of one named segment are the same on both sides."""
    return list(dict.fromkeys(_first_like(place, places) for place in places))


def _first_like(place: Place, places: list[Place]) -> Place:
    if place.segment.name is None:
        return place
    key = place.segment.name, place.extent.axis
    return next(other for other in places if (other.segment.name, other.extent.axis) == key)


def _length(side: str, call: Call) -> int:
    return call.n_q if side == "query" else call.n_k


def _infer(side: Side, n: int, call: Call) -> None:
    """Bind the one size of a side that is not known, where n tokens leave a whole number for it."""
    missing: set[str | None] = set()
    times, rest = 0, n
    for segment in side:
        sizes = [extent.known(call) for extent in segment.extents]
        known = math.prod(size for size in sizes if size is not None)
        unknown = [e for e, size in zip(segment.extents, sizes, strict=True) if size is None]
        missing |= {e.value if isinstance(e.value, str) else None for e in unknown}
        if unknown:
            times += known
        else:
            rest -= known
    if len(missing) == 1 and None not in missing and times > 0 <= rest and rest % times == 0:
        call.sizes[str(missing.pop())] = rest // times


def _check_known(name: str, side: Side, grid: Any, segments: Any, call: Call) -> None:
    """Refuse a side with an extent that nothing says, or that cannot be."""
    for segment in side:
        for extent in segment.extents:
            size = extent.known(call)
            if size is None and isinstance(extent.value, str):
                argument, value = ("grid", grid) if segment.is_grid else ("segments", segments)
                lacks = "is missing" if value is None else f"lacks `{extent.name}`"
                raise ValueError(
                    f"{argument} {lacks}: the {_length(name, call)} tokens of {SIDES[name]} "
                    f"alone do not say the length of `{extent.name}`"
                )
            assert size is not None, "an extent hangs on sizes of extents before it"
            if size < 0:
                raise ValueError(f"the spec makes `{extent.name}` {size}; wanted at least 0")


def _check_total(name: str, side: Side, call: Call) -> None:
    n = _length(name, call)
    total = sum(segment.n_tokens(call) for segment in side)
    if total != n:
        parts = [
            f"{segment.name or 'grid'} {' x '.join(str(e.known(call)) for e in segment.extents)}"
            for segment in side
        ]
        raise ValueError(f"{' + '.join(parts)} has {total} tokens; {SIDES[name]} has {n}")


def _check_shared(sides: list[tuple[str, Side]], call: Call) -> None:
    """Refuse a segment that has other lengths as queries than as keys."""
    lengths: dict[str, int] = {}
    for _, side in sides:
        for segment in side:
            total = segment.n_tokens(call)
            if segment.name is not None and lengths.setdefault(segment.name, total) != total:
                raise ValueError(
                    f"segment `{segment.name}` has {lengths[segment.name]} tokens in q "
                    f"and {total} in k: they must be equal"
                )
