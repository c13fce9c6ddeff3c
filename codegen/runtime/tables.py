"""Ranges of tables: what the rectangle reading asks of inputs and of one-variable terms."""

from __future__ import annotations

import torch

from maskc.codegen.runtime.call import Call, Spec

CHUNK = 16
"""Entries of a chunk: ranges that start and end on its borders need no table of single entries."""

WIDE_CHUNK = 128
"""Entries of a wide chunk: ranges of whole tiles mostly start and end on its borders."""


class Tables:
    """Exact counts over ranges, prepared once for each call.

    `slice_of`: int64 [n], the slice of each rectangle now being read (the builder sets it);
    `slices`: the call with all slices, as [n_slices, 1].
    """

    def __init__(self, spec: Spec, call: Call, slices: Call | None = None) -> None:
        self.spec = spec
        self.call = call
        self.slices = slices if slices is not None else call
        self.slice_of: torch.Tensor | None = None
        self._counts: dict[int, torch.Tensor] = {}
        self._first = min(0, call.q_start - call.n_k + 1)
        self._last = max(call.n_k - 1, call.q_start + call.n_q - 1)

    def tally(self, index: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """For how many t in low..high (inclusive) `spec.terms[index]` holds, int64 [n].

        Exact wherever t is a position or a `q - k` of the call; t outside is not counted.
        """
        counts = self._counts.get(index)
        if counts is None:
            counts = self._counts[index] = self._counted(index)
        size = counts.shape[-1] - 1
        start = (low - self._first).clamp(0, size)
        stop = (high - self._first + 1).clamp(0, size)
        if counts.shape[0] > 1 and self.slice_of is not None:
            base = self.slice_of * (size + 1)
            start, stop = start + base, stop + base
        counts = counts.view(-1)
        return (looked_up(counts, stop) - looked_up(counts, start)).to(torch.int64).clamp_(min=0)

    def _counted(self, index: int) -> torch.Tensor:
        """Counts of a term before each position and difference: int32 [slices or 1, n + 1]."""
        t = torch.arange(self._first, self._last + 1, device=self.call.device)
        holds = self.spec.terms[index](t.view(1, -1), self.slices)
        holds = holds.expand(holds.shape[0] if holds.ndim == 2 else 1, t.numel())
        counts = torch.zeros((holds.shape[0], t.numel() + 1), dtype=torch.int32, device=t.device)
        torch.cumsum(holds, 1, dtype=torch.int32, out=counts[:, 1:])
        return counts


class RangeTables(Tables):
    """Exact minima and maxima over ranges too."""

    def __init__(self, spec: Spec, call: Call, slices: Call | None = None) -> None:
        super().__init__(spec, call, slices)
        self._ranges: dict[tuple[str, bool], RangeTable] = {}
        self._rows: dict[tuple[str, bool], RangeTable] = {}

    def range_min(
        self,
        name: str,
        prefix: tuple[torch.Tensor | int, ...],
        low: torch.Tensor,
        high: torch.Tensor,
        until: tuple[torch.Tensor | int, ...] = (),
    ) -> torch.Tensor:
        """The least entry of input `name` over inclusive ranges of its last index, [n].

        Args:
            name: a key of `call.tensors`.
            prefix: the exact leading indices, each int64 [n] or one for all.
            low: int64 [n], first index; indices out of range read 0.
            high: int64 [n], last index, inclusive.
            until: where leading indices are ranges too, their last ones: then of all rows from
                `prefix` to `until`, in order of memory and whole, and of 0 where one is outside.

        NaN counts as -inf, so that what is proved from the bounds stays true.

        """
        return self._found(name, False, prefix, low, high, until)

    def range_max(
        self,
        name: str,
        prefix: tuple[torch.Tensor | int, ...],
        low: torch.Tensor,
        high: torch.Tensor,
        until: tuple[torch.Tensor | int, ...] = (),
    ) -> torch.Tensor:
        """The greatest entry of input `name`, as `range_min`; NaN counts as inf."""
        return self._found(name, True, prefix, low, high, until)

    def _found(
        self,
        name: str,
        greatest: bool,
        prefix: tuple[torch.Tensor | int, ...],
        low: torch.Tensor,
        high: torch.Tensor,
        until: tuple[torch.Tensor | int, ...],
    ) -> torch.Tensor:
        tensor = self.call.tensors[name]
        if not until or not tensor.numel():
            if (name, greatest) not in self._ranges:
                self._ranges[name, greatest] = RangeTable(tensor, greatest)
            return self._ranges[name, greatest](prefix, low, high)
        if (name, greatest) not in self._rows:
            for is_most, rows in enumerate(tensor.aminmax(dim=-1)):
                self._rows[name, bool(is_most)] = RangeTable(rows.flatten(), bool(is_most))
        first, last = (torch.zeros_like(low) for _ in range(2))
        outside = (low < 0) | (high >= tensor.shape[-1])
        for size, start, end in zip(tensor.shape[:-1], prefix, until, strict=True):
            start, end = (torch.as_tensor(x, device=tensor.device) for x in (start, end))
            outside = outside | (start < 0) | (end >= size)
            first = first * size + start.clamp(0, size - 1)
            last = last * size + end.clamp(0, size - 1)
        table = self._rows[name, greatest]
        found = table((), first, last)
        return torch.where(outside, table.better(found, table.zero), found)


class RangeTable:
    """Minima (or maxima) of the last axis of one tensor over any range, in linear memory.

    Chunks of 16 or of 128 entries have a sparse table, made when first needed; the pieces of a
    range that do not fill a chunk come from minima running in from the two ends of one of 16.
    """

    def __init__(self, tensor: torch.Tensor, greatest: bool) -> None:
        self.greatest = greatest
        self.shape = tensor.shape
        self.length = tensor.shape[-1]
        self.zero = torch.zeros((), dtype=tensor.dtype, device=tensor.device)
        self.rows = tensor.numel() // max(self.length, 1)
        values = tensor.reshape(self.rows, self.length)
        if tensor.is_floating_point():
            values = torch.where(values.isnan(), _infinity(values, greatest), values)
        padding = -self.length % WIDE_CHUNK
        if padding and values.numel():
            values = torch.cat([values, values[:, -1:].expand(-1, padding)], 1)
        self.values = values
        self.ends: tuple[torch.Tensor, torch.Tensor] | None = None
        n_chunks = -(-self.length // CHUNK)
        self.level_of = torch.zeros(n_chunks + 1, dtype=torch.int64, device=tensor.device)
        for level in range(1, n_chunks.bit_length()):
            self.level_of[1 << level :] = level
        self.levels: dict[int, torch.Tensor] = {}

    def __call__(
        self, prefix: tuple[torch.Tensor | int, ...], low: torch.Tensor, high: torch.Tensor
    ) -> torch.Tensor:
        """The least (greatest) entry of each range; ends broadcast. See `RangeTables.range_min`."""
        same = torch.broadcast_tensors(low, high, *map(torch.as_tensor, prefix))
        shape = same[0].shape
        if not self.rows or not self.length:
            return self.zero.expand(shape)
        if len(shape) > 1:
            low, high, *rest = (x.reshape(-1) for x in same)
            return self(tuple(rest), low, high).view(shape)
        last = self.length - 1
        row, nothing = self._row_of(prefix, low.device)
        if bool((low >= 0).all() & (high <= last).all() & (low <= high).all()):
            found = self._inside(row, low, high)
        else:
            outside = (low < 0) | (high > last)
            low, high = torch.minimum(low, high), torch.maximum(low, high)
            nothing = nothing | (high < 0) | (low > last)
            found = self._inside(row, low.clamp(0, last), high.clamp(0, last))
            found = torch.where(outside, self.better(found, self.zero), found)
        return torch.where(nothing, self.zero, found)

    def _row_of(
        self, prefix: tuple[torch.Tensor | int, ...], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which row the leading indices are, and whether they are outside, [n] or for all."""
        row = torch.zeros((), dtype=torch.int64, device=device)
        nothing = torch.zeros((), dtype=torch.bool, device=device)
        for size, index in zip(self.shape[:-1], prefix, strict=True):
            index = torch.as_tensor(index, dtype=torch.int64, device=device)
            nothing = nothing | (index < 0) | (index >= size)
            row = row * size + index.clamp(0, size - 1)
        return row, nothing

    def _inside(self, row: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """The answer for ranges that lie inside the tensor."""
        at_end = high == self.length - 1
        for chunk in (WIDE_CHUNK, CHUNK):
            within, shift = chunk - 1, chunk.bit_length() - 1
            whole = ((low & within) == 0) & (((high & within) == within) | at_end)
            first, last = low >> shift, high >> shift
            if bool(whole.all()):
                return self._between(chunk, row, first, last)
        if self.ends is None:
            self.ends = self._from_ends()
        from_low, to_high = self.ends
        one = first == last
        ends = torch.minimum(first + 1, last), torch.maximum(last - 1, first)
        inner = self._between(CHUNK, row, *ends)
        position = (row * self.values.shape[1]).expand(low.shape)
        found = self.better(
            looked_up(from_low, position + low), looked_up(to_high, position + high)
        )
        found = torch.where(last - first > 1, self.better(found, inner), found)
        short = (one & ~whole).nonzero().squeeze(1)
        if short.numel():
            step = torch.arange(CHUNK, device=low.device)
            index = torch.minimum(low[short, None] + step, high[short, None])
            entries = self.values.view(-1)[position[short, None] + index]
            found[short] = self._reduce(entries, 1)
        return found

    def _between(
        self, chunk: int, row: torch.Tensor, first: torch.Tensor, last: torch.Tensor
    ) -> torch.Tensor:
        """The answer over whole chunks first..last of a row, inclusive."""
        if chunk not in self.levels:
            self.levels[chunk] = self._sparse(chunk)
        n_chunks = self.values.shape[1] // chunk
        n = self.rows * n_chunks
        level = looked_up(self.level_of, (last - first + 1).clamp(min=1))
        start = level * n + row * n_chunks
        right = last + 1 - torch.bitwise_left_shift(torch.ones_like(level), level)
        flat = self.levels[chunk].view(-1)
        return self.better(looked_up(flat, start + first), looked_up(flat, start + right))

    def _sparse(self, chunk: int) -> torch.Tensor:
        """Level j, entry i: over chunks i .. i + 2^j - 1 of one row, [levels, rows * chunks]."""
        levels = [self._reduce(self.values.view(self.rows, -1, chunk), 2)]
        n_chunks = levels[0].shape[1]
        step = 1
        while 2 * step <= n_chunks:
            below = levels[-1]
            level = below.clone()
            level[:, :-step] = self.better(below[:, :-step], below[:, step:])
            levels.append(level)
            step *= 2
        return torch.stack(levels).view(len(levels), -1)

    def _from_ends(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Flat tables: from each entry to its chunk's end, and from the chunk's start to it."""
        chunks = self.values.view(self.rows, -1, CHUNK)
        right, left = chunks.clone(), chunks.clone()
        for i in range(1, CHUNK):
            left[..., i] = self.better(left[..., i], left[..., i - 1])
            right[..., -1 - i] = self.better(right[..., -1 - i], right[..., -i])
        return right.view(-1), left.view(-1)

    def better(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """The lesser (greater) of both, elementwise."""
        return torch.maximum(a, b) if self.greatest else torch.minimum(a, b)

    def _reduce(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        return x.aminmax(dim=axis)[self.greatest]


def looked_up(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """`values[index]` of one axis; selecting is faster than indexing."""
    return values.index_select(0, index.reshape(-1)).view(index.shape)


def _infinity(values: torch.Tensor, positive: bool) -> torch.Tensor:
    sign = 1.0 if positive else -1.0
    return torch.full((), sign * float("inf"), dtype=values.dtype, device=values.device)
