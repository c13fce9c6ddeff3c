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

PARTS_AT_ONCE = 1 << 15
"""Tiles, or parts of them, that are split together."""

FEW_TOLD = 8
"""Corners of so many tiles must tell of one, or those of the next tiles are not read."""


def decided(
    reader: Reader, s: torch.Tensor, *corners: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which tiles are full and which mixed, exactly, where their bounds left it open.

    The points in the corners come first, as long as they tell of tiles, then parts of the tiles,
    then all points of the parts that stay open.
    """
    hit = torch.zeros(s.numel(), dtype=torch.bool, device=s.device)
    miss = torch.zeros_like(hit)
    corners_tell = True
    for tiles in whole_tiles(reader, s, *corners).pieces():
        if corners_tell:
            kept = tiles.corners(reader)
            hit[tiles.tile], miss[tiles.tile] = kept.any(1), ~kept.all(1)
            n_told = int((hit & miss)[tiles.tile].sum())
            corners_tell = n_told * FEW_TOLD > tiles.tile.numel()
        stack = [tiles.chosen(~(hit & miss)[tiles.tile])]
        while stack:
            parts = stack.pop()
            if parts.small:
                for tile, kept, exists in parts.points(reader):
                    hit[tile[(kept & exists).flatten(1).any(1)]] = True
                    miss[tile[(exists & ~kept).flatten(1).any(1)]] = True
                continue
            at_seams, parts = parts.seams is not None, parts.split()
            if at_seams and reader.spec.outline is not None:
                # Most pieces of tiles at seams are full or absent.
                every, some = reader.outline(*parts.rectangles)
                hit[parts.tiles_where(every)] = True
                miss[parts.tiles_where(~some)] = True
                parts = parts.chosen(some & ~every & ~(hit & miss)[parts.tile])
            every, some, sure_hit, sure_miss = reader.bounds(*parts.rectangles)
            hit[parts.tiles_where(every | sure_hit)] = True
            miss[parts.tiles_where(~some | sure_miss)] = True
            stack.extend(parts.chosen(some & ~every & ~(hit & miss)[parts.tile]).pieces())
    return hit & ~miss, hit & miss


def kept_inside(reader: Reader, s: torch.Tensor, *corners: torch.Tensor) -> torch.Tensor:
    """The number of kept pairs in each tile with these corners, int64 [n]."""
    total = torch.zeros_like(s)
    stack = list(whole_tiles(reader, s, *corners).pieces())
    while stack:
        parts = stack.pop()
        if parts.small:
            for tile, kept, exists in parts.points(reader):
                total.index_add_(0, tile, (kept & exists).flatten(1).sum(1))
            continue
        parts = parts.split()
        every, some, _, _ = reader.bounds(*parts.rectangles)
        total.index_add_(0, parts.tile, (parts.n_pairs * every).sum_to_size(len(parts.tile)))
        stack.extend(parts.chosen(some & ~every).pieces())
    return total


def whole_tiles(reader: Reader, s: torch.Tensor, *corners: torch.Tensor) -> Parts:
    """Whole tiles, numbered from 0, to be cut at the seams of the call."""
    tile = torch.arange(s.numel(), device=s.device)
    return Parts(tile, s, *corners, size=reader.block, seams=seams_of(reader))


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

    def pieces(self) -> Iterator[Parts]:
        """The same, which are no products, `PARTS_AT_ONCE` at a time."""
        for i in range(0, self.tile.numel(), PARTS_AT_ONCE):
            own = (x[i : i + PARTS_AT_ONCE] for x in (self.tile, *self.rectangles))
            yield Parts(*own, size=self.size, seams=self.seams)

    def corners(self, reader: Reader) -> torch.Tensor:
        """Whether the points in the corners are kept: bool [n, 4]."""
        q, k = (torch.stack(x, 1) for x in ((self.q0, self.q1), (self.k0, self.k1)))
        kept = reader.points(self.s, q[:, :, None], k[:, None, :])
        return kept.expand(len(q), 2, 2).flatten(1)

    def tiles_where(self, where: torch.Tensor) -> torch.Tensor:
        """The tiles of those parts that are not empty where the bool holds."""
        where = where & self.exist
        return self.tile[where if where.ndim == 1 else where.flatten(0, -2).any(0)]

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
