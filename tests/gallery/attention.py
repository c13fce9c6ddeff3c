"""One call of each gallery pattern, forward and backward, on two back ends."""

from __future__ import annotations

from typing import Any

import torch

from gallery.definition import Call

DIM = 16


def attended(pattern: Any, call: Call, backend: str) -> list[torch.Tensor]:
    """Output, log-sum-exp and the gradients of q, k, v and float inputs, of fresh numbers."""
    torch.manual_seed(call.n)
    keywords = call.keywords()
    batch, heads, _ = keywords.pop("batch"), keywords.pop("heads"), keywords.pop("n_k", None)
    kv_heads = keywords.pop("kv_heads", heads)
    n_q = call.n if call.n_q is None else call.n_q
    q = torch.randn(batch, heads, n_q, DIM)
    k, v = (torch.randn(batch, kv_heads, call.n, DIM) for _ in range(2))
    inputs = {name: torch.from_numpy(value).clone() for name, value in call.inputs.items()}
    learnt = [x for x in inputs.values() if x.is_floating_point()]
    leaves = [x.requires_grad_() for x in (q, k, v, *learnt)]
    out, lse = pattern(q, k, v, backend=backend, return_lse=True, **keywords, **inputs)
    weights = torch.randn(out.shape)
    gradients = torch.autograd.grad((out * weights).sum(), leaves)
    return [out.detach(), lse.detach(), *gradients]


def assert_as_dense(pattern: Any, call: Call, backend: str) -> None:
    """Hold a back end against dense attention, which is held against float64 elsewhere."""
    names = ("out", "lse", "dq", "dk", "dv")
    wanted = attended(pattern, call, "dense")
    for i, (ours, theirs) in enumerate(zip(attended(pattern, call, backend), wanted, strict=True)):
        name = names[i] if i < len(names) else f"gradient {i - len(names)} of the inputs"
        torch.testing.assert_close(
            ours, theirs, rtol=2e-5, atol=2e-5, msg=lambda told, name=name: f"{name}: {told}"
        )
