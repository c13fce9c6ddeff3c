"""Reads rectangles and points of one call's mask, many at once, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from maskc.codegen.runtime.call import Call, Spec

MOST_AT_ONCE = 1 << 18
"""Rectangles, or points, that are read together; bounds the memory."""

READ_AT_ONCE = 1 << 15
"""Rectangles of one reading: its values stay in a core's cache."""


class Reader:
    """Reads rectangles of the slices of one call's mask.

    `n_slices`: how many slices the spec tells apart. `slice_index`: int64 [batches, heads], which
    of them each (batch, head) is. `is_periodic`: whether `uniform` may be asked.
    """

    def __init__(self, spec: Spec, call: Call, block: tuple[int, int]) -> None:
        n_batches = call.batches if "batch" in spec.slices else min(call.batches, 1)
        if "head" in spec.slices:
            n_heads, step = call.heads, 1
        elif "kv_head" in spec.slices:
            n_heads, step = call.kv_heads, call.heads // call.kv_heads
        else:
            n_heads, step = 1, call.heads
        self.spec = spec
        self.call = call
        self.block = block
        self.n_slices = n_batches * n_heads
        index = torch.arange(self.n_slices, device=call.device)
        self.batch = torch.div(index, n_heads, rounding_mode="floor")
        self.head = index % n_heads * step
        batch = torch.arange(call.batches, device=call.device).clamp(max=max(n_batches - 1, 0))
        head = torch.arange(call.heads, device=call.device) // step
        self.slice_index = batch[:, None] * n_heads + head[None, :]
        slices = self.call.at(self.batch[:, None], self.head[:, None])
        self.tables = None if spec.tables is None else spec.tables(spec, self.call, slices)
        period = math.lcm(*(abs(modulus(call)) or 1 for modulus in spec.periods))
        self.is_periodic = bool(spec.periods) and not (block[0] % period or block[1] % period)

    def bounds(
        self, s: torch.Tensor, *corners: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """`every`, `some`, `hit`, `miss` of n rectangles: bool [n] each.

        Args:
            s: int64 [n], the slice of each rectangle.
            *corners: q0, q1, k0, k1, int64 [n] each, positions, inclusive.

        """
        every, some, hit, miss = self._read(self.spec.bounds, 4, s, corners)
        return every, some, hit, miss

    def outline(self, s: torch.Tensor, *corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`every` and `some` of n rectangles, as of `bounds`."""
        if self.spec.outline is None:
            every, some, _, _ = self._read(self.spec.bounds, 4, s, corners)
        else:
            every, some = self._read(self.spec.outline, 2, s, corners)
        return every, some

    def uniform(self, s: torch.Tensor, *corners: torch.Tensor) -> torch.Tensor:
        """Which rectangles have the same mask in each whole tile; arguments as of `bounds`."""
        assert self.spec.uniform is not None, "a period comes with its `uniform`"
        return self._read(self.spec.uniform, 1, s, corners)[0]

    def points(self, s: torch.Tensor, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """The mask at `q` int64 [n, a, 1] and `k` int64 [n, 1, b] of slices `s` int64 [n]."""
        here = self.call
        if self.n_slices > 1:
            here = here.at(self.batch[s][:, None, None], self.head[s][:, None, None])
        return torch.as_tensor(self.spec.keep(q, k, here), device=q.device)

    def _read(
        self,
        function: Callable[..., torch.Tensor | tuple[torch.Tensor, ...]],
        n_answers: int,
        s: torch.Tensor,
        corners: tuple[torch.Tensor, ...],
    ) -> list[torch.Tensor]:
        pieces = []
        for i in range(0, s.numel(), READ_AT_ONCE):
            at = slice(i, i + READ_AT_ONCE)
            here = self.call
            if self.n_slices > 1:
                here = here.at(self.batch[s[at]], self.head[s[at]])
                if self.tables is not None:
                    self.tables.slice_of = s[at]
            found = function(*(x[at] for x in corners), here, self.tables)
            found = found if isinstance(found, tuple) else (found,)
            shape = s[at].shape
            pieces.append([torch.as_tensor(x, device=s.device).expand(shape) for x in found])
        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return [torch.zeros(0, dtype=torch.bool, device=s.device)] * n_answers
        return [torch.cat(answers) for answers in zip(*pieces, strict=True)]


def chosen_of(where: torch.Tensor, *columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The entries of each column [n] where the bool [n] holds."""
    index = where.nonzero().squeeze(1)
    return tuple(column.index_select(0, index) for column in columns)
