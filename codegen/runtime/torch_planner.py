"""How the torch back end walks a layout: from tiles and their bits to a plan of pieces."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.torch_fit import fitted
from maskc.codegen.runtime.torch_plan import Gathered, Piece, TorchPlan, Walk
from maskc.codegen.runtime.torch_spans import (
    Progression,
    as_one_span,
    common_ranges,
    full_runs_of,
    in_step,
    progressions,
    stacked_spans,
    touching_spans,
    without_ranges,
)
from maskc.codegen.runtime.torch_tiles import (
    ABSENT,
    FULL,
    LIVE,
    SliceGroup,
    Span,
    TileBits,
    read_slices,
)
from maskc.codegen.runtime.torch_walks import walk_by_column, walk_by_residue

SHARED_ROWS = 1024
"""Query rows that share one call on the keys that all of them see in full."""

LEAST_SHARED = 1024
"""Keys that such a call must at least have: below, merging its result costs what it saves."""

COARSE_ROWS = 256
"""Query rows that are put into one tile where that computes little in vain."""

LEAST_COARSE = 512
"""Keys that such a tile must at least have: larger products are faster ones."""

MOST_IN_VAIN = 1.3
"""Pairs that such a tile may compute, by those that its parts would compute."""

LEAST_PAIRS = 1 << 16
"""Pairs below which a call of its own costs more than gathering its keys."""

CALL_COST = 1 << 14
"""What one call costs beside its pairs, in pairs."""

ROW_COST = 48
"""What merging or moving one row costs, in pairs."""

GATHER_COST = 1.5
"""What a pair of gathered keys costs, in pairs."""


def plan_torch(layout: Layout, spec: Spec, call: Call) -> TorchPlan:
    """The plan of one layout, kept with it: it depends on nothing that the layout does not."""
    if "torch plan" not in layout._known:
        layout._known["torch plan"] = TorchPlanner(layout, spec, call).plan()
    return layout._known["torch plan"]


@dataclass(frozen=True, slots=True)
class Region:
    """Rows and keys that spans are in, in tiles of `block`, and the bits of their tiles."""

    block: tuple[int, int]
    n_q: int
    n_k: int
    bits: TileBits

    def pieces(
        self, spans: Sequence[Span], n_slices: int, all_of_them: bool = False
    ) -> tuple[list[Piece], list[Span]]:
        """Pieces for one slice, the largest first, and the spans that are in none.

        Args:
            spans: of height 1, disjoint.
            n_slices: how many slices will share the pieces.
            all_of_them: make a piece of each span, however small.

        """
        shared, left = self._cut_shared(spans)
        pieces, loose = self._regular(self._coarse(left), n_slices, all_of_them)
        return sorted([*shared, *pieces], key=lambda piece: -piece.pairs), loose

    def rows_in(self, span: Span) -> int:
        """The query rows of a span that exist."""
        bq = self.block[0]
        return min(span.height * bq, self.n_q - span.row * bq)

    def _cut_shared(self, spans: Sequence[Span]) -> tuple[list[Piece], list[Span]]:
        """Pieces of many rows on keys that all of them see, and what is left of the spans."""
        bq, bk = self.block
        n = SHARED_ROWS // bq
        if n < 2 or self.n_q < n * bq:
            return [], list(spans)
        full: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for span in spans:
            full[span.row].extend(full_runs_of(span))
        cuts: dict[int, list[tuple[int, int]]] = {}
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in range(0, self.n_q // bq - n + 1, n):
            common = full[row]
            for other in range(row + 1, row + n):
                common = common_ranges(common, full[other])
            common = [(a, b) for a, b in common if (b - a) * bk >= LEAST_SHARED]
            for a, b in common:
                found[min(b * bk, self.n_k) - a * bk].append((row, a))
            cuts.update((r, common) for r in range(row, row + n) if common)
        pieces = [
            self._piece(rows, columns, n * bq, n_keys, None, False)
            for n_keys, places in found.items()
            for rows, columns in in_step(places)
        ]
        left = [part for span in spans for part in without_ranges(span, cuts.get(span.row, ()))]
        return pieces, left

    def _coarse(self, spans: Sequence[Span]) -> list[Span]:
        """The spans, those of adjacent rows made one where they see nearly the same keys.

        Few keys must be the very same ones, and in full.
        """
        bq, bk = self.block
        height = COARSE_ROWS // bq
        if height < 2:
            return list(spans)
        out: list[Span] = []
        bands: dict[int, list[Span]] = defaultdict(list)
        for span in spans:
            bands[span.row // height].append(span)
        for band in bands.values():
            for cluster in touching_spans(band):
                first, last = cluster[0].first, max(span.last for span in cluster)
                whole = height * (last - first) <= MOST_IN_VAIN * sum(s.width for s in cluster)
                whole &= (last - first) * bk >= LEAST_COARSE
                whole &= not any(LIVE in span.tiles for span in cluster)
                row = cluster[0].row // height * height
                out += [as_one_span(cluster, row, height)] if whole else stacked_spans(cluster)
        return out

    def _regular(
        self, spans: Iterable[Span], n_slices: int, all_of_them: bool
    ) -> tuple[list[Piece], list[Span]]:
        """Pieces of spans with equal content at regular places, and the spans in none."""
        alike: dict[tuple, list[Span]] = defaultdict(list)
        for span in spans:
            n_keys = min(span.last * self.block[1], self.n_k) - span.first * self.block[1]
            alike[self.rows_in(span), n_keys, span.height, span.tiles].append(span)
        pieces, loose = [], []
        for (n_rows, n_keys, height, tiles), same in alike.items():
            live = LIVE in tiles
            mask = None if live else self._mask(same[0], n_rows, n_keys)
            for rows, columns in in_step([(span.row, span.first) for span in same]):
                piece = self._piece(rows, columns, n_rows, n_keys, mask, live)
                if piece.pairs * n_slices < LEAST_PAIRS and not all_of_them:
                    width = len(tiles) // height
                    lines = [tiles[j * width : (j + 1) * width] for j in range(height)]
                    loose += [
                        Span(rows[i] + j, columns[i], line)
                        for i in range(rows.n)
                        for j, line in enumerate(lines)
                    ]
                else:
                    pieces.append(fitted(piece))
        return pieces, loose

    def _piece(
        self,
        rows: Progression,
        columns: Progression,
        n_rows: int,
        n_keys: int,
        mask: torch.Tensor | None,
        live: bool,
    ) -> Piece:
        bq, bk = self.block
        one = Progression(0, 0, 1)
        q_first = Progression(rows.first * bq, rows.step * bq, rows.n)
        k_first = Progression(columns.first * bk, columns.step * bk, columns.n)
        return Piece(one, one, q_first, k_first, n_rows, n_keys, mask, live)

    def _mask(self, span: Span, n_rows: int, n_keys: int) -> torch.Tensor | None:
        """The bits of a span, None where all are set."""
        if all(number == FULL for number in span.tiles):
            return None
        every = torch.ones(self.block, dtype=torch.bool, device=self.bits.device)
        known = {FULL: every, ABSENT: ~every}
        bits = [known[n] if n < 0 else self.bits.bits(n) for n in span.tiles]
        rows = [torch.cat(bits[i : i + span.width], 1) for i in range(0, len(bits), span.width)]
        return torch.cat(rows)[:n_rows, :n_keys].contiguous()


class TorchPlanner:
    """Makes the plan of one layout."""

    def __init__(self, layout: Layout, spec: Spec, call: Call) -> None:
        self.layout = layout
        self.spec = spec
        self.call = call
        self.bits = TileBits(layout, spec, call)
        self.region = Region(layout.block, call.n_q, call.n_k, self.bits)
        self.pieces: list[Piece | Gathered] = []
        self.walks: list[Walk] = []
        self.loose: dict[tuple, list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]] = (
            defaultdict(list)
        )
        self.complete = True

    def plan(self) -> TorchPlan:
        """The pieces of all slices."""
        for group in read_slices(self.layout, self.spec, self.call, self.bits):
            self._plan_group(group)
        for (n_rows, _, fresh, live), items in self.loose.items():
            self.pieces.append(self._gathered(n_rows, items, fresh, live))
        tiles = self.bits.stacked()
        every = torch.ones((1, *self.layout.block), dtype=torch.bool, device=tiles.device)
        return TorchPlan(
            tuple(self.pieces), tuple(self.walks), torch.cat([tiles, every]), self.complete
        )

    def _plan_group(self, group: SliceGroup) -> None:
        spans = self._plan_walks(group)
        drafts, loose = self.region.pieces(spans, len(group.slices))
        covered: set[int] = set()
        clean: set[int] = set()
        pairs_of_slices = _slices_in_step(group.slices, self.call)
        for draft in drafts:
            rows = _tile_rows(draft, self.layout.block[0])
            fresh = covered.isdisjoint(rows)
            clean.update(rows if fresh else ())
            covered.update(rows)
            for q_slice, kv_slice in pairs_of_slices:
                self.pieces.append(replace(draft, q_slice=q_slice, kv_slice=kv_slice, fresh=fresh))
        by_row: dict[int, list[Span]] = defaultdict(list)
        for span in loose:
            by_row[span.row].append(span)
        for row, parts in by_row.items():
            columns = tuple(column for s in parts for column in range(s.first, s.last))
            tiles = tuple(number for s in parts for number in s.tiles)
            fresh, live = row not in covered, LIVE in tiles
            clean.update((row,) if fresh else ())
            key = (self.region.rows_in(parts[0]), len(columns), fresh, live)
            self.loose[key].extend((s, row, columns, tiles) for s in group.slices)
        self.complete &= len(clean) == self.layout.n_q_tiles

    def _plan_walks(self, group: SliceGroup) -> tuple[Span, ...]:
        """Put down the walks that pay for these slices; the spans that remain."""
        spans = group.spans
        pairs_of_slices = _slices_in_step(group.slices, self.call)
        q_slices = range(min(group.slices), max(group.slices) + 1)
        ends = [end for _, kv in pairs_of_slices for end in (kv[0], kv[kv.n - 1])]
        kv_slices = range(min(ends), max(ends) + 1)
        n_slices = len(group.slices)
        for find in (walk_by_residue, walk_by_column):
            found = find(spans, self.bits, self.call)
            if found is None:
                continue
            region = Region(self.layout.block, self.call.n_q, found.k_map.numel(), self.bits)
            drafts, _ = region.pieces(found.spans, n_slices, all_of_them=True)
            gain = self._cost(spans, n_slices) - self._cost(found.rest, n_slices)
            moved = self.call.n_q * (1 if found.q_map is None else 4) + found.k_map.numel()
            if _cost_of(drafts, n_slices) + moved * n_slices * ROW_COST > gain:
                continue
            spans = found.rest
            pieces = [
                replace(
                    draft,
                    q_slice=replace(q_slice, first=q_slice.first - q_slices.start),
                    kv_slice=replace(kv_slice, first=kv_slice.first - kv_slices.start),
                )
                for draft in drafts
                for q_slice, kv_slice in pairs_of_slices
            ]
            walk = Walk(q_slices, kv_slices, found.q_map, found.k_map, tuple(pieces))
            self.walks.append(walk)
        return spans

    def _cost(self, spans: tuple[Span, ...], n_slices: int) -> float:
        """What the spans cost in their own order, in pairs."""
        pieces, loose = self.region.pieces(spans, n_slices)
        area = self.layout.block[0] * self.layout.block[1]
        gathered = sum(span.width for span in loose) * area * n_slices
        return _cost_of(pieces, n_slices) + GATHER_COST * gathered

    def _gathered(self, n_rows: int, items: list, fresh: bool, live: bool) -> Gathered:
        bq, bk = self.layout.block
        device = self.call.device
        group = self.call.heads // self.call.kv_heads
        last_whole = self.call.n_k // bk
        numbers = [
            [
                self.bits.existing(row, column) if n == FULL and column >= last_whole else n
                for column, n in zip(columns, tiles, strict=True)
            ]
            for _, row, columns, tiles in items
        ]
        tile = None
        if not live and any(number != FULL for row in numbers for number in row):
            tile = torch.tensor(numbers, device=device)
        q_slice = torch.tensor([item[0] for item in items], device=device)
        kv_head = torch.div(q_slice % self.call.heads, group, rounding_mode="floor")
        batch = torch.div(q_slice, self.call.heads, rounding_mode="floor")
        return Gathered(
            q_slice=q_slice,
            kv_slice=batch * self.call.kv_heads + kv_head,
            q_first=torch.tensor([item[1] * bq for item in items], device=device),
            k_first=torch.tensor([item[2] for item in items], device=device) * bk,
            tile=tile,
            n_rows=n_rows,
            width=bk,
            live=live,
            fresh=fresh,
        )


def _cost_of(pieces: Iterable[Piece], n_slices: int) -> float:
    """What pieces cost on so many slices, in pairs."""
    return sum(
        CALL_COST + n_slices * (piece.pairs + ROW_COST * piece.q_first.n * piece.n_rows)
        for piece in pieces
    )


def _slices_in_step(slices: Iterable[int], call: Call) -> list[tuple[Progression, Progression]]:
    """Slices of q and of the keys they see; key slices that differ come first in a progression."""
    group = call.heads // call.kv_heads
    ordered = sorted(slices, key=lambda s: (s % group, s))
    pairs = [(s, s // call.heads * call.kv_heads + s % call.heads // group) for s in ordered]
    return progressions(pairs)


def _tile_rows(piece: Piece, bq: int) -> list[int]:
    """The query tiles of a piece."""
    n = -(-piece.n_rows // bq)
    return [piece.q_first[i] // bq + j for i in range(piece.q_first.n) for j in range(n)]
