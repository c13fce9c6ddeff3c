"""Which tile rows of a layout are read, and which are earlier ones, the same or moved right."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch

from maskc.codegen.runtime.reader import Reader
from maskc.codegen.runtime.seams import lone_cuts

Proof = Callable[..., torch.Tensor]
"""`moved` or `still` of a `Spec`."""

FEW_ROWS = 64
"""Tile rows below which all are read."""

NARROW = 4
"""Tile columns of a panel up to which all its rows are read."""

FIRST_TRIED = 64
"""Stretches, spread evenly, one of which must be an earlier one before very many are tried."""

VERY_MANY = 4096
"""Stretches from which on some are tried first."""

MOST_PANELS = 12
"""Panels of a layout; with more borders, all rows are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The tile columns first..last (half-open) and the tile rows that are read of them.

    `rows`: int64 [n], ascending, which tile rows are read; row i below means `rows[i]`, column j
    means `first + j`. `source`: int64 [n_rows], the row i that tells what each tile row holds;
    `moved`: int64 [n_rows], by how many columns further right. None: every row is read.
    """

    n_rows: int
    first: int
    last: int
    rows: torch.Tensor | None = None
    source: torch.Tensor | None = None
    moved: torch.Tensor | None = None

    @property
    def n_read(self) -> int:
        """Number of rows that are read."""
        return self.n_rows if self.rows is None else self.rows.numel()

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.last - self.first

    def row(self, i: torch.Tensor) -> torch.Tensor:
        """The tile rows of rows i; those behind the last one are taken for it."""
        i = i.clamp(max=self.n_read - 1)
        return i if self.rows is None else self.rows[i]

    def spread(
        self, key: torch.Tensor, length: torch.Tensor, n_slices: int, n_columns: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pieces of the whole layout, in order, out of the panel's own (as a `Pile` has them)."""
        wide = self.width + 1
        row = torch.div(key, wide, rounding_mode="floor")
        first = key - row * wide + self.first
        if self.source is None or self.moved is None:
            return row * (n_columns + 1) + first, length
        counts = torch.bincount(row, minlength=n_slices * self.n_read)
        start = counts.cumsum(0) - counts
        base = torch.arange(n_slices, device=key.device)[:, None] * self.n_read
        source = (base + self.source).flatten()
        count = counts[source]
        row = torch.repeat_interleave(torch.arange(source.numel(), device=key.device), count)
        begin = start[source] - (count.cumsum(0) - count)
        piece = torch.arange(row.numel(), device=key.device) + begin[row]
        moved = self.moved.repeat(n_slices) + torch.arange(
            0, source.numel() * (n_columns + 1), n_columns + 1, device=key.device
        )
        return first[piece] + moved[row], length[piece]


def panels(reader: Reader) -> list[Panel]:
    """Panels that make up the layout, from left to right."""
    call, (bq, bk) = reader.call, reader.block
    n_rows, n_columns = -(-call.n_q // bq), -(-call.n_k // bk)
    whole = [Panel(n_rows, 0, n_columns)]
    spec = reader.spec
    if spec.strides is None or n_rows < FEW_ROWS or not reader.n_slices:
        return whole
    borders = () if spec.borders is None else spec.borders(call)
    ends = {0, n_columns} | ({n_columns - 1} if call.n_k % bk else set())
    for key in (*borders, *lone_cuts(reader, call.n_k)):
        if 0 < key < call.n_k:
            ends |= {key // bk, -(-key // bk)}
    if len(ends) - 1 > MOST_PANELS:
        return whole
    limits = sorted(ends)
    found = [_panel(reader, a, b, n_rows) for a, b in pairwise(limits)]
    return whole if all(panel.rows is None for panel in found) else found


def _panel(reader: Reader, first: int, last: int, n_rows: int) -> Panel:
    """The panel of these columns; a row that is an earlier one again is not read.

    Long stretches are compared with the ones before them first, then what is left of them.
    """
    panel = Panel(n_rows, first, last)
    if last - first <= NARROW:
        return panel
    bq, bk = reader.block
    row = torch.arange(n_rows, device=reader.call.device)
    told_by, moved = row.clone(), torch.zeros_like(row)
    for distance in _distances(reader):
        height = distance // bq
        n = reader.call.n_q // bq // height
        for is_again, proof, step in (
            (_keeps_the_same, reader.spec.still, 0),
            (_keeps_further_right, reader.spec.moved, distance // bk),
        ):
            if proof is None:
                continue
            is_open = (told_by == row)[: n * height].view(n, height).any(1)
            stretch = is_open[1:].nonzero().squeeze(1) + 1
            if stretch.numel() > VERY_MANY:
                tried = stretch[:: stretch.numel() // FIRST_TRIED]
                if not bool(is_again(proof, reader, panel, distance, tried).any()):
                    continue
            again = stretch[is_again(proof, reader, panel, distance, stretch)]
            rows = (again[:, None] * height + row[:height]).flatten()
            rows = rows[told_by[rows] == rows]
            told_by[rows], moved[rows] = rows - height, step
    return _repeating(panel, told_by, moved)


def _distances(reader: Reader) -> list[int]:
    """Numbers of tokens after which the mask may go on as before, descending."""
    assert reader.spec.strides is not None, "panels are of specs that have strides"
    strides = {1}
    for stride in reader.spec.strides(reader.call.at(reader.batch, reader.head)):
        own = stride.unique().tolist() if isinstance(stride, torch.Tensor) else [stride]
        strides |= {abs(x) for x in own} - {0}
    tile = math.lcm(*reader.block)
    all_before = accumulate(sorted(strides), math.lcm, initial=tile)
    found = {*all_before, *(math.lcm(tile, stride) for stride in strides)}
    return sorted((x for x in found if 3 * x <= reader.call.n_q), reverse=True)


def _keeps_the_same(
    still: Proof, reader: Reader, panel: Panel, distance: int, stretch: torch.Tensor
) -> torch.Tensor:
    """Which stretches of `distance` queries are proved to keep what the one before does: bool."""
    s, q0, low, high = _before(reader, panel, distance, stretch)
    same = reader.goes_on(still, distance, s, q0, q0 + (2 * distance - 1), low, high)
    return same.view(reader.n_slices, stretch.numel()).all(0)


def _keeps_further_right(
    moved: Proof, reader: Reader, panel: Panel, distance: int, stretch: torch.Tensor
) -> torch.Tensor:
    """Which stretches of `distance` queries are proved to be the one before moved by as much."""
    s, q0, low, high = _before(reader, panel, distance, stretch)
    q1 = q0 + (distance - 1)
    # What the earlier rows keep at the right end, and the later ones at the left end.
    leaves = q0, q1, torch.maximum(high - (distance - 1), low), high
    enters = q0 + distance, q1 + distance, low, torch.minimum(low + (distance - 1), high)
    corners = (torch.cat(both) for both in zip(leaves, enters, strict=True))
    _, some = reader.outline(s.repeat(2), *corners)
    same = ~some.view(2, -1).any(0)
    if panel.width * reader.block[1] > distance:
        same &= reader.goes_on(moved, distance, s, q0, q1 + distance, low, high)
    return same.view(reader.n_slices, stretch.numel()).all(0)


def _before(
    reader: Reader, panel: Panel, distance: int, stretch: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Of the stretch before each, in every slice: slice, first query, first and last key."""
    call, bk = reader.call, reader.block[1]
    q0 = ((stretch - 1) * distance + call.q_start).repeat(reader.n_slices)
    slices = torch.arange(reader.n_slices, device=call.device)
    s = slices.repeat_interleave(stretch.numel())
    low = torch.full_like(q0, panel.first * bk)
    return s, q0, low, torch.full_like(q0, min(panel.last * bk, call.n_k) - 1)


def _repeating(panel: Panel, told_by: torch.Tensor, moved: torch.Tensor) -> Panel:
    """The panel whose rows are earlier ones `moved` to the right, where they are not themselves."""
    is_read = told_by == torch.arange(panel.n_rows, device=told_by.device)
    if bool(is_read.all()):
        return panel
    while not bool(is_read[told_by].all()):
        told_by, moved = told_by[told_by], moved + moved[told_by]
    return Panel(
        panel.n_rows,
        panel.first,
        panel.last,
        rows=is_read.nonzero().squeeze(1),
        source=(is_read.cumsum(0) - 1)[told_by],
        moved=moved,
    )
