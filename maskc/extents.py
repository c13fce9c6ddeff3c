"""What a command line says of a space: extents of grids, lengths of segments, packed items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt, prod
from typing import Any

from maskc import ir, points

Sizes = Mapping[str, int | tuple[int, ...]]
"""Sizes by name; of a packed grid one for each item."""


class SettingError(ValueError):
    """A parameter, input or size that the pattern does not take, in one sentence."""


@dataclass(frozen=True, slots=True)
class Extents:
    """The sizes of a space by name, and as `grid=` and `segments=` take them.

    Of a packed grid `grid` is int [items, axes], and `items` holds the tables that coordinates are
    read from: `packed.item` [n_k], `packed.start` [items] and each `packed.AXIS` [items].
    """

    sizes: dict[str, int] = field(default_factory=dict)
    grid: dict[str, int] | tuple[tuple[int, ...], ...] = ()
    segments: dict[str, int] = field(default_factory=dict)
    items: dict[str, tuple[int, ...]] = field(default_factory=dict)


def lengths(
    space: ir.Space, given: Sizes, values: Mapping[str, Any]
) -> tuple[int | None, int | None]:
    """Numbers of queries and of keys as the sizes make them, each None where they do not.

    Args:
        space: of the pattern; of a plain line the call says both.
        given: sizes by name.
        values: what else a size is made of, by name.

    Raises:
        SettingError: where the sizes of a packed grid do not fit each other.

    """
    if space.key is None:
        return None, None
    if space.key.packed:
        ((_, axes),) = space.key.segments
        known = all(not _is_free(axis) or _size_name(axis) in given for axis in axes)
        return None, sum(map(prod, _rows(axes, given, values))) if known else None
    sizes = {f"size:{name}": size for name, size in _by_size(space, given).items()}
    key = _total(space.key, {**values, **sizes})
    if space.query is None or space.query == space.key:
        return None, key
    return _total(space.query, {**values, **sizes}), key


def extents(
    space: ir.Space,
    given: Sizes,
    lengths: tuple[int, int],
    values: Mapping[str, Any],
    made_up: list[str],
) -> Extents:
    """What a call says of its space.

    Args:
        space: of the pattern.
        given: sizes by name.
        lengths: numbers of queries and of keys.
        values: every other variable of the points reading.
        made_up: gets a sentence for what nobody gave.

    Raises:
        SettingError: where sizes lack, or make another number of positions.

    """
    if space.key is not None and space.key.packed:
        return _packed(space.key, given, lengths[1], values, made_up)
    free = list(_free(space))
    sizes = _by_size(space, given)
    missing = sorted({size for _, _, size in free if size not in sizes})
    if len(missing) == 1:
        _infer(missing[0], space, sizes, lengths, values)
    elif missing:
        raise _lacks(missing)
    grid = {extent.name: sizes[size] for _, extent, size in free if extent.is_axis}
    segments = {seg or size: sizes[size] for seg, extent, size in free if not extent.is_axis}
    known = {**values, **{f"size:{name}": size for name, size in sizes.items()}}
    _hold_lengths(space, lengths, known)
    return Extents(sizes, grid, segments)


def size_names(space: ir.Space) -> tuple[str, ...]:
    """What `given` may name: the sizes that a call gives, and segments of one such length."""
    free = list(_free(space))
    segments = [segment for segment, extent, _ in free if segment and not extent.is_axis]
    return tuple(dict.fromkeys([*(size for _, _, size in free), *segments]))


def _by_size(space: ir.Space, given: Sizes) -> dict[str, int]:
    """What is given, by the name of the size: a segment's own name will do."""
    free = list(_free(space))
    by_segment = {seg: size for seg, extent, size in free if seg and not extent.is_axis}
    return {by_segment.get(name, name): _one(name, size) for name, size in given.items()}


def _one(name: str, size: int | tuple[int, ...]) -> int:
    if isinstance(size, tuple):
        raise SettingError(f"{name} has {len(size)} sizes; only a packed grid has several")
    return size


def _lacks(names: Sequence[str]) -> SettingError:
    wanted = " ".join(f"--size {name}=..." for name in names)
    return SettingError(f"the space has free sizes: give {wanted}")


def _free(space: ir.Space) -> Iterator[tuple[str | None, ir.Extent, str]]:
    """The extents that a call gives: their segment, themselves and the name of their size."""
    for side in (space.query, space.key):
        for segment, own in side.segments if side is not None else ():
            for extent in own:
                if _is_free(extent):
                    yield segment, extent, _size_name(extent)


def _is_free(extent: ir.Extent) -> bool:
    """Whether a call gives the size: an axis of its own name, or any named length."""
    if not isinstance(extent.value, ir.Var) or not extent.value.name.startswith("size:"):
        return False
    return not extent.is_axis or _size_name(extent) == extent.name


def _size_name(extent: ir.Extent) -> str:
    assert isinstance(extent.value, ir.Var), "only free sizes have names"
    return extent.value.name.removeprefix("size:")


def _infer(
    name: str,
    space: ir.Space,
    sizes: dict[str, int],
    lengths: tuple[int, int],
    values: Mapping[str, Any],
) -> None:
    """Add the one size that nobody gave, as a call does: what is left for it on its side."""
    for side, n in ((space.key, lengths[1]), (space.query, lengths[0])):
        if side is None or not any(_is_size(e, name) for _, own in side.segments for e in own):
            continue
        one, two = (
            _positions(side, {**values, **{f"size:{k}": v for k, v in {**sizes, name: at}.items()}})
            for at in (0, 1)
        )
        if two > one <= n and (n - one) % (two - one) == 0:
            sizes[name] = (n - one) // (two - one)
            return
    raise SettingError(f"no {name} gives the space as many positions: write --size {name}=...")


def _is_size(extent: ir.Extent, name: str) -> bool:
    return isinstance(extent.value, ir.Var) and extent.value.name == f"size:{name}"


def _positions(side: ir.Side, known: Mapping[str, Any]) -> int:
    return sum(prod(_extent(extent, known) for extent in own) for _, own in side.segments)


def _extent(extent: ir.Extent, known: Mapping[str, Any]) -> int:
    size = points.evaluate(extent.value, known)
    if size < 0:
        raise SettingError(f"the spec makes `{extent.name}` {size:,}; wanted at least 0")
    return size


def _total(side: ir.Side, known: Mapping[str, Any]) -> int | None:
    """The positions of a side, None where a size of it is not known."""
    names = {
        part.name
        for _, own in side.segments
        for extent in own
        for part in ir.postorder(extent.value)
        if isinstance(part, (ir.Var, ir.Param))
    }
    return _positions(side, known) if names <= known.keys() else None


def _hold_lengths(space: ir.Space, lengths: tuple[int, int], known: Mapping[str, Any]) -> None:
    """Refuse sizes whose positions are not as many as there are keys, or as queries."""
    n_q, n_k = lengths
    sides = [(space.key, n_k, "keys")]
    if space.query != space.key:
        sides.append((space.query, n_q, "queries"))
    for side, n, what in sides:
        if side is None:
            continue
        total = _positions(side, known)
        if total != n:
            raise SettingError(f"the space has {total:,} positions; there are {n:,} {what}")


def _packed(
    side: ir.Side, given: Sizes, n: int, values: Mapping[str, Any], made_up: list[str]
) -> Extents:
    ((_, axes),) = side.segments
    free = [_size_name(axis) for axis in axes if _is_free(axis)]
    if not given and len(free) == len(axes):
        rows = stand_in_items(len(axes), n)
        made_up.append(f"items of {', '.join(' x '.join(map(str, row)) for row in rows)}, made up")
    else:
        rows = _rows(axes, given, values)
    counts = [prod(row) for row in rows]
    if sum(counts) != n:
        told = f"the {len(rows)} items have {sum(counts):,} positions; there are {n:,} keys"
        raise SettingError(f"{told}: give {' '.join(f'--size {name}=4,3,5' for name in free)}")
    items = {
        "item": tuple(i for i, count in enumerate(counts) for _ in range(count)),
        "start": tuple(sum(counts[:i]) for i in range(len(counts))),
        **{axis.name: tuple(row[i] for row in rows) for i, axis in enumerate(axes)},
    }
    tables = {f"packed.{name}": entries for name, entries in items.items()}
    return Extents(grid=tuple(rows), items=tables)


def _rows(
    axes: Sequence[ir.Extent], given: Sizes, values: Mapping[str, Any]
) -> list[tuple[int, ...]]:
    """The extents of every item; one size stands for all items."""
    free = [_size_name(axis) for axis in axes if _is_free(axis)]
    missing = [name for name in free if name not in given]
    if missing:
        raise _lacks(missing)
    several = {name: size for name in free if isinstance(size := given[name], tuple)}
    counts = {len(size) for size in several.values()}
    if len(counts) > 1:
        told = " and ".join(f"{len(size)} for {name}" for name, size in several.items())
        raise SettingError(f"a packed grid has one size of each axis for an item; given {told}")
    rows: list[tuple[int, ...]] = []
    for i in range(max(counts, default=1)):
        own = {name: several[name][i] if name in several else given[name] for name in free}
        known = {**values, **{f"size:{name}": size for name, size in own.items()}}
        rows.append(tuple(_extent(axis, known) for axis in axes))
    return rows


def stand_in_items(n_axes: int, n: int) -> list[tuple[int, ...]]:
    """Extents of items with n positions together: a square, a flat one, and a line of the rest.

    Example:
        >>> stand_in_items(2, 48)
        [(4, 4), (2, 4), (1, 24)]

    """
    side = max(isqrt(n // 3), 1)
    ones = (1,) * max(n_axes - 2, 0)
    shapes = [(*ones, side, side), (*ones, max(side // 2, 1), side)] if n_axes > 1 else [(side,)]
    rows: list[tuple[int, ...]] = []
    left = n
    for shape in shapes:
        if prod(shape) < left:
            rows.append(shape)
            left -= prod(shape)
    return [*rows, (*(1,) * (n_axes - 1), left)]
