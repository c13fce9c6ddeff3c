"""Pieces of tile rows, and of tile columns: in order, merged, transposed, of coarser tiles."""

from __future__ import annotations

import torch

SHORT_RUNS = 4
"""Tiles of a run, on average, up to which sorting single tiles beats comparing rows."""

ONE_FULL = 1 << 32
"""What one full part adds to the counts of parts, above those of mixed ones."""

RowPieces = tuple[torch.Tensor, torch.Tensor]
"""(key, length) of pieces, both int64 [n]; see `Pile`."""

Pieces = list[RowPieces]

Both = tuple[RowPieces, RowPieces]
"""Pieces by rows and by columns, in order, none touching another."""


def by_both_ways(by_row: RowPieces, n_rows: int, n_columns: int) -> Both:
    """Pieces by rows, in order and merged, and the same by columns."""
    return by_row, transposed(*by_row, n_rows, n_columns)


def coarser(
    partial: RowPieces,
    full: RowPieces,
    parts: tuple[int, int],
    n_tiles: tuple[int, int],
    n_fine: tuple[int, int],
) -> tuple[Both, Both]:
    """Pieces of tiles from pieces of parts of tiles: each tile was cut in parts x parts.

    Args:
        partial: pieces of the mixed parts, by rows.
        full: pieces of the full parts, by rows.
        parts: part rows and part columns of a tile; the last tiles of a slice may have fewer.
        n_tiles: number of tile rows and columns of a slice.
        n_fine: number of part rows and columns of a slice.

    Returns:
        The pieces of the partial tiles and of the full ones: full where all parts are.

    """
    wide = n_fine[1] + 1
    keys, steps = [], []
    for (key, length), step in ((partial, 1), (full, ONE_FULL)):
        row = torch.div(key, wide, rounding_mode="floor")
        s = torch.div(row, n_fine[0], rounding_mode="floor")
        below = torch.div(row - s * n_fine[0], parts[0], rounding_mode="floor")
        start = (s * n_tiles[0] + below - row) * wide + key
        keys += [start, start + length]
        steps += [torch.full_like(key, step), torch.full_like(key, -step)]
    key, order = _narrow(torch.cat(keys)).sort()
    key = key.long()
    counts = torch.cat(steps).index_select(0, order).cumsum(0)[:-1]
    row = torch.div(key[:-1], wide, rounding_mode="floor") % n_tiles[0]
    wanted = (n_fine[0] - row * parts[0]).clamp(max=parts[0]) * ONE_FULL
    exists = key[:-1] < key[1:]
    touched = _widened(key, exists & (counts > 0), parts[1], n_tiles[1], n_fine[1], True)
    covered = _widened(key, exists & (counts == wanted), parts[1], n_tiles[1], n_fine[1], False)
    both = []
    for start, end in (_difference(touched, covered), covered):
        pieces = (start, end - start)
        both.append((pieces, transposed(*pieces, *n_tiles)))
    return both[0], both[1]


def merged_pieces(pieces: Pieces, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The pieces in order, those that touch made one."""
    if not any(key.numel() for key, _ in pieces):
        none = torch.zeros(0, dtype=torch.int64, device=device)
        return none, none
    return joined_pieces(
        torch.cat([key for key, _ in pieces]), torch.cat([length for _, length in pieces])
    )


def joined_pieces(key: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """At least one piece: the same in order, those that touch made one."""
    if not bool((key[1:] > key[:-1]).all()):
        order = _narrow(key).argsort()
        key, length = key.index_select(0, order), length.index_select(0, order)
    end = key + length
    breaks = (end[:-1] != key[1:]).nonzero().squeeze(1)
    first = torch.cat([breaks.new_zeros(1), breaks + 1])
    last = torch.cat([breaks, breaks.new_full((1,), key.numel() - 1)])
    key = key.index_select(0, first)
    return key, end.index_select(0, last) - key


def transposed(
    key: torch.Tensor, length: torch.Tensor, n_rows: int, n_columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces by columns from merged pieces by rows, in time linear in both.

    A column run starts where a row has a tile that the row above has not, and ends where a row
    lacks a tile that the row above has.
    """
    wide = n_columns + 1
    end = key + length
    if key.numel() and int(length.sum()) <= SHORT_RUNS * key.numel():
        cells = _cells_by_column(key, end, n_rows, n_columns, 0)
        return joined_pieces(cells, torch.ones_like(cells))
    is_last = torch.div(key, wide, rounding_mode="floor") % n_rows == n_rows - 1
    above = (key + wide)[~is_last], (end + wide)[~is_last]
    opened = _difference((key, end), above)
    closed = _difference(above, (key, end))
    bottom = (key + wide)[is_last], (end + wide)[is_last]
    starts = _cells_by_column(*opened, n_rows, n_columns, 0)
    stops = _cells_by_column(*closed, n_rows, n_columns, 0)
    stops = torch.cat([stops, _cells_by_column(*bottom, n_rows, n_columns, 1)]).sort().values
    starts = starts.sort().values
    return starts, stops - starts


def _difference(
    a: tuple[torch.Tensor, torch.Tensor], b: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """What of the sorted, disjoint intervals [start, end) of `a` is not in those of `b`."""
    far = torch.iinfo(torch.int64)
    gap_start = torch.cat([a[0].new_full((1,), far.min), b[1]])
    gap_end = torch.cat([b[0], a[0].new_full((1,), far.max)])
    first = torch.searchsorted(b[1], a[0], right=True)
    count = torch.searchsorted(b[0], a[1]) - first + 1
    piece = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count)
    step = torch.arange(piece.numel(), device=count.device) - (count.cumsum(0) - count)[piece]
    gap = first[piece] + step
    start = torch.maximum(a[0][piece], gap_start[gap])
    end = torch.minimum(a[1][piece], gap_end[gap])
    return start[start < end], end[start < end]


def _cells_by_column(
    start: torch.Tensor, end: torch.Tensor, n_rows: int, n_columns: int, below: int
) -> torch.Tensor:
    """Keys by column of every tile in these row intervals.

    `below`: 1 where the intervals are in the row after the last one of their slice.
    """
    row = torch.div(start, n_columns + 1, rounding_mode="floor")
    s = torch.div(row - below, n_rows, rounding_mode="floor")
    first = start - row * (n_columns + 1)
    count = end - start
    piece = torch.repeat_interleave(torch.arange(count.numel(), device=count.device), count)
    step = torch.arange(piece.numel(), device=count.device) - (count.cumsum(0) - count)[piece]
    key = s * n_columns * (n_rows + 1) + row - s * n_rows
    return key[piece] + (first[piece] + step) * (n_rows + 1)


def _widened(
    key: torch.Tensor, where: torch.Tensor, parts: int, n_columns: int, n_fine: int, outer: bool
) -> RowPieces:
    """Runs of tiles that the chosen steps between keys touch (`outer`) or fill: start, end."""
    start, end = key[:-1][where], key[1:][where]
    start, end = _without(start, end, start[1:] == end[:-1])
    row = torch.div(start, n_fine + 1, rounding_mode="floor")
    first, last = start - row * (n_fine + 1), end - row * (n_fine + 1)
    if outer:
        first = torch.div(first, parts, rounding_mode="floor")
        last = -torch.div(-last, parts, rounding_mode="floor")
    else:
        first = -torch.div(-first, parts, rounding_mode="floor")
        below = torch.div(last, parts, rounding_mode="floor")
        last = torch.where(last == n_fine, n_columns, below)
    row *= n_columns + 1
    start, end = row + first, row + last
    if outer:
        return _without(start, end, start[1:] <= end[:-1])
    return start[start < end], end[start < end]


def _without(start: torch.Tensor, end: torch.Tensor, seams: torch.Tensor) -> RowPieces:
    """The intervals with each one made one with the next where `seams` [n - 1] holds."""
    is_first, is_last = (torch.ones_like(start, dtype=torch.bool) for _ in range(2))
    is_first[1:] = is_last[:-1] = ~seams
    return start[is_first], end[is_last]


def _narrow(key: torch.Tensor) -> torch.Tensor:
    """The keys in 32 bits where they fit, which sort in half the time."""
    return key.to(torch.int32) if key.numel() and int(key.max()) < 2**31 else key
