"""Dense attention to hold the torch back end against, and how near it must be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

UNITS = {torch.float32: 4.0, torch.float64: 16.0}
"""More for float64: there the dense result is no more exact than the other."""


@dataclass(frozen=True)
class Results:
    """Out, log-sum-exp and gradients."""

    out: torch.Tensor
    lse: torch.Tensor
    dq: torch.Tensor
    dk: torch.Tensor
    dv: torch.Tensor
    weights: torch.Tensor | None = None


def dense(q, k, v, d_out, mask, dtype, score=lambda s: s, scale=None) -> Results:
    """Dense attention with every step in one dtype."""
    q, k, v = leaves = [x.detach().to(dtype).requires_grad_() for x in (q, k, v)]
    group = q.shape[1] // k.shape[1]
    k, v = (x.repeat_interleave(group, 1) for x in (k, v))
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    s = score(q @ k.transpose(-1, -2) * scale).to(dtype)
    s = s.masked_fill(~mask, -math.inf)
    some = mask.any(-1, keepdim=True)
    most = torch.where(some, s.amax(-1, keepdim=True), 0).detach()
    weights = torch.exp(s - most).masked_fill(~mask, 0)
    total = weights.sum(-1, keepdim=True)
    weights = weights / torch.where(some, total, 1)
    out = weights @ v
    lse = (most + total.log()).squeeze(-1)
    return Results(out, lse, *torch.autograd.grad(out, leaves, d_out.to(dtype)), weights.detach())


def run(pattern, q, k, v, d_out, **arguments) -> Results:
    q, k, v = leaves = [x.detach().requires_grad_() for x in (q, k, v)]
    out, lse = pattern(q, k, v, backend="torch", return_lse=True, **arguments)
    assert out.dtype == q.dtype
    return Results(out, lse, *torch.autograd.grad(out, leaves, d_out))


def drawn(shape_q, shape_k, value_dim=None, dtype=torch.float64, seed=0):
    """Q, k, v and the gradient of the output, at random."""
    generator = torch.Generator().manual_seed(seed)
    *rows, head_dim = shape_q
    shapes = shape_q, shape_k, (*shape_k[:3], value_dim or head_dim)
    shapes += ((*rows, value_dim or head_dim),)
    return [
        torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes
    ]


def terms(q, k, v, d_out, weights) -> dict[str, torch.Tensor]:
    """The sum of the absolute terms behind each result: rounding is relative to that."""
    group = q.shape[1] // k.shape[1]
    scale = q.shape[-1] ** -0.5
    q, k, v, d_out = (x.detach().double().abs() for x in (q, k, v, d_out))
    k, v = (x.repeat_interleave(group, 1) for x in (k, v))
    shift = (d_out * (weights @ v)).sum(-1, keepdim=True)
    d_s = weights * (d_out @ v.transpose(-1, -2) + shift) * scale
    return {
        "out": weights @ v,
        "lse": q @ k.transpose(-1, -2) * scale,
        "dq": d_s @ k,
        "dk": (d_s.transpose(-1, -2) @ q).unflatten(1, (-1, group)).sum(2),
        "dv": (weights.transpose(-1, -2) @ d_out).unflatten(1, (-1, group)).sum(2),
    }


def hold(got: Results, q, k, v, d_out, mask, **score) -> None:
    """Every error at most 1.1 times (16 bits) that of dense attention in the same dtype.

    Or UNITS in the last place of the terms that were summed, in the dtype of the sums.
    """
    mask = mask.expand(q.shape[0], q.shape[1], *mask.shape[-2:])
    exact = dense(q, k, v, d_out, mask, torch.float64, **score)
    peer = exact if q.dtype == torch.float64 else dense(q, k, v, d_out, mask, q.dtype, **score)
    summed = terms(q, k, v, d_out, exact.weights)
    empty = ~mask.any(-1)
    assert (got.lse[empty] == -math.inf).all()
    assert (got.out[empty] == 0).all() and (got.dq[empty] == 0).all()
    factor = 1.1 if q.dtype.itemsize == 2 else 2.0
    wide = torch.promote_types(q.dtype, torch.float32)
    for name in ("out", "lse", "dq", "dk", "dv"):
        result, truth, other = (getattr(x, name).double() for x in (got, exact, peer))
        kept = truth.isfinite()
        assert result[kept].isfinite().all(), name
        if not kept.any():
            continue
        error = (result - truth)[kept].abs().max()
        allowed = factor * (other - truth)[kept].abs().max()
        floor = UNITS[wide] * torch.finfo(wide).eps * summed[name].max()
        assert error <= torch.maximum(allowed, floor), (name, error, allowed, floor)
