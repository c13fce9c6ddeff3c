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
    key, length = (torch.cat(both) for both in zip(partial, full, strict=True))
    row = _floor(key, n_fine[1] + 1)
    first = key - row * (n_fine[1] + 1)
    last = first + length
    s = _floor(row, n_fine[0])
    row = (s * n_tiles[0] + _floor(row - s * n_fine[0], parts[0])) * (n_tiles[1] + 1)
    touched = row + _floor(first, parts[1]), row + _ceil(last, parts[1])
    row, first, last = (x[partial[0].numel() :] for x in (row, first, last))
    start = row + _ceil(first, parts[1])
    end = row + torch.where(last == n_fine[1], n_tiles[1], _floor(last, parts[1]))
    at = (start < end).nonzero().squeeze(1)
    covered = start.index_select(0, at), end.index_select(0, at)
    pieces = _counted(touched, covered, parts[0], n_tiles, n_fine[0] % parts[0])
    both = [(x, transposed(*x, *n_tiles)) for x in pieces]
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
        cells = _narrow(_cells_by_column(key, end, n_rows, n_columns, 0)).sort().values.long()
        return joined_pieces(cells, torch.ones_like(cells))
    is_last = _floor(key, wide) % n_rows == n_rows - 1
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
    gap = torch.repeat_interleave(first - (count.cumsum(0) - count), count)
    gap += torch.arange(gap.numel(), device=gap.device)
    start = torch.repeat_interleave(a[0], count)
    start = torch.maximum(start, gap_start.index_select(0, gap))
    end = torch.repeat_interleave(a[1], count)
    end = torch.minimum(end, gap_end.index_select(0, gap))
    exists = start < end
    return start[exists], end[exists]


def _cells_by_column(
    start: torch.Tensor, end: torch.Tensor, n_rows: int, n_columns: int, below: int
) -> torch.Tensor:
    """Keys by column of every tile in these row intervals.

    `below`: 1 where the intervals are in the row after the last one of their slice.
    """
    row = _floor(start, n_columns + 1)
    s = _floor(row - below, n_rows)
    count = end - start
    # Key by column of the first tile, as if all tiles of all intervals were in one row.
    first = start - row * (n_columns + 1) - (count.cumsum(0) - count)
    key = s * (n_columns * (n_rows + 1) - n_rows) + row + first * (n_rows + 1)
    key = torch.repeat_interleave(key, count)
    return key.add_(torch.arange(key.numel(), device=key.device), alpha=n_rows + 1)


def _counted(
    touched: RowPieces, covered: RowPieces, parts: int, n_tiles: tuple[int, int], last_parts: int
) -> tuple[RowPieces, RowPieces]:
    """Pieces of partial tiles and of full ones: of those that as many rows cover as there are.

    Args:
        touched: start and end of runs of tiles in which one row of parts has any.
        covered: of those that a row of parts fills.
        parts: rows of parts of a tile.
        n_tiles: number of tile rows and columns of a slice.
        last_parts: rows of parts of the last tile row, 0 for `parts`.

    """
    steps = zip((*touched, *covered), (1, -1, ONE_FULL, -ONE_FULL), strict=True)
    step = torch.cat([torch.full_like(key, step) for key, step in steps])
    key, order = _narrow(torch.cat([*touched, *covered])).sort()
    counts = step.index_select(0, order).cumsum(0)
    last = _last_of_equal(key)
    key, counts = key.index_select(0, last), counts.index_select(0, last)
    wanted: int | torch.Tensor = ONE_FULL * parts
    if last_parts:
        is_last = _floor(key, n_tiles[1] + 1) % n_tiles[0] == n_tiles[0] - 1
        wanted = torch.where(is_last, ONE_FULL * last_parts, wanted)
    kind = (counts > 0).to(torch.int8) + (counts >= wanted)
    # Absent are those behind the last, so that each run of one kind ends where the next starts.
    ends = _last_of_equal(kind)[:-1]
    end = key.index_select(0, ends + 1).long()
    start = torch.cat([key[:1], end[:-1]])
    kind = kind.index_select(0, ends)
    both = ((kind == value).nonzero().squeeze(1) for value in (1, 2))
    partial, full = ((start.index_select(0, at), (end - start).index_select(0, at)) for at in both)
    return partial, full


def _last_of_equal(x: torch.Tensor) -> torch.Tensor:
    """Where entries differ from the next one, and the last entry."""
    differs = torch.ones_like(x, dtype=torch.bool)
    differs[:-1] = x[1:] != x[:-1]
    return differs.nonzero().squeeze(1)


def _narrow(key: torch.Tensor) -> torch.Tensor:
    """The keys in 32 bits where they fit, which sort in half the time."""
    return key.to(torch.int32) if key.numel() and int(key.max()) < 2**31 else key


def _floor(x: torch.Tensor, by: int) -> torch.Tensor:
    return torch.div(x, by, rounding_mode="floor")


def _ceil(x: torch.Tensor, by: int) -> torch.Tensor:
    return -torch.div(-x, by, rounding_mode="floor")
