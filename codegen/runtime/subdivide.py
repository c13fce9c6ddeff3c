"""From a mask to its layout: read whole rectangles, split the undecided ones, stop at the tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.panels import Panel, panels
from maskc.codegen.runtime.parts import decided, kept_inside
from maskc.codegen.runtime.pieces import (
    Both,
    Pieces,
    RowPieces,
    by_both_ways,
    coarser,
    merged_pieces,
)
from maskc.codegen.runtime.reader import MOST_AT_ONCE, Reader, chosen_of
from maskc.codegen.runtime.row_cuts import aligned, n_cuts, row_pieces
from maskc.codegen.runtime.runs import Pile, fold, runs_of

CHEAP = 4096
"""So many rectangles cost about as much to read as one: splitting is in more parts below that."""

SAMPLE = 512
"""Rectangles that are read to see whether tiles are too coarse for the reading."""

SMALLEST_PART = 8
"""Query rows of the smallest part of a tile row."""

COST_OF_OPEN = 300
"""What a tile costs whose points must be read, in rectangles."""

FEW_TILES = 8
"""Tiles of a row below which it is halved, without a look at its cuts."""

MOSTLY = 0.85
"""Share of rectangles left open from which the next level is read with the one after it."""

FEW = 4
"""By how much fewer rectangles of a product are wanted to read them apart."""

ROWS_AT_ONCE = 1 << 15
"""Tile rows whose cuts are found together."""


def build_layout(spec: Spec, call: Call, block: tuple[int, int]) -> Layout:
    """The layout of one call for tiles of `block` = (BQ, BK), on the call's device.

    All slices of the mask that can differ are read at once. Costs grow with the number of
    rectangles that the mask's borders cut, not with the number of tiles.
    """
    reader = Reader(spec, call, block)
    n_slices, (n_rows, n_columns) = reader.n_slices, tiles_of(call, block)
    parts = tile_parts(reader)
    if parts == (1, 1):
        partial, full = _pieces_of(reader)
    else:
        finer = Reader(spec, call, (block[0] // parts[0], block[1] // parts[1]))
        by_row = _row_pieces_of(finer, panels(finer))
        partial, full = coarser(*by_row, parts, (n_rows, n_columns), tiles_of(call, finer.block))
    rows, columns = runs_of(n_slices, n_rows, n_columns, partial, full)
    class_of_slice, rows, columns = fold(n_slices, n_rows, n_columns, rows, columns)
    return Layout(
        block=block,
        n_q=call.n_q,
        n_k=call.n_k,
        class_of=class_of_slice[reader.slice_index].to(torch.int32),
        rows=rows,
        columns=columns,
        name=spec.name,
        counter=lambda: count_kept(spec, call, block),
    )


def tiles_of(call: Call, block: tuple[int, int]) -> tuple[int, int]:
    """Numbers of tile rows and tile columns of one slice."""
    return -(-call.n_q // block[0]), -(-call.n_k // block[1])


def _pieces_of(reader: Reader) -> tuple[Both, Both]:
    """Pieces of the partial and of the full tiles of every slice."""
    found = panels(reader)
    if len(found) == 1 and found[0].rows is None:
        partial, full = _piles_of(reader, found[0], not _splits_rows(reader, found[0]))
        return partial.pieces(), full.pieces()
    shape = tiles_of(reader.call, reader.block)
    partial, full = (by_both_ways(x, *shape) for x in _row_pieces_of(reader, found))
    return partial, full


def _row_pieces_of(reader: Reader, found: list[Panel]) -> tuple[RowPieces, RowPieces]:
    """Pieces of the partial and of the full tiles of every slice, by rows."""
    n_columns = tiles_of(reader.call, reader.block)[1]
    kinds: tuple[Pieces, Pieces] = ([], [])
    for panel in found:
        for pieces, pile in zip(kinds, _piles_of(reader, panel, False), strict=True):
            pieces.append(panel.spread(*pile.rows(), reader.n_slices, n_columns))
    partial, full = (x[0] if len(x) == 1 else merged_pieces(x, reader.call.device) for x in kinds)
    return partial, full


def _piles_of(reader: Reader, panel: Panel, both_ways: bool) -> tuple[Pile, Pile]:
    """The partial and the full tiles of what is read of a panel."""
    partial, full = (
        Pile(panel.n_read, panel.width, reader.call.device, both_ways) for _ in range(2)
    )
    for found in subdivided(reader, panel):
        if found.kind == "full":
            full.add(found.s, found.r, found.c, found.h, found.w)
        elif found.kind == "mixed":
            partial.add(found.s, found.r, found.c, found.h, found.w)
        else:
            is_full, is_mixed = decided(reader, found.s, *found.first_tiles(reader, panel))
            for pile, where in ((full, is_full), (partial, is_mixed)):
                s, r, c = chosen_of(where, found.s, found.r, found.c)
                pile.add(s, r, c, found.h, found.w)
    return partial, full


def _splits_rows(reader: Reader, panel: Panel) -> bool:
    """Whether tile rows are split at their cuts."""
    return panel.width >= FEW_TILES and n_cuts(reader) > 0


def tile_parts(reader: Reader) -> tuple[int, int]:
    """Into how many part rows and part columns to cut each tile, where parts can be read better.

    A mask that draws keys by a hash of the query's block, say, is opaque over a tile of two
    blocks, and exact over a tile of one. A sample of rectangles tells. Columns are cut where rows
    are split at cuts: more of them cost nothing there.
    """
    bq, bk = reader.block
    if reader.spec.split != "q" or not (reader.n_slices and reader.call.n_q and reader.call.n_k):
        return 1, 1
    has_cuts = n_cuts(reader) > 0
    best, least_cost = (1, 1), float("inf")
    parts = 1
    while bq % parts == 0 and bq // parts >= SMALLEST_PART:
        across = parts if has_cuts and bk % parts == 0 else 1
        share = _open_share(reader, (bq // parts, bk // across))
        cost = parts * (1 + COST_OF_OPEN * share)
        if cost < least_cost:
            best, least_cost = (parts, across), cost
        if not share:
            break
        parts *= 2
    return best


def _open_share(reader: Reader, block: tuple[int, int]) -> float:
    """Which share of tiles of this size the rectangle reading leaves open, by a sample."""
    n_rows, n_columns = tiles_of(reader.call, block)
    sampled = Reader(reader.spec, reader.call, block)
    index = torch.arange(SAMPLE, device=reader.call.device)
    r, c = index * 7919 % n_rows, (index * 104729 + index * 7919 // n_rows) % n_columns
    corners = corners_of(sampled, Panel(n_rows, 0, n_columns), r, c, 1, 1)
    every, some, hit, miss = sampled.bounds(index % reader.n_slices, *corners)
    return float((some & ~every & ~(hit & miss)).sum()) / SAMPLE


def count_kept(spec: Spec, call: Call, block: tuple[int, int]) -> int:
    """The number of kept pairs over all batches and heads, exact."""
    reader = Reader(spec, call, block, counted=True)
    times = torch.bincount(reader.slice_index.flatten(), minlength=reader.n_slices)
    total = 0
    for panel in panels(reader):
        # How many rows, and how many queries, each row stands for, before each.
        n_rows = torch.arange(panel.n_rows, device=call.device)
        n_queries = ((n_rows + 1) * block[0]).clamp(max=call.n_q) - n_rows * block[0]
        source = n_rows if panel.source is None else panel.source
        rows, queries = (
            x.new_zeros(panel.n_read + 1).index_add_(0, source + 1, x).cumsum(0)
            for x in (torch.ones_like(n_rows), n_queries)
        )
        for found in subdivided(reader, panel):
            end = (found.r + found.h).clamp(max=panel.n_read)
            if found.kind == "full":
                _, _, k0, k1 = corners_of(reader, panel, found.r, found.c, found.h, found.w)
                pairs = (queries[end] - queries[found.r]) * (k1 - k0 + 1)
            else:
                kept = kept_inside(reader, found.s, *found.first_tiles(reader, panel))
                pairs = kept * (rows[end] - rows[found.r]) * found.w
            total += int((pairs * times[found.s]).sum())
    return total


@dataclass(frozen=True, slots=True)
class Found:
    """Rectangles of h x w tiles: `s` slice, `r` and `c` first tile row and column, int64 [n].

    `w` may be int64 [n] for full ones of one row.

    `kind`: "full" (every existing pair kept), "mixed" (some kept, some not), or "open" (not
    known). Tiles of a rectangle that is not full are whole and all of one kind; they keep as many
    pairs where pairs are counted.
    """

    kind: str
    s: torch.Tensor
    r: torch.Tensor
    c: torch.Tensor
    h: int
    w: int | torch.Tensor

    def first_tiles(self, reader: Reader, panel: Panel) -> tuple[torch.Tensor, ...]:
        """Corners of the first tile of each rectangle."""
        return corners_of(reader, panel, self.r, self.c, 1, 1)


def subdivided(reader: Reader, panel: Panel) -> Iterator[Found]:
    """Disjoint rectangles that cover every kept pair of every slice in what is read of a panel."""
    call, block = reader.call, reader.block
    n_rows, n_columns = panel.n_read, panel.width
    whole = (call.n_q // block[0], call.n_k // block[1])
    if not (reader.n_slices and n_rows and n_columns):
        return
    s = torch.arange(reader.n_slices, device=call.device)
    zero = torch.zeros_like(s)
    widest = _power_above(n_columns)
    has_cuts = _splits_rows(reader, panel)
    stack = [(s, zero, zero, _power_above(n_rows), widest, 0.0)]
    while stack:
        s, r, c, h, w, open_share = stack.pop()
        parts_q, parts_k = _fan_out(s.numel(), h, w, open_share, reader.spec.split)
        h, w = h // parts_q, w // parts_k
        r = r + torch.arange(0, parts_q * h, h, device=r.device)[:, None, None]
        c = c + torch.arange(0, parts_k * w, w, device=c.device)[:, None]
        exists = (r < n_rows) & (c < n_columns)
        if h == 1 and w == 1:
            yield from _tiles(reader, panel, exists, s, r, c)
            continue
        if h == 1 and w == widest and has_cuts:
            for wider in _rows(reader, panel, *chosen_of(exists, s, r)):
                if isinstance(wider, Found):
                    yield wider
                else:
                    stack.append((*wider, 0.0))
            continue
        corners = corners_of(reader, panel, r, c, h, w)
        every, some = reader.outline(s, *corners)
        yield Found("full", *chosen_of(every & exists, s, r, c), h=h, w=w)
        is_open = some & ~every & exists
        if reader.is_periodic:
            alike = is_open & (r + h <= n_rows) & (panel.row(r + (h - 1)) < whole[0])
            alike &= c + w <= min(n_columns, whole[1] - panel.first)
            alike &= reader.uniform(s, *corners)
            some_s, some_r, some_c = chosen_of(alike, s, r, c)
            answers = reader.bounds(some_s, *corners_of(reader, panel, some_r, some_c, 1, 1))
            yield from _by_kind(answers, some_s, some_r, some_c, h, w)
            is_open &= ~alike
        s, r, c = chosen_of(is_open, s, r, c)
        open_share = s.numel() / max(is_open.numel(), 1)
        for i in range(0, s.numel(), MOST_AT_ONCE):
            at = slice(i, i + MOST_AT_ONCE)
            stack.append((s[at], r[at], c[at], h, w, open_share))


def _tiles(
    reader: Reader,
    panel: Panel,
    exists: torch.Tensor,
    s: torch.Tensor,
    r: torch.Tensor,
    c: torch.Tensor,
) -> Iterator[Found]:
    """What single tiles hold; `hit` and `miss` are asked of those alone that need them, if few."""
    corners = corners_of(reader, panel, r, c, 1, 1)
    if reader.spec.outline is not None and _few_open(reader, exists, s, *corners):
        every, some = reader.outline(s, *corners)
        yield Found("full", *chosen_of(every & exists, s, r, c), h=1, w=1)
        s, r, c, *corners = chosen_of(some & ~every & exists, s, r, c, *corners)
        exists = torch.ones_like(s, dtype=torch.bool)
    every, some, hit, miss = reader.bounds(s, *corners)
    yield from _by_kind((every & exists, some & exists, hit, miss), s, r, c, 1, 1)


def _few_open(
    reader: Reader, exists: torch.Tensor, s: torch.Tensor, *corners: torch.Tensor
) -> bool:
    """Whether few tiles of products are neither full nor absent, by a sample."""
    step = slice(None, None, max(s.numel() * exists[..., 0].numel() // SAMPLE, 1))
    every, some = reader.outline(s[step], *(x[..., step] for x in corners))
    is_open = some & ~every & exists[..., step]
    return FEW * int(is_open.sum()) < is_open.numel()


def _rows(
    reader: Reader, panel: Panel, s: torch.Tensor, r: torch.Tensor
) -> Iterator[Found | tuple[torch.Tensor, torch.Tensor, torch.Tensor, int, int]]:
    """What whole tile rows hold, and rectangles (slice, row, column, 1, width) to split further."""
    widest = _power_above(panel.width) // 2
    for i in range(0, s.numel(), ROWS_AT_ONCE):
        some_s, some_r = s[i : i + ROWS_AT_ONCE], r[i : i + ROWS_AT_ONCE]
        q0, q1, _, _ = corners_of(reader, panel, some_r, torch.zeros_like(some_r), 1, 1)
        first, last = row_pieces(reader, (panel.first, panel.last), some_s, q0, q1)
        corners = corners_of(reader, panel, some_r, first.T, 1, (last - first).T)
        every, some = (x.T for x in reader.outline(some_s, *corners))
        at, of_row = (every & (first < last)).flatten().nonzero().squeeze(1), first.shape[1]
        row, first_full = at // of_row, first.take(at)
        width = last.take(at) - first_full
        yield Found("full", some_s[row], some_r[row], first_full, h=1, w=width)
        at = (some & ~every & (first < last)).flatten().nonzero().squeeze(1)
        row = at // of_row
        left = some_s[row], some_r[row], first.take(at), last.take(at)
        for s_, r_, c_, w in aligned(*left, widest):
            if w == 1:
                answers = reader.bounds(s_, *corners_of(reader, panel, r_, c_, 1, 1))
                yield from _by_kind(answers, s_, r_, c_, 1, 1)
            elif s_.numel():
                yield s_, r_, c_, 1, w


def _by_kind(
    answers: tuple[torch.Tensor, ...],
    s: torch.Tensor,
    r: torch.Tensor,
    c: torch.Tensor,
    h: int,
    w: int,
) -> Iterator[Found]:
    every, some, hit, miss = answers
    is_open = some & ~every
    mixed = is_open & hit & miss
    for kind, where in (("full", every), ("mixed", mixed), ("open", is_open & ~mixed)):
        yield Found(kind, *chosen_of(where, s, r, c), h=h, w=w)


def _power_above(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def _fan_out(n: int, h: int, w: int, open_share: float, split: str) -> tuple[int, int]:
    """In how many parts to split n rectangles of h x w tiles, by rows and by columns.

    `open_share`: the share of the last reading's rectangles that stayed open.
    """
    parts = 4 if open_share >= MOSTLY else 2
    while n * 4 * parts * parts <= CHEAP and parts < max(h, w):
        parts *= 2
    if split == "q" and h > 1:
        return min(parts * parts, h), 1
    if split == "k" and w > 1:
        return 1, min(parts * parts, w)
    return min(parts, h), min(parts, w)


def corners_of(
    reader: Reader, panel: Panel, r: torch.Tensor, c: torch.Tensor, h: int, w: int | torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions q0, q1, k0, k1 (inclusive) around h x w tiles of a panel, cut to existing pairs."""
    call, (bq, bk) = reader.call, reader.block
    top = panel.row(r)
    bottom = top if h == 1 else panel.row(r + (h - 1))
    q0, k0 = top * bq + call.q_start, (c + panel.first) * bk
    q1 = (bottom * bq + (call.q_start + bq - 1)).clamp(max=call.q_start + call.n_q - 1)
    k1 = (k0 + (w * bk - 1)).clamp(max=min(panel.last * bk, call.n_k) - 1)
    return q0, q1, k0, k1
