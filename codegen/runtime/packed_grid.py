"""A packed grid: many grids one after another, their extents given with the call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from maskc.codegen.runtime.arguments import INT_DTYPES, readable, shown
from maskc.codegen.runtime.call import Call
from maskc.codegen.runtime.spaces import Extent


@dataclass(frozen=True, slots=True)
class PackedGrid:
    """Items with the same axes, slowest first, each with its own extents."""

    axes: tuple[Extent, ...]

    def bind(self, pattern: str, grid: Any, segments: Any, call: Call, /) -> None:
        """Put each position's item, and each item's first position and extents, into the call.

        Args:
            pattern: what messages call the pattern.
            grid: int [items, axes], of all axes or of the free ones.
            segments: None.
            call: of the right lengths; it takes the tensors.

        Raises:
            TypeError, ValueError: naming the argument, what was wanted and what came.

        """
        if segments is not None:
            raise ValueError(f"segments is given, but {pattern} has no segments")
        table = _items(self.axes, grid, call)
        sizes = table.prod(1)
        items = torch.arange(table.shape[0])
        tables = {
            "item": items.repeat_interleave(sizes),
            "start": sizes.cumsum(0) - sizes,
            **{extent.axis: table[:, i].contiguous() for i, extent in enumerate(self.axes)},
        }
        call.tensors.update((f"packed.{name}", x.to(call.device)) for name, x in tables.items())


def _items(axes: tuple[Extent, ...], value: Any, call: Call) -> torch.Tensor:
    """The extents of every item, int64 [items, axes] on the CPU, as many tokens as k has."""
    free = [i for i, extent in enumerate(axes) if extent.size is not None]
    wanted = f"ints [items, {len(axes)}]: {', '.join(extent.axis for extent in axes)} of each item"
    if value is None:
        raise ValueError(f"grid is missing: wanted {wanted}")
    value = readable("grid", value)
    try:
        table = torch.as_tensor(value, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"grid is {shown(value)}; wanted {wanted}") from None
    if table.shape == (0,):
        table = torch.zeros((0, len(axes)), dtype=torch.int64)
    if table.dtype not in INT_DTYPES:
        raise TypeError(f"grid has dtype {table.dtype}; wanted {wanted}")
    if table.ndim != 2 or table.shape[1] not in (len(axes), len(free)):
        raise ValueError(f"grid has shape {list(table.shape)}; wanted {wanted}")
    table = table.to(torch.int64)
    if table.shape[1] < len(axes):
        whole = torch.zeros((table.shape[0], len(axes)), dtype=torch.int64)
        whole[:, free] = table
        table = _filled(axes, whole, call)
    elif len(free) < len(axes):
        fixed = _filled(axes, table, call)
        for item, column in (fixed != table).nonzero()[:1].tolist():
            raise ValueError(
                f"grid[{item}, {column}] is {table[item, column]}; "
                f"the spec says {fixed[item, column]}"
            )
    for item, column in (table < 0).nonzero()[:1].tolist():
        raise ValueError(f"grid[{item}, {column}] is {table[item, column]}; wanted at least 0")
    total = float(table.double().prod(1).sum())
    if total != call.n_k:
        n = table.shape[0]
        raise ValueError(f"the {n} items of grid have {total:.0f} tokens; k has {call.n_k}")
    return table


def _filled(axes: tuple[Extent, ...], table: torch.Tensor, call: Call) -> torch.Tensor:
    """The table with the extents that the spec says."""
    rows = []
    for row in table.tolist():
        here = replace(call, sizes=dict(call.sizes))
        for i, extent in enumerate(axes):
            if extent.size is not None:
                here.sizes[extent.size] = row[i]
            else:
                row[i] = extent.known(here)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.int64).reshape(table.shape)
