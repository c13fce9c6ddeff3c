"""Sorted runs of tiles out of rectangles of tiles, by rows and by columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MOST_PIECES = 1 << 21
"""Pieces a pile holds before it merges what touches."""

SHORT_RUNS = 4
"""Tiles of a run, on average, up to which sorting single tiles beats comparing rows."""


Pieces = list[tuple[torch.Tensor, torch.Tensor]]
"""(key, length) of pieces, both int64 [n]; see `Pile`."""

Both = tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Pieces by rows and by columns, in order, none touching another."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of tiles for each tile row of each class (`columns` of a Layout: each tile column).

    `partial_start`: int32 [n_classes * n_tiles + 1], first partial run of each tile row.
    `partial`: int32 [n_partial_runs, 2], [first_tile, last_tile) of each run.
    `full_start`, `full`: the same for full runs. Runs of a row are sorted, disjoint and do not
    touch.
    """

    partial_start: torch.Tensor
    partial: torch.Tensor
    full_start: torch.Tensor
    full: torch.Tensor

    @property
    def arrays(self) -> tuple[torch.Tensor, ...]:
        """The four tensors, in order."""
        return self.partial_start, self.partial, self.full_start, self.full


class Pile:
    """Disjoint rectangles of tiles of one kind, collected in any order, given back as runs.

    A piece of a tile row is a pair (key, length): `key = row * (n_columns + 1) + first_tile`, where
    `row = slice * n_rows + tile`; so that pieces touch only inside a row. By columns alike.
    """

    def __init__(self, n_rows: int, n_columns: int, device: torch.device) -> None:
        self.n_rows = n_rows
        self.n_columns = n_columns
        self.device = device
        self.by_row: Pieces | None = []
        self.by_column: Pieces | None = []
        self.n_by_row = 0
        self.n_by_column = 0

    def add(self, s: torch.Tensor, r: torch.Tensor, c: torch.Tensor, h: int, w: int) -> None:
        """Put rectangles of h x w tiles on the pile; what lies outside the matrix is cut off.

        Args:
            s: int64 [n], slice of each rectangle.
            r: int64 [n], its first tile row.
            c: int64 [n], its first tile column.
            h: number of tile rows of all.
            w: number of tile columns of all.

        """
        n = s.numel()
        if not n:
            return
        self.n_by_row += n * h
        self.n_by_column += n * w
        both = self.by_row is not None and self.by_column is not None
        if both and max(self.n_by_row, self.n_by_column) > MOST_PIECES:
            if self.n_by_row <= self.n_by_column:
                self.by_column = None
            else:
                self.by_row = None
        if self.by_row is not None:
            self.by_row.append(_pieces(s, r, c, h, w, self.n_rows, self.n_columns))
            self.by_row = _fewer_pieces(self.by_row)
        if self.by_column is not None:
            self.by_column.append(_pieces(s, c, r, w, h, self.n_columns, self.n_rows))
            self.by_column = _fewer_pieces(self.by_column)

    def pieces(self) -> Both:
        """The pieces by rows and by columns, in order and merged.

        Few rectangles are cut and sorted both ways; where one way has many pieces, it is found
        from the borders between the runs of the other.
        """
        by_row = None if self.by_row is None else _merged_pieces(self.by_row, self.device)
        by_column = None if self.by_column is None else _merged_pieces(self.by_column, self.device)
        if by_column is None:
            assert by_row is not None, "one of the two ways is kept"
            by_column = _transposed(*by_row, self.n_rows, self.n_columns)
        elif by_row is None:
            by_row = _transposed(*by_column, self.n_columns, self.n_rows)
        return by_row, by_column


def runs_of(
    n_slices: int, n_rows: int, n_columns: int, partial: Both, full: Both
) -> tuple[Runs, Runs]:
    """Rows and columns of a layout of n_rows x n_columns tiles, before slices are folded."""
    rows, columns = n_slices * n_rows, n_slices * n_columns
    return (
        Runs(*_runs_of(*partial[0], rows, n_columns), *_runs_of(*full[0], rows, n_columns)),
        Runs(*_runs_of(*partial[1], columns, n_rows), *_runs_of(*full[1], columns, n_rows)),
    )


def coarser(
    partial: Both, full: Both, parts: int, n_rows: int, n_fine: int, n_columns: int
) -> tuple[Both, Both]:
    """Pieces of tiles from pieces of parts of tiles: each tile row was cut in `parts` part rows.

    Args:
        partial: pieces of the mixed parts, by rows.
        full: pieces of the full parts, by rows.
        parts: part rows of a tile row; the last tile row of a slice may have fewer.
        n_rows: number of tile rows of a slice.
        n_fine: number of part rows of a slice.
        n_columns: number of tile columns.

    Returns:
        The pieces of the partial tiles and of the full ones: full where all parts are.

    """
    wide = n_columns + 1
    keys, steps = [], []
    for kind, ((key, length), _) in enumerate((partial, full)):
        row = torch.div(key, wide, rounding_mode="floor")
        s = torch.div(row, n_fine, rounding_mode="floor")
        tile = s * n_rows + torch.div(row - s * n_fine, parts, rounding_mode="floor")
        start = tile * wide + key - row * wide
        step = torch.zeros((key.numel(), 2), dtype=torch.int64, device=key.device)
        step[:, kind] = 1
        keys += [start, start + length]
        steps += [step, -step]
    key, order = torch.cat(keys).sort()
    counts = torch.cat(steps).index_select(0, order).cumsum(0)[:-1]
    row = torch.div(key[:-1], wide, rounding_mode="floor") % n_rows
    wanted = (n_fine - row * parts).clamp(max=parts)
    length = key[1:] - key[:-1]
    is_full = counts[:, 1] == wanted
    both = []
    for where in (~is_full & (counts.sum(1) > 0), is_full):
        where = where & (length > 0)
        pieces = _merged_pieces([(key[:-1][where], length[where])], key.device)
        both.append((pieces, _transposed(*pieces, n_rows, n_columns)))
    return both[0], both[1]


def fold(
    n_slices: int, n_rows: int, n_columns: int, rows: Runs, columns: Runs
) -> tuple[torch.Tensor, Runs, Runs]:
    """Slices with equal runs made one class: class of each slice int64 [n_slices], rows, columns.

    Classes are numbered in the order of their first slices.
    """
    device = rows.full.device
    if n_slices <= 1:
        return torch.zeros(n_slices, dtype=torch.int64, device=device), rows, columns
    mark = _mark(rows.partial_start, rows.partial, n_rows, n_slices) * 31
    mark += _mark(rows.full_start, rows.full, n_rows, n_slices)
    _, group = torch.unique(mark, return_inverse=True)
    index = torch.arange(n_slices, device=device)
    first = torch.full_like(index, n_slices).scatter_reduce_(0, group, index, "amin")[group]
    for start, runs in ((rows.partial_start, rows.partial), (rows.full_start, rows.full)):
        first = torch.where(_same_as(first, start, runs, n_rows), first, index)
    kept = (first == index).nonzero().squeeze(1)
    if kept.numel() == n_slices:
        return index, rows, columns
    class_of = torch.zeros_like(index)
    class_of[kept] = torch.arange(kept.numel(), device=device)
    rows = Runs(
        *_only(kept, rows.partial_start, rows.partial, n_rows),
        *_only(kept, rows.full_start, rows.full, n_rows),
    )
    columns = Runs(
        *_only(kept, columns.partial_start, columns.partial, n_columns),
        *_only(kept, columns.full_start, columns.full, n_columns),
    )
    return class_of[first], rows, columns


def row_of_runs(start: torch.Tensor) -> torch.Tensor:
    """The row of each run, int64 [n_runs], from `start` [n_rows + 1]."""
    rows = torch.arange(start.numel() - 1, device=start.device)
    return torch.repeat_interleave(rows, (start[1:] - start[:-1]).long())


def runs_of_class(
    start: torch.Tensor, runs: torch.Tensor, index: int, n_rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The tile row (inside the class) and the [first, last) of each run of one class."""
    start = start[index * n_rows : (index + 1) * n_rows + 1].long()
    row = row_of_runs(start)
    return row, runs[int(start[0]) : int(start[-1])]


def _pieces(
    s: torch.Tensor, r: torch.Tensor, c: torch.Tensor, h: int, w: int, n_rows: int, n_columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Key and length of pieces that cover the rectangles' rows; those side by side are joined."""
    key = (s * n_rows + r) * (n_columns + 1) + c
    length = torch.full_like(key, w) if w == 1 else (n_columns - c).clamp(max=w)
    if h == 1:
        return key, length
    key, length = _joined_pieces(key, length)
    step = torch.arange(h, device=s.device)
    row = torch.div(key, n_columns + 1, rounding_mode="floor") % n_rows
    short = (row + (h - 1) >= n_rows).any()
    inside = row[:, None] + step < n_rows if bool(short) else None
    key = key[:, None] + step * (n_columns + 1)
    length = length[:, None].expand(key.shape)
    if inside is None:
        return key.reshape(-1), length.reshape(-1)
    return key[inside], length[inside]


def _fewer_pieces(pieces: Pieces) -> Pieces:
    """The same pieces, those that touch made one if they are very many."""
    if sum(key.numel() for key, _ in pieces[1:]) <= MOST_PIECES:
        return pieces
    return [_merged_pieces(pieces, pieces[0][0].device)]


def _runs_of(
    key: torch.Tensor, length: torch.Tensor, n_rows: int, n_columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`start` and `runs` of pieces in order, as in `Runs`."""
    start = torch.zeros(n_rows + 1, dtype=torch.int32, device=key.device)
    row = torch.div(key, n_columns + 1, rounding_mode="floor")
    first = key - row * (n_columns + 1)
    counts = torch.bincount(row, minlength=n_rows)
    torch.cumsum(counts, 0, dtype=torch.int32, out=start[1:])
    return start, torch.stack([first, first + length], 1).to(torch.int32)


def _merged_pieces(pieces: Pieces, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The pieces in order, those that touch made one."""
    if not any(key.numel() for key, _ in pieces):
        none = torch.zeros(0, dtype=torch.int64, device=device)
        return none, none
    return _joined_pieces(
        torch.cat([key for key, _ in pieces]), torch.cat([length for _, length in pieces])
    )


def _joined_pieces(key: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """At least one piece: the same in order, those that touch made one."""
    fits = int(key.max()) < 2**31
    order = (key.to(torch.int32) if fits else key).argsort()
    key, length = key.index_select(0, order), length.index_select(0, order)
    end = key + length
    breaks = (end[:-1] != key[1:]).nonzero().squeeze(1)
    first = torch.cat([breaks.new_zeros(1), breaks + 1])
    last = torch.cat([breaks, breaks.new_full((1,), key.numel() - 1)])
    key = key.index_select(0, first)
    return key, end.index_select(0, last) - key


def _transposed(
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
        return _joined_pieces(cells, torch.ones_like(cells))
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


def _mark(start: torch.Tensor, runs: torch.Tensor, n_rows: int, n_slices: int) -> torch.Tensor:
    """A number for each slice that is equal for equal runs: int64 [n_slices]."""
    row = row_of_runs(start)
    s = torch.div(row, n_rows, rounding_mode="floor")
    value = (row - s * n_rows) * 0x9E3779B1 + runs[:, 0].long() * 0x85EBCA6B
    value = (value + runs[:, 1].long()) * 0x27D4EB2F165667C5
    value = value ^ (value >> 29)
    marks = torch.zeros(n_slices, dtype=torch.int64, device=start.device)
    return marks.index_add_(0, s, value * 0x165667B19E3779F9)


def _same_as(
    first: torch.Tensor, start: torch.Tensor, runs: torch.Tensor, n_rows: int
) -> torch.Tensor:
    """Whether the runs of each slice equal those of slice `first` of it: bool [n_slices]."""
    n_slices = first.numel()
    start = start.long()
    of_slice = start[:-1].view(n_slices, n_rows)
    begin = start[::n_rows] if n_rows else start.new_zeros(n_slices + 1)
    counts = begin[1:] - begin[:-1]
    same = counts == counts[first]
    offsets = of_slice - begin[:-1, None]
    same &= (offsets == offsets[first]).all(1)
    s = torch.repeat_interleave(torch.arange(n_slices, device=first.device), counts)
    run = torch.arange(runs.shape[0], device=first.device)
    other = (run - begin[s] + begin[first[s]]).clamp(max=max(runs.shape[0] - 1, 0))
    differs = (runs != runs[other]).any(1)
    return same & (torch.zeros_like(first).index_add_(0, s, differs.long()) == 0)


def _only(
    kept: torch.Tensor, start: torch.Tensor, runs: torch.Tensor, n_rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`start` and `runs` of the slices in `kept` alone."""
    counts = (start[1:] - start[:-1]).view(-1, n_rows)
    of_slice = torch.div(row_of_runs(start), n_rows, rounding_mode="floor")
    is_kept = torch.zeros(counts.shape[0], dtype=torch.bool, device=start.device)
    is_kept[kept] = True
    new_start = torch.zeros(kept.numel() * n_rows + 1, dtype=torch.int32, device=start.device)
    torch.cumsum(counts[kept].flatten(), 0, dtype=torch.int32, out=new_start[1:])
    return new_start, runs[is_kept[of_slice]]
