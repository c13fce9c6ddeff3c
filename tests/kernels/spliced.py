"""Kernels spliced by hand: modules, specs and layouts that need no other room of the compiler."""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from maskc.codegen import splice
from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout, Runs

HEADER = "from __future__ import annotations\n\nimport triton\nimport triton.language as tl\n\n\n"

CAUSAL = splice.Filling(mask=("keep = k_pos <= q_pos",))
WINDOW = splice.Filling(
    mask=("x_d = q_pos - k_pos", "keep = (x_d >= 0) & (x_d < WINDOW)"),
    arguments=("WINDOW: tl.constexpr",),
)
STREAMING = splice.Filling(
    mask=("x_d = q_pos - k_pos", "keep = (x_d >= 0) & ((x_d < window) | (k_pos < SINKS))"),
    arguments=("window", "SINKS: tl.constexpr"),
)
DOCUMENT = splice.Filling(
    mask=(
        "x_q = tl.load(doc_ptr + batch * n_k + q_pos, mask=(q_pos >= 0) & (q_pos < n_k), other=0)",
        "x_k = tl.load(doc_ptr + batch * n_k + k_pos, mask=k_pos < n_k, other=0)",
        "keep = (x_q == x_k) & (k_pos <= q_pos)",
    ),
    arguments=("doc_ptr",),
)
BY_HEAD = splice.Filling(mask=("keep = (k_pos <= q_pos) & ((head > 0) | (q_pos - k_pos < 9))",))
SOFTCAP = splice.Filling(
    mask=("keep = k_pos <= q_pos",),
    score=("s = 2.0 * (1 - 2 / (1 + tl.exp(s))) + 0.01 * (k_pos - q_pos)",),
    slope=("x_e = tl.exp(s)", "slope = 4.0 * x_e / ((1 + x_e) * (1 + x_e))"),
)


def module(filling: splice.Filling, folder: Path) -> types.ModuleType:
    """A module with the kernels of one pattern `p`, spliced and imported."""
    kernels = [splice.kernel(name, "p", filling) for name in splice.KERNELS]
    path = folder / "spliced_module.py"
    path.write_text(HEADER + "\n\n\n".join([splice.shared(), *kernels]) + "\n")
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    made = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = made
    found.loader.exec_module(made)
    return made


def spec_of(made: types.ModuleType, **arguments: Any) -> Spec:
    """A Spec that holds the kernels and their arguments and nothing else."""
    kernels = {name: getattr(made, f"p_{name}") for name in splice.KERNELS}
    kernels |= {"row_delta": made.row_delta, "arguments": lambda call: arguments}

    def never(*_: Any) -> Any:
        raise AssertionError("kernels read the layout, not the bounds")

    return Spec("p", "", never, never, kernels=kernels)


def call_of(q: torch.Tensor, k: torch.Tensor, q_start: int) -> Call:
    """The Call of these tensors."""
    zero = torch.zeros((), dtype=torch.int64)
    return Call(
        n_q=q.shape[2],
        n_k=k.shape[2],
        heads=q.shape[1],
        kv_heads=k.shape[1],
        batches=q.shape[0],
        layer=0,
        n_layers=0,
        q_start=q_start,
        device=q.device,
        batch=zero,
        head=zero,
        kv_head=zero,
    )


def layout_of(mask: torch.Tensor, block: tuple[int, int]) -> Layout:
    """The layout of a bool mask [batches, heads, n_q, n_k], tile by tile, a class a slice."""
    batches, heads, n_q, n_k = mask.shape
    flat = mask.reshape(-1, n_q, n_k)
    class_of = torch.arange(len(flat), dtype=torch.int32).view(batches, heads)
    return Layout(
        block=block,
        n_q=n_q,
        n_k=n_k,
        class_of=class_of,
        rows=_runs(flat, block),
        columns=_runs(flat.transpose(1, 2), block[::-1]),
    )


def _runs(masks: torch.Tensor, block: tuple[int, int]) -> Runs:
    starts: dict[str, list[int]] = {"partial": [0], "full": [0]}
    found: dict[str, list[tuple[int, int]]] = {"partial": [], "full": []}
    for mask in masks:
        for rows in mask.split(block[0], 0):
            kinds = [_kind(tile) for tile in rows.split(block[1], 1)]
            for kind in found:
                first = None
                for i, here in enumerate([*kinds, "end"]):
                    if here == kind and first is None:
                        first = i
                    elif here != kind and first is not None:
                        found[kind].append((first, i))
                        first = None
                starts[kind].append(len(found[kind]))
    start = {kind: torch.tensor(starts[kind], dtype=torch.int32) for kind in starts}
    runs = {kind: torch.tensor(found[kind], dtype=torch.int32).view(-1, 2) for kind in found}
    return Runs(start["partial"], runs["partial"], start["full"], runs["full"])


def _kind(tile: torch.Tensor) -> str:
    return "full" if tile.all() else "partial" if tile.any() else "absent"


def positions(n_q: int, n_k: int, q_start: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Query positions [n_q, 1] and key positions [n_k]."""
    return torch.arange(n_q)[:, None] + q_start, torch.arange(n_k)


def dense(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    mask: torch.Tensor,
    scale: float,
    score: Callable[..., torch.Tensor] | None = None,
    dtype: torch.dtype = torch.float64,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Out and lse as everyone writes them, in `dtype`; differentiable."""
    q, k, v = (x.to(dtype) for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    s = q @ k.transpose(-1, -2) * scale
    if score is not None:
        s = score(s)
    s = s.masked_fill(~mask, -torch.inf)
    lse = torch.logsumexp(s.to(torch.promote_types(dtype, torch.float32)), -1)
    empty = ~mask.any(-1, keepdim=True)
    p = torch.softmax(s.masked_fill(empty, 0.0), -1).masked_fill(empty, 0.0)
    return p @ v, lse
