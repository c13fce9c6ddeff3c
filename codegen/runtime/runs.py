"""Sorted runs of tiles out of rectangles of tiles, by rows and by columns."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maskc.codegen.runtime.pieces import (
    Both,
    Pieces,
    joined_pieces,
    merged_pieces,
    transposed,
)

MOST_PIECES = 1 << 21
"""Pieces a pile holds before it merges what touches."""


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

    def __init__(
        self, n_rows: int, n_columns: int, device: torch.device, both_ways: bool = True
    ) -> None:
        self.n_rows = n_rows
        self.n_columns = n_columns
        self.device = device
        self.by_row: Pieces | None = []
        self.by_column: Pieces | None = [] if both_ways else None
        self.n_by_row = 0
        self.n_by_column = 0

    def add(
        self, s: torch.Tensor, r: torch.Tensor, c: torch.Tensor, h: int, w: int | torch.Tensor
    ) -> None:
        """Put rectangles of h x w tiles on the pile; what lies outside the matrix is cut off.

        Args:
            s: int64 [n], slice of each rectangle.
            r: int64 [n], its first tile row.
            c: int64 [n], its first tile column.
            h: number of tile rows of all.
            w: number of tile columns of all, or of each, int64 [n], where only rows are kept.

        """
        n = s.numel()
        if not n:
            return
        if isinstance(w, torch.Tensor):
            assert self.by_row is not None and self.by_column is None, "runs are of rows"
            assert h == 1, "runs are of one row"
            self.by_row.append(((s * self.n_rows + r) * (self.n_columns + 1) + c, w))
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

    def rows(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The pieces by rows of a pile that is not kept both ways, in order and merged."""
        assert self.by_row is not None, "rows are left out where both ways are kept"
        return merged_pieces(self.by_row, self.device)

    def pieces(self) -> Both:
        """The pieces by rows and by columns, in order and merged.

        Few rectangles are cut and sorted both ways; where one way has many pieces, it is found
        from the borders between the runs of the other.
        """
        by_row = None if self.by_row is None else merged_pieces(self.by_row, self.device)
        by_column = None if self.by_column is None else merged_pieces(self.by_column, self.device)
        if by_column is None:
            assert by_row is not None, "one of the two ways is kept"
            by_column = transposed(*by_row, self.n_rows, self.n_columns)
        elif by_row is None:
            by_row = transposed(*by_column, self.n_columns, self.n_rows)
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
    found, group = torch.unique(mark, return_inverse=True)
    index = torch.arange(n_slices, device=device)
    if found.numel() == n_slices:
        return index, rows, columns
    first = torch.full_like(index, n_slices).scatter_reduce_(0, group, index, "amin")[group]
    for start, runs in ((rows.partial_start, rows.partial), (rows.full_start, rows.full)):
        first = torch.where(_same_as(first, start, runs, n_rows), first, index)
    kept = (first == index).nonzero().squeeze(1)
    if kept.numel() == n_slices:
        return index, rows, columns
    class_of = torch.zeros_like(index)
    class_of[kept] = torch.arange(kept.numel(), device=device)
    rows = Runs(
        *_only(kept, rows.partial_start, rows.partial, n_slices, n_rows),
        *_only(kept, rows.full_start, rows.full, n_slices, n_rows),
    )
    columns = Runs(
        *_only(kept, columns.partial_start, columns.partial, n_slices, n_columns),
        *_only(kept, columns.full_start, columns.full, n_slices, n_columns),
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
    key, length = joined_pieces(key, length)
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
    return [merged_pieces(pieces, pieces[0][0].device)]


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
    kept: torch.Tensor, start: torch.Tensor, runs: torch.Tensor, n_slices: int, n_rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """`start` and `runs` of the slices in `kept` alone."""
    counts = (start[1:] - start[:-1]).view(n_slices, n_rows)
    of_slice = torch.div(row_of_runs(start), max(n_rows, 1), rounding_mode="floor")
    is_kept = torch.zeros(counts.shape[0], dtype=torch.bool, device=start.device)
    is_kept[kept] = True
    new_start = torch.zeros(kept.numel() * n_rows + 1, dtype=torch.int32, device=start.device)
    torch.cumsum(counts[kept].flatten(), 0, dtype=torch.int32, out=new_start[1:])
    return new_start, runs[is_kept[of_slice]]
