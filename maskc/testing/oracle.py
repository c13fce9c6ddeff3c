"""One assertion: a pattern's output and gradients against float64 softmax over its dense mask."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from maskc.testing.call import Call
from maskc.testing.reference import (
    Problem,
    Rules,
    Score,
    Sinks,
    Terms,
    dense_attention,
    gradient_name,
    gradients,
    terms_of,
)

FACTOR = 1.1
"""How much larger an error may be than the greatest one of dense torch attention of the same dtype
on the same input."""


def floor(terms: Terms, dtype: torch.dtype, inside: torch.dtype) -> torch.Tensor:
    """An error of each entry that passes whatever dense attention's own is.

    Where the errors of both are near zero, their ratio says nothing: with one key dq is the zero
    that is left of two equal terms, and which of two sums of few terms hits it is chance. So what
    rounding alone may do passes: one unit of the result's dtype for each term of its last sum, and
    one of the dtype inside, 32 bits at least, for each term of everything below. Nothing hangs on
    the results that are compared, so a real error of the size of a term is never let through.

    Args:
        terms: of the result.
        dtype: in which weights and the result are rounded.
        inside: of the sums.

    """
    wide = torch.promote_types(inside, torch.float32)
    return torch.finfo(dtype).eps * terms.last + torch.finfo(wide).eps * terms.all


def assert_matches_dense(
    pattern: Any,
    call: Call,
    backend: str = "auto",
    *,
    device: str = "cpu",
    backward: bool = True,
    mask: torch.Tensor | None = None,
    score: Score | None = None,
    sinks: Sinks | None = None,
) -> None:
    """Nothing, where the pattern is exact; else an AssertionError with a call to paste.

    Out, log-sum-exp (in 32 bits at least, but for "dense") and all gradients, those of float
    inputs of the score and of the sink logit too, are held against float64 softmax over the dense
    mask. An error may be FACTOR times that of dense torch attention of the same dtype on the same
    input, or what `floor` says. Rows without keys must have out and gradient exactly 0, and where
    there are no sinks log-sum-exp -inf. New memory is NaN while the pattern runs.

    Args:
        pattern: a public pattern object.
        call: what to call it with.
        backend: "auto", "torch", "triton" or "dense".
        device: where the pattern runs; the oracle runs on the CPU.
        backward: also check gradients.
        mask: bool [batch, heads, n_q, n_k], in the place of the pattern's own dense mask.
        score: the logits by the raw ones and the float inputs, in the place of the pattern's own.
        sinks: logits that join the softmax, by the float inputs, in the place of the pattern's own.

    """
    kept = own_mask(pattern, call) if mask is None else mask
    rules = Rules(kept, score or own_score(pattern, call), sinks or own_sinks(pattern, call))
    q, k, v, gradient = (x.cpu() for x in call.tensors())
    scale = q.shape[-1] ** -0.5 if call.scale is None else call.scale
    inputs = call.input_tensors()
    learnt = {name: inputs[name] for name in learnt_inputs(pattern)}
    problem = Problem(q, k, v, gradient, learnt, scale)
    exact = dense_attention(problem, rules, torch.float64, backward)
    same = dense_attention(problem, rules, q.dtype, backward)
    if backend != "dense":
        wide = torch.promote_types(q.dtype, torch.float32)
        same["lse"] = dense_attention(problem, rules, wide, False)["lse"]
    terms = cache(lambda: terms_of(problem, rules, backward))
    got = run(pattern, call, kept, backend, device, backward)
    where = f"backend={backend!r}, device={device!r}\n{call!r}"
    _check_empty_rows(got, exact, kept, where)
    for name in exact:
        rounded = [got[name].dtype] if name == "lse" else [got[name].dtype, q.dtype]
        dtype = max(rounded, key=lambda dtype: torch.finfo(dtype).eps)

        def least(name: str = name, dtype: torch.dtype = dtype) -> torch.Tensor:
            return floor(terms()[name], dtype, q.dtype)

        _check(name, got, exact, same, least, where)


def learnt_inputs(pattern: Any) -> tuple[str, ...]:
    """The float inputs of a pattern that have gradients: of the score, and the sink logit."""
    sinks = pattern.spec.sinks
    named = [sinks.logit] if sinks is not None and sinks.logit is not None else []
    return tuple(dict.fromkeys((*pattern.spec.score_inputs, *named)))


def run(
    pattern: Any, call: Call, mask: torch.Tensor, backend: str, device: str, backward: bool
) -> dict[str, torch.Tensor]:
    """What the pattern gives for this call, in fresh memory that is NaN until written."""
    q, k, v, gradient = call.tensors(device)
    arguments = call.arguments(device)
    if call.poison:
        k, v = poisoned(k, v, mask)
    learnt = {name: arguments[name] for name in learnt_inputs(pattern)}
    leaves = {"dq": q, "dk": k, "dv": v, **{gradient_name(n): x for n, x in learnt.items()}}
    if backward:
        for x in leaves.values():
            x.requires_grad_()
    with unwritten_memory_is_nan(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the gradient of input", UserWarning)
        out, lse = pattern(
            *(q, k, v), **arguments, scale=call.scale, backend=backend, return_lse=True
        )
        found = gradients(out, leaves, gradient) if backward else {}
    assert out.shape == (call.batch, call.heads, call.n_q, call.value_dim), out.shape
    assert lse.shape == (call.batch, call.heads, call.n_q), lse.shape
    assert out.dtype == q.dtype, out.dtype
    return {name: x.detach().cpu() for name, x in {"out": out, "lse": lse, **found}.items()}


def own_mask(pattern: Any, call: Call) -> torch.Tensor:
    """The pattern's own dense mask: bool [batch, heads, n_q, n_k]."""
    return pattern.dense_mask(**call.lengths(), **call.arguments())


def own_score(pattern: Any, call: Call) -> Score:
    """The pattern's own logits as a function of the raw ones and the float inputs."""
    if pattern.spec.score is None:
        return lambda s, inputs: s

    def score(s: torch.Tensor, inputs: Any) -> torch.Tensor:
        bound = _bound(pattern, call, inputs)
        q = (torch.arange(call.n_q) + bound.q_start).view(-1, 1)
        found = pattern.spec.score(s, q, torch.arange(call.n_k).view(1, -1), bound)
        return torch.as_tensor(found).expand(s.shape)

    return score


def own_sinks(pattern: Any, call: Call) -> Sinks:
    """The pattern's own sinks as a function of the float inputs."""
    own = pattern.spec.sinks
    if own is None:
        return lambda inputs: ()

    def sinks(inputs: Any) -> tuple[torch.Tensor, ...]:
        bound = _bound(pattern, call, inputs)
        here = bound.at(bound.batch[..., 0], bound.head[..., 0])
        found = []
        if own.logit is not None:
            index = {axis: getattr(here, axis) for axis in ("batch", "head", "kv_head", "layer")}
            found.append(here.tensors[own.logit][tuple(index[axis] for axis in own.axes)])
        if own.count is not None:
            rows = torch.arange(call.n_q) + here.q_start
            found.append(torch.as_tensor(own.count(rows, here)).clamp(min=0).double().log())
        return tuple(found)

    return sinks


def _bound(pattern: Any, call: Call, inputs: Any) -> Any:
    return pattern.bind(**call.lengths(), **{**call.arguments(), **inputs}).everywhere()


def poisoned(
    k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """K and v with NaN and inf at the keys that no query of their group sees."""
    seen = mask.any(2).unflatten(1, (k.shape[1], -1)).any(2).to(k.device)
    bad = torch.tensor([torch.nan, torch.inf, -torch.inf], dtype=k.dtype, device=k.device)
    bad = bad[torch.arange(k.shape[2], device=k.device) % 3].view(1, 1, -1, 1)
    k, v = (torch.where(seen[..., None], x, bad) for x in (k, v))
    return k, v


@contextmanager
def unwritten_memory_is_nan() -> Iterator[None]:
    """While this lasts, `torch.empty` and its kin give NaN, so that a gap in a result shows."""
    before = torch.are_deterministic_algorithms_enabled()
    # A property of the module's own class, which stubs do not show.
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        memory.fill_uninitialized_memory = fill


def _check_empty_rows(
    got: dict[str, torch.Tensor], exact: dict[str, torch.Tensor], mask: torch.Tensor, where: str
) -> None:
    empty = ~mask.any(-1)
    told = f"of rows without keys; {where}"
    assert (got["out"][empty] == 0).all(), f"out is not 0 {told}"
    nothing = exact["lse"] == -torch.inf
    assert (got["lse"][nothing] == -torch.inf).all(), f"lse is not -inf {told}"
    assert "dq" not in got or (got["dq"][empty] == 0).all(), f"dq is not 0 {told}"


def _check(
    name: str,
    got: dict[str, torch.Tensor],
    exact: dict[str, torch.Tensor],
    same: dict[str, torch.Tensor],
    least: Callable[[], torch.Tensor],
    where: str,
) -> None:
    result, truth, peer = (x[name].double() for x in (got, exact, same))
    kept = torch.isfinite(truth)
    assert torch.isfinite(result[kept]).all(), f"{name} has NaN or inf; {where}"
    if not kept.any():
        return
    error = (result - truth)[kept].abs()
    usual = FACTOR * (peer - truth)[kept].abs().max()
    if error.max() <= usual:
        return
    allowed = usual.maximum(least()[kept])
    worst = int((error - allowed).argmax())
    assert error[worst] <= allowed[worst], (
        f"{name} is off by {error[worst]:.3g} at {tuple(kept.nonzero()[worst].tolist())}: "
        f"got {result[kept][worst]:.6g}, wanted {truth[kept][worst]:.6g}, "
        f"allowed {allowed[worst]:.3g}; {where}"
    )
