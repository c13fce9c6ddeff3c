"""Softmax attention as a textbook has it, and how large the terms are that it sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Inputs = Mapping[str, torch.Tensor]

Score = Callable[[torch.Tensor, Inputs], torch.Tensor]
"""The logits [batch, heads, n_q, n_k], from scale * q . k and the float inputs by name."""

Sinks = Callable[[Inputs], tuple[torch.Tensor, ...]]
"""Logits without a value that join each row's softmax; they broadcast to [batch, heads, n_q]."""


@dataclass(frozen=True)
class Rules:
    """What a softmax is taken over: a mask, bool [batch, heads, n_q, n_k], logits and sinks."""

    mask: torch.Tensor
    score: Score = lambda s, inputs: s
    sinks: Sinks = lambda inputs: ()


@dataclass(frozen=True)
class Problem:
    """The tensors of one attention.

    `q` [batch, heads, n_q, head_dim], `k` [batch, kv_heads, n_k, head_dim], `v` [batch, kv_heads,
    n_k, value_dim], `gradient` of the output [batch, heads, n_q, value_dim]. `learnt`: float inputs
    whose gradients are wanted, by name. `scale` is on q . k.
    """

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    gradient: torch.Tensor
    learnt: dict[str, torch.Tensor]
    scale: float

    def leaves(self) -> dict[str, torch.Tensor]:
        """What is differentiated by, under the name of the gradient: dq, dk, dv, d_NAME."""
        learnt = {gradient_name(name): x for name, x in self.learnt.items()}
        return {"dq": self.q, "dk": self.k, "dv": self.v, **learnt}


def gradient_name(name: str) -> str:
    """What the gradient of an input is called among results."""
    return f"d_{name}"


def dense_attention(
    problem: Problem, rules: Rules, dtype: torch.dtype, backward: bool = True
) -> dict[str, torch.Tensor]:
    """Softmax attention over a dense mask, every step in `dtype`.

    Args:
        problem: the tensors; learnt inputs keep their dtypes unless `dtype` is float64.
        rules: mask, score and sinks.
        dtype: of every intermediate value.
        backward: also give gradients.

    Returns:
        out, lse and, with `backward`, the gradients dq, dk, dv, and d_NAME of each learnt input.

    """
    q, k, v = (x.detach().to(dtype).requires_grad_() for x in (problem.q, problem.k, problem.v))
    exact = dtype == torch.float64
    learnt = {
        name: x.detach().to(dtype if exact else x.dtype).requires_grad_()
        for name, x in problem.learnt.items()
    }
    group = q.shape[1] // k.shape[1]
    raw = q @ k.repeat_interleave(group, 1).transpose(-1, -2) * problem.scale
    logits = rules.score(raw, learnt).to(dtype).masked_fill(~rules.mask, -torch.inf)
    sinks = rules.sinks(learnt)
    logits = torch.cat([logits, *_columns(sinks, logits)], -1)
    some = (logits > -torch.inf).any(-1, keepdim=True)
    highest = torch.where(some, logits.amax(-1, keepdim=True), 0.0).detach()
    weights = torch.exp(logits - highest).masked_fill(logits == -torch.inf, 0.0)
    total = weights.sum(-1, keepdim=True)
    weights = weights[..., : k.shape[2]]
    out = weights / torch.where(some, total, 1.0) @ v.repeat_interleave(group, 1)
    found = {"out": out, "lse": (highest + torch.log(total))[..., 0]}
    if backward:
        leaves = {"dq": q, "dk": k, "dv": v, **{gradient_name(n): x for n, x in learnt.items()}}
        found |= gradients(out, leaves, problem.gradient.to(dtype))
    return {name: x.detach() for name, x in found.items()}


def gradients(
    out: torch.Tensor, leaves: dict[str, torch.Tensor], gradient: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The gradients of the leaves under their names, zeros where out does not depend on one."""
    found = torch.autograd.grad(out, list(leaves.values()), gradient, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))


@dataclass(frozen=True)
class Terms:
    """Of each entry of a result: the sum of the magnitudes of the terms that it is made of.

    `last`: of the terms of the last sum, exact. `all`: of those and of what they are made of, so
    that `all` times the unit of rounding bounds the error of a computation in that precision.
    """

    last: torch.Tensor
    all: torch.Tensor


def terms_of(problem: Problem, rules: Rules, backward: bool = True) -> dict[str, Terms]:
    """The terms of every result of `dense_attention`, by its name, in float64.

    To first order in the unit u of rounding, with S the terms of a logit: a weight w is off by
    w (S + 1 + sum of w (S + 1)) u, and ds = w (dp - delta) by as much, and by w times the terms of
    dp and delta.

    Args:
        problem: as in `dense_attention`.
        rules: see problem.
        backward: also of the gradients.

    """
    q, k, v, gradient = (
        x.detach().double() for x in (problem.q, problem.k, problem.v, problem.gradient)
    )
    learnt = {name: x.detach().double().requires_grad_() for name, x in problem.learnt.items()}
    group, n_k = q.shape[1] // k.shape[1], k.shape[2]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    raw = (q @ k.transpose(-1, -2) * problem.scale).requires_grad_()
    logits = rules.score(raw, learnt)
    slope = _moved(logits, raw).abs().where(rules.mask, 0.0)
    sinks = rules.sinks(learnt)
    columns = _columns(sinks, logits)
    masked = torch.cat([logits.masked_fill(~rules.mask, -torch.inf), *columns], -1).detach()
    weights = torch.softmax(masked, -1).nan_to_num(0.0)
    made = slope * (q.abs() @ k.abs().transpose(-1, -2)) * abs(problem.scale)
    made = torch.cat([made, *(torch.zeros_like(column) for column in columns)], -1)
    made = (made + masked.abs() + 1).where(masked > -torch.inf, 0.0).detach()
    mean = (weights * made).sum(-1, keepdim=True)
    rough = weights * (made + mean)
    kept = slice(0, n_k)
    found = {
        "out": Terms(weights[..., kept] @ v.abs(), rough[..., kept] @ v.abs()),
        "lse": Terms(*[(mean[..., 0] + masked.logsumexp(-1).abs()).nan_to_num(0, 0, 0)] * 2),
    }
    if not backward:
        return found
    dp, terms = (f(gradient) @ f(v).transpose(-1, -2) for f in (lambda x: x, torch.abs))
    dp, terms = (torch.nn.functional.pad(x, (0, len(columns))) for x in (dp, terms))
    delta = (weights * dp).sum(-1, keepdim=True)
    ds = weights * (dp - delta).abs()
    spread = (weights * terms).sum(-1, keepdim=True) + (rough * dp.abs()).sum(-1, keepdim=True)
    all_ds = rough * (dp - delta).abs() + weights * (terms + spread)

    def of_keys(x: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        found = x[..., kept].transpose(-1, -2) @ queries.abs()
        return found.unflatten(1, (-1, group)).sum(2)

    step = slope.detach() * abs(problem.scale)
    by_raw = ds[..., kept] * step, all_ds[..., kept] * step
    found |= {
        "dq": Terms(*(x @ k.abs() for x in by_raw)),
        "dk": Terms(*(of_keys(x, q) for x in by_raw)),
        "dv": Terms(of_keys(weights, gradient), of_keys(rough, gradient)),
    }
    for name, x in learnt.items():
        whole = torch.cat([logits.expand(*masked.shape[:-1], n_k), *columns], -1)
        sign = _moved(whole, x).sign()
        found[gradient_name(name)] = Terms(
            *(_pulled(whole, x, sign * each) for each in (ds, all_ds))
        )
    return found


def _columns(sinks: tuple[torch.Tensor, ...], like: torch.Tensor) -> list[torch.Tensor]:
    return [sink.expand(like.shape[:-1])[..., None].to(like.dtype) for sink in sinks]


def _moved(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """How each entry of y moves where all entries of x move by one: its slope by the one it reads.

    The Jacobian times ones, from two backward passes.
    """
    if not y.requires_grad:
        return torch.zeros_like(y)
    weights = torch.zeros_like(y, requires_grad=True)
    pulled = _pulled(y, x, weights)
    if not pulled.requires_grad:
        return torch.zeros_like(y)
    return _pulled(pulled, weights, torch.ones_like(pulled)).detach()


def _pulled(y: torch.Tensor, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The gradient by x of the sum of y times weights, zeros where y does not depend on x."""
    if not y.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(
        y, x, weights, create_graph=weights.requires_grad, retain_graph=True, materialize_grads=True
    )
    return found
