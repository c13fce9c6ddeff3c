"""The plan of the torch back end: pieces, each one batched call on many query tiles."""

from __future__ import annotations

from dataclasses import dataclass

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

    @property
    def pairs(self) -> int:
        """Pairs computed."""
        return self.q_slice.n * self.q_first.n * self.n_rows * self.n_keys


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


@dataclass(frozen=True, slots=True, eq=False)
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
