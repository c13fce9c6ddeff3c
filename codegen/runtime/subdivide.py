"""From a mask to its layout: read whole rectangles, split the undecided ones, stop at the tile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.parts import decided, kept_inside
from maskc.codegen.runtime.reader import MOST_AT_ONCE, Reader, chosen_of
from maskc.codegen.runtime.row_cuts import aligned, n_cuts, row_pieces
from maskc.codegen.runtime.runs import Both, Pile, coarser, fold, runs_of

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

ROWS_AT_ONCE = 1 << 15
"""Tile rows whose cuts are found together."""


def build_layout(spec: Spec, call: Call, block: tuple[int, int]) -> Layout:
    """The layout of one call for tiles of `block` = (BQ, BK), on the call's device.

    All slices of the mask that can differ are read at once. Costs grow with the number of
    rectangles that the mask's borders cut, not with the number of tiles.
    """
    reader = Reader(spec, call, block)
    n_slices, n_rows, n_columns = (
        reader.n_slices,
        -(-call.n_q // block[0]),
        -(-call.n_k // block[1]),
    )
    parts = row_parts(reader)
    if parts == 1:
        partial, full = _pieces_of(reader)
    else:
        finer = (block[0] // parts, block[1])
        n_fine = -(-call.n_q // finer[0])
        partial, full = _pieces_of(Reader(spec, call, finer))
        partial, full = coarser(partial, full, parts, n_rows, n_fine, n_columns)
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


def _pieces_of(reader: Reader) -> tuple[Both, Both]:
    """Pieces of the partial and of the full tiles of every slice."""
    call, block = reader.call, reader.block
    n_rows, n_columns = -(-call.n_q // block[0]), -(-call.n_k // block[1])
    full = Pile(n_rows, n_columns, call.device)
    partial = Pile(n_rows, n_columns, call.device)
    for found in subdivided(reader):
        if found.kind == "full":
            full.add(found.s, found.r, found.c, found.h, found.w)
        elif found.kind == "mixed":
            partial.add(found.s, found.r, found.c, found.h, found.w)
        else:
            is_full, is_mixed = decided(reader, found.s, *found.first_tiles(reader))
            full.add(*chosen_of(is_full, found.s, found.r, found.c), found.h, found.w)
            partial.add(*chosen_of(is_mixed, found.s, found.r, found.c), found.h, found.w)
    return partial.pieces(), full.pieces()


def row_parts(reader: Reader) -> int:
    """Into how many part rows to cut each tile row, so that parts can be read where tiles cannot.

    A mask that draws keys by a hash of the query's block, say, is opaque over a tile of two
    blocks, and exact over a tile of one. A sample of rectangles tells.
    """
    bq, bk = reader.block
    if reader.spec.split != "q" or not (reader.n_slices and reader.call.n_q and reader.call.n_k):
        return 1
    best, least_cost = 1, float("inf")
    parts = 1
    while bq % parts == 0 and bq // parts >= SMALLEST_PART:
        cost = parts * (1 + COST_OF_OPEN * _open_share(reader, (bq // parts, bk)))
        if cost < least_cost:
            best, least_cost = parts, cost
        parts *= 2
    return best


def _open_share(reader: Reader, block: tuple[int, int]) -> float:
    """Which share of tiles of this size the rectangle reading leaves open, by a sample."""
    call = reader.call
    n_rows, n_columns = -(-call.n_q // block[0]), -(-call.n_k // block[1])
    index = torch.arange(SAMPLE, device=call.device)
    r, c = index * 7919 % n_rows, (index * 104729 + index * 7919 // n_rows) % n_columns
    corners = _corners(call, r, c, 1, 1, block)
    every, some, hit, miss = reader.bounds(index % reader.n_slices, *corners)
    return float((some & ~every & ~(hit & miss)).sum()) / SAMPLE


def count_kept(spec: Spec, call: Call, block: tuple[int, int]) -> int:
    """The number of kept pairs over all batches and heads, exact."""
    reader = Reader(spec, call, block)
    total = 0
    for found in subdivided(reader):
        if found.kind == "full":
            q0, q1, k0, k1 = _corners(call, found.r, found.c, found.h, found.w, block)
            total += int(((q1 - q0 + 1) * (k1 - k0 + 1)).sum())
        else:
            kept = kept_inside(reader, found.s, *found.first_tiles(reader))
            total += int(kept.sum()) * found.h * found.w
    return total * (call.batches * call.heads // max(reader.n_slices, 1))


@dataclass(frozen=True, slots=True)
class Found:
    """Rectangles of h x w tiles: `s` slice, `r` and `c` first tile row and column, int64 [n].

    `kind`: "full" (every existing pair kept), "mixed" (some kept, some not), or "open" (not
    known). Tiles of a rectangle that is not full are whole and all alike.
    """

    kind: str
    s: torch.Tensor
    r: torch.Tensor
    c: torch.Tensor
    h: int
    w: int

    def first_tiles(self, reader: Reader) -> tuple[torch.Tensor, ...]:
        """Corners of the first tile of each rectangle."""
        return _corners(reader.call, self.r, self.c, 1, 1, reader.block)


def subdivided(reader: Reader) -> Iterator[Found]:
    """Disjoint rectangles that cover every kept pair of every slice."""
    call, block = reader.call, reader.block
    n_rows, n_columns = -(-call.n_q // block[0]), -(-call.n_k // block[1])
    whole = (call.n_q // block[0], call.n_k // block[1])
    if not (reader.n_slices and n_rows and n_columns):
        return
    s = torch.arange(reader.n_slices, device=call.device)
    zero = torch.zeros_like(s)
    widest = _power_above(n_columns)
    has_cuts = widest >= FEW_TILES and n_cuts(reader) > 0
    stack = [(s, zero, zero, _power_above(n_rows), widest)]
    while stack:
        s, r, c, h, w = stack.pop()
        parts_q, parts_k = _fan_out(s.numel(), h, w, reader.spec.split)
        h, w = h // parts_q, w // parts_k
        s, r, c = _children(s, r, c, h, w, parts_q, parts_k, n_rows, n_columns)
        corners = _corners(call, r, c, h, w, block)
        if h == 1 and w == 1:
            yield from _tiles(reader, s, r, c)
            continue
        if h == 1 and w == widest and has_cuts:
            for wider in _rows(reader, s, r):
                if isinstance(wider, Found):
                    yield wider
                else:
                    stack.append(wider)
            continue
        every, some = reader.outline(s, *corners)
        yield Found("full", *chosen_of(every, s, r, c), h=h, w=w)
        is_open = some & ~every
        if reader.is_periodic:
            alike = is_open & (r + h <= whole[0]) & (c + w <= whole[1])
            alike &= reader.uniform(s, *corners)
            some_s, some_r, some_c = chosen_of(alike, s, r, c)
            answers = reader.bounds(some_s, *_corners(call, some_r, some_c, 1, 1, block))
            yield from _by_kind(answers, some_s, some_r, some_c, h, w)
            is_open &= ~alike
        s, r, c = chosen_of(is_open, s, r, c)
        for i in range(0, s.numel(), MOST_AT_ONCE):
            at = slice(i, i + MOST_AT_ONCE)
            stack.append((s[at], r[at], c[at], h, w))


def _tiles(reader: Reader, s: torch.Tensor, r: torch.Tensor, c: torch.Tensor) -> Iterator[Found]:
    """What single tiles hold; `hit` and `miss` are asked of those alone that need them."""
    corners = _corners(reader.call, r, c, 1, 1, reader.block)
    if reader.spec.outline is None:
        yield from _by_kind(reader.bounds(s, *corners), s, r, c, 1, 1)
        return
    every, some = reader.outline(s, *corners)
    yield Found("full", *chosen_of(every, s, r, c), h=1, w=1)
    s, r, c, *corners = chosen_of(some & ~every, s, r, c, *corners)
    yield from _by_kind(reader.bounds(s, *corners), s, r, c, 1, 1)


def _rows(
    reader: Reader, s: torch.Tensor, r: torch.Tensor
) -> Iterator[Found | tuple[torch.Tensor, torch.Tensor, torch.Tensor, int, int]]:
    """What whole tile rows hold, and rectangles (slice, row, column, 1, width) to split further."""
    call, block = reader.call, reader.block
    widest = _power_above(-(-call.n_k // block[1])) // 2
    for i in range(0, s.numel(), ROWS_AT_ONCE):
        some_s, some_r = s[i : i + ROWS_AT_ONCE], r[i : i + ROWS_AT_ONCE]
        q0, q1, _, _ = _corners(call, some_r, some_r, 1, 1, block)
        some_s, some_r, first, last = row_pieces(reader, some_s, some_r, q0, q1)
        corners = _corners(call, some_r, first, 1, last - first, block)
        every, some = reader.outline(some_s, *corners)
        whole = chosen_of(every, some_s, some_r, first, last)
        for s_, r_, c_, w in aligned(*whole, widest):
            yield Found("full", s_, r_, c_, h=1, w=w)
        left = chosen_of(some & ~every, some_s, some_r, first, last)
        for s_, r_, c_, w in aligned(*left, widest):
            if w == 1:
                answers = reader.bounds(s_, *_corners(call, r_, c_, 1, 1, block))
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


def _fan_out(n: int, h: int, w: int, split: str) -> tuple[int, int]:
    """In how many parts to split n rectangles of h x w tiles, by rows and by columns."""
    parts = 2
    while n * 4 * parts * parts <= CHEAP and parts < max(h, w):
        parts *= 2
    if split == "q" and h > 1:
        return min(parts * parts, h), 1
    if split == "k" and w > 1:
        return 1, min(parts * parts, w)
    return min(parts, h), min(parts, w)


def _children(
    s: torch.Tensor,
    r: torch.Tensor,
    c: torch.Tensor,
    h: int,
    w: int,
    parts_q: int,
    parts_k: int,
    n_rows: int,
    n_columns: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The parts, of h x w tiles each, that rectangles split into; those outside are left out."""
    shape = (s.numel(), parts_q, parts_k)
    rows = r[:, None, None] + torch.arange(0, parts_q * h, h, device=r.device)[:, None]
    columns = c[:, None, None] + torch.arange(0, parts_k * w, w, device=c.device)
    s = s[:, None, None].expand(shape).reshape(-1)
    r, c = rows.expand(shape).reshape(-1), columns.expand(shape).reshape(-1)
    if n_rows % h == 0 and n_columns % w == 0 and _is_power(n_rows) and _is_power(n_columns):
        return s, r, c
    s, r, c = chosen_of((r < n_rows) & (c < n_columns), s, r, c)
    return s, r, c


def _is_power(n: int) -> bool:
    return n & (n - 1) == 0


def _corners(
    call: Call,
    r: torch.Tensor,
    c: torch.Tensor,
    h: int,
    w: int | torch.Tensor,
    block: tuple[int, int],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Positions q0, q1, k0, k1 (inclusive) of rectangles of h x w tiles, cut to existing pairs."""
    q0, k0 = r * block[0] + call.q_start, c * block[1]
    q1 = (q0 + (h * block[0] - 1)).clamp(max=call.q_start + call.n_q - 1)
    k1 = (k0 + (w * block[1] - 1)).clamp(max=call.n_k - 1)
    return q0, q1, k0, k1
