"""Softmax attention as a textbook has it: dense, in float64, with biases and sinks as given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def plain_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor,
    score: Callable[[torch.Tensor], torch.Tensor] = lambda s: s,
    sinks: tuple[torch.Tensor, ...] = (),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Out and lse; each of `sinks` is the logit of one more key, [batch, heads, n_q], value 0."""
    q, k, v = (x.double() for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    s = q @ k.repeat_interleave(group, 1).transpose(-1, -2) * q.shape[-1] ** -0.5
    s = score(s).masked_fill(~mask, -torch.inf)
    s = torch.cat([s, *(sink.double()[..., None] for sink in sinks)], -1)
    empty = (s == -torch.inf).all(-1, keepdim=True)
    weights = s.masked_fill(empty, 0.0).softmax(-1).masked_fill(empty, 0.0)
    lse = s.masked_fill(empty, 0.0).logsumexp(-1).masked_fill(empty[..., 0], -torch.inf)
    return weights[..., : k.shape[2]] @ v.repeat_interleave(group, 1), lse


def results(
    attend: Callable[..., Any], q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, inputs: Any
) -> tuple[torch.Tensor, ...]:
    """Out, lse and the gradients of q, k, v and all inputs, for one fixed gradient of both."""
    leaves = [x.detach().clone().requires_grad_() for x in (q, k, v, *inputs.values())]
    out, lse = attend(*leaves[:3], **dict(zip(inputs, leaves[3:], strict=True)))
    generator = torch.Generator().manual_seed(1)
    d_out = torch.randn(out.shape, generator=generator, dtype=torch.float64)
    d_lse = torch.randn(lse.shape, generator=generator, dtype=torch.float64)
    total = (out.double() * d_out.to(q.dtype)).sum() + (
        lse.masked_fill(lse == -torch.inf, 0.0).double() * d_lse
    ).sum()
    gradients = torch.autograd.grad(total, leaves, materialize_grads=True)
    return out.detach(), lse.detach(), *gradients


def assert_near(got: tuple[torch.Tensor, ...], wanted: tuple[torch.Tensor, ...], dtype) -> None:
    """Every tensor is the wanted one within a few roundings of `dtype`, with its infinities."""
    steps = 40 * torch.finfo(dtype).eps
    for i, (a, b) in enumerate(zip(got, wanted, strict=True)):
        assert torch.equal(a.isinf(), b.isinf()), f"result {i}: infinities differ"
        assert not a.isnan().any(), f"result {i} has NaN"
        a, b = (x.double().masked_fill(b.isinf(), 0.0) for x in (a, b))
        worst, most = float((a - b).abs().max()), float(b.abs().max())
        assert worst <= steps * max(most, 1.0), f"result {i} is off by {worst:.3g} of {most:.3g}"
