"""The layout: which tiles of the mask are full, partial or absent, as runs of tiles."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from maskc.codegen.runtime.runs import Pile, Runs, fold, row_of_runs, runs_of, runs_of_class


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The block-sparse form of one mask for tiles of `block` = (BQ, BK) tokens.

    FULL: every existing pair of the tile is kept. Absent: none. PARTIAL: really mixed. Tiles
    start at query row 0 and key 0; the last ones may be short.

    `class_of`: int32 [batches, heads], the layout class of each slice of the mask; slices of
    equal layout share a class. `rows`: runs of key tiles for each class and query tile, row
    `class * n_q_tiles + tile`. `columns`: runs of query tiles for each class and key tile.
    `counter` gives the number of kept pairs over all batches and heads (slices of one class may
    differ inside partial tiles).
    """

    block: tuple[int, int]
    n_q: int
    n_k: int
    class_of: torch.Tensor
    rows: Runs
    columns: Runs
    name: str = "mask"
    counter: Callable[[], int] | None = field(default=None, repr=False)
    _known: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def n_q_tiles(self) -> int:
        """Number of query tiles."""
        return -(-self.n_q // self.block[0])

    @property
    def n_k_tiles(self) -> int:
        """Number of key tiles."""
        return -(-self.n_k // self.block[1])

    @property
    def n_classes(self) -> int:
        """Number of different layouts among the slices."""
        return int(self.class_of.max()) + 1 if self.class_of.numel() else 0

    @property
    def device(self) -> torch.device:
        """Where the arrays are."""
        return self.class_of.device

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.class_of, *self.rows.arrays, *self.columns.arrays)
        return sum(array.numel() * array.element_size() for array in arrays)

    @property
    def full_tiles(self) -> int:
        """Number of full tiles, over all batches and heads."""
        return self._tiles_of(self.rows.full_start, self.rows.full)

    @property
    def partial_tiles(self) -> int:
        """Number of partial tiles, over all batches and heads."""
        return self._tiles_of(self.rows.partial_start, self.rows.partial)

    @property
    def all_tiles(self) -> int:
        """Number of tiles, the absent ones included, over all batches and heads."""
        return self.class_of.numel() * self.n_q_tiles * self.n_k_tiles

    @property
    def computed_pairs(self) -> int:
        """Number of pairs in the full and partial tiles, over all batches and heads."""
        both = (self.rows.full_start, self.rows.full), (self.rows.partial_start, self.rows.partial)
        return sum(self._over_slices(self._pairs_of(start, runs)) for start, runs in both)

    @property
    def kept_pairs(self) -> int:
        """Number of pairs that the mask keeps, exactly, over all batches and heads."""
        if "kept" not in self._known:
            assert self.counter is not None, "a layout without a counter carries its kept pairs"
            self._known["kept"] = self.counter()
        return self._known["kept"]

    @property
    def density(self) -> float:
        """Kept pairs by existing pairs, 0 where there are none."""
        pairs = self.class_of.numel() * self.n_q * self.n_k
        return self.kept_pairs / pairs if pairs else 0.0

    @property
    def amplification(self) -> float:
        """Pairs computed by pairs kept, 1 where none is."""
        return self.computed_pairs / self.kept_pairs if self.kept_pairs else 1.0

    def class_index(self, batch: int = 0, head: int = 0) -> int:
        """The layout class of one slice."""
        batches, heads = self.class_of.shape
        if not (0 <= batch < batches and 0 <= head < heads):
            raise ValueError(f"slice ({batch}, {head}) is outside [{batches}, {heads}]")
        return int(self.class_of[batch, head])

    def tiles(self, batch: int = 0, head: int = 0) -> torch.Tensor:
        """The tiles of one slice: uint8 [n_q_tiles, n_k_tiles], 0 absent, 1 partial, 2 full."""
        return self.tiles_of_class(self.class_index(batch, head))

    def tiles_of_class(self, index: int) -> torch.Tensor:
        """The tiles of one class, as `tiles`."""
        n_rows, n_columns = self.n_q_tiles, self.n_k_tiles
        out = torch.zeros(n_rows * (n_columns + 1), dtype=torch.int8)
        for value, start, runs in (
            (1, self.rows.partial_start, self.rows.partial),
            (2, self.rows.full_start, self.rows.full),
        ):
            row, runs = runs_of_class(start, runs, index, n_rows)
            row, runs = row.cpu(), runs.cpu().to(torch.int64)
            step = torch.full((row.numel(),), value, dtype=torch.int8)
            out.index_add_(0, row * (n_columns + 1) + runs[:, 0], step)
            out.index_add_(0, row * (n_columns + 1) + runs[:, 1], -step)
        out = out.view(n_rows, n_columns + 1)
        return out.cumsum(1, dtype=torch.int8)[:, :n_columns].to(torch.uint8)

    def to_csr(
        self, batch: int = 0, head: int = 0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One slice as compressed rows: start, tile, kind.

        Returns:
            `start`: int64 [n_q_tiles + 1], first entry of each query tile.
            `tile`: int64 [n], the kept key tiles, ascending in each row.
            `kind`: uint8 [n], 1 partial, 2 full.

        """
        tiles = self.tiles(batch, head)
        row, tile = tiles.nonzero(as_tuple=True)
        start = torch.zeros(self.n_q_tiles + 1, dtype=torch.int64)
        torch.cumsum(torch.bincount(row, minlength=self.n_q_tiles), 0, out=start[1:])
        return start, tile, tiles[row, tile]

    def to_block_map(self) -> torch.Tensor:
        """Which tiles are not absent: bool [batches, heads, n_q_tiles, n_k_tiles]."""
        classes = [self.tiles_of_class(index) > 0 for index in range(self.n_classes)]
        empty = torch.zeros(0, self.n_q_tiles, self.n_k_tiles, dtype=torch.bool)
        return (torch.stack(classes) if classes else empty)[self.class_of.cpu().long()]

    def to_block_mask(self, mask_mod: Callable[..., torch.Tensor]) -> Any:
        """A `torch.nn.attention.flex_attention.BlockMask` of these tiles.

        Args:
            mask_mod: bool of (batch, head, query row, key), for the pairs of partial tiles.

        """
        from torch.nn.attention.flex_attention import BlockMask

        batches, heads = self.class_of.shape
        index = self.class_of.long()
        tiles = torch.stack([self.tiles_of_class(i) for i in range(self.n_classes)])
        if self.n_q % self.block[0]:
            tiles[:, -1] = tiles[:, -1].clamp(max=1)
        if self.n_k % self.block[1]:
            tiles[:, :, -1] = tiles[:, :, -1].clamp(max=1)
        tiles = tiles.to(self.device)
        arrays = []
        for value in (1, 2):
            chosen = tiles == value
            order = (~chosen).to(torch.uint8).sort(dim=-1, stable=True).indices
            arrays += [chosen.sum(-1, dtype=torch.int32)[index], order.to(torch.int32)[index]]
        assert arrays[0].shape == (batches, heads, self.n_q_tiles)
        return BlockMask.from_kv_blocks(
            *arrays,
            BLOCK_SIZE=self.block,
            mask_mod=mask_mod,
            seq_lengths=(self.n_q, self.n_k),
        )

    @classmethod
    def from_block_mask(cls, block_mask: Any, name: str = "block_mask") -> Layout:
        """The layout that a `BlockMask` holds; its kept pairs are counted with its `mask_mod`."""
        n_q, n_k = block_mask.seq_lengths
        bq, bk = block_mask.BLOCK_SIZE
        batches, heads = block_mask.kv_num_blocks.shape[:2]
        n_rows, n_columns = -(-n_q // bq), -(-n_k // bk)
        device = block_mask.kv_num_blocks.device
        both = []
        for count, tile in (
            (block_mask.kv_num_blocks, block_mask.kv_indices),
            (block_mask.full_kv_num_blocks, block_mask.full_kv_indices),
        ):
            pile = Pile(n_rows, n_columns, device)
            if count is not None:
                listed = torch.arange(tile.shape[-1], device=device) < count[..., None]
                b, h, r, i = listed.nonzero(as_tuple=True)
                pile.add(b * heads + h, r, tile[b, h, r, i].long(), 1, 1)
            both.append(pile.pieces())
        rows, columns = runs_of(batches * heads, n_rows, n_columns, *both)
        class_of, rows, columns = fold(batches * heads, n_rows, n_columns, rows, columns)
        layout = cls(
            block=(bq, bk),
            n_q=n_q,
            n_k=n_k,
            class_of=class_of.view(batches, heads).to(torch.int32),
            rows=rows,
            columns=columns,
            name=name,
            counter=lambda: _kept_by(layout, block_mask.mask_mod),
        )
        return layout

    def explain(self) -> dict[str, Any]:
        """Tiles, pairs and bytes of this layout, as plain numbers.

        `kept pairs` are counted exactly; `amplification` is pairs computed by pairs kept.
        """
        return {
            "pattern": self.name,
            "n_q": self.n_q,
            "n_k": self.n_k,
            "batches": self.class_of.shape[0],
            "heads": self.class_of.shape[1],
            "classes": self.n_classes,
            "block": self.block,
            "full tiles": self.full_tiles,
            "partial tiles": self.partial_tiles,
            "absent tiles": self.all_tiles - self.full_tiles - self.partial_tiles,
            "kept pairs": self.kept_pairs,
            "computed pairs": self.computed_pairs,
            "density": self.density,
            "amplification": self.amplification,
            "bytes": self.nbytes,
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the layout to `path`, whole or not at all."""
        path = Path(path)
        beside = path.with_name(path.name + ".part")
        content = {
            **{"block": self.block, "n_q": self.n_q, "n_k": self.n_k, "name": self.name},
            **{"class_of": self.class_of.cpu(), "kept": self.kept_pairs},
            "rows": [array.cpu() for array in self.rows.arrays],
            "columns": [array.cpu() for array in self.columns.arrays],
        }
        torch.save(content, beside)
        beside.replace(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Layout:
        """The layout that `save` wrote, on the CPU."""
        content = torch.load(path, weights_only=True)
        return cls(
            block=tuple(content["block"]),
            n_q=content["n_q"],
            n_k=content["n_k"],
            class_of=content["class_of"],
            rows=Runs(*content["rows"]),
            columns=Runs(*content["columns"]),
            name=content["name"],
            _known={"kept": content["kept"]},
        )

    def to(self, device: torch.device | str) -> Layout:
        """The same layout with its arrays on `device`."""
        return Layout(
            block=self.block,
            n_q=self.n_q,
            n_k=self.n_k,
            class_of=self.class_of.to(device),
            rows=Runs(*(array.to(device) for array in self.rows.arrays)),
            columns=Runs(*(array.to(device) for array in self.columns.arrays)),
            name=self.name,
            counter=self.counter,
            _known={key: known for key, known in self._known.items() if key == "kept"},
        )

    def __repr__(self) -> str:
        """A small table."""
        total = self.all_tiles or 1
        absent = self.all_tiles - self.full_tiles - self.partial_tiles
        batches, heads = self.class_of.shape
        lines = [
            f"Layout of {self.name}: {self.n_q:,} queries x {self.n_k:,} keys, "
            f"tiles {self.block[0]} x {self.block[1]}",
            f"  slices   {batches * heads:>14,}  in {self.n_classes} classes",
        ]
        for label, count in (
            ("full", self.full_tiles),
            ("partial", self.partial_tiles),
            ("absent", absent),
        ):
            lines.append(f"  {label:8} {count:>14,}  {100 * count / total:7.3f} %")
        return "\n".join([*lines, f"  bytes    {self.nbytes:>14,}"])

    def _tiles_of(self, start: torch.Tensor, runs: torch.Tensor) -> int:
        return self._over_slices(self._by_class(start, (runs[:, 1] - runs[:, 0]).long()))

    def _pairs_of(self, start: torch.Tensor, runs: torch.Tensor) -> torch.Tensor:
        """Existing pairs in the tiles of these runs, int64 [n_classes]."""
        bq, bk = self.block
        runs = runs.long()
        row = row_of_runs(start) % max(self.n_q_tiles, 1)
        n_queries = ((row + 1) * bq).clamp(max=self.n_q) - row * bq
        n_keys = (runs[:, 1] * bk).clamp(max=self.n_k) - runs[:, 0] * bk
        return self._by_class(start, n_queries * n_keys)

    def _by_class(self, start: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
        sums = torch.zeros(self.n_classes, dtype=torch.int64, device=self.device)
        if not amount.numel():
            return sums
        return sums.index_add_(0, row_of_runs(start) // self.n_q_tiles, amount)

    def _over_slices(self, of_class: torch.Tensor) -> int:
        """The sum over all slices of an amount that each class has."""
        if not of_class.numel():
            return 0
        return int(of_class[self.class_of.long()].sum())


def _kept_by(layout: Layout, mask_mod: Callable[..., torch.Tensor]) -> int:
    """All pairs of the full tiles, and those of the partial ones that a `mask_mod` keeps."""
    bq, bk = layout.block
    total = layout._over_slices(layout._pairs_of(layout.rows.full_start, layout.rows.full))
    for batch, head in torch.cartesian_prod(*map(torch.arange, layout.class_of.shape)).tolist():
        index = layout.class_index(batch, head)
        for r, c in (layout.tiles_of_class(index) == 1).nonzero().tolist():
            q = torch.arange(r * bq, min(r * bq + bq, layout.n_q), device=layout.device)
            k = torch.arange(c * bk, min(c * bk + bk, layout.n_k), device=layout.device)
            q, k = torch.cartesian_prod(q, k).unbind(1)
            b, h = torch.full_like(q, batch), torch.full_like(q, head)
            total += int(torch.vmap(mask_mod)(b, h, q, k).sum())
    return total
