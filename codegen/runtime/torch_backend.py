"""Block-sparse attention in plain torch, forward and backward, on any device.

A plan says which query tiles see the same relative shape of keys. Each such piece is one fused
call on overlapping strided views; where rows are in several pieces, their results are merged by
log-sum-exp. The weights of the backward pass come from the log-sum-exp of the whole row, so that
each piece gives its exact part of the gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.dense import own_dtypes
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.torch_backward import gradients_of
from maskc.codegen.runtime.torch_bands import Band, bands_of
from maskc.codegen.runtime.torch_forward import forward_of
from maskc.codegen.runtime.torch_pieces import Work

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
    trained = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v, *inputs))
    forward = Forward(layout, call, spec, scale, results, wanted, trained)
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
    trained: bool
    """Whether there will be a backward pass"""
    exact: torch.Tensor | None = None
    """The output before it was rounded to 16 bits, where it was and there will be one"""

    def works(
        self, call: Call, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> Iterator[tuple[Band, Work]]:
        """What there is to compute on these tensors, band by band."""
        q, k, v = (x.flatten(0, -3) for x in (q, k, v))
        converted = q[0].numel() if q.dtype != _wide(q.dtype) else 0
        for band in bands_of(self.layout, self.spec, self.call, converted):
            rows, keys = _of(q, band.slices), (_of(k, band.kv_slices), _of(v, band.kv_slices))
            careful = _needs_care(rows, *keys, self.scale)
            first = band.slices.start
            yield (
                band,
                Work(
                    band.plan, self.spec, call, self.scale, rows, *keys, careful, first_slice=first
                ),
            )


class TorchAttention(torch.autograd.Function):
    """The forward pass, and the backward pass from its output and log-sum-exp."""

    @staticmethod
    def forward(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, forward: Forward, *inputs: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`out` and `lse` of `attend_torch`."""
        if forward.results is not None:
            out, lse = forward.results
            return out, lse.view(q.shape[:3])
        shape = (*q.shape[:3], v.shape[3])
        out, lse = q.new_empty(shape), q.new_empty(q.shape[:3], dtype=_wide(q.dtype))
        if forward.trained and out.dtype != lse.dtype:
            forward.exact = q.new_empty(shape, dtype=lse.dtype)
        with own_dtypes(q.device):
            for band, work in forward.works(forward.call, q, k, v):
                rounded, of_rows = _part(out, band.slices), _part(lse, band.slices)
                exact = rounded
                if forward.exact is not None:
                    exact = _part(forward.exact, band.slices)
                elif out.dtype != lse.dtype:
                    exact = torch.empty_like(rounded, dtype=lse.dtype)
                forward_of(work, exact, of_rows)
                if exact is not rounded:
                    rounded.copy_(exact)
        return out, lse

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
    gradients = tuple(x.new_empty(x.shape) for x in qkv)
    out, lse, d_out, d_lse = (x.flatten(0, 1) for x in (out, lse, d_out, d_lse))
    with own_dtypes(lse.device), torch.no_grad():
        for band, work in forward.works(call, *qkv):
            results, d_results = (
                (_of(a, band.slices), b[band.slices.start : band.slices.stop])
                for a, b in ((out, lse), (d_out, d_lse))
            )
            careful = work.careful or not bool(d_results[0].sum().isfinite())
            places = (band.slices, band.kv_slices, band.kv_slices)
            rounded = [_part(x, slices) for x, slices in zip(gradients, places, strict=True)]
            dq, dk, dv = (
                x if x.dtype == y.dtype else torch.empty_like(x, dtype=y.dtype)
                for x, y in zip(rounded, work.qkv, strict=True)
            )
            work = replace(work, trained=trained, careful=careful)
            gradients_of(work, results, d_results, (dq, dk, dv))
            for x, y in zip(rounded, (dq, dk, dv), strict=True):
                if x is not y:
                    x.copy_(y)
    return *gradients, *(gradient for _, gradient in trained)


def _wide(dtype: torch.dtype) -> torch.dtype:
    """What is computed in."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _of(x: torch.Tensor, slices: range) -> torch.Tensor:
    """Some slices of x [slices, n, D], to compute with: the last axis dense."""
    x = x[slices.start : slices.stop].to(_wide(x.dtype))
    return x if x.stride(-1) == 1 else x.contiguous()


def _part(x: torch.Tensor, slices: range) -> torch.Tensor:
    """Some slices of x [batch, heads, n, ...], which is contiguous: a view."""
    return x.flatten(0, 1)[slices.start : slices.stop]


def _needs_care(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> bool:
    """Whether NaN, inf or overflowing logits of dropped pairs could spread."""
    (q_low, q_high), (k_low, k_high), (v_low, v_high) = (x.aminmax() for x in (q, k, v))
    q_most, k_most = torch.maximum(q_high, -q_low), torch.maximum(k_high, -k_low)
    calm = q_most * k_most * (q.shape[-1] * max(abs(scale), 1.0)) < SAFE_LOGIT
    return not bool(calm & (v_low > -math.inf) & (v_high < math.inf))
