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
    of them each (batch, head) is. `batch`, `head`: int64 [n_slices], where each first occurs.
    `is_periodic`: whether `uniform` may be asked. A tile of at least one period on each side holds
    all residues, as every other one does; as many pairs of each where the period divides it, which
    is wanted where pairs are `counted`.
    """

    def __init__(
        self, spec: Spec, call: Call, block: tuple[int, int], counted: bool = False
    ) -> None:
        self.spec = spec
        self.call = call
        self.block = block
        self.slice_index, first = told_apart(spec, call)
        self.n_slices = first.numel()
        self.batch = torch.div(first, max(call.heads, 1), rounding_mode="floor")
        self.head = first % max(call.heads, 1)
        slices = self.call.at(self.batch[:, None], self.head[:, None])
        self.tables = None if spec.tables is None else spec.tables(spec, self.call, slices)
        period = math.lcm(*(abs(modulus(call)) or 1 for modulus in spec.periods))
        divides = not (block[0] % period or block[1] % period)
        holds_all = divides or (not counted and period <= min(block))
        self.is_periodic = bool(spec.periods) and holds_all

    def bounds(
        self, s: torch.Tensor, *corners: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """`every`, `some`, `hit`, `miss` of rectangles: bool [n] each.

        Args:
            s: int64 [n], the slice of each rectangle.
            *corners: q0, q1, k0, k1, int64 [n] each, positions, inclusive. Or products: q0, q1
                [a, 1, n], k0, k1 [b, n], and the answers [a, b, n]; what hangs on one side is found
                once for all of the other.

        """
        every, some, hit, miss = self._read(self.spec.bounds, 4, s, corners)
        return every, some, hit, miss

    def outline(self, s: torch.Tensor, *corners: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`every` and `some` of rectangles, arguments as of `bounds`."""
        if self.spec.outline is None:
            every, some, _, _ = self._read(self.spec.bounds, 4, s, corners)
        else:
            every, some = self._read(self.spec.outline, 2, s, corners)
        return every, some

    def uniform(self, s: torch.Tensor, *corners: torch.Tensor) -> torch.Tensor:
        """Which rectangles hold all residues alike in each whole tile; arguments as of `bounds`."""
        assert self.spec.uniform is not None, "a period comes with its `uniform`"
        return self._read(self.spec.uniform, 1, s, corners)[0]

    def goes_on(
        self, proof: Callable[..., torch.Tensor], by: int, s: torch.Tensor, *corners: torch.Tensor
    ) -> torch.Tensor:
        """Which rectangles the spec's `moved` or `still` proves for pairs that move by `by`."""
        return self._read(lambda *x: proof(*x[:4], by, *x[4:]), 1, s, corners)[0]

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
        shape = torch.broadcast_tensors(corners[0], corners[-1])[0].shape
        at_once = max(READ_AT_ONCE // math.prod(shape[:-1]), 1)
        for i in range(0, len(s), at_once):
            at = slice(i, i + at_once)
            here = self.call
            if self.n_slices > 1:
                here = here.at(self.batch[s[at]], self.head[s[at]])
                if self.tables is not None:
                    self.tables.slice_of = s[at]
            found = function(*(x[..., at] for x in corners), here, self.tables)
            found = found if isinstance(found, tuple) else (found,)
            of_piece = *shape[:-1], len(s[at])
            pieces.append([torch.as_tensor(x, device=s.device).expand(of_piece) for x in found])
        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return [torch.zeros(shape, dtype=torch.bool, device=s.device)] * n_answers
        return [torch.cat(answers, -1) for answers in zip(*pieces, strict=True)]


def told_apart(spec: Spec, call: Call) -> tuple[torch.Tensor, torch.Tensor]:
    """Which slices may differ: the class of each, int64 [batches, heads], and where each begins.

    Classes are numbered in the order of their first slices, whose batch * heads + head is in the
    second answer, int64 [n].
    """
    shape = (call.batches, call.heads)
    n = call.batches * call.heads
    index = torch.arange(n, device=call.device)
    here = call.at(index // max(call.heads, 1), index % max(call.heads, 1))
    if spec.slice_keys is not None:
        keys = spec.slice_keys(here)
    else:
        keys = tuple(getattr(here, name) for name in spec.slices)
    # What is a number of Python's is the same for all slices.
    told = [key for key in keys if isinstance(key, torch.Tensor)]
    if not told or n <= 1:
        return torch.zeros(shape, dtype=torch.int64, device=call.device), index[:1]
    table = torch.stack([_as_bits(key).expand(n) for key in told], 1)
    distinct, class_of = torch.unique(table, dim=0, return_inverse=True)
    first = index.new_full((len(distinct),), n).scatter_reduce_(0, class_of, index, "amin")
    first, order = first.sort()
    return torch.empty_like(order).scatter_(0, order, index[: len(order)])[class_of].view(
        shape
    ), first


def _as_bits(key: torch.Tensor) -> torch.Tensor:
    """Int64 of the same shape, equal where the keys are."""
    return key.double().view(torch.int64) if key.is_floating_point() else key.long()


def chosen_of(where: torch.Tensor, *columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The entries of each column where the bool holds, [count]; products in order of their n.

    Args:
        where: bool [n], or [a, b, n] of products, as `Reader.bounds` takes them.
        *columns: [n] each; of products [b, n] is of the keys' side, [a, 1, n] of the queries'.

    """
    if not bool(where.any()):
        return tuple(column.new_zeros(0) for column in columns)
    if where.ndim == 1:
        index = where.nonzero().squeeze(1)
        return tuple(column.index_select(0, index) for column in columns)
    n_q, n_k, n = where.shape
    index = where.movedim(-1, 0).flatten().nonzero().squeeze(1)
    at = torch.div(index, n_q * n_k, rounding_mode="floor")
    part = index - at * (n_q * n_k)
    of_q = torch.div(part, n_k, rounding_mode="floor")
    places = {1: at, 2: (part - of_q * n_k) * n + at, 3: of_q * n + at}
    return tuple(column.flatten().index_select(0, places[column.ndim]) for column in columns)
