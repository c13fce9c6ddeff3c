"""The first part: StreamingLLM's pattern on random tensors, against float64 and dense torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.nn.functional import scaled_dot_product_attention

from examples.demo.compiling import compiled
from examples.demo.timing import seconds

HEADS, KV_HEADS, HEAD_DIM = 4, 2, 64
TENSORS = ("out", "dq", "dk", "dv")
TOLERANCE = 1.1
"""The error may be this many times that of dense torch attention, or the floor."""

FLOOR = {torch.float32: 1e-5, torch.bfloat16: 1e-3}

Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Measured:
    """Largest errors against the oracle by tensor, and seconds of a forward and of both passes."""

    errors: dict[str, float]
    forward: float
    both: float


def show(console: Console, device: str, n: int | None = None) -> bool:
    """Print the table; whether the errors are those of dense attention.

    Args:
        console: where to print.
        device: "cpu" or "cuda".
        n: tokens, None for as many as suit the device.

    """
    attention = compiled("streaming_llm").streaming_llm
    n = n or (8192 if device == "cuda" else 4096)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    layout = attention.layout(n)
    mask = attention.dense_mask(n, device=device)
    generator = torch.Generator().manual_seed(0)
    heads = (HEADS, KV_HEADS, KV_HEADS, HEADS)
    q, k, v, slope = (
        torch.randn(1, h, n, HEAD_DIM, generator=generator).to(device, dtype) for h in heads
    )
    exact = _exact(attention, q, k, v, slope)

    def dense(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True)

    ours = _measured(attention, (q, k, v), slope, exact, device)
    theirs = _measured(dense, (q, k, v), slope, exact, device)

    table = Table(title="streaming_llm: four sinks and a window of 1,024", title_justify="left")
    table.add_column("")
    for column in ("maskc", "dense torch"):
        table.add_column(column, justify="right")
    empty = layout.all_tiles - layout.full_tiles - layout.partial_tiles
    table.add_row("tokens", f"{n:,}", f"{n:,}")
    table.add_row("density", f"{layout.density:.2%}", "100%")
    table.add_row(
        "tiles full / partial / empty",
        f"{layout.full_tiles:,} / {layout.partial_tiles:,} / {empty:,}",
        f"{layout.all_tiles:,} / 0 / 0",
    )
    for name in TENSORS:
        table.add_row(
            f"error of {name} against float64",
            f"{ours.errors[name]:.2e}",
            f"{theirs.errors[name]:.2e}",
        )
    table.add_row("forward", _time(ours.forward), _time(theirs.forward))
    table.add_row("forward and backward", _time(ours.both), _time(theirs.both))
    console.print(table)
    console.print(f"{dtype}, {HEADS} heads on {KV_HEADS} key heads of {HEAD_DIM}, batch 1")
    bad = [t for t in TENSORS if ours.errors[t] > max(TOLERANCE * theirs.errors[t], FLOOR[dtype])]
    for name in bad:
        console.print(f"[bold red]{name} is less exact than dense attention[/]")
    return not bad


def _exact(attention: Any, *tensors: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output and gradients in float64, one key head at a time to keep the memory small."""
    parts: dict[str, list[torch.Tensor]] = {name: [] for name in TENSORS}
    group = HEADS // KV_HEADS
    for head in range(KV_HEADS):
        q, k, v, slope = (
            x.detach().cpu().double()[:, head * size : (head + 1) * size]
            for x, size in zip(tensors, (group, 1, 1, group), strict=True)
        )
        leaves = [x.requires_grad_() for x in (q, k, v)]
        out = attention.oracle(*leaves)
        for name, part in zip(
            TENSORS, (out, *torch.autograd.grad(out, leaves, slope)), strict=True
        ):
            parts[name].append(part.detach())
    return {name: torch.cat(part, 1) for name, part in parts.items()}


def _measured(
    attend: Attend,
    inputs: tuple[torch.Tensor, ...],
    slope: torch.Tensor,
    exact: dict[str, torch.Tensor],
    device: str,
) -> Measured:
    leaves = [x.detach().clone().requires_grad_() for x in inputs]

    def both() -> tuple[torch.Tensor, ...]:
        out = attend(*leaves)
        return (out, *torch.autograd.grad(out, leaves, slope))

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return attend(*leaves)

    got = dict(zip(TENSORS, both(), strict=True))
    errors = {t: float((got[t].detach().cpu().double() - exact[t]).abs().max()) for t in TENSORS}
    return Measured(errors, seconds(forward, device), seconds(both, device))


def _time(taken: float) -> str:
    return f"{taken * 1e3:,.2f} ms" if taken < 0.01 else f"{taken * 1e3:,.0f} ms"
