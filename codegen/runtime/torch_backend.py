"""Block-sparse attention in plain torch, forward and backward, on any device.

A plan says which query tiles see the same relative shape of keys. Each such piece is one fused
call on overlapping strided views; where rows are in several pieces, their results are merged by
log-sum-exp. The weights of the backward pass come from the log-sum-exp of the whole row, so that
each piece gives its exact part of the gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.dense import own_dtypes
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
    forward = Forward(layout, call, spec, scale, results, wanted)
    return TorchAttention.apply(q, k, v, forward, *inputs)


def trained_inputs(spec: Spec, call: Call) -> tuple[str, ...]:
    """The inputs of the score whose gradients may be asked for."""
    if not torch.is_grad_enabled():
        return ()
    return tuple(name for name in spec.score_inputs if call.tensors[name].requires_grad)


@dataclass(slots=True, eq=False)
class Forward:
    """One forward pass: what it is asked for, and what it leaves for the backward pass."""

    layout: Layout
    call: Call
    spec: Spec
    scale: float
    results: tuple[torch.Tensor, torch.Tensor] | None
    wanted: tuple[str, ...]
    careful: bool = False
    exact: torch.Tensor | None = None
    """The output before it was rounded to 16 bits, where it was"""

    def work(self, call: Call, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Work:
        """What there is to compute on these tensors."""
        plan = plan_torch(self.layout, self.spec, self.call)
        return Work(plan, self.spec, call, self.scale, _flat(q), _flat(k), _flat(v), self.careful)


class TorchAttention(torch.autograd.Function):
    """The forward pass, and the backward pass from its output and log-sum-exp."""

    @staticmethod
    def forward(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, forward: Forward, *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`out` and `lse` of `attend_torch`."""
        q_flat, k_flat, v_flat = _flat(q), _flat(k), _flat(v)
        forward.careful = _needs_care(q_flat, k_flat, v_flat, forward.scale)
        if forward.results is not None:
            out, lse = forward.results
            return out, lse.view(q.shape[:3])
        with own_dtypes(q.device):
            exact, lse = forward_of(forward.work(forward.call, q_flat, k_flat, v_flat))
        exact = exact.view(*q.shape[:3], -1)
        out = exact.to(q.dtype)
        forward.exact = None if out.dtype == exact.dtype else exact
        return out, lse.view(q.shape[:3])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Keep what the backward pass wants."""
        q, k, v, forward, *trained = inputs
        ctx.forward = forward
        if forward.exact is None:
            ctx.save_for_backward(q, k, v, *output, *trained)
        else:
            ctx.save_for_backward(q, k, v, forward.exact, output[1], *trained)
        # What the outputs are made of would keep them alive in a circle.
        forward.exact = forward.results = None

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[Any, ...]:
        """Gradients of q, k, v and the inputs."""
        q, k, v, out, lse, *inputs = ctx.saved_tensors
        gradients = _gradients(ctx.forward, (q, k, v), (out, lse), grad_outputs, inputs)
        if torch.is_grad_enabled():
            gradients = DerivedOnce.apply(len(gradients), *gradients, q, k, v, *grad_outputs)
        return *gradients[:3], None, *gradients[3:]

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        """An error: slices of a batch are what the call itself takes."""
        raise NotImplementedError(
            "attention of the torch back end is under vmap; wanted its axis as part of the batch"
        )


class DerivedOnce(torch.autograd.Function):
    """Gradients as they are, which have no gradients themselves."""

    @staticmethod
    def forward(n: int, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The first n tensors, as functions of all of them."""
        return tuple(x.view_as(x) for x in tensors[:n])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: torch.Tensor) -> tuple[Any, ...]:
        """An error, in the place of a term that would be missing."""
        raise NotImplementedError(
            "the torch back end has no second derivative; backend='dense' has one"
        )


def _gradients(
    forward: Forward,
    qkv: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    results: tuple[torch.Tensor, ...],
    d_results: tuple[torch.Tensor, ...],
    inputs: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Gradients of q, k, v and the inputs, as tensors that nothing else depends on."""
    out, lse, d_out, d_lse = (x.detach() for x in (*results, *d_results))
    qkv = qkv[0].detach(), qkv[1].detach(), qkv[2].detach()
    leaves = [x.detach().requires_grad_() for x in inputs]
    trained = tuple((leaf, torch.zeros_like(leaf)) for leaf in leaves)
    named = dict(zip(forward.wanted, leaves, strict=True))
    call = replace(forward.call, tensors={**forward.call.tensors, **named})
    work = forward.work(call, *qkv)
    careful = work.careful or not bool(d_out.sum().isfinite())
    with own_dtypes(lse.device), torch.no_grad():
        gradients = gradients_of(
            replace(work, trained=trained, careful=careful),
            _flat(out),
            lse.flatten(0, 1),
            _flat(d_out),
            d_lse.flatten(0, 1),
        )
    shaped = (g.to(x.dtype).view(x.shape) for g, x in zip(gradients, qkv, strict=True))
    return *shaped, *(gradient for _, gradient in trained)


def _flat(x: torch.Tensor) -> torch.Tensor:
    """[batch, heads, n, D] as [batch * heads, n, D] in float32 or float64, last axis dense."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    x = x.to(wide).flatten(0, -3)
    return x if x.stride(-1) == 1 else x.contiguous()


def _needs_care(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> bool:
    """Whether NaN, inf or overflowing logits of dropped pairs could spread."""
    ranges = [x.aminmax() for x in (q, k)]
    q_most, k_most = (torch.maximum(high, -low) for low, high in ranges)
    calm = (
        q_most * k_most * (q.shape[-1] * max(abs(scale), 1.0)) < SAFE_LOGIT
    ) & v.sum().isfinite()
    return not bool(calm)
