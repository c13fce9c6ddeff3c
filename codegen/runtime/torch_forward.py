"""The forward pass of the torch back end: attention of each piece, merged by log-sum-exp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from maskc.codegen.runtime.torch_pieces import (
    LOGITS_AT_ONCE,
    Chunk,
    Work,
    bias_of,
    chunks,
    tiles_of_slices,
)
from maskc.codegen.runtime.torch_plan import Gathered, Piece

FUSED_AT_ONCE = 1 << 22
"""Pairs of one fused call on gathered keys, or with a mask of its own: bounds the copies."""


def forward_of(work: Work, out: torch.Tensor, lse: torch.Tensor) -> None:
    """Write `out` [slices, n_q, Dv] and `lse` [slices, n_q], both in the dtype of the work."""
    plan = work.plan
    if not plan.complete:
        out.zero_()
    lse.fill_(-math.inf)
    _attend(work, plan.pieces, out, lse)
    for walk in plan.walks:
        along = work.along(walk)
        rows = slice(walk.slices.start, walk.slices.stop)
        here = out[rows], lse[rows]
        places = walk.places
        if places is None:
            _attend(along, walk.pieces, *here)
            continue
        part_out = work.q.new_zeros((*along.q.shape[:2], out.shape[2]))
        part_lse = work.q.new_full(along.q.shape[:2], -math.inf)
        _attend(along, walk.pieces, part_out, part_lse)
        _merge(here, (part_out.index_select(1, places), part_lse.index_select(1, places)), False)


def _attend(
    work: Work, pieces: Sequence[Piece | Gathered], out: torch.Tensor, lse: torch.Tensor
) -> None:
    """Add the pieces to `out` and `lse`, in place."""
    fuses = _fuses(work)
    even = _even(work) if fuses else work
    for piece in pieces:
        attend, on = (_fused_chunk, even) if fuses else (_plain, work)
        if fuses and isinstance(piece, Piece) and not piece.live:
            q = tiles_of_slices(even.q, piece, of_keys=False)
            k, v = (tiles_of_slices(x, piece, of_keys=True) for x in (even.k, even.v))
            bias = bias_of(piece.mask, work.q.dtype)
            part = _fused(q, k, v, bias, work.scale, piece.hollow)
            rows = tiles_of_slices(out, piece, of_keys=False)
            _merge((rows, tiles_of_slices(lse, piece, of_keys=False)), part, piece.fresh)
            continue
        for chunk in chunks(on, piece, at_once=FUSED_AT_ONCE if fuses else LOGITS_AT_ONCE):
            part = attend(on, chunk)
            whole = chunk.rows.of(out), chunk.rows.of(lse)
            _merge(whole, part, chunk.fresh)
            if chunk.rows.index is not None:
                chunk.rows.put(out, whole[0])
                chunk.rows.put(lse, whole[1])


def _fuses(work: Work) -> bool:
    """Whether torch's fused attention with log-sum-exp can do the forward pass."""
    op = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    plain = work.careful or work.spec.score is not None
    return op is not None and work.q.device.type == "cpu" and not plain


def _even(work: Work) -> Work:
    """The work with zeros where D or Dv is the smaller: the fused call wants them equal."""
    most = max(work.q.shape[2], work.v.shape[2])
    padded = (pad(x, (0, most - x.shape[2])) if x.shape[2] < most else x for x in work.qkv)
    return work.on(*padded)


def _fused(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    bias: torch.Tensor | None,
    scale: float,
    hollow: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Out and log-sum-exp of attention in each of [a, b] tiles; -inf in rows without keys.

    Args:
        q: [a, b, R, D].
        k: [a, b, L, D].
        v: [a, b, L, D].
        bias: 0 or -inf for each pair, broadcasts to [a, b, R, L], or None.
        scale: factor on q . k.
        hollow: whether rows may be without keys.

    """
    whole = bias if bias is None else bias.expand(*q.shape[:3], k.shape[2])
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        q, k, v, 0.0, False, attn_mask=whole, scale=scale
    )
    if bias is not None and hollow:
        lse = lse.masked_fill(bias.amax(-1) == -math.inf, -math.inf)
    return out, lse


def _fused_chunk(work: Work, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
    bias = chunk.bias if chunk.bias is None or chunk.bias.ndim == 2 else chunk.bias[:, None]
    q, k, v = (x[:, None] for x in (chunk.q, chunk.k, chunk.v))
    out, lse = _fused(q, k, v, bias, work.scale, hollow=True)
    return out[:, 0], lse[:, 0]


def _plain(work: Work, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
    """Out [c, R, Dv] and log-sum-exp [c, R] of one chunk."""
    s = logits_of(work, chunk)[1]
    lse = s.logsumexp(-1)
    weights = torch.exp(s - lse.masked_fill(lse == -math.inf, 0.0)[:, :, None])
    if not work.careful:
        return torch.bmm(weights, chunk.v), lse
    if chunk.mask is not None:
        weights = torch.where(chunk.mask, weights, 0.0)
    finite = chunk.v.isfinite()
    out = torch.bmm(weights, torch.where(finite, chunk.v, 0.0))
    return (out if bool(finite.all()) else _spread(out, chunk)), lse


def _spread(out: torch.Tensor, chunk: Chunk) -> torch.Tensor:
    """Out with the NaN and inf of the values that a row keeps, as their sum would have them."""
    kept = torch.ones_like(out[:, :, :1]).expand(*out.shape[:2], chunk.v.shape[1])
    if chunk.mask is not None:
        kept = chunk.mask.to(out.dtype).expand(kept.shape)

    def reach(bad: torch.Tensor) -> torch.Tensor:
        return torch.bmm(kept, bad.to(out.dtype)) > 0

    up, down = reach(chunk.v == math.inf), reach(chunk.v == -math.inf)
    out = out.masked_fill(up, math.inf).masked_fill(down, -math.inf)
    return out.masked_fill(reach(chunk.v.isnan()) | (up & down), math.nan)


def logits_of(work: Work, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
    """`scale * q . k` of all pairs, and the logits after score and mask: [c, R, L] each."""
    s = raw = raw_logits_of(work, chunk)
    if work.spec.score is not None:
        s = work.spec.score(raw, chunk.q_pos, chunk.k_pos, chunk.call).to(raw.dtype)
        s = s.expand(raw.shape)
    if chunk.mask is not None:
        s = torch.where(chunk.mask, s, -math.inf)
    return raw, s


def raw_logits_of(work: Work, chunk: Chunk) -> torch.Tensor:
    """`scale * q . k` of all pairs [c, R, L], rounded as the fused call rounds it.

    The scale comes last: weights that a backward pass makes from other roundings of its logits
    than went into the log-sum-exp have errors that grow with the logits.
    """
    return torch.bmm(chunk.q, chunk.k.transpose(1, 2)).mul_(work.scale)


def _merge(
    whole: tuple[torch.Tensor, torch.Tensor], part: tuple[torch.Tensor, torch.Tensor], fresh: bool
) -> None:
    """Add to `whole` = (out, lse), in place, the same rows' attention to other keys."""
    (out, lse), (part_out, part_lse) = whole, part
    part_out = part_out[..., : out.shape[-1]]
    if fresh:
        out.copy_(part_out)
        lse.copy_(part_lse)
        return
    most = torch.maximum(lse, part_lse)
    most.masked_fill_(most == -math.inf, 0.0)
    weight, part_weight = torch.exp(lse - most), torch.exp(part_lse - most)
    total = weight + part_weight
    lse.copy_(most + total.log())
    total.masked_fill_(total == 0, 1.0)
    out.mul_((weight / total)[..., None]).addcmul_(part_out, (part_weight / total)[..., None])
