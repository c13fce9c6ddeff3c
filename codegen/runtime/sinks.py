"""Sinks: logits without a value that join the denominator of each row's softmax."""

from __future__ import annotations

import torch

from maskc.codegen.runtime.arithmetic import load
from maskc.codegen.runtime.call import Call, Spec


def has_sinks(spec: Spec) -> bool:
    """Whether more than its keys joins the denominator of a row."""
    return spec.sink_logit is not None or spec.sink_count is not None


def join_sinks(
    out: torch.Tensor, lse: torch.Tensor, call: Call, spec: Spec
) -> tuple[torch.Tensor, torch.Tensor]:
    """The attention (out, lse) of each row with the sinks of the spec in its softmax.

    Exact, since a sink's value is 0: the row's weights shrink by one factor. Differentiable in
    out, lse and the input of `sink_logit`; a row without keys has out 0 and the sinks' own lse.

    Args:
        out: [batches, heads, n_q, value_dim].
        lse: [batches, heads, n_q], -inf in rows without keys.
        call: of the same shapes.
        spec: what is computed.

    """
    batch = torch.arange(call.batches, device=call.device).view(-1, 1, 1)
    here = call.at(batch, torch.arange(call.heads, device=call.device).view(1, -1, 1))
    sinks = []
    if spec.sink_logit is not None:
        sinks.append(_sink_logit(spec.sink_logit, here, spec).to(lse.dtype))
    if spec.sink_count is not None:
        rows = torch.arange(call.n_q, device=call.device) + call.q_start
        count = torch.as_tensor(spec.sink_count(rows, here), device=call.device)
        sinks.append(count.clamp(min=0).to(lse.dtype).log())
    top = lse.detach()
    for sink in sinks:
        top = torch.maximum(top, sink.detach())
    top = top.masked_fill(~top.isfinite(), 0.0)
    kept = total = torch.exp(lse - top)
    for sink in sinks:
        total = total + torch.exp(sink - top)
    empty = total == 0
    total = total.masked_fill(empty, 1.0)
    joined = (top + total.log()).masked_fill(empty, -torch.inf)
    return (out.to(lse.dtype) * (kept / total)[..., None]).to(out.dtype), joined


def _sink_logit(name: str, here: Call, spec: Spec) -> torch.Tensor:
    """The sink of each slice, which broadcasts to [batches, heads, 1]."""
    (declared,) = (given for given in spec.inputs if given.name == name)
    index = {"batch": here.batch, "head": here.head, "kv_head": here.kv_head, "layer": here.layer}
    return load(here.tensors[name], *(index[str(axis)] for axis in declared.axes))
