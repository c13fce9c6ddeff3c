"""One assertion: a pattern's output and gradients against float64 softmax over its dense mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from maskc.testing.call import Call

FACTORS = {"bfloat16": 1.1, "float16": 1.1, "float32": 2.0, "float64": 2.0}
"""How much larger an error may be than that of dense torch attention of the same dtype.

For 16 bits the error is of the format itself; for 32 bits two orders of the same additions differ
by their rounding alone.
"""

FLOORS = {"bfloat16": 2.0, "float16": 2.0, "float32": 4.0, "float64": 4.0}
"""Errors below this many units in the last place of the tensor's greatest magnitude always pass:
on a few entries the ratio of two such errors says nothing."""

CANCELLED = 4.0
"""The same for the greatest sum of magnitudes that a result is the difference of, in units of the
32-bit numbers that products are added in: a gradient may be the zero left of large terms."""

Score = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Results:
    """What attention gives, by name: out, lse, dq, dk, dv. None where there was no backward."""

    out: torch.Tensor
    lse: torch.Tensor
    dq: torch.Tensor | None = None
    dk: torch.Tensor | None = None
    dv: torch.Tensor | None = None


def assert_matches_dense(
    pattern: Any,
    call: Call,
    backend: str = "auto",
    *,
    device: str = "cpu",
    backward: bool = True,
    mask: torch.Tensor | None = None,
    score: Score | None = None,
) -> None:
    """Nothing, where the pattern is exact; else an AssertionError with a call to paste.

    Out, log-sum-exp (in 32 bits at least, but for "dense") and all gradients are held against
    float64 softmax over the dense mask. An error may be FACTORS times that of dense torch
    attention of the same dtype on the same input, or what FLOORS and CANCELLED allow. Rows
    without keys must be exactly 0 with log-sum-exp -inf and gradient 0. New memory is NaN while
    the pattern runs.

    Args:
        pattern: a public pattern object.
        call: what to call it with.
        backend: "auto", "torch", "triton" or "dense".
        device: where the pattern runs; the oracle runs on the CPU.
        backward: also check gradients.
        mask: bool [batch, heads, n_q, n_k], in the place of the pattern's own dense mask.
        score: the logits as a function of the raw ones, in the place of the pattern's own.

    """
    if mask is None:
        mask = pattern.dense_mask(**call.lengths(), **call.arguments())
    score = score or own_score(pattern, call)
    q, k, v, gradient = (x.cpu() for x in call.tensors())
    exact = dense_attention(q, k, v, gradient, mask, score, call.scale, torch.float64, backward)
    same = dense_attention(q, k, v, gradient, mask, score, call.scale, q.dtype, backward)
    if backend != "dense":
        wide = torch.promote_types(q.dtype, torch.float32)
        in_wide = dense_attention(q, k, v, gradient, mask, score, call.scale, wide, False)
        same = replace(same, lse=in_wide.lse)
    terms = magnitudes(q, k, v, gradient, mask, score, call.scale)
    got = run(pattern, call, mask, backend, device, backward)
    where = f"backend={backend!r}, device={device!r}\n{call!r}"
    _check_empty_rows(got, mask, where)
    for name in ("out", "lse", "dq", "dk", "dv") if backward else ("out", "lse"):
        _check(name, got, exact, same, terms[name], where)


def run(
    pattern: Any, call: Call, mask: torch.Tensor, backend: str, device: str, backward: bool
) -> Results:
    """What the pattern gives for this call, in fresh memory that is NaN until written."""
    q, k, v, gradient = call.tensors(device)
    if call.poison:
        k, v = poisoned(k, v, mask)
    if backward:
        q, k, v = (x.requires_grad_() for x in (q, k, v))
    with unwritten_memory_is_nan():
        out, lse = pattern(
            *(q, k, v),
            **call.arguments(device),
            scale=call.scale,
            backend=backend,
            return_lse=True,
        )
        gradients = torch.autograd.grad(out, (q, k, v), gradient) if backward else (None,) * 3
    assert out.shape == (call.batch, call.heads, call.n_q, call.value_dim), out.shape
    assert lse.shape == (call.batch, call.heads, call.n_q), lse.shape
    assert out.dtype == q.dtype, out.dtype
    dq, dk, dv = (None if g is None else g.detach().cpu() for g in gradients)
    return Results(out.detach().cpu(), lse.detach().cpu(), dq, dk, dv)


def dense_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    gradient: torch.Tensor,
    mask: torch.Tensor,
    score: Score,
    scale: float | None,
    dtype: torch.dtype,
    backward: bool = True,
) -> Results:
    """Softmax attention over a dense mask, every step in `dtype`.

    Args:
        q: [batch, heads, n_q, head_dim].
        k: [batch, kv_heads, n_k, head_dim].
        v: [batch, kv_heads, n_k, value_dim].
        gradient: of the output, [batch, heads, n_q, value_dim].
        mask: bool [batch, heads, n_q, n_k].
        score: the logits as a function of scale * q . k.
        scale: None for 1 / sqrt(head_dim).
        dtype: of every intermediate value.
        backward: also give gradients.

    """
    q, k, v = (x.detach().to(dtype).requires_grad_(backward) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    logits = score(q @ k.repeat_interleave(group, 1).transpose(-1, -2) * scale).to(dtype)
    logits = logits.masked_fill(~mask, -torch.inf)
    some = mask.any(-1, keepdim=True)
    highest = torch.where(some, logits.amax(-1, keepdim=True), 0.0).detach()
    weights = torch.exp(logits - highest).masked_fill(~mask, 0.0)
    total = weights.sum(-1, keepdim=True)
    out = weights / torch.where(some, total, 1.0) @ v.repeat_interleave(group, 1)
    lse = (highest + torch.log(total))[..., 0].detach()
    if not backward:
        return Results(out.detach(), lse)
    return Results(out.detach(), lse, *torch.autograd.grad(out, (q, k, v), gradient.to(dtype)))


def magnitudes(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    gradient: torch.Tensor,
    mask: torch.Tensor,
    score: Score,
    scale: float | None,
) -> dict[str, float]:
    """By name of result: the greatest sum of magnitudes of the terms that an entry is made of.

    Args:
        q: as in `dense_attention`; so are all others.
        k: see q.
        v: see q.
        gradient: see q.
        mask: see q.
        score: see q.
        scale: see q.

    """
    q, k, v, gradient = (x.detach().double() for x in (q, k, v, gradient))
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    raw = (q @ k.transpose(-1, -2) * scale).requires_grad_()
    logits = score(raw)
    slope = torch.autograd.grad(logits.sum(), raw, allow_unused=True)[0] if logits is not raw else 1
    slope = 0 if slope is None else slope
    logits = logits.detach().masked_fill(~mask, -torch.inf)
    weights = torch.softmax(logits, -1).nan_to_num(0.0)
    ds = weights * 2 * (gradient.abs() @ v.abs().transpose(-1, -2)) * abs(slope * scale)
    sizes = (q.abs() @ k.abs().transpose(-1, -2) * abs(scale)).masked_fill(~mask, 0.0)
    made_of = {
        "out": weights @ v.abs(),
        "lse": sizes + 1,
        "dq": ds @ k.abs(),
        "dk": (ds.transpose(-1, -2) @ q.abs()).unflatten(1, (-1, group)).sum(2),
        "dv": (weights.transpose(-1, -2) @ gradient.abs()).unflatten(1, (-1, group)).sum(2),
    }
    return {name: float(x.max()) for name, x in made_of.items()}


def own_score(pattern: Any, call: Call) -> Score:
    """The pattern's own logits as a function of the raw ones."""
    if pattern.spec.score is None:
        return lambda s: s
    bound = pattern.bind(**call.lengths(), **call.arguments()).everywhere()
    q = (torch.arange(call.n_q) + bound.q_start).view(-1, 1)
    k = torch.arange(call.n_k).view(1, -1)
    return lambda s: pattern.spec.score(s, q, k, bound)


def poisoned(
    k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """K and v with NaN and inf at the keys that no query of their group sees."""
    seen = mask.any(2).unflatten(1, (k.shape[1], -1)).any(2).to(k.device)
    bad = torch.tensor([torch.nan, torch.inf, -torch.inf], dtype=k.dtype, device=k.device)
    bad = bad[torch.arange(k.shape[2], device=k.device) % 3].view(1, 1, -1, 1)
    return tuple(torch.where(seen[..., None], x, bad) for x in (k, v))


@contextmanager
def unwritten_memory_is_nan() -> Iterator[None]:
    """While this lasts, `torch.empty` and its kin give NaN, so that a gap in a result shows."""
    before = torch.are_deterministic_algorithms_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill


def _check_empty_rows(got: Results, mask: torch.Tensor, where: str) -> None:
    empty = ~mask.any(-1)
    told = f"of rows without keys; {where}"
    assert (got.out[empty] == 0).all(), f"out is not 0 {told}"
    assert (got.lse[empty] == -torch.inf).all(), f"lse is not -inf {told}"
    assert got.dq is None or (got.dq[empty] == 0).all(), f"dq is not 0 {told}"


def _check(
    name: str, got: Results, exact: Results, same: Results, terms: float, where: str
) -> None:
    result, truth, peer = (getattr(x, name).double() for x in (got, exact, same))
    kept = torch.isfinite(truth)
    assert torch.isfinite(result[kept]).all(), f"{name} has NaN or inf; {where}"
    if not kept.any():
        return
    error = (result - truth)[kept].abs()
    dtype = getattr(got, name).dtype
    kind = str(dtype).removeprefix("torch.")
    sums = torch.finfo(torch.promote_types(dtype, torch.float32)).eps * terms
    ulp = torch.finfo(dtype).eps * truth[kept].abs().max()
    allowed = FACTORS[kind] * (peer - truth)[kept].abs().max()
    allowed = torch.maximum(allowed, FLOORS[kind] * ulp + CANCELLED * sums)
    worst = int(error.argmax())
    assert error[worst] <= allowed, (
        f"{name} is off by {error[worst]:.3g} at {tuple(kept.nonzero()[worst].tolist())}: "
        f"got {result[kept][worst]:.6g}, wanted {truth[kept][worst]:.6g}, "
        f"allowed {allowed:.3g}; {where}"
    )
