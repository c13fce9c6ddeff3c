"""The forward kernel: one program makes one tile of query rows of one slice.

The runs of its row come from the layout's table: first the partial ones, with the mask, then the
full ones, without any. Softmax runs in base two, with the scale folded into its one multiplication.

A masked-out pair has weight 0, but 0 * NaN is NaN. So that NaN or infinity in a value that a row
does not keep never reaches that row, the kernel marks tiles whose result is not finite, and a
second launch with CAREFUL makes those again (`add_kept`) and leaves the others at once.
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
    load_tile,
    n_short_runs,
    part_sums,
    partial_run,
    run_span,
    store_tile,
    tile_ptr,
    weights,
)


@triton.jit(do_not_specialize=["n_q", "n_k", "q_start", "heads", "kv_heads"])
def forward(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    lse_ptr,  # fp32 [batches, heads, n_q]
    top_ptr,  # fp32, for the backward pass: lse in base two, or with SPLIT the greatest s
    total_ptr,  # fp32, with SPLIT: the row's sum of weights
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
    out_stride_b,
    out_stride_h,
    out_stride_n,
    out_stride_d,
    class_ptr,  # int32 [batches, heads]
    partial_start,  # int32 [n_classes * n_q_tiles + 1], for tiles of LAYOUT_Q x LAYOUT_K
    partial,  # int32 [n_partial_runs, 2]
    full_start,
    full,
    scale,  # > 0
    n_q,
    n_k,
    q_start,  # position of the first query row
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
    EVEN_K: tl.constexpr,  # n_k is a multiple of BLOCK_K
    K_STRIDE: tl.constexpr,  # k_stride_n, or None where it is better not compiled in
    V_STRIDE: tl.constexpr,
    SPLIT: tl.constexpr,  # see `weights`
    PRECISION: tl.constexpr,
    POSITION: tl.constexpr,  # int32 or int64: what mask arithmetic needs
    OFFSET: tl.constexpr,
    CAREFUL: tl.constexpr,
):
    """Writes out, lse and poisoned for BLOCK_Q query rows of one slice."""
    if CAREFUL:
        poisoned = tl.load(poisoned_ptr + tl.program_id(0))
        if poisoned == 0:
            return
    n_tiles = tl.cdiv(n_q, BLOCK_Q)
    # The last rows of a causal mask see most keys: they start first.
    q_tile = n_tiles - 1 - tl.program_id(0) % n_tiles
    head = tl.program_id(0) // n_tiles % heads
    batch = tl.program_id(0) // n_tiles // heads
    kv_head = head // (heads // kv_heads)
    q_ptr += batch.to(tl.int64) * q_stride_b + tl.cast(head, tl.int64) * q_stride_h
    k_ptr += batch.to(tl.int64) * k_stride_b + kv_head.to(tl.int64) * k_stride_h
    v_ptr += batch.to(tl.int64) * v_stride_b + kv_head.to(tl.int64) * v_stride_h
    out_ptr += batch.to(tl.int64) * out_stride_b + head.to(tl.int64) * out_stride_h
    lse_ptr += (batch.to(tl.int64) * heads + head) * n_q
    top_ptr += (batch.to(tl.int64) * heads + head) * n_q
    total_ptr += (batch.to(tl.int64) * heads + head) * n_q
    if K_STRIDE is not None:
        k_stride_n = K_STRIDE
    if V_STRIDE is not None:
        v_stride_n = V_STRIDE
    q_ptr = tile_ptr(q_ptr, q_stride_n, q_stride_d, BLOCK_Q, D_PAD, OFFSET)
    k_ptr = tile_ptr(k_ptr, k_stride_n, k_stride_d, BLOCK_K, D_PAD, OFFSET)
    v_ptr = tile_ptr(v_ptr, v_stride_n, v_stride_d, BLOCK_K, DV_PAD, OFFSET)

    row = tl.load(class_ptr + batch * heads + head).to(tl.int64) * tl.cdiv(n_q, LAYOUT_Q)
    row += q_tile * BLOCK_Q // LAYOUT_Q
    partial_first, partial_last = run_span(partial_start, row)
    full_first, full_last = run_span(full_start, row)

    q_row = q_tile * BLOCK_Q + tl.arange(0, BLOCK_Q)
    q_pos = (q_row.to(POSITION) + q_start)[:, None]
    q = load_tile(q_ptr, q_tile * BLOCK_Q, q_stride_n, n_q, D)
    log2e: tl.constexpr = 1.4426950408889634
    base_two = hole.base_two(scale, log2e)
    # Where weights are made: fp32 has no rounding to spare for a product before the difference.
    unit = 1.0 if SPLIT else base_two
    rest = base_two if SPLIT else 1.0
    # Finite, so that a row which has seen no key yet is no special case.
    top = tl.full([BLOCK_Q], -3.0e38, tl.float32)
    parts: tl.constexpr = 8
    total = tl.zeros([BLOCK_Q, parts], tl.float32)
    acc = tl.zeros([BLOCK_Q, DV_PAD], tl.float32)

    partial_stop = partial_last
    if not EVEN_K:
        partial_stop += n_short_runs(full, full_first, full_last, n_k, LAYOUT_K)
    for run in range(partial_first, partial_stop):
        exists = run < partial_last
        first, last = partial_run(partial, run, exists, n_k, LAYOUT_K, BLOCK_K)
        for k_first in range(first, last, BLOCK_K):
            k_row = k_first + tl.arange(0, BLOCK_K)
            k_pos = k_row.to(POSITION)[None, :]
            k = load_tile(k_ptr, k_first, k_stride_n, n_k, D, EVEN_K)
            s = tl.dot(q, tl.trans(k), input_precision=PRECISION)
            s = hole.score(s, q_pos, k_pos)
            keep = hole.mask(q_pos, k_pos)
            if not EVEN_K:
                keep = keep & (k_row < n_k)[None, :]
            s = tl.where(keep, s, float("-inf"))
            new_top = tl.maximum(top, tl.max(s, 1) * unit)
            p = weights(s, base_two, new_top[:, None], SPLIT)
            shrink = tl.exp2((top - new_top) * rest)
            total = total * shrink[:, None] + part_sums(p, parts)
            acc = acc * shrink[:, None]
            top = new_top
            v = load_tile(v_ptr, k_first, v_stride_n, n_k, DV, EVEN_K)
            acc = add_kept(acc, p, keep, v, CAREFUL, PRECISION)

    for run in range(full_first, full_last):
        first, last = full_run(full, run, n_k, LAYOUT_K, BLOCK_K)
        for k_first in range(first, last, BLOCK_K):
            k_pos = (k_first + tl.arange(0, BLOCK_K)).to(POSITION)[None, :]
            k = load_tile(k_ptr, k_first, k_stride_n, n_k, D, True)
            s = tl.dot(q, tl.trans(k), input_precision=PRECISION)
            s = hole.score(s, q_pos, k_pos)
            new_top = tl.maximum(top, tl.max(s, 1) * unit)
            p = weights(s, base_two, new_top[:, None], SPLIT)
            shrink = tl.exp2((top - new_top) * rest)
            total = total * shrink[:, None] + part_sums(p, parts)
            acc = acc * shrink[:, None]
            top = new_top
            v = load_tile(v_ptr, k_first, v_stride_n, n_k, DV, True)
            acc = add_weighted(acc, p, v, PRECISION)

    if not CAREFUL:
        tl.store(poisoned_ptr + tl.program_id(0), is_poisoned(acc))
    total = tl.sum(total, 1)
    empty = total == 0.0
    acc = acc / tl.where(empty, 1.0, total)[:, None]
    lse = top * rest + tl.log2(total)
    tl.store(lse_ptr + q_row, tl.where(empty, float("-inf"), lse / log2e), mask=q_row < n_q)
    # A log-sum-exp is rounded, and with it all weights of its row: too much for fp32.
    if SPLIT:
        tl.store(total_ptr + q_row, tl.where(empty, 1.0, total), mask=q_row < n_q)
    else:
        top = lse
    # Then exp2(s - top) is 0 in the backward pass, as the weights of an empty row are.
    tl.store(top_ptr + q_row, tl.where(empty, float("inf"), top), mask=q_row < n_q)
    out_ptr = tile_ptr(out_ptr, out_stride_n, out_stride_d, BLOCK_Q, DV_PAD, OFFSET)
    store_tile(out_ptr, q_tile * BLOCK_Q, out_stride_n, n_q, DV, acc)
