"""Drawn places of the tokens of a call: lengths, and the extents of grids and segments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from maskc.testing.choices import Draw

LENGTHS = (7, *range(1, 41), *(15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200, 257) * 2)
"""Numbers of tokens; the first one, which a failure shrinks to, shows a pattern."""

GREATEST_EXTENT = 24


@dataclass(frozen=True)
class Place:
    """Numbers of queries and keys, and what `grid=` and `segments=` say (None: nothing).

    `grid`: free extents in order of appearance, or of a packed grid [items, axes].
    `known`: the call so far as functions of extents and input axes read it.
    """

    n_q: int
    n_k: int
    known: SimpleNamespace
    grid: list[Any] | None = None
    segments: dict[str, int] | None = None


def place(draw: Draw, spec: Any, known: SimpleNamespace, most: int) -> Place:
    """Lengths and extents that a pattern accepts.

    Args:
        draw: of Hypothesis.
        spec: of a public pattern object.
        known: what the call fixes already: `params`, `heads`, `kv_heads`, `n_layers`, ...
        most: about the greatest number of queries and of keys.

    """
    known.sizes = {}
    known.n_k = known.n_q = length(draw, most)
    space = spec.space
    if space is None:
        if draw(st.booleans()):
            known.n_q = length(draw, most)
        return Place(known.n_q, known.n_k, known)
    if hasattr(space, "axes"):
        return _packed(draw, space.axes, known, most)
    if space.query is not None:
        known.n_q = _total(draw, space.query, known, most)
    known.n_k = _total(draw, space.key, known, most)
    if space.query is None:
        known.n_q = length(draw, most) if draw(st.booleans()) else known.n_k
    parts = (*(space.query or ()), *space.key)
    grid = [
        known.sizes[extent.value]
        for segment in parts
        for extent in segment.extents
        if segment.is_grid and isinstance(extent.value, str)
    ]
    segments = {
        segment.name: known.sizes[extent.value]
        for segment in parts
        for extent in segment.extents
        if not segment.is_grid and isinstance(extent.value, str)
    }
    return Place(known.n_q, known.n_k, known, grid or None, segments or None)


def length(draw: Draw, most: int) -> int:
    """A number of tokens."""
    return draw(st.sampled_from([n for n in LENGTHS if n <= most]))


def _total(draw: Draw, side: Any, known: SimpleNamespace, most: int) -> int:
    """The tokens of a side, whose free sizes are drawn into `known.sizes`."""
    total = 0
    for segment in side:
        sizes: list[int] = []
        for extent in segment.extents:
            left = (most - total) // max(math.prod(sizes), 1)
            sizes.append(_extent(draw, extent, segment.is_grid, known, left))
        total += math.prod(sizes)
    if not 0 < total <= 2 * max(most, 12):
        reject()
    return total


def _extent(draw: Draw, extent: Any, is_grid: bool, known: SimpleNamespace, left: int) -> int:
    if not isinstance(extent.value, str):
        return extent.value if isinstance(extent.value, int) else extent.value(known)
    if extent.value not in known.sizes:
        least = 1 if is_grid else 0
        known.sizes[extent.value] = draw(st.integers(least, max(min(left, GREATEST_EXTENT), least)))
    return known.sizes[extent.value]


def _packed(draw: Draw, axes: Any, known: SimpleNamespace, most: int) -> Place:
    items: list[list[int]] = []
    left = most
    for _ in range(draw(st.integers(1, 4))):
        own = SimpleNamespace(**{**vars(known), "sizes": dict(known.sizes)})
        row: list[int] = []
        for extent in axes:
            row.append(_extent(draw, extent, True, own, left // max(math.prod(row), 1)))
        items.append(row)
        left -= math.prod(row)
        if left <= 0:
            break
    known.n_k = sum(math.prod(row) for row in items)
    if known.n_k > 2 * max(most, 12):
        reject()
    known.n_q = length(draw, most) if draw(st.booleans()) else known.n_k
    return Place(known.n_q, known.n_k, known, items)
