"""What every kernel does with one tile: load it, add its product, write it."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tile_ptr(
    ptr,
    stride_n,
    stride_d,
    ROWS: tl.constexpr,
    D_PAD: tl.constexpr,
    OFFSET: tl.constexpr,  # int32 or int64: what offsets inside a tile need
):
    """Pointers to the first ROWS rows of a head, [ROWS, D_PAD]."""
    row = tl.arange(0, ROWS).to(OFFSET)
    dims = tl.arange(0, D_PAD).to(OFFSET)
    return ptr + (row[:, None] * stride_n + dims[None, :] * stride_d)


@triton.jit
def in_64_bits(row):
    """A row >= 0 in 64 bits; of a signed one the compiler would make a 64-bit loop counter."""
    return tl.cast(tl.cast(row, tl.uint32), tl.int64)


@triton.jit
def load_tile(
    ptr,  # of tile_ptr
    first,  # first row of the tile
    stride_n,
    n,
    D: tl.constexpr,
    WHOLE: tl.constexpr = False,  # the tile is known to end inside the tensor
):
    """Rows first, first + 1, ... of a head, [ROWS, D_PAD]; 0 outside the tensor."""
    ROWS: tl.constexpr = ptr.shape[0]
    D_PAD: tl.constexpr = ptr.shape[1]
    # Not `first + arange < n`: the pipeliner would carry those positions in registers.
    exists = (tl.arange(0, ROWS) < n - first)[:, None]
    dims = (tl.arange(0, D_PAD) < D)[None, :]
    ptr += in_64_bits(first) * stride_n
    if D != D_PAD and not WHOLE:
        x = tl.load(ptr, mask=exists & dims, other=0.0)
    elif D != D_PAD:
        x = tl.load(ptr, mask=dims, other=0.0)
    elif not WHOLE:
        x = tl.load(ptr, mask=exists, other=0.0)
    else:
        x = tl.load(ptr)
    return x


@triton.jit
def load_row(ptr, first, n, other, WHOLE: tl.constexpr):
    """Entries first, first + 1, ... of one value a query, [1, ROWS]; `other` outside."""
    if WHOLE:
        x = tl.load(ptr + in_64_bits(first))
    else:
        x = tl.load(
            ptr + in_64_bits(first), mask=tl.arange(0, ptr.shape[0]) < n - first, other=other
        )
    return x[None, :]


@triton.jit
def store_tile(ptr, first, stride_n, n, D: tl.constexpr, x):
    """Writes what of x [ROWS, D_PAD] lies inside the tensor, in the tensor's dtype."""
    ROWS: tl.constexpr = x.shape[0]
    D_PAD: tl.constexpr = x.shape[1]
    exists = (first + tl.arange(0, ROWS) < n)[:, None] & (tl.arange(0, D_PAD) < D)[None, :]
    ptr += tl.cast(first, tl.int64) * stride_n
    tl.store(ptr, x.to(ptr.dtype.element_ty), mask=exists)


@triton.jit
def run_span(start_ptr, row):
    """The first run of a tile row and the one after its last."""
    return tl.load(start_ptr + row), tl.load(start_ptr + row + 1)


@triton.jit
def full_run(runs_ptr, run, n, LAYOUT: tl.constexpr, BLOCK: tl.constexpr):
    """The rows [first, last) of a full run that lie in whole blocks: a short last one is not."""
    runs_ptr += 2 * tl.cast(run, tl.int64)
    last = tl.minimum(tl.load(runs_ptr + 1) * LAYOUT, n // BLOCK * BLOCK)
    return tl.load(runs_ptr) * LAYOUT, last


@triton.jit
def partial_run(runs_ptr, run, exists, n, LAYOUT: tl.constexpr, BLOCK: tl.constexpr):
    """The rows [first, last) of a partial run; those of a short last block where not `exists`."""
    runs_ptr += 2 * tl.cast(run, tl.int64)
    first = tl.load(runs_ptr, mask=exists, other=0) * LAYOUT
    last = tl.load(runs_ptr + 1, mask=exists, other=0) * LAYOUT
    return tl.where(exists, first, n // BLOCK * BLOCK), tl.minimum(tl.where(exists, last, n), n)


@triton.jit
def n_short_runs(runs_ptr, first, last, n, LAYOUT: tl.constexpr):
    """1 where the full runs first, first + 1, ... end with the tensor, whose last block is short.

    That block is walked after the partial runs: only their loop looks where the tensor ends.
    """
    end = tl.load(runs_ptr + 2 * tl.cast(last, tl.int64) - 1, mask=last > first, other=0)
    return (end == tl.cdiv(n, LAYOUT)).to(tl.int32)


@triton.jit
def part_sums(x, PARTS: tl.constexpr):
    """Sums of every PARTS-th column of x, [ROWS, PARTS].

    A thread has what it needs for these; for the sums of whole rows it asks its neighbours.
    """
    return tl.sum(tl.reshape(x, [x.shape[0], x.shape[1] // PARTS, PARTS]), 1)


@triton.jit
def weights(s, base_two, top, SPLIT: tl.constexpr):
    """Powers of two of s * base_two - top; with SPLIT of (s - top) * base_two.

    SPLIT rounds once less, for fp32; the other form is one instruction.
    """
    return tl.exp2((s - top) * base_two if SPLIT else s * base_two - top)


@triton.jit
def add_weighted(acc, weight, x, PRECISION: tl.constexpr):
    """The sum acc + weight @ x, the weights rounded to the dtype of x."""
    return tl.dot(weight.to(x.dtype), x, acc, input_precision=PRECISION)


@triton.jit
def add_kept(acc, weight, keep, x, CAREFUL: tl.constexpr, PRECISION: tl.constexpr):
    """The sum acc + weight @ x over what is kept; elsewhere weight is 0, or 0 * NaN.

    `acc` is fp32 [M, N], `weight` fp32 [M, K], `keep` bool and broadcasts to [M, K], `x` [K, N].
    With CAREFUL, rows of x that are not kept add nothing, be they NaN or infinite; a kept infinity
    adds itself, a kept NaN adds NaN.
    """
    if CAREFUL:
        kept = tl.where(tl.broadcast_to(keep, weight.shape), 1.0, 0.0).to(x.dtype)
        weight = tl.where(keep, weight, 0.0)
        wide = x.to(tl.float32)
        infinity = float("inf")
        finite = tl.abs(wide) < infinity
        acc = add_weighted(acc, weight, tl.where(finite, wide, 0.0).to(x.dtype), PRECISION)
        up = tl.where(finite | (wide == -infinity), 0.0, 1.0).to(x.dtype)
        acc += tl.where(tl.dot(kept, up, input_precision=PRECISION) > 0, infinity, 0.0)
        down = tl.where(finite | (wide == infinity), 0.0, 1.0).to(x.dtype)
        acc -= tl.where(tl.dot(kept, down, input_precision=PRECISION) > 0, infinity, 0.0)
    else:
        acc = add_weighted(acc, weight, x, PRECISION)
    return acc


@triton.jit
def is_poisoned(acc):
    """1 where an entry of acc [M, N] is not finite, else 0 (or 1, where their sum overflows)."""
    return tl.where(tl.sum(tl.abs(tl.sum(acc, 1))) < float("inf"), 0, 1)
