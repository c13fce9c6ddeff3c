"""The plan of the torch back end: pieces, each one batched call on many query tiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch

from maskc.codegen.runtime.torch_spans import Progression

TORCH_BLOCK = (64, 64)
"""The tile whose layout suits this back end: little is computed in vain, and calls are large."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Query tiles that see the same relative shape of keys; strided views show all of them.

    Slice i is `q_slice[i]` of the q slices (batch * heads + head) and `kv_slice[i]` of the key
    slices. Tile j holds query rows `q_first[j]` and the `n_rows - 1` after it, and keys
    `k_first[j]` and the `n_keys - 1` after it. `live`: the mask is read with `keep` whenever the
    piece runs, as its tiles differ too much to be stored. `fresh`: no piece before this one has
    any of its rows.
    """

    q_slice: Progression
    kv_slice: Progression
    q_first: Progression
    k_first: Progression
    n_rows: int
    n_keys: int
    mask: torch.Tensor | None
    """bool [n_rows, n_keys], the pairs kept in every tile; None where all are, or if `live`"""
    live: bool = False
    fresh: bool = False
    hollow: bool = False
    """Some row of the mask keeps no key."""

    @property
    def pairs(self) -> int:
        """Pairs computed."""
        return self.q_slice.n * self.q_first.n * self.n_rows * self.n_keys

    @property
    def places(self) -> tuple[Progression, Progression, Progression, Progression]:
        """Slices of q and of the keys; first rows and first keys."""
        return self.q_slice, self.kv_slice, self.q_first, self.k_first

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What it holds."""
        return [] if self.mask is None else [self.mask]

    def part(self, first_slice: int, last_slice: int, first_tile: int, last_tile: int) -> Piece:
        """Some of its slices, with some tiles of each; the steps of what is one of are 0."""
        q_slice, kv_slice = (x.part(first_slice, last_slice) for x in (self.q_slice, self.kv_slice))
        q_first, k_first = (x.part(first_tile, last_tile) for x in (self.q_first, self.k_first))
        return replace(self, q_slice=q_slice, kv_slice=kv_slice, q_first=q_first, k_first=k_first)

    def of_slices(self, q_slices: range, kv_slices: range) -> Piece | None:
        """What of it is in these slices, which are counted from the first ones."""
        begin, end = self.q_slice.within(q_slices)
        if begin == end:
            return None
        part = self.part(begin, end, 0, self.q_first.n)
        return replace(
            part,
            q_slice=replace(part.q_slice, first=part.q_slice.first - q_slices.start),
            kv_slice=replace(part.kv_slice, first=part.kv_slice.first - kv_slices.start),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """Query tiles that see equally many key tiles, anywhere; their keys are copied together.

    Item i: rows `q_first[i]` and the `n_rows - 1` after it of q slice `q_slice[i]`; keys of slice
    `kv_slice[i]`, `width` from each of `k_first[i]`. No two items have a row in common.
    """

    q_slice: torch.Tensor
    """int64 [n]"""
    kv_slice: torch.Tensor
    """int64 [n]"""
    q_first: torch.Tensor
    """int64 [n]"""
    k_first: torch.Tensor
    """int64 [n, m]"""
    tile: torch.Tensor | None
    """int64 [n, m], which of the plan's `tiles` each key tile is; None where all pairs are kept"""
    n_rows: int
    width: int
    live: bool = False
    fresh: bool = False

    @property
    def pairs(self) -> int:
        """Pairs computed."""
        return self.k_first.numel() * self.n_rows * self.width

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What it holds."""
        held = (self.q_slice, self.kv_slice, self.q_first, self.k_first, self.tile)
        return [x for x in held if x is not None]

    def of_slices(self, q_slices: range, kv_slices: range) -> Gathered | None:
        """What of it is in these slices, which are counted from the first ones."""
        here = (self.q_slice >= q_slices.start) & (self.q_slice < q_slices.stop)
        if not bool(here.any()):
            return None
        return replace(
            self,
            q_slice=self.q_slice[here] - q_slices.start,
            kv_slice=self.kv_slice[here] - kv_slices.start,
            q_first=self.q_first[here],
            k_first=self.k_first[here],
            tile=None if self.tile is None else self.tile[here],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Pieces on rows and keys in another order, of q slices `slices` and their key slices.

    Row i of the walk is query row `q_map[i]`, key i is key `k_map[i]`; its slices count from the
    first ones that it walks.
    """

    slices: range
    kv_slices: range
    q_map: torch.Tensor | None
    """int64 [n_q], every row once; None where rows keep their order"""
    k_map: torch.Tensor
    """int64 [n], some of the keys"""
    pieces: tuple[Piece, ...]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """What it holds beside its pieces."""
        return [self.k_map] if self.q_map is None else [self.q_map, self.k_map]

    @property
    def places(self) -> torch.Tensor | None:
        """Which row of the walk each query row is: int64 [n_q], or None."""
        if self.q_map is None:
            return None
        places = torch.empty_like(self.q_map)
        places[self.q_map] = torch.arange(places.numel(), device=places.device)
        return places

    def of_slices(self, q_slices: range, kv_slices: range) -> Walk | None:
        """What of it is in these slices, which are counted from the first ones."""
        q, q_inside = _common(self.slices, q_slices)
        kv, kv_inside = _common(self.kv_slices, kv_slices)
        pieces = [piece.of_slices(q_inside, kv_inside) for piece in self.pieces]
        pieces = tuple(piece for piece in pieces if piece is not None)
        return replace(self, slices=q, kv_slices=kv, pieces=pieces) if pieces else None


def _common(a: range, b: range) -> tuple[range, range]:
    """What is in both, counted from the first of b, and from the first of a."""
    first, last = max(a.start, b.start), min(a.stop, b.stop)
    return range(first - b.start, last - b.start), range(first - a.start, last - a.start)


@dataclass(frozen=True, eq=False)
class TorchPlan:
    """The pieces of one layout, in the order in which they run, and then those on walks.

    `tiles`: bool [n, BQ, BK], the different tiles that gathered pieces point into; the last one
    keeps every pair. `complete`: every query row is in some fresh piece.
    """

    pieces: tuple[Piece | Gathered, ...]
    walks: tuple[Walk, ...]
    tiles: torch.Tensor
    complete: bool

    @property
    def pairs(self) -> int:
        """Pairs computed, over all slices."""
        every = [*self.pieces, *(piece for walk in self.walks for piece in walk.pieces)]
        return sum(piece.pairs for piece in every)

    @property
    def n_pieces(self) -> int:
        """The number of all pieces."""
        return len(self.pieces) + sum(len(walk.pieces) for walk in self.walks)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of its tensors, each once."""
        pieces = [*self.pieces, *(piece for walk in self.walks for piece in walk.pieces)]
        held = [self.tiles, *(x for part in (*pieces, *self.walks) for x in part.tensors)]
        return sum(x.numel() * x.element_size() for x in {id(x): x for x in held}.values())

    def of_slices(self, q_slices: range, kv_slices: range) -> TorchPlan:
        """What of it is in these slices, which are counted from the first ones."""
        pieces = [piece.of_slices(q_slices, kv_slices) for piece in self.pieces]
        walks = [walk.of_slices(q_slices, kv_slices) for walk in self.walks]
        return replace(
            self,
            pieces=tuple(piece for piece in pieces if piece is not None),
            walks=tuple(walk for walk in walks if walk is not None),
        )
