"""Inside a tile: whether it is full or mixed, and how many pairs it keeps.

Tiles are cut at their seams first, where a coordinate of a grid starts anew: a piece is one range
of each coordinate, of which the reading mostly tells all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from maskc.codegen.runtime.reader import MOST_AT_ONCE, Reader, chosen_of
from maskc.codegen.runtime.seams import Seams, between, seams_of

TILES_AT_ONCE = 4096
"""Tiles whose parts are read together."""


def decided(
    reader: Reader, s: torch.Tensor, *corners: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tiles are full and which mixed, exactly, where their bounds left it open.

    The points in the corners come first, as long as they tell of some tiles, then parts of the
    tiles, then all points of the parts that stay open.
    """
    seams = seams_of(reader)
    hit = torch.zeros(s.numel(), dtype=torch.bool, device=s.device)
    miss = torch.zeros_like(hit)
    corners_tell = True
    for i in range(0, s.numel(), TILES_AT_ONCE):
        at = slice(i, i + TILES_AT_ONCE)
        if corners_tell:
            q, k = (torch.stack([x[at] for x in ends], 1) for ends in (corners[:2], corners[2:]))
            kept = reader.points(s[at], q[:, :, None], k[:, None, :])
            kept = kept.expand(len(q), 2, 2).flatten(1)
            hit[at], miss[at] = kept.any(1), ~kept.all(1)
            corners_tell = bool((hit[at] & miss[at]).any())
        tile = (~(hit[at] & miss[at])).nonzero().squeeze(1) + i
        own = s[tile], *(x[tile] for x in corners)
        parts = Parts(tile, *own, size=reader.block, seams=seams)
        while not parts.small:
            parts = parts.split()
            every, some, sure_hit, sure_miss = reader.bounds(*parts.rectangles)
            hit[parts.tile[_of_any((every | sure_hit) & parts.exist)]] = True
            miss[parts.tile[_of_any((~some | sure_miss) & parts.exist)]] = True
            parts = parts.chosen(some & ~every & ~(hit & miss)[parts.tile])
        for some_parts, kept, exists in parts.points(reader):
            hit[some_parts[(kept & exists).flatten(1).any(1)]] = True
            miss[some_parts[(exists & ~kept).flatten(1).any(1)]] = True
    return hit & ~miss, hit & miss


def kept_inside(reader: Reader, s: torch.Tensor, *corners: torch.Tensor) -> torch.Tensor:
    """The number of kept pairs in each tile with these corners, int64 [n]."""
    total = torch.zeros_like(s)
    seams = seams_of(reader)
    for i in range(0, s.numel(), TILES_AT_ONCE):
        tile = torch.arange(i, min(i + TILES_AT_ONCE, s.numel()), device=s.device)
        own = s[tile], *(x[tile] for x in corners)
        parts = Parts(tile, *own, size=reader.block, seams=seams)
        while not parts.small:
            parts = parts.split()
            every, some, _, _ = reader.bounds(*parts.rectangles)
            total.index_add_(0, parts.tile, (parts.n_pairs * every).sum_to_size(len(parts.tile)))
            parts = parts.chosen(some & ~every)
        for some_parts, kept, exists in parts.points(reader):
            total.index_add_(0, some_parts, (kept & exists).flatten(1).sum(1))
    return total


@dataclass(frozen=True, slots=True)
class Parts:
    """Rectangles of at most `size` tokens inside tiles: `tile` int64 [n], which tile each is in.

    They may be products, as `Reader.bounds` takes them, of which some are empty. `seams`: where
    they are to be cut first.
    """

    tile: torch.Tensor
    s: torch.Tensor
    q0: torch.Tensor
    q1: torch.Tensor
    k0: torch.Tensor
    k1: torch.Tensor
    size: tuple[int, int]
    seams: Seams | None = None

    @property
    def rectangles(self) -> tuple[torch.Tensor, ...]:
        """Slice and corners, as `Reader.bounds` takes them."""
        return self.s, self.q0, self.q1, self.k0, self.k1

    @property
    def exist(self) -> torch.Tensor:
        """Which parts are not empty, bool [n] or [a, b, n]."""
        return (self.q0 <= self.q1) & (self.k0 <= self.k1)

    @property
    def n_pairs(self) -> torch.Tensor:
        """Number of pairs of each part, int64 [n] or [a, b, n]."""
        return (self.q1 - self.q0 + 1).clamp(min=0) * (self.k1 - self.k0 + 1).clamp(min=0)

    @property
    def small(self) -> bool:
        """Whether reading points is now as good as splitting on."""
        return not self.tile.numel() or (max(self.size) <= 8 and self.seams is None)

    def chosen(self, where: torch.Tensor) -> Parts:
        """Those parts that are not empty where the bool holds, one after another."""
        chosen = chosen_of(where & self.exist, self.tile, *self.rectangles)
        return Parts(*chosen, size=self.size, seams=self.seams)

    def split(self) -> Parts:
        """Each part cut at its seams, or then in up to 4 x 4."""
        if self.seams is not None:
            q0, q1 = (x[:, None] for x in between(self.seams[0], self.s, self.q0, self.q1))
            k0, k1 = between(self.seams[1], self.s, self.k0, self.k1)
            parts = Parts(self.tile, self.s, q0, q1, k0, k1, size=self.size)
            exist = parts.exist
            return parts.chosen(exist) if 2 * int(exist.sum()) < exist.numel() else parts
        size_q, size_k = (-(-side // 4) if side > 8 else side for side in self.size)
        n_q, n_k = -(-self.size[0] // size_q), -(-self.size[1] // size_k)
        device = self.tile.device
        q0 = self.q0 + torch.arange(n_q, device=device)[:, None, None] * size_q
        k0 = self.k0 + torch.arange(n_k, device=device)[:, None] * size_k
        q1 = torch.minimum(q0 + (size_q - 1), self.q1)
        k1 = torch.minimum(k0 + (size_k - 1), self.k1)
        return Parts(self.tile, self.s, q0, q1, k0, k1, size=(size_q, size_k))

    def points(self, reader: Reader) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """In pieces: `tile` [n], and `kept` and `exists` bool [n, size of q, size of k]."""
        device = self.tile.device
        step_q = torch.arange(self.size[0], device=device)[:, None]
        step_k = torch.arange(self.size[1], device=device)
        at_once = max(MOST_AT_ONCE // (self.size[0] * self.size[1]), 1)
        for i in range(0, self.tile.numel(), at_once):
            tile, s, q0, q1, k0, k1 = (x[i : i + at_once] for x in (self.tile, *self.rectangles))
            q, k = q0[:, None, None] + step_q, k0[:, None, None] + step_k
            exists = (q <= q1[:, None, None]) & (k <= k1[:, None, None])
            q = torch.minimum(q, q1[:, None, None])
            k = torch.minimum(k, k1[:, None, None])
            yield tile, reader.points(s, q, k).expand(exists.shape), exists


def _of_any(where: torch.Tensor) -> torch.Tensor:
    """Which of the n last entries hold anywhere: bool [n]."""
    return where if where.ndim == 1 else where.flatten(0, -2).any(0)
