"""A plan a few slices at a time, so that what is made of them stays in the cache."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.torch_plan import TorchPlan
from maskc.codegen.runtime.torch_planner import plan_torch

BAND_ENTRIES = 1 << 21
"""Entries of q that a band has at least: 8 MiB in float32."""

BAND_PAIRS = 1 << 20
"""Pairs that the pieces of a band have on average at least, so that their calls are not many."""


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Some slices of q, in a row, with all key slices that they see, and the plan of these."""

    slices: range
    kv_slices: range
    plan: TorchPlan


def bands_of(layout: Layout, spec: Spec, call: Call, entries: int) -> tuple[Band, ...]:
    """The bands of a call, kept with the layout.

    Args:
        layout: of small tiles.
        spec: what is computed.
        call: of its shapes.
        entries: that are made for each slice of q, 0 where the tensors are used as they are.

    """
    plan = plan_torch(layout, spec, call)
    n_slices, group = call.batches * call.heads, call.heads // call.kv_heads
    width = n_slices
    if call.device.type == "cpu" and plan.pairs and entries:
        by_calls = -(-n_slices * BAND_PAIRS * plan.n_pieces // plan.pairs)
        by_size = BAND_ENTRIES // entries
        width = max(by_size, by_calls, torch.get_num_threads())
        width = -(-width // group) * group
    if width >= n_slices:
        return (Band(range(n_slices), range(n_slices // group), plan),)
    name = f"torch bands of {width}"
    if name not in layout._known:
        bands = []
        for first in range(0, n_slices, width):
            slices = range(first, min(first + width, n_slices))
            kv_slices = range(slices.start // group, slices.stop // group)
            bands.append(Band(slices, kv_slices, plan.of_slices(slices, kv_slices)))
        layout._known[name] = tuple(bands)
    return layout._known[name]
