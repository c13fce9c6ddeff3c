"""What the backward kernels need of each query row, made once."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["n_q", "heads"])
def row_delta(
    out_ptr,
    dout_ptr,
    dlse_ptr,  # fp32 [batches, heads, n_q]
    delta_ptr,  # fp32 [batches, heads, n_q]: sum(dout * out) - dlse
    out_stride_b,
    out_stride_h,
    out_stride_n,
    out_stride_d,
    dout_stride_b,
    dout_stride_h,
    dout_stride_n,
    dout_stride_d,
    n_q,
    heads,
    DV: tl.constexpr,
    DV_PAD: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    HAS_DOUT: tl.constexpr,
    HAS_DLSE: tl.constexpr,
):
    """Writes delta for BLOCK_Q query rows of one slice."""
    n_tiles = tl.cdiv(n_q, BLOCK_Q)
    first = tl.program_id(0) % n_tiles * BLOCK_Q
    head = tl.program_id(0) // n_tiles % heads
    batch = tl.program_id(0) // n_tiles // heads
    row = first + tl.arange(0, BLOCK_Q)
    exists = row < n_q
    entry = (batch.to(tl.int64) * heads + head) * n_q + row
    delta = tl.zeros([BLOCK_Q], tl.float32)
    if HAS_DOUT:
        dims = tl.arange(0, DV_PAD)
        inside = exists[:, None] & (dims < DV)[None, :]
        wide_row = row.to(tl.int64)[:, None]
        out_ptr += batch.to(tl.int64) * out_stride_b + head.to(tl.int64) * out_stride_h
        out_ptr += wide_row * out_stride_n + dims.to(tl.int64)[None, :] * out_stride_d
        dout_ptr += batch.to(tl.int64) * dout_stride_b + head.to(tl.int64) * dout_stride_h
        dout_ptr += wide_row * dout_stride_n + dims.to(tl.int64)[None, :] * dout_stride_d
        out = tl.load(out_ptr, mask=inside, other=0.0).to(tl.float32)
        dout = tl.load(dout_ptr, mask=inside, other=0.0).to(tl.float32)
        delta += tl.sum(out * dout, 1)
    if HAS_DLSE:
        delta -= tl.load(dlse_ptr + entry, mask=exists, other=0.0)
    tl.store(delta_ptr + entry, delta, mask=exists)
