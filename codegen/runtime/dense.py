"""The dense reading: the whole mask, and softmax attention under it as everyone writes it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from maskc.codegen.runtime.call import Call, Spec

POINTS_AT_ONCE = 1 << 22
"""Points of a dense mask that are read together; bounds the memory beside the mask itself."""


def dense_mask_of(spec: Spec, call: Call) -> torch.Tensor:
    """The mask, bool [batches, heads, n_q, n_k]; slices that cannot differ share memory."""
    batches = call.batches if "batch" in spec.slices else min(call.batches, 1)
    heads = call.heads if {"head", "kv_head"} & set(spec.slices) else 1
    device = call.device
    batch = torch.arange(batches, device=device).view(-1, 1, 1, 1)
    head = torch.arange(heads, device=device).view(1, -1, 1, 1)
    here = call.at(batch, head)
    k = torch.arange(call.n_k, device=device)
    mask = torch.empty((batches, heads, call.n_q, call.n_k), dtype=torch.bool, device=device)
    at_once = max(POINTS_AT_ONCE // max(batches * heads * call.n_k, 1), 1)
    for first in range(0, call.n_q if mask.numel() else 0, at_once):
        rows = torch.arange(first, min(first + at_once, call.n_q), device=device)
        mask[:, :, rows] = torch.as_tensor(
            spec.keep(rows[:, None] + call.q_start, k, here), device=device
        )
    return mask.expand(call.batches, call.heads, -1, -1)


def attend_dense(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, call: Call, spec: Spec, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention with the whole matrix of weights in memory; differentiable by autograd.

    Logits and the softmax are in float32 where q is 16-bit, under autocast too; the average of the
    values is in the dtype of v.

    Args:
        q: [batch, heads, n_q, head_dim].
        k: [batch, kv_heads, n_k, head_dim].
        v: [batch, kv_heads, n_k, value_dim].
        call: of the same shapes.
        spec: what is computed.
        scale: factor on q . k.

    Returns:
        `out` [batch, heads, n_q, value_dim], 0 in rows without keys; `lse`, the log-sum-exp of
        each row [batch, heads, n_q], there -inf.

    """
    with own_dtypes(q.device):
        return _attend_masked(q, k, v, call, spec, scale)


def own_dtypes(device: torch.device) -> AbstractContextManager[Any]:
    """A context in which autocast does not turn products into 16 bits."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _attend_masked(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, call: Call, spec: Spec, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What `attend_dense` gives."""
    mask = dense_mask_of(spec, call)
    nothing = sum(x[..., :0].sum() for x in (q, k, v))  # so that each has a gradient, if of zeros
    group = call.heads // call.kv_heads
    if group > 1:
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    some = mask.any(-1, keepdim=True)
    s = torch.where(mask, _masked_logits(torch.where(some, q, 0), k, scale), 0)
    if spec.score is not None:
        q_pos = torch.arange(call.n_q, device=q.device)[:, None] + call.q_start
        k_pos = torch.arange(call.n_k, device=q.device)
        s = spec.score(s, q_pos, k_pos, call.everywhere()).to(s.dtype)
    s = torch.where(mask, s, -torch.inf)
    highest = s.detach().amax(-1, keepdim=True)
    highest = torch.where(highest == -torch.inf, 0, highest)
    weights = torch.where(mask, torch.exp(s - highest), 0)
    total = weights.sum(-1, keepdim=True)
    empty = total == 0
    total = torch.where(empty, 1, total)
    lse = torch.where(empty, -torch.inf, highest + total.log()).squeeze(-1)
    out = torch.where(some, _average((weights / total).to(v.dtype), v, mask), 0)
    return out + nothing, lse + nothing


def _masked_logits(q: torch.Tensor, k: torch.Tensor, scale: float) -> torch.Tensor:
    """Scale * q . k for all pairs, where a NaN in a key stays in the pairs of that key."""
    q, k = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q, k))
    finite = k.isfinite()
    s = q @ torch.where(finite, k, 0).transpose(-1, -2) * scale
    if finite.all():
        return s
    bad = q.detach() @ k.detach().transpose(-1, -2) * scale
    return torch.where(finite.all(-1)[..., None, :], s, bad)


def _average(weights: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Weights @ v, where a NaN or inf in a value reaches only the rows that keep its key."""
    finite = v.isfinite()
    out = weights @ torch.where(finite, v, 0)
    if finite.all():
        return out
    kept = mask.to(weights.dtype)
    reached = (kept @ (~finite).to(v.dtype)) > 0
    up, down = (kept @ (v == sign).to(v.dtype) > 0 for sign in (torch.inf, -torch.inf))
    nan = (kept @ v.isnan().to(v.dtype) > 0) | (up & down)
    bad = torch.where(nan, torch.nan, torch.where(up, torch.inf, -torch.inf)).to(out.dtype)
    return torch.where(reached, bad, out)
