"""Masks whose sparse tiles become dense ones when rows and keys are taken in another order.

Two orders are tried. By residue: where the keys of a row lie a stride apart, rows and keys with the
same remainder are put side by side. By column: where the rows of a tile see the same few of its
keys, such keys are put side by side. Both are seen from the bits alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import torch

from maskc.codegen.runtime.call import Call
from maskc.codegen.runtime.torch_tiles import ABSENT, Span, TileBits

MOST_DENSITY = 1 / 8
"""Kept pairs of a tile, by all of them, up to which it is sparse."""

LEAST_SHARE = 1 / 4
"""Share of all tiles that must be sparse for another order to be looked for."""

LEAST_SPARSE = 64
"""Number of tiles that must be sparse for it."""

LEAST_GAIN = 2
"""How many times fewer tiles another order must give."""

MOST_WALK_PAIRS = 1 << 23
"""Kept pairs of sparse tiles that are put in another order; bounds the memory."""

LEAST_COLUMNS = 8
"""Key tiles of which few keys are seen, for those to be put side by side."""

WALK_TILES_AT_ONCE = 256
"""Tiles in another order whose bits are made together."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundWalk:
    """Spans on rows `q_map` (None: as they are) and keys `k_map`, and the spans not in it."""

    q_map: torch.Tensor | None
    k_map: torch.Tensor
    spans: tuple[Span, ...]
    rest: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class _Tiles:
    """Some tiles: row, column and number of each."""

    row: torch.Tensor
    column: torch.Tensor
    number: torch.Tensor


def walk_by_residue(spans: tuple[Span, ...], bits: TileBits, call: Call) -> FoundWalk | None:
    """The sparse tiles of spans, with rows and keys by their remainder; None: few of them gain."""
    bq, bk = bits.block
    known = {n for span in spans for n in span.tiles if n >= 0}
    counts = {n: int(bits.bits(n).sum()) for n in known}
    sparse = {n for n, count in counts.items() if count <= MOST_DENSITY * bq * bk}
    tiles = _tiles_with(spans, sparse, call.device)
    n_tiles = sum(span.width for span in spans)
    if tiles.row.numel() < max(LEAST_SPARSE, LEAST_SHARE * n_tiles):
        return None
    if sum(counts[n] for span in spans for n in span.tiles if n in sparse) > MOST_WALK_PAIRS:
        return None
    q, k = _kept_pairs(tiles, bits)
    best: tuple[int, torch.Tensor, torch.Tensor, torch.Tensor] | None = None
    for stride in _strides(q, k):
        q_map = _by_remainder(call.n_q, stride, call.q_start, call.device)
        k_map = _by_remainder(call.n_k, stride, 0, call.device)
        place = _inverse(q_map)[q] // bq * -(-call.n_k // bk) + _inverse(k_map)[k] // bk
        n = place.unique().numel()
        if best is None or n < best[0]:
            best = n, q_map, k_map, place
    if best is None or best[0] * LEAST_GAIN > tiles.row.numel():
        return None
    _, q_map, k_map, place = best
    numbers = _numbers_of_pairs(_inverse(q_map)[q] % bq, _inverse(k_map)[k] % bk, place, bits)
    n_columns = -(-call.n_k // bk)
    by_row: dict[int, dict[int, int]] = defaultdict(dict)
    for tile, number in numbers.items():
        by_row[tile // n_columns][tile % n_columns] = number
    rest = _spans_where(spans, lambda row, column, number: number not in sparse)
    return FoundWalk(q_map, k_map, _spans_of_rows(by_row), rest)


def walk_by_column(spans: tuple[Span, ...], bits: TileBits, call: Call) -> FoundWalk | None:
    """Tiles whose rows see the same few of their keys, with such keys side by side."""
    bk = bits.block[1]
    columns_of: dict[int, tuple[int, ...]] = {}
    for number in {n for span in spans for n in span.tiles if n >= 0}:
        tile = bits.bits(number)
        columns = tile.any(0)
        if 4 * int(columns.sum()) <= 3 * bk and torch.equal(tile, tile.any(1)[:, None] & columns):
            columns_of[number] = tuple(columns.nonzero().flatten().tolist())
    if not columns_of:
        return None
    kept: dict[int, set[int]] = defaultdict(set)
    for span in spans:
        for i, number in enumerate(span.tiles):
            kept[span.first + i].update(columns_of.get(number, ()))
    kept = {column: inside for column, inside in kept.items() if inside}
    if len(kept) < LEAST_COLUMNS:
        return None
    keys = [(column, c) for column in sorted(kept) for c in sorted(kept[column])]
    parts = _Parts(keys, bits)
    by_row: dict[int, dict[int, int]] = defaultdict(dict)
    for row, numbers in _numbers_by_row(spans, columns_of).items():
        for walk_tile in sorted({t for column in numbers for t in parts.tiles_of[column]}):
            by_row[row][walk_tile] = parts.number(walk_tile, numbers)
    k_map = torch.tensor([column * bk + c for column, c in keys], device=call.device)
    rest = _spans_where(spans, lambda row, column, number: number not in columns_of)
    return FoundWalk(None, k_map, _spans_of_rows(by_row), rest)


def _strides(q: torch.Tensor, k: torch.Tensor) -> list[int]:
    """Distances between neighbouring keys of some rows, the commonest first."""
    seen: Counter[int] = Counter()
    for row in q[torch.linspace(0, q.numel() - 1, 16, device=q.device).long()].unique().tolist():
        keys = k[q == row].sort().values
        seen.update((keys[1:] - keys[:-1]).tolist())
    return [stride for stride, _ in seen.most_common(3) if stride > 1]


def _by_remainder(n: int, stride: int, start: int, device: torch.device) -> torch.Tensor:
    """The indices 0..n by (start + index) % stride, equal ones ascending: int64 [n]."""
    position = torch.arange(n, device=device) + start
    return (position % stride * (n + start + 1) + position).argsort()


def _inverse(order: torch.Tensor) -> torch.Tensor:
    """Where each index stands in a permutation."""
    inverse = torch.empty_like(order)
    inverse[order] = torch.arange(order.numel(), device=order.device)
    return inverse


def _tiles_with(spans: tuple[Span, ...], numbers: set[int], device: torch.device) -> _Tiles:
    """The tiles of spans that have one of these numbers."""
    listed = [
        (span.row, span.first + i, n)
        for span in spans
        for i, n in enumerate(span.tiles)
        if n in numbers
    ]
    columns = torch.tensor(listed, dtype=torch.int64, device=device).view(-1, 3)
    return _Tiles(columns[:, 0], columns[:, 1], columns[:, 2])


def _kept_pairs(tiles: _Tiles, bits: TileBits) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and key of each kept pair of tiles: int64 [n] each."""
    bq, bk = bits.block
    rows, keys = [], []
    for number in tiles.number.unique().tolist():
        r, c = bits.bits(number).nonzero(as_tuple=True)
        here = tiles.number == number
        rows.append((tiles.row[here, None] * bq + r).flatten())
        keys.append((tiles.column[here, None] * bk + c).flatten())
    return torch.cat(rows), torch.cat(keys)


def _numbers_of_pairs(
    r: torch.Tensor, c: torch.Tensor, place: torch.Tensor, bits: TileBits
) -> dict[int, int]:
    """The number of each tile `place` that has pairs; r, c: where in it each pair is."""
    bq, bk = bits.block
    order = place.argsort()
    r, c, place = r[order], c[order], place[order]
    tiles, counts = torch.unique_consecutive(place, return_counts=True)
    ends = counts.cumsum(0)
    numbers: dict[int, int] = {}
    for i in range(0, tiles.numel(), WALK_TILES_AT_ONCE):
        here = slice(i, min(i + WALK_TILES_AT_ONCE, tiles.numel()))
        first = int(ends[i] - counts[i])
        pairs = slice(first, int(ends[here.stop - 1]))
        tile = torch.repeat_interleave(torch.arange(here.stop - i, device=r.device), counts[here])
        kept = torch.zeros((here.stop - i, bq, bk), dtype=torch.bool, device=r.device)
        kept[tile, r[pairs], c[pairs]] = True
        numbers.update(zip(tiles[here].tolist(), bits.numbers(kept), strict=True))
    return numbers


class _Parts:
    """Tiles of keys put side by side: what of which key tiles each is made of."""

    def __init__(self, keys: list[tuple[int, int]], bits: TileBits) -> None:
        self.bits = bits
        bk = bits.block[1]
        self.tiles_of: dict[int, set[int]] = defaultdict(set)
        self.made_of: list[tuple[tuple[int, tuple[int, ...]], ...]] = []
        for i in range(0, len(keys), bk):
            inside: dict[int, list[int]] = defaultdict(list)
            for column, c in keys[i : i + bk]:
                inside[column].append(c)
                self.tiles_of[column].add(i // bk)
            self.made_of.append(tuple((column, tuple(cs)) for column, cs in inside.items()))
        self._number_of: dict[tuple, int] = {}

    def number(self, walk_tile: int, numbers: dict[int, int]) -> int:
        """The number of a tile where key tile j has the number `numbers[j]`."""
        key = tuple((numbers.get(j, ABSENT), cs) for j, cs in self.made_of[walk_tile])
        if key not in self._number_of:
            bq, bk = self.bits.block
            tile = torch.zeros((bq, bk), dtype=torch.bool, device=self.bits.device)
            place = 0
            for number, cs in key:
                if number != ABSENT:
                    inside = torch.tensor(cs, device=tile.device)
                    tile[:, place : place + len(cs)] = self.bits.bits(number)[:, inside]
                place += len(cs)
            self._number_of[key] = self.bits.numbers(tile[None])[0]
        return self._number_of[key]


def _numbers_by_row(
    spans: tuple[Span, ...], chosen: dict[int, tuple[int, ...]]
) -> dict[int, dict[int, int]]:
    """For each row the number of each of its key tiles, where it is a chosen one."""
    rows: dict[int, dict[int, int]] = defaultdict(dict)
    for span in spans:
        for i, number in enumerate(span.tiles):
            if number in chosen:
                rows[span.row][span.first + i] = number
    return rows


def _spans_of_rows(rows: dict[int, dict[int, int]]) -> tuple[Span, ...]:
    """The spans of tiles given by row and column."""
    spans = []
    for row, numbers in sorted(rows.items()):
        columns = sorted(numbers)
        begin = 0
        for i in range(1, len(columns) + 1):
            if i == len(columns) or columns[i] != columns[i - 1] + 1:
                inside = tuple(numbers[column] for column in columns[begin:i])
                spans.append(Span(row, columns[begin], inside))
                begin = i
    return tuple(spans)


def _spans_where(
    spans: tuple[Span, ...], chosen: Callable[[int, int, int], bool]
) -> tuple[Span, ...]:
    """The spans of those tiles for which `chosen` holds of row, column and number."""
    rows: dict[int, dict[int, int]] = defaultdict(dict)
    for span in spans:
        for i, number in enumerate(span.tiles):
            if chosen(span.row, span.first + i, number):
                rows[span.row][span.first + i] = number
    return _spans_of_rows(rows)
