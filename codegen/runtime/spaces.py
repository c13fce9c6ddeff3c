"""Where the tokens of a call stand: `grid=` and `segments=` bound to sizes and checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from maskc.codegen.runtime.arguments import INT_DTYPES, checked_count, shown
from maskc.codegen.runtime.call import Call, Extent, Segment, Side, Spec

SIDES = {"query": "q", "key": "k"}
"""The tensor whose tokens each side counts."""


@dataclass(frozen=True, slots=True)
class Place:
    """One extent of a space: its side ("query" or "key") and its segment."""

    side: str
    segment: Segment
    extent: Extent

    @property
    def size(self) -> str | None:
        """The size that the call gives, None where the spec says the extent."""
        return self.extent.value if isinstance(self.extent.value, str) else None

    @property
    def axis(self) -> str:
        """The name of the axis or segment, without its side."""
        return self.extent.name.rpartition(".")[2]

    @property
    def owners(self) -> tuple[str, ...]:
        """What a dict may call the segment, and the side."""
        name = self.segment.name
        return (self.side,) if name is None else (name, self.side, f"{self.side}.{name}")


def bind_space(spec: Spec, grid: Any, segments: Any, call: Call) -> None:
    """Put the sizes of a pattern's space into `call.sizes`, and what items a packed grid has.

    A size that neither `grid` nor `segments` gives follows from the number of tokens, where it is
    the only one of its side.

    Args:
        spec: what is called.
        grid: free extents in order of appearance, or by segment or axis name; of a packed grid
            int [items, axes].
        segments: free lengths by the name of the segment, or of the length.
        call: of the right lengths.

    Raises:
        TypeError, ValueError: naming the argument, what was wanted and what came.

    """
    sides = [(name, side) for name in SIDES if (side := getattr(spec, name)) is not None]
    places = [
        Place(name, segment, extent)
        for name, side in sides
        for segment in side.segments
        for extent in segment.extents
    ]
    axes = [place for place in places if place.segment.is_grid]
    lines = [place for place in places if not place.segment.is_grid]
    for argument, value, its_places in (("grid", grid, axes), ("segments", segments, lines)):
        if value is not None and not its_places:
            raise ValueError(f"{argument} is given, but {spec.name} has no {argument}")
    if any(side.packed for _, side in sides):
        _bind_packed(axes, grid, call)
        return
    given = [*_of_grid(axes, grid), *_of_segments(lines, segments)]
    for what, place, value in given:
        size = checked_count(what, value)
        if place.size is not None and call.sizes.setdefault(place.size, size) != size:
            other = call.sizes[place.size]
            raise ValueError(f"{what} is {size}; its length is also given as {other}")
    for name, side in (*sides, *sides):
        _infer(side, _length(name, call), call)
    for name, side in sides:
        _check_known(name, side, grid, segments, call)
    for what, place, value in given:
        wanted = _known(place.extent, call)
        if value != wanted:
            raise ValueError(f"{what} is {value}; the spec says {wanted}")
    for name, side in sides:
        _check_total(name, side, call)
    _check_shared(sides, call)


def _of_grid(axes: list[Place], value: Any) -> Iterator[tuple[str, Place, Any]]:
    """What `grid` says of each extent: how to call it, the extent, its value."""
    free = [place for place in axes if place.size is not None]
    value = _as_lists(value)
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _of_name(axes, name, _as_lists(entry))
    elif _is_sequence(value):
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
    found = found or [place for place in axes if name == place.axis]
    parts = [place for place in axes if name in place.owners]
    if parts and (_is_sequence(value) or not found):
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
    values = value if _is_sequence(value) else (value,)
    free = [place for place in axes if place.size is not None]
    if len(values) not in (len(free), len(axes)):
        names = ", ".join(place.axis for place in free)
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
        found = [p for p in lines if name == p.segment.name] or [p for p in lines if name == p.size]
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
    key = place.segment.name, place.axis
    return next(other for other in places if (other.segment.name, other.axis) == key)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _as_lists(value: Any) -> Any:
    """Tensors and arrays as lists."""
    return value.tolist() if hasattr(value, "tolist") else value


def _length(side: str, call: Call) -> int:
    return call.n_q if side == "query" else call.n_k


def _known(extent: Extent, call: Call) -> int | None:
    """The extent in this call, None where a size that it wants is not known yet."""
    if isinstance(extent.value, int):
        return extent.value
    try:
        return call.sizes[extent.value] if isinstance(extent.value, str) else extent.value(call)
    except KeyError:
        return None


def _infer(side: Side, n: int, call: Call) -> None:
    """Bind the one size of a side that is not known, where n tokens leave a whole number for it."""
    missing: set[str | None] = set()
    times, rest = 0, n
    for segment in side.segments:
        sizes = [_known(extent, call) for extent in segment.extents]
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
    for segment in side.segments:
        for extent in segment.extents:
            size = _known(extent, call)
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


def _total(segment: Segment, call: Call) -> int:
    return math.prod(_known(extent, call) or 0 for extent in segment.extents)


def _check_total(name: str, side: Side, call: Call) -> None:
    n = _length(name, call)
    total = sum(_total(segment, call) for segment in side.segments)
    if total != n:
        parts = [
            f"{segment.name or 'grid'} {' x '.join(str(_known(e, call)) for e in segment.extents)}"
            for segment in side.segments
        ]
        raise ValueError(f"{' + '.join(parts)} has {total} tokens; {SIDES[name]} has {n}")


def _check_shared(sides: list[tuple[str, Side]], call: Call) -> None:
    """Refuse a segment that has other lengths as queries than as keys."""
    lengths: dict[str, int] = {}
    for _, side in sides:
        for segment in side.segments:
            total = _total(segment, call)
            if segment.name is not None and lengths.setdefault(segment.name, total) != total:
                raise ValueError(
                    f"segment `{segment.name}` has {lengths[segment.name]} tokens in q "
                    f"and {total} in k: they must be equal"
                )


def _bind_packed(axes: list[Place], value: Any, call: Call) -> None:
    """Tables of a packed grid: each position's item, each item's first position and extents."""
    names = [place.axis for place in axes]
    table = _items(axes, value, call)
    sizes = table.prod(1)
    items = torch.arange(table.shape[0])
    tables = {
        "item": items.repeat_interleave(sizes),
        "start": sizes.cumsum(0) - sizes,
        **{name: table[:, i].contiguous() for i, name in enumerate(names)},
    }
    call.tensors.update((f"packed.{name}", x.to(call.device)) for name, x in tables.items())


def _items(axes: list[Place], value: Any, call: Call) -> torch.Tensor:
    """The extents of every item, int64 [items, axes] on the CPU, as many tokens as k has."""
    free = [i for i, place in enumerate(axes) if place.size is not None]
    wanted = f"ints [items, {len(axes)}]: {', '.join(place.axis for place in axes)} of each item"
    if value is None:
        raise ValueError(f"grid is missing: wanted {wanted}")
    try:
        table = torch.as_tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"grid is {shown(value)}; wanted {wanted}") from None
    if table.shape == (0,):
        table = torch.zeros((0, len(axes)), dtype=torch.int64)
    if table.dtype not in INT_DTYPES:
        raise TypeError(f"grid has dtype {table.dtype}; wanted {wanted}")
    if table.ndim != 2 or table.shape[1] not in (len(axes), len(free)):
        raise ValueError(f"grid has shape {list(table.shape)}; wanted {wanted}")
    table = table.to(torch.int64)
    if table.shape[1] < len(axes):
        whole = torch.zeros((table.shape[0], len(axes)), dtype=torch.int64)
        whole[:, free] = table
        table = _filled(axes, whole, call)
    elif len(free) < len(axes):
        fixed = _filled(axes, table, call)
        for item, column in (fixed != table).nonzero()[:1].tolist():
            raise ValueError(
                f"grid[{item}, {column}] is {table[item, column]}; "
                f"the spec says {fixed[item, column]}"
            )
    for item, column in (table < 0).nonzero()[:1].tolist():
        raise ValueError(f"grid[{item}, {column}] is {table[item, column]}; wanted at least 0")
    total = float(table.double().prod(1).sum())
    if total != call.n_k:
        n = table.shape[0]
        raise ValueError(f"the {n} items of grid have {total:.0f} tokens; k has {call.n_k}")
    return table


def _filled(axes: list[Place], table: torch.Tensor, call: Call) -> torch.Tensor:
    """The table with the extents that the spec says."""
    rows = []
    for row in table.tolist():
        here = replace(call, sizes=dict(call.sizes))
        for i, place in enumerate(axes):
            if place.size is not None:
                here.sizes[place.size] = row[i]
            else:
                row[i] = _known(place.extent, here)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.int64).reshape(table.shape)
