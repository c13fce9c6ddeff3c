"""Sinks: logits without a value that join the denominator of each row's softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from maskc.codegen.runtime.arithmetic import load
from maskc.codegen.runtime.call import Call


@dataclass(frozen=True, slots=True)
class RowSinks:
    """The sinks of each row: an input whose exp joins its denominator, and keys of logit 0.

    `logit`: the input's name, `axes`: the names of its axes. `count(q, call)`: how many keys with
    logit 0 and value 0 join rows q, an int that broadcasts to them.
    """

    logit: str | None = None
    axes: tuple[str, ...] = ()
    count: Callable[[torch.Tensor, Call], torch.Tensor | int] | None = None

    def join(
        self, out: torch.Tensor, lse: torch.Tensor, call: Call, /
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The attention (out, lse) of each row with the sinks in its softmax.

        Exact, since a sink's value is 0: the row's weights shrink by one factor. Differentiable in
        out, lse and the input; a row without keys has out 0 and the sinks' own lse.

        Args:
            out: [batches, heads, n_q, value_dim].
            lse: [batches, heads, n_q], -inf in rows without keys.
            call: of the same shapes.

        """
        sinks = list(self._logits(call, lse.dtype))
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

    def _logits(self, call: Call, dtype: torch.dtype) -> Iterator[torch.Tensor]:
        """The logit of each kind of sink, which broadcasts to [batches, heads, n_q]."""
        batch = torch.arange(call.batches, device=call.device).view(-1, 1, 1)
        here = call.at(batch, torch.arange(call.heads, device=call.device).view(1, -1, 1))
        if self.logit is not None:
            index = {"batch": here.batch, "head": here.head, "kv_head": here.kv_head}
            index["layer"] = torch.tensor(here.layer, device=call.device)
            yield load(here.tensors[self.logit], *(index[axis] for axis in self.axes)).to(dtype)
        if self.count is not None:
            rows = torch.arange(call.n_q, device=call.device) + call.q_start
            count = torch.as_tensor(self.count(rows, here), device=call.device)
            yield count.clamp(min=0).to(dtype).log()
