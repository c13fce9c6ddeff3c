"""The backward pass of the torch back end, from the output and its log-sum-exp."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from maskc.codegen.runtime.torch_forward import logits_of, raw_logits_of
from maskc.codegen.runtime.torch_pieces import TALL, Chunk, Work, chunks, rows_along
from maskc.codegen.runtime.torch_plan import Gathered, Piece

LOG2_E = 1.4426950408889634
"""exp(x) is exp2(x * LOG2_E), which torch computes several times as fast on a CPU."""


def gradients_of(
    work: Work,
    results: tuple[torch.Tensor, torch.Tensor],
    d_results: tuple[torch.Tensor, torch.Tensor],
    gradients: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Write the gradients of q, k and v into `gradients`, whatever was there.

    A pair's weight is P = exp(s - lse); dS = P * (d_out . v - delta) with delta = d_out . out, less
    what flows into lse itself.

    Args:
        work: what is computed.
        results: `out` and `lse`, flat, as `forward_of` writes them.
        d_results: their gradients.
        gradients: dq, dk and dv, of the shapes and the dtype of q, k and v.

    """
    (out, lse), (d_out, d_lse) = results, d_results
    dq, dk, dv = gradients
    for gradient in gradients:
        gradient.zero_()
    empty = lse == -math.inf
    if bool(empty.any()):
        lse, d_lse = (x.masked_fill(empty, 0.0) for x in (lse, d_lse))
        d_out = d_out.masked_fill(empty[:, :, None], 0.0)
    delta = (d_out * out).sum(-1) - d_lse
    _add_gradients(work, work.plan.pieces, (d_out, lse, delta), (dq, dk, dv))
    for walk in work.plan.walks:
        along = work.along(walk)
        of_rows = rows_along(walk, d_out), rows_along(walk, lse), rows_along(walk, delta)
        q, k, v = along.qkv
        parts = q.new_zeros(q.shape), k.new_zeros(k.shape), v.new_zeros(v.shape)
        _add_gradients(along, walk.pieces, of_rows, parts)
        rows, keys = walk.slices, walk.kv_slices
        places = walk.places
        part = parts[0] if places is None else parts[0].index_select(1, places)
        dq[rows.start : rows.stop].add_(part)
        for total, part in zip((dk, dv), parts[1:], strict=True):
            total[keys.start : keys.stop].index_add_(1, walk.k_map, part)
    dq.mul_(work.scale)
    dk.mul_(work.scale)


def _add_gradients(
    work: Work,
    pieces: Sequence[Piece | Gathered],
    of_rows: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    gradients: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    """Add what the pieces give to the gradients of q and k, by the scale, and of v.

    Args:
        work: what is computed.
        pieces: of its plan.
        of_rows: gradient of the output, log-sum-exp and delta of each row.
        gradients: dq, dk and dv so far.

    """
    dq, dk, dv = gradients
    simple = work.spec.score is None and not work.careful
    pair_gradients = _pair_gradients if simple else _pair_gradients_with_care
    for piece in pieces:
        for chunk in chunks(work, piece, TALL):
            d_out, lse, delta = (chunk.rows.of(x) for x in of_rows)
            weights, d_s = pair_gradients(work, chunk, lse, d_out, delta)
            q, k = chunk.q, chunk.k
            if work.careful:
                q, k = (torch.where(x.isfinite(), x, 0.0) for x in (q, k))
            chunk.rows.add(dq, d_s, k)
            chunk.keys.add(dk, d_s, q)
            chunk.keys.add(dv, weights, d_out)


def _pair_gradients(
    work: Work, chunk: Chunk, lse: torch.Tensor, d_out: torch.Tensor, delta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """P and dS [c, R, L]."""
    weights = raw_logits_of(work, chunk).sub_(lse[:, :, None])
    if chunk.bias is not None:
        weights.add_(chunk.bias)
    weights.mul_(LOG2_E).exp2_()
    d_s = torch.bmm(d_out, chunk.v.transpose(1, 2)).sub_(delta[:, :, None])
    return weights, d_s.mul_(weights)


def _pair_gradients_with_care(
    work: Work, chunk: Chunk, lse: torch.Tensor, d_out: torch.Tensor, delta: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same in base e with the score's slope; nothing of a dropped pair gets anywhere."""
    raw, s = logits_of(work, chunk)
    weights = torch.exp(s - lse[:, :, None])
    d_s = (torch.bmm(d_out, chunk.v.transpose(1, 2)) - delta[:, :, None]) * weights
    if chunk.mask is not None:
        weights, d_s = (torch.where(chunk.mask, x, 0.0) for x in (weights, d_s))
    if work.trained:
        kept = raw if chunk.mask is None else torch.where(chunk.mask, raw, 0.0)
        _add_input_gradients(work, chunk, kept, d_s)
    if work.spec.score_slope is not None:
        d_s = d_s * work.spec.score_slope(raw, chunk.q_pos, chunk.k_pos, chunk.call).to(d_s.dtype)
        d_s = d_s if chunk.mask is None else torch.where(chunk.mask, d_s, 0.0)
    return weights, d_s


def _add_input_gradients(
    work: Work, chunk: Chunk, raw: torch.Tensor, d_logit: torch.Tensor
) -> None:
    """Add what the logits of a chunk give to the gradients of the score's inputs."""
    assert work.spec.score is not None, "only a score reads inputs that are trained"
    leaves = [leaf for leaf, _ in work.trained]
    with torch.enable_grad():
        score = work.spec.score(raw, chunk.q_pos, chunk.k_pos, chunk.call).expand(raw.shape)
    found = torch.autograd.grad(score, leaves, d_logit.to(score.dtype))
    for (_, total), gradient in zip(work.trained, found, strict=True):
        total.add_(gradient)
