"""The backward kernels: dQ walks rows of the layout, dK and dV walk its columns.

Each output is written by one program, in one order: no atomics, and the same bits every time. The
weights are made again from the rows' log-sum-exp. As in the forward kernel, tiles that are not
finite are made a second time with CAREFUL.
"""

from __future__ import annotations

import triton
import triton.language as tl

from maskc.codegen.templates import hole
from maskc.codegen.templates.tile import (
    add_kept,
    add_weighted,
    full_run,
    is_poisoned,
    load_row,
    load_tile,
    n_short_runs,
    partial_run,
    run_span,
    store_tile,
    tile_ptr,
    weights,
)


@triton.jit(do_not_specialize=["n_q", "n_k", "q_start", "heads", "kv_heads"])
def dq(
    q_ptr,
    k_ptr,
    v_ptr,
    dout_ptr,
    top_ptr,  # fp32 [batches, heads, n_q], of the forward kernel
    delta_ptr,  # fp32 [batches, heads, n_q], of row_delta
    dq_ptr,
    poisoned_ptr,  # int32, one a program
    q_stride_b,
    q_stride_h,
    q_stride_n,
    q_stride_d,
    k_stride_b,
    k_stride_h,
    k_stride_n,
    k_stride_d,
    v_stride_b,
    v_stride_h,
    v_stride_n,
    v_stride_d,
    dout_stride_b,
    dout_stride_h,
    dout_stride_n,
    dout_stride_d,
    dq_stride_b,
    dq_stride_h,
    dq_stride_n,
    dq_stride_d,
    class_ptr,  # int32 [batches, heads]
    partial_start,  # int32 [n_classes * n_q_tiles + 1], for tiles of LAYOUT_Q x LAYOUT_K
    partial,  # int32 [n_partial_runs, 2]
    full_start,
    full,
    scale,  # > 0
    n_q,
    n_k,
    q_start,
    heads,
    kv_heads,
    holes,
    D: tl.constexpr,
    DV: tl.constexpr,
    D_PAD: tl.constexpr,
    DV_PAD: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    LAYOUT_Q: tl.constexpr,
    LAYOUT_K: tl.constexpr,
    EVEN_K: tl.constexpr,
    K_STRIDE: tl.constexpr,
    V_STRIDE: tl.constexpr,
    SPLIT: tl.constexpr,
    PRECISION: tl.constexpr,
    POSITION: tl.constexpr,
    OFFSET: tl.constexpr,
    CAREFUL: tl.constexpr,
):
    """Writes dq and poisoned for BLOCK_Q query rows of one slice."""
    if CAREFUL:
        poisoned = tl.load(poisoned_ptr + tl.program_id(0))
        if poisoned == 0:
            return
    n_tiles = tl.cdiv(n_q, BLOCK_Q)
    q_tile = n_tiles - 1 - tl.program_id(0) % n_tiles
    head = tl.program_id(0) // n_tiles % heads
    batch = tl.program_id(0) // n_tiles // heads
    kv_head = head // (heads // kv_heads)
    q_ptr += batch.to(tl.int64) * q_stride_b + tl.cast(head, tl.int64) * q_stride_h
    k_ptr += batch.to(tl.int64) * k_stride_b + kv_head.to(tl.int64) * k_stride_h
    v_ptr += batch.to(tl.int64) * v_stride_b + kv_head.to(tl.int64) * v_stride_h
    dout_ptr += batch.to(tl.int64) * dout_stride_b + head.to(tl.int64) * dout_stride_h
    dq_ptr += batch.to(tl.int64) * dq_stride_b + head.to(tl.int64) * dq_stride_h
    top_ptr += (batch.to(tl.int64) * heads + head) * n_q
    delta_ptr += (batch.to(tl.int64) * heads + head) * n_q
    if K_STRIDE is not None:
        k_stride_n = K_STRIDE
    if V_STRIDE is not None:
        v_stride_n = V_STRIDE
    q_ptr = tile_ptr(q_ptr, q_stride_n, q_stride_d, BLOCK_Q, D_PAD, OFFSET)
    k_ptr = tile_ptr(k_ptr, k_stride_n, k_stride_d, BLOCK_K, D_PAD, OFFSET)
    v_ptr = tile_ptr(v_ptr, v_stride_n, v_stride_d, BLOCK_K, DV_PAD, OFFSET)
    dout_ptr = tile_ptr(dout_ptr, dout_stride_n, dout_stride_d, BLOCK_Q, DV_PAD, OFFSET)

    row = tl.load(class_ptr + batch * heads + head).to(tl.int64) * tl.cdiv(n_q, LAYOUT_Q)
    row += q_tile * BLOCK_Q // LAYOUT_Q
    partial_first, partial_last = run_span(partial_start, row)
    full_first, full_last = run_span(full_start, row)

    q_row = q_tile * BLOCK_Q + tl.arange(0, BLOCK_Q)
    q_pos = (q_row.to(POSITION) + q_start)[:, None]
    q = load_tile(q_ptr, q_tile * BLOCK_Q, q_stride_n, n_q, D)
    dout = load_tile(dout_ptr, q_tile * BLOCK_Q, dout_stride_n, n_q, DV)
    top = tl.load(top_ptr + q_row, mask=q_row < n_q, other=float("inf"))[:, None]
    delta = tl.load(delta_ptr + q_row, mask=q_row < n_q, other=0.0)[:, None]
    log2e: tl.constexpr = 1.4426950408889634
    base_two = hole.base_two(scale, log2e)
    acc = tl.zeros([BLOCK_Q, D_PAD], tl.float32)

    partial_stop = partial_last
    if not EVEN_K:
        partial_stop += n_short_runs(full, full_first, full_last, n_k, LAYOUT_K)
    for run in range(partial_first, partial_stop):
        exists = run < partial_last
        first, last = partial_run(partial, run, exists, n_k, LAYOUT_K, BLOCK_K)
        for k_first in range(first, last, BLOCK_K):
            k_pos = (k_first + tl.arange(0, BLOCK_K)).to(POSITION)[None, :]
            k = load_tile(k_ptr, k_first, k_stride_n, n_k, D, EVEN_K)
            v = load_tile(v_ptr, k_first, v_stride_n, n_k, DV, EVEN_K)
            s = tl.dot(q, tl.trans(k), input_precision=PRECISION)
            s, slope = hole.score_and_slope(s, q_pos, k_pos)
            keep = hole.mask(q_pos, k_pos)
            if not EVEN_K:
                # Keys past the end read as 0, but a score may make them infinite or NaN.
                keep = keep & (k_pos < n_k)
            p = weights(tl.where(keep, s, float("-inf")), base_two, top, SPLIT)
            dp = tl.dot(dout, tl.trans(v), input_precision=PRECISION)
            ds = p * (dp - delta)
            ds = hole.chain(ds, slope)
            acc = add_kept(acc, ds, keep, k, CAREFUL, PRECISION)

    for run in range(full_first, full_last):
        first, last = full_run(full, run, n_k, LAYOUT_K, BLOCK_K)
        for k_first in range(first, last, BLOCK_K):
            k_pos = (k_first + tl.arange(0, BLOCK_K)).to(POSITION)[None, :]
            k = load_tile(k_ptr, k_first, k_stride_n, n_k, D, True)
            v = load_tile(v_ptr, k_first, v_stride_n, n_k, DV, True)
            s = tl.dot(q, tl.trans(k), input_precision=PRECISION)
            s, slope = hole.score_and_slope(s, q_pos, k_pos)
            p = weights(s, base_two, top, SPLIT)
            dp = tl.dot(dout, tl.trans(v), input_precision=PRECISION)
            ds = p * (dp - delta)
            ds = hole.chain(ds, slope)
            acc = add_weighted(acc, ds, k, PRECISION)

    if not CAREFUL:
        tl.store(poisoned_ptr + tl.program_id(0), is_poisoned(acc))
    dq_ptr = tile_ptr(dq_ptr, dq_stride_n, dq_stride_d, BLOCK_Q, D_PAD, OFFSET)
    store_tile(dq_ptr, q_tile * BLOCK_Q, dq_stride_n, n_q, D, acc * scale)


@triton.jit(do_not_specialize=["n_q", "n_k", "q_start", "heads", "kv_heads"])
def dkdv(
    q_ptr,
    k_ptr,
    v_ptr,
    dout_ptr,
    top_ptr,
    delta_ptr,
    dk_ptr,
    dv_ptr,
    poisoned_ptr,  # int32, one a program
    q_stride_b,
    q_stride_h,
    q_stride_n,
    q_stride_d,
    k_stride_b,
    k_stride_h,
    k_stride_n,
    k_stride_d,
    v_stride_b,
    v_stride_h,
    v_stride_n,
    v_stride_d,
    dout_stride_b,
    dout_stride_h,
    dout_stride_n,
    dout_stride_d,
    dk_stride_b,
    dk_stride_h,
    dk_stride_n,
    dk_stride_d,
    dv_stride_b,
    dv_stride_h,
    dv_stride_n,
    dv_stride_d,
    class_ptr,
    partial_start,  # int32 [n_classes * n_k_tiles + 1]: the layout's columns
    partial,
    full_start,
    full,
    scale,
    n_q,
    n_k,
    q_start,
    heads,
    kv_heads,
    holes,
    D: tl.constexpr,
    DV: tl.constexpr,
    D_PAD: tl.constexpr,
    DV_PAD: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    LAYOUT_Q: tl.constexpr,
    LAYOUT_K: tl.constexpr,
    EVEN_Q: tl.constexpr,  # n_q is a multiple of BLOCK_Q
    Q_STRIDE: tl.constexpr,
    DOUT_STRIDE: tl.constexpr,
    SPLIT: tl.constexpr,
    PRECISION: tl.constexpr,
    POSITION: tl.constexpr,
    OFFSET: tl.constexpr,
    CAREFUL: tl.constexpr,
):
    """Writes dk, dv and poisoned for BLOCK_K keys of one kv head, summed over its heads."""
    if CAREFUL:
        poisoned = tl.load(poisoned_ptr + tl.program_id(0))
        if poisoned == 0:
            return
    n_tiles = tl.cdiv(n_k, BLOCK_K)
    k_tile = tl.program_id(0) % n_tiles
    kv_head = tl.program_id(0) // n_tiles % kv_heads
    batch = tl.program_id(0) // n_tiles // kv_heads
    group = heads // kv_heads
    k_ptr += batch.to(tl.int64) * k_stride_b + kv_head.to(tl.int64) * k_stride_h
    v_ptr += batch.to(tl.int64) * v_stride_b + kv_head.to(tl.int64) * v_stride_h
    dk_ptr += batch.to(tl.int64) * dk_stride_b + kv_head.to(tl.int64) * dk_stride_h
    q_ptr += batch.to(tl.int64) * q_stride_b
    dout_ptr += batch.to(tl.int64) * dout_stride_b
    dv_ptr += batch.to(tl.int64) * dv_stride_b + kv_head.to(tl.int64) * dv_stride_h
    if Q_STRIDE is not None:
        q_stride_n = Q_STRIDE
    if DOUT_STRIDE is not None:
        dout_stride_n = DOUT_STRIDE
    k_ptr = tile_ptr(k_ptr, k_stride_n, k_stride_d, BLOCK_K, D_PAD, OFFSET)
    v_ptr = tile_ptr(v_ptr, v_stride_n, v_stride_d, BLOCK_K, DV_PAD, OFFSET)

    # Tiles are transposed here: a row is a key, a column is a query. dv comes before ds, so that
    # one of their weights at a time is in registers.
    k_pos = (k_tile * BLOCK_K + tl.arange(0, BLOCK_K)).to(POSITION)[:, None]
    k = load_tile(k_ptr, k_tile * BLOCK_K, k_stride_n, n_k, D)
    v = load_tile(v_ptr, k_tile * BLOCK_K, v_stride_n, n_k, DV)
    log2e: tl.constexpr = 1.4426950408889634
    base_two = hole.base_two(scale, log2e)
    dk = tl.zeros([BLOCK_K, D_PAD], tl.float32)
    dv = tl.zeros([BLOCK_K, DV_PAD], tl.float32)

    for head in range(kv_head * group, kv_head * group + group):
        head_q_ptr = q_ptr + tl.cast(head, tl.int64) * q_stride_h
        head_q_ptr = tile_ptr(head_q_ptr, q_stride_n, q_stride_d, BLOCK_Q, D_PAD, OFFSET)
        head_dout_ptr = dout_ptr + tl.cast(head, tl.int64) * dout_stride_h
        head_dout_ptr = tile_ptr(
            head_dout_ptr, dout_stride_n, dout_stride_d, BLOCK_Q, DV_PAD, OFFSET
        )
        head_top_ptr = top_ptr + (batch.to(tl.int64) * heads + head) * n_q
        head_top_ptr += tl.arange(0, BLOCK_Q)
        head_delta_ptr = delta_ptr + (batch.to(tl.int64) * heads + head) * n_q
        head_delta_ptr += tl.arange(0, BLOCK_Q)
        column = tl.load(class_ptr + batch * heads + head).to(tl.int64) * tl.cdiv(n_k, LAYOUT_K)
        column += k_tile * BLOCK_K // LAYOUT_K
        partial_first, partial_last = run_span(partial_start, column)
        full_first, full_last = run_span(full_start, column)

        partial_stop = partial_last
        if not EVEN_Q:
            partial_stop += n_short_runs(full, full_first, full_last, n_q, LAYOUT_Q)
        for run in range(partial_first, partial_stop):
            exists = run < partial_last
            first, last = partial_run(partial, run, exists, n_q, LAYOUT_Q, BLOCK_Q)
            for q_first in range(first, last, BLOCK_Q):
                q_pos = (q_first + tl.arange(0, BLOCK_Q)).to(POSITION)[None, :] + q_start
                q = load_tile(head_q_ptr, q_first, q_stride_n, n_q, D, EVEN_Q)
                dout = load_tile(head_dout_ptr, q_first, dout_stride_n, n_q, DV, EVEN_Q)
                top = load_row(head_top_ptr, q_first, n_q, float("inf"), EVEN_Q)
                s = tl.dot(k, tl.trans(q), input_precision=PRECISION)
                s, slope = hole.score_and_slope(s, q_pos, k_pos)
                keep = hole.mask(q_pos, k_pos)
                if not EVEN_Q:
                    keep = keep & (tl.arange(0, BLOCK_Q) < n_q - q_first)[None, :]
                p = weights(tl.where(keep, s, float("-inf")), base_two, top, SPLIT)
                dv = add_kept(dv, p, keep, dout, CAREFUL, PRECISION)
                dp = tl.dot(v, tl.trans(dout), input_precision=PRECISION)
                delta = load_row(head_delta_ptr, q_first, n_q, 0.0, EVEN_Q)
                ds = p * (dp - delta)
                ds = hole.chain(ds, slope)
                dk = add_kept(dk, ds, keep, q, CAREFUL, PRECISION)

        for run in range(full_first, full_last):
            first, last = full_run(full, run, n_q, LAYOUT_Q, BLOCK_Q)
            for q_first in range(first, last, BLOCK_Q):
                q_pos = (q_first + tl.arange(0, BLOCK_Q)).to(POSITION)[None, :] + q_start
                q = load_tile(head_q_ptr, q_first, q_stride_n, n_q, D, True)
                dout = load_tile(head_dout_ptr, q_first, dout_stride_n, n_q, DV, True)
                top = load_row(head_top_ptr, q_first, n_q, float("inf"), True)
                s = tl.dot(k, tl.trans(q), input_precision=PRECISION)
                s, slope = hole.score_and_slope(s, q_pos, k_pos)
                p = weights(s, base_two, top, SPLIT)
                dv = add_weighted(dv, p, dout, PRECISION)
                dp = tl.dot(v, tl.trans(dout), input_precision=PRECISION)
                delta = load_row(head_delta_ptr, q_first, n_q, 0.0, True)
                ds = p * (dp - delta)
                ds = hole.chain(ds, slope)
                dk = add_weighted(dk, ds, q, PRECISION)

    if not CAREFUL:
        poisoned = tl.maximum(is_poisoned(dk), is_poisoned(dv))
        tl.store(poisoned_ptr + tl.program_id(0), poisoned)
    dk_ptr = tile_ptr(dk_ptr, dk_stride_n, dk_stride_d, BLOCK_K, D_PAD, OFFSET)
    store_tile(dk_ptr, k_tile * BLOCK_K, dk_stride_n, n_k, D, dk * scale)
    dv_ptr = tile_ptr(dv_ptr, dv_stride_n, dv_stride_d, BLOCK_K, DV_PAD, OFFSET)
    store_tile(dv_ptr, k_tile * BLOCK_K, dv_stride_n, n_k, DV, dv)
