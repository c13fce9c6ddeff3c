"""Block-sparse attention in plain torch, forward and backward, on any device.

A plan says which query tiles see the same relative shape of keys. Each such piece is one fused
call on overlapping strided views; where rows are in several pieces, their results are merged by
log-sum-exp. The weights of the backward pass come from the log-sum-exp of the whole row, so that
each piece gives its exact part of the gradients.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.torch_backward import gradients_of
from maskc.codegen.runtime.torch_forward import forward_of
from maskc.codegen.runtime.torch_pieces import Work
from maskc.codegen.runtime.torch_planner import plan_torch

SAFE_LOGIT = 1e30
"""Logits that cannot exceed this need no care: adding -inf to them gives -inf."""


def attend_torch(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    layout: Layout,
    call: Call,
    spec: Spec,
    scale: float,
    results: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention whose work is proportional to the kept tiles of the layout; differentiable.

    Its gradients reach q, k, v and the float inputs that the score reads.

    Args:
        q: [batch, heads, n_q, head_dim], any float dtype and strides.
        k: [batch, kv_heads, n_k, head_dim].
        v: [batch, kv_heads, n_k, value_dim].
        layout: of this call; small tiles suit best (TORCH_BLOCK).
        call: of the same shapes.
        spec: what is computed.
        scale: factor on q . k.
        results: what would be returned, where another back end has made it: only the backward
            pass remains.

    Returns:
        `out` [batch, heads, n_q, value_dim], 0 in rows without keys; `lse`, the log-sum-exp of
        each row [batch, heads, n_q], float32 (float64 for float64), there -inf.

    """
    wanted = trained_inputs(spec, call)
    inputs = [call.tensors[name] for name in wanted]
    return TorchAttention.apply(q, k, v, layout, call, spec, scale, results, wanted, *inputs)


def trained_inputs(spec: Spec, call: Call) -> tuple[str, ...]:
    """The inputs of the score whose gradients may be asked for."""
    if not torch.is_grad_enabled():
        return ()
    return tuple(name for name in spec.score_inputs if call.tensors[name].requires_grad)


class TorchAttention(torch.autograd.Function):
    """The forward pass, and the backward pass from its output and log-sum-exp."""

    @staticmethod
    def forward(
        ctx: Any,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        layout: Layout,
        call: Call,
        spec: Spec,
        scale: float,
        results: tuple[torch.Tensor, torch.Tensor] | None,
        wanted: tuple[str, ...],
        *inputs: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`out` and `lse` of `attend_torch`."""
        flat = [_flat(x) for x in (q, k, v)]
        work = Work(
            plan_torch(layout, spec, call), spec, call, scale, *flat, _needs_care(*flat, scale)
        )
        if results is None:
            with _own_dtypes(q.device):
                exact, lse = forward_of(work)
        else:
            exact, lse = _flat(results[0]), results[1]
        lse = lse.view(q.shape[:3])
        out = exact.to(q.dtype).view(*q.shape[:3], -1) if results is None else results[0]
        kept = out if exact.dtype == out.dtype else exact
        ctx.save_for_backward(q, k, v, kept, lse, *inputs)
        ctx.work = (work.plan, spec, call, scale, work.careful, wanted)
        return out, lse

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: torch.Tensor, d_lse: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of q, k, v and the inputs."""
        q, k, v, out, lse, *inputs = ctx.saved_tensors
        plan, spec, call, scale, careful, wanted = ctx.work
        leaves = [x.detach().requires_grad_() for x in inputs]
        trained = tuple((leaf, torch.zeros_like(leaf)) for leaf in leaves)
        call = replace(call, tensors={**call.tensors, **dict(zip(wanted, leaves, strict=True))})
        work = Work(plan, spec, call, scale, *(_flat(x) for x in (q, k, v)), careful, trained)
        out = out.view(-1, *out.shape[-2:])
        with _own_dtypes(q.device):
            gradients = gradients_of(
                work, out, lse.flatten(0, 1), _flat(d_out), d_lse.flatten(0, 1)
            )
        shaped = (g.to(x.dtype).view(x.shape) for g, x in zip(gradients, (q, k, v), strict=True))
        return *shaped, *(None,) * 6, *(gradient for _, gradient in trained)


def _own_dtypes(device: torch.device) -> AbstractContextManager[Any]:
    """A context in which autocast does not turn products into 16 bits."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _flat(x: torch.Tensor) -> torch.Tensor:
    """[batch, heads, n, D] as [batch * heads, n, D] in float32 or float64, last axis dense."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    x = x.to(wide).flatten(0, 1)
    return x if x.stride(-1) == 1 else x.contiguous()


def _needs_care(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> bool:
    """Whether NaN, inf or overflowing logits of dropped pairs could spread."""
    ranges = [x.aminmax() for x in (q, k)]
    q_most, k_most = (torch.maximum(high, -low) for low, high in ranges)
    calm = (
        q_most * k_most * (q.shape[-1] * max(abs(scale), 1.0)) < SAFE_LOGIT
    ) & v.sum().isfinite()
    return not bool(calm)
