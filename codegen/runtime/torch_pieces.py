"""Pieces of a plan at work on tensors: views of their rows and keys, masks, and chunks of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.torch_plan import Gathered, Piece, TorchPlan, Walk

LOGITS_AT_ONCE = 1 << 18
"""Pairs of one chunk: its logits stay in the cache."""

WIDE = (256, 2048)
"""Query rows and keys of a tile that a chunk of a forward pass has at most: few merges."""

TALL = (1024, 256)
"""The same in a backward pass: products with transposed weights sum over many rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One call: what is computed (`plan`, `spec`, `call`) and on what.

    `q`: [q slices, n_q, D], `k`: [kv slices, n_k, D], `v`: [kv slices, n_k, Dv], float32 or
    float64. `careful`: logits may overflow, or k or v hold NaN or inf, which must not spread.
    `trained`: in a backward pass, each input of the score that requires a gradient, with the
    gradient so far. `walk`: whose rows and keys the tensors hold, None for all in their order.
    """

    plan: TorchPlan
    spec: Spec
    call: Call
    scale: float
    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    careful: bool
    trained: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()
    walk: Walk | None = None
    first_slice: int = 0
    """Which of all q slices the first one here is"""

    @property
    def qkv(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The three tensors."""
        return self.q, self.k, self.v

    def on(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Work:
        """The same work on other tensors."""
        return replace(self, q=q, k=k, v=v)

    def along(self, walk: Walk) -> Work:
        """The same work on the rows and keys of a walk."""
        k, v = (x[walk.kv_slices.start : walk.kv_slices.stop] for x in (self.k, self.v))
        k, v = (x.index_select(1, walk.k_map) for x in (k, v))
        first_slice = self.first_slice + walk.slices.start
        q = rows_along(walk, self.q)
        return replace(self, q=q, k=k, v=v, walk=walk, first_slice=first_slice)

    def q_pos(self, row: torch.Tensor) -> torch.Tensor:
        """The positions of rows."""
        if self.walk is not None and self.walk.q_map is not None:
            row = self.walk.q_map[row]
        return row + self.call.q_start

    def k_pos(self, key: torch.Tensor) -> torch.Tensor:
        """The positions of keys."""
        return key if self.walk is None else self.walk.k_map[key]


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some query tiles of one piece with some of their keys, c of them.

    `q`: [c, R, D], `k`: [c, L, D], `v`: [c, L, Dv]. `mask`: bool [R, L] or [c, R, L], or None.
    `bias`: the same as 0 and -inf, to be added to logits.
    `rows`, `keys`: how to see the same rows and keys in any other tensor.
    """

    rows: Rows
    keys: Keys
    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    mask: torch.Tensor | None
    bias: torch.Tensor | None
    q_pos: torch.Tensor | None
    """int64 [c, R, 1], only where a score or a live mask wants it; so are the next three"""
    k_pos: torch.Tensor | None
    """int64 [c, 1, L]"""
    call: Call
    """at the batch and head of each tile"""
    fresh: bool
    """No chunk before this one has any of its rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Query rows of c tiles of n rows: a strided view, or an index of all rows.

    Tile i of a view is in slice `slice + i * slice_step`, from row `first + i * step` on.
    """

    slice: int
    first: int
    slice_step: int
    step: int
    c: int
    n: int
    index: torch.Tensor | None = None
    """int64 [c * n], rows in all slices"""

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """These rows of x [slices, n_q, ...]: [c, n, ...], a view unless there is an index."""
        if self.index is not None:
            return x.flatten(0, 1).index_select(0, self.index).unflatten(0, (self.c, self.n))
        return tiles_in_step(x, self)

    def put(self, total: torch.Tensor, part: torch.Tensor) -> None:
        """Make `part` [c, n, ...] these rows of `total`."""
        if self.index is None:
            self.of(total).copy_(part)
        else:
            total.flatten(0, 1).index_copy_(0, self.index, part.flatten(0, 1))

    def add(self, total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
        """Add a @ b [c, n, D] to these rows of `total`."""
        if self.index is not None:
            total.flatten(0, 1).index_add_(0, self.index, torch.bmm(a, b).flatten(0, 1))
        else:
            _add_product(self.of(total), a, b)


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """Keys of c tiles, n of each: a view whose tiles may overlap, or an index of all keys.

    Tile i of a view is in slice `slice + i * slice_step`, from key `first + i * step` on.
    """

    slice: int
    first: int
    slice_step: int
    step: int
    c: int
    n: int
    index: torch.Tensor | None = None
    """int64 [c * n], keys in all slices"""

    def of(self, x: torch.Tensor) -> torch.Tensor:
        """These keys of x [slices, n_k, D]: [c, n, D], a view unless there is an index."""
        if self.index is not None:
            return x.flatten(0, 1).index_select(0, self.index).unflatten(0, (self.c, self.n))
        return tiles_in_step(x, self)

    def add(self, total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
        """Add a^T @ b, [c, n, D] from [c, R, n] and [c, R, D], to these keys of `total`."""
        if self.index is not None:
            product = torch.bmm(a.transpose(1, 2), b)
            total.flatten(0, 1).index_add_(0, self.index, product.flatten(0, 1))
            return
        if self.c == 1 or self.step == self.slice_step == 0:
            keys = total[self.slice, self.first : self.first + self.n]
            _add_product(keys[None], a.flatten(0, 1).t()[None], b.flatten(0, 1)[None])
            return
        # Tiles whose keys do not overlap are added together.
        apart = 1 if self.slice_step else -(-self.n // self.step)
        for i in range(min(apart, self.c)):
            here = slice(i, self.c, apart)
            first, c = self.first + i * self.step, len(range(i, self.c, apart))
            keys = replace(self, first=first, step=self.step * apart, c=c)
            _add_product(tiles_in_step(total, keys), a[here].transpose(1, 2), b[here])


def _add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """Add a @ b in each of c to `total`, whose c parts do not overlap: [c, m, n]."""
    if total.shape[0] == 1:
        total[0].addmm_(a[0], b[0])
    elif total.is_contiguous():
        total.baddbmm_(a, b)
    else:
        total.add_(torch.bmm(a, b))


def tiles_in_step(x: torch.Tensor, tiles: Rows | Keys) -> torch.Tensor:
    """Tiles of x [slices, rows, ...] as a view [c, n, ...]."""
    step = tiles.slice_step * x.stride(0) + tiles.step * x.stride(1)
    shape = (tiles.c, tiles.n, *x.shape[2:])
    return x[tiles.slice, tiles.first :].as_strided(shape, (step, *x.stride()[1:]))


def tiles_of_slices(x: torch.Tensor, piece: Piece, of_keys: bool) -> torch.Tensor:
    """All tiles of a piece in x [slices, rows, ...]: a view [piece slices, tiles, n, ...]."""
    slices, first = (piece.q_slice, piece.q_first)
    n = piece.n_rows
    if of_keys:
        slices, first, n = piece.kv_slice, piece.k_first, piece.n_keys
    here = x[slices.first :, first.first :]
    shape = (slices.n, first.n, n, *x.shape[2:])
    stride = (slices.step * x.stride(0), first.step * x.stride(1), *x.stride()[1:])
    return here.as_strided(shape, stride)


def rows_along(walk: Walk, x: torch.Tensor) -> torch.Tensor:
    """The rows of a walk in x [slices, n_q, ...]: a view where they keep their order."""
    x = x[walk.slices.start : walk.slices.stop]
    return x if walk.q_map is None else x.index_select(1, walk.q_map)


def chunks(
    work: Work,
    piece: Piece | Gathered,
    most: tuple[int, int] = WIDE,
    at_once: int = LOGITS_AT_ONCE,
) -> Iterator[Chunk]:
    """The piece in chunks of about `at_once` pairs, of some rows and keys of each of its tiles.

    These are at most `most`; where there are few keys, more rows. The tiles of a chunk are those of
    one slice, or one tile of many slices, whichever makes fewer chunks.
    """
    if isinstance(piece, Gathered):
        yield from _gathered_chunks(work, piece, at_once)
        return
    bias = bias_of(piece.mask, work.q.dtype)
    n_keys = min(piece.n_keys, most[1])
    n_rows = min(piece.n_rows, max(most[0], at_once // n_keys))
    step = max(at_once // (n_rows * n_keys), 1)
    n_slices, n_tiles = piece.q_slice.n, piece.q_first.n
    in_slices = -(-n_slices // step) * n_tiles < -(-n_tiles // step) * n_slices
    slices, tiles = (step, 1) if in_slices else (1, step)
    for s in range(0, n_slices, slices):
        for i in range(0, n_tiles, tiles):
            part = piece.part(s, min(s + slices, n_slices), i, min(i + tiles, n_tiles))
            for first_row in range(0, piece.n_rows, n_rows):
                rows = slice(first_row, min(first_row + n_rows, piece.n_rows))
                for first_key in range(0, piece.n_keys, n_keys):
                    keys = slice(first_key, min(first_key + n_keys, piece.n_keys))
                    yield _strided_chunk(work, part, bias, rows, keys)


def bias_of(mask: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor | None:
    """0 where the mask keeps, -inf where it drops."""
    if mask is None:
        return None
    # 1 - 1 / 1 and 1 - 1 / 0: torch fills by a mask a fifth as fast on a CPU.
    return mask.to(dtype).reciprocal_().neg_().add_(1)


def _strided_chunk(
    work: Work,
    piece: Piece,
    bias: torch.Tensor | None,
    in_rows: slice,
    in_keys: slice,
) -> Chunk:
    """Some rows and keys of each tile of a piece, which has one slice or one tile in each."""
    n_rows, n_keys = in_rows.stop - in_rows.start, in_keys.stop - in_keys.start
    q_slice, kv_slice, q_first, k_first = piece.places
    c = q_slice.n * q_first.n
    first_row, first = q_first.first + in_rows.start, k_first.first + in_keys.start
    rows = Rows(q_slice.first, first_row, q_slice.step, q_first.step, c, n_rows)
    keys = Keys(kv_slice.first, first, kv_slice.step, k_first.step, c, n_keys)
    mask = piece.mask
    if mask is not None and bias is not None:
        mask, bias = mask[in_rows, in_keys], bias[in_rows, in_keys]
    call, q_pos, k_pos = work.call, None, None
    if piece.live or work.spec.score is not None:
        device = work.q.device
        tile = torch.arange(c, device=device)[:, None, None]
        row = torch.arange(n_rows, device=device)[:, None]
        q_pos = work.q_pos(tile * rows.step + (row + rows.first))
        k_pos = work.k_pos(tile * keys.step + torch.arange(first, first + n_keys, device=device))
        q_slice = tile * rows.slice_step + (rows.slice + work.first_slice)
        call = call.at(*_batch_and_head(q_slice, call))
        if piece.live:
            mask = _kept(work.spec, q_pos, k_pos, call)
            bias = bias_of(mask, work.q.dtype)
    q, k, v = rows.of(work.q), keys.of(work.k), keys.of(work.v)
    fresh = piece.fresh and in_keys.start == 0
    return Chunk(rows, keys, q, k, v, mask, bias, q_pos, k_pos, call, fresh)


def _gathered_chunks(work: Work, piece: Gathered, at_once: int) -> Iterator[Chunk]:
    call, device = work.call, work.q.device
    n, m = piece.k_first.shape
    n_keys = m * piece.width
    step = max(at_once // (piece.n_rows * n_keys), 1)
    row = torch.arange(piece.n_rows, device=device)
    for i in range(0, n, step):
        here = slice(i, i + step)
        q_row = piece.q_first[here, None] + row
        key = piece.k_first[here, :, None] + torch.arange(piece.width, device=device)
        key = key.flatten(1)
        c = q_row.shape[0]
        exists = None if n_keys and int(key.max()) < call.n_k else key < call.n_k
        key = key.clamp(max=call.n_k - 1)
        q_index = (piece.q_slice[here, None] * call.n_q + q_row).flatten()
        k_index = (piece.kv_slice[here, None] * call.n_k + key).flatten()
        rows = Rows(0, 0, 0, 0, c, piece.n_rows, q_index)
        keys = Keys(0, 0, 0, 0, c, n_keys, k_index)
        mask = None
        if piece.tile is not None:
            mask = work.plan.tiles[piece.tile[here]].transpose(1, 2).flatten(2)
            mask = mask[:, : piece.n_rows]
        at, q_pos, k_pos = call, None, None
        if piece.live or work.spec.score is not None:
            q_pos, k_pos = q_row[:, :, None] + call.q_start, key[:, None, :]
            q_slice = piece.q_slice[here, None, None] + work.first_slice
            at = call.at(*_batch_and_head(q_slice, call))
            if piece.live:
                mask = _kept(work.spec, q_pos, k_pos, at)
                mask = mask if exists is None else mask & exists[:, None, :]
        q, k, v = rows.of(work.q), keys.of(work.k), keys.of(work.v)
        bias = bias_of(mask, work.q.dtype)
        yield Chunk(rows, keys, q, k, v, mask, bias, q_pos, k_pos, at, piece.fresh)


def _batch_and_head(q_slice: torch.Tensor, call: Call) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.div(q_slice, call.heads, rounding_mode="floor"), q_slice % call.heads


def _kept(spec: Spec, q_pos: torch.Tensor, k_pos: torch.Tensor, call: Call) -> torch.Tensor:
    shape = (q_pos.shape[0], q_pos.shape[1], k_pos.shape[2])
    return torch.as_tensor(spec.keep(q_pos, k_pos, call), device=q_pos.device).expand(shape)
