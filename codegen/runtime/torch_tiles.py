"""What is in the tiles of a layout, bit by bit: equal tiles get one number, equal slices one group.

Nothing is derived from the spec's text: tiles are equal where all their bits are.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout, Runs

FULL = -1
"""Number of a tile whose pairs are all kept."""

ABSENT = -3
"""Number of a tile without kept pairs."""

LIVE = -2
"""Number of a partial tile whose bits were not read: there are too many different ones."""

TILE_POINTS_AT_ONCE = 1 << 20
"""Points of partial tiles that are read together; bounds the memory."""

MOST_TILE_POINTS = 1 << 29
"""Points that may be read for a plan; tiles beyond are LIVE."""

MOST_TILES_A_ROW = 4
"""Different tiles that are kept, per row and column of tiles; tiles beyond are LIVE."""


@dataclass(frozen=True, slots=True)
class Span:
    """Adjacent key tiles of adjacent query tiles.

    From query tile `row` on `height` of them, from key tile `first` on as many as `tiles` has in a
    row; `tiles`: the number of each, row by row.
    """

    row: int
    first: int
    tiles: tuple[int, ...]
    height: int = 1

    @property
    def width(self) -> int:
        """Number of key tiles."""
        return len(self.tiles) // self.height

    @property
    def last(self) -> int:
        """The key tile after the last one."""
        return self.first + self.width


@dataclass(frozen=True, slots=True)
class SliceGroup:
    """Slices (batch * heads + head) whose masks are equal, and the key tiles of each query tile."""

    slices: tuple[int, ...]
    spans: tuple[Span, ...]


class TileBits:
    """The different partial tiles seen so far, by number."""

    def __init__(self, layout: Layout, spec: Spec, call: Call) -> None:
        self.layout = layout
        self.spec = spec
        self.call = call
        words = -(-layout.block[0] * layout.block[1] // 8)
        random = torch.Generator("cpu").manual_seed(0)
        weights = torch.randint(-(2**63), 2**63 - 1, (words,), generator=random, device="cpu")
        self._weights = (weights | 1).to(call.device)
        self._known: list[torch.Tensor] = []
        self._number_of: dict[int, int] = {}
        self._points_left = MOST_TILE_POINTS
        self._most = 64 + MOST_TILES_A_ROW * (layout.n_q_tiles + layout.n_k_tiles)

    def stacked(self) -> torch.Tensor:
        """All bits: bool [n, BQ, BK]."""
        if not self._known:
            return torch.zeros((0, *self.layout.block), dtype=torch.bool, device=self.call.device)
        return torch.stack(self._known)

    @property
    def block(self) -> tuple[int, int]:
        """Rows and keys of a tile."""
        return self.layout.block

    @property
    def device(self) -> torch.device:
        """Where the bits are."""
        return self.call.device

    def bits(self, number: int) -> torch.Tensor:
        """The bits of one tile: bool [BQ, BK]."""
        return self._known[number]

    def existing(self, row: int, column: int) -> int:
        """The number of a tile that holds all pairs that exist, where some do not."""
        bq, bk = self.layout.block
        q = row * bq + torch.arange(bq, device=self.call.device)
        k = column * bk + torch.arange(bk, device=self.call.device)
        bits = (q < self.call.n_q)[:, None] & (k < self.call.n_k)
        return self._placed(bits[None])[0]

    def read(self, batch: int, head: int, row: torch.Tensor, column: torch.Tensor) -> list[int]:
        """The number of each tile of one slice; `row`, `column`: int64 [n], in tiles."""
        bq, bk = self.layout.block
        device = self.call.device
        step_q = torch.arange(bq, device=device)[:, None]
        step_k = torch.arange(bk, device=device)
        here = self.call.at(torch.tensor(batch, device=device), torch.tensor(head, device=device))
        numbers: list[int] = []
        at_once = max(TILE_POINTS_AT_ONCE // (bq * bk), 1)
        for i in range(0, row.numel(), at_once):
            n = min(at_once, row.numel() - i)
            if self._points_left < n * bq * bk or len(self._known) > self._most:
                numbers.extend([LIVE] * (row.numel() - i))
                break
            self._points_left -= n * bq * bk
            q = row[i : i + n, None, None] * bq + step_q
            k = column[i : i + n, None, None] * bk + step_k
            exists = (q < self.call.n_q) & (k < self.call.n_k)
            q, k = q.clamp(max=self.call.n_q - 1), k.clamp(max=self.call.n_k - 1)
            kept = torch.as_tensor(self.spec.keep(q + self.call.q_start, k, here), device=device)
            numbers.extend(self._placed(kept & exists))
        return numbers

    def numbers(self, bits: torch.Tensor) -> list[int]:
        """The number of each of the tiles bool [n, BQ, BK], FULL where all bits are set."""
        full = bits.flatten(1).all(1).tolist()
        placed = self._placed(bits)
        return [FULL if is_full else n for is_full, n in zip(full, placed, strict=True)]

    def _placed(self, bits: torch.Tensor) -> list[int]:
        """The number of each of the tiles bool [n, BQ, BK]; new ones are put down."""
        flat = bits.reshape(bits.shape[0], -1)
        if flat.shape[1] % 8:
            flat = torch.nn.functional.pad(flat, (0, -flat.shape[1] % 8))
        marks = (flat.contiguous().view(torch.int64) * self._weights).sum(1)
        numbers = []
        for i, mark in enumerate(marks.tolist()):
            if mark not in self._number_of:
                self._number_of[mark] = len(self._known)
                self._known.append(bits[i].clone())
            numbers.append(self._number_of[mark])
        used = sorted(set(numbers))
        place = {number: i for i, number in enumerate(used)}
        expected = torch.stack([self._known[number] for number in used])
        index = torch.tensor([place[number] for number in numbers], device=bits.device)
        wrong = (expected[index] != bits).flatten(1).any(1)
        for i in wrong.nonzero().flatten().tolist():
            numbers[i] = len(self._known)
            self._known.append(bits[i].clone())
        return numbers


def read_slices(layout: Layout, spec: Spec, call: Call, bits: TileBits) -> list[SliceGroup]:
    """Groups of slices with equal masks; the tiles of each are read once, those of equal ones too.

    Groups come in the order of their first slices.
    """
    class_of = layout.class_of.tolist()
    members: dict[tuple[int, int], list[int]] = defaultdict(list)
    for batch in range(call.batches):
        for head in range(call.heads):
            members[_told_apart(spec, call, batch, head)].append(batch * call.heads + head)
    partial = {index: _tiles_of_class(layout, index) for index in range(layout.n_classes)}
    groups: dict[tuple, list[int]] = defaultdict(list)
    for (batch, head), slices in members.items():
        index = class_of[batch][head]
        numbers = tuple(bits.read(batch, head, *partial[index]))
        differs = (batch, head) if LIVE in numbers else None
        groups[index, differs, numbers].extend(slices)
    return [
        SliceGroup(tuple(sorted(slices)), tuple(_spans(layout, index, numbers)))
        for (index, _, numbers), slices in groups.items()
    ]


def _told_apart(spec: Spec, call: Call, batch: int, head: int) -> tuple[int, int]:
    """The first (batch, head) whose mask the spec does not tell from this one's."""
    group = call.heads // call.kv_heads
    if "head" not in spec.slices:
        head = head // group * group if "kv_head" in spec.slices else 0
    return batch if "batch" in spec.slices else 0, head


def _tiles_of_class(layout: Layout, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each partial tile of a class, in order: int64 [n] each."""
    rows = _runs_of_rows(layout, layout.rows.partial_start, layout.rows.partial, index)
    row = [i for i, runs in enumerate(rows) for first, last in runs for _ in range(first, last)]
    column = [tile for runs in rows for first, last in runs for tile in range(first, last)]
    device = layout.device
    return torch.tensor(row, dtype=torch.int64, device=device), torch.tensor(
        column, dtype=torch.int64, device=device
    )


def _runs_of_rows(
    layout: Layout, start: torch.Tensor, runs: torch.Tensor, index: int
) -> list[list[list[int]]]:
    """[first, last) of each run of each row of a class."""
    n = layout.n_q_tiles
    ends = start[index * n : (index + 1) * n + 1].tolist()
    listed = runs[ends[0] : ends[-1]].tolist()
    return [listed[a - ends[0] : b - ends[0]] for a, b in pairwise(ends)]


def _spans(layout: Layout, index: int, numbers: tuple[int, ...]) -> list[Span]:
    """The spans of a class whose partial tiles have these numbers, by rows."""
    rows: Runs = layout.rows
    partial = _runs_of_rows(layout, rows.partial_start, rows.partial, index)
    full = _runs_of_rows(layout, rows.full_start, rows.full, index)
    spans = []
    place = 0
    for row in range(layout.n_q_tiles):
        runs = [(first, last, FULL) for first, last in full[row]]
        for first, last in partial[row]:
            runs.append((first, last, place))
            place += last - first
        tiles: list[int] = []
        begin = end = -1
        for first, last, where in sorted(runs):
            if first != end and tiles:
                spans.append(Span(row, begin, tuple(tiles)))
                tiles = []
            if not tiles:
                begin = first
            n = last - first
            tiles.extend([FULL] * n if where == FULL else numbers[where : where + n])
            end = last
        if tiles:
            spans.append(Span(row, begin, tuple(tiles)))
    return spans
