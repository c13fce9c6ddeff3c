"""Definitions of the systems in `examples/vision` whose sequences have several parts."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.vision_windows import between, cut


def allowed(n_q: int, n_k: int, *pairs: tuple[range, range]) -> np.ndarray:
    """The pairs of each query range with its key range: bool [n_q, n_k]."""
    keep = np.zeros((n_q, n_k), bool)
    for queries, keys in pairs:
        keep[queries.start : queries.stop, keys.start : keys.stop] = True
    return keep


def fine(text: int, height: int, width: int, size: int, ratio: int, **order: int) -> Call:
    """A call of text, fine tokens and a coarse picture."""
    n = text + height * width + ceil(height / ratio) * ceil(width / ratio)
    grid = order or {"y": height, "x": width}
    return Call(n, grid=grid, segments={"text": text}, params={"size": size, "ratio": ratio})


def guided(call: Call, plane: np.ndarray) -> np.ndarray:
    """Fine tokens, whose places in the sequence `plane` holds, see their window and the rest."""
    keep = np.ones((call.n, call.n), bool)
    keep[:, plane.ravel()] = False
    for here in cut(plane, call["size"], call["size"]):
        keep[between(here, here)] = True
    return keep


@defines(
    "vision/scale_dit.attn",
    fine(3, 6, 8, 2, 2),
    fine(2, 7, 5, 3, 4),
)
def scale_dit(call: Call) -> np.ndarray:
    height, width = call.grid.values()
    return guided(call, call.segments["text"] + np.arange(height * width).reshape(height, width))


@defines(
    "vision/scale_dit.attn",
    fine(3, 6, 8, 2, 2, wy=3, wx=4),
    fine(2, 6, 3, 3, 4, wy=2, wx=1),
)
def scale_dit_by_window(call: Call) -> np.ndarray:
    """The released order: windows row by row, and in each its tokens row by row."""
    size = call["size"]
    down, right = call.grid.values()
    plane = np.zeros((down * size, right * size), int)
    order = [here.ravel() for here in cut(np.arange(plane.size).reshape(plane.shape), size, size)]
    plane.ravel()[np.concatenate(order)] = np.arange(plane.size)
    return guided(call, call.segments["text"] + plane)


def tracked(target: int, online: int, search: int, **others: int) -> Call:
    """A call on pictures of the target and a frame."""
    segments = {"target": target, "online": online, "search": search}
    return Call(target + online + search, segments=segments, **others)


@defines(
    "vision/mixformer.attn",
    tracked(6, 3, 10),
    tracked(4, 0, 9),
    tracked(4, 8, 9, n_q=9),
    tracked(4, 8, 9, n_q=12),
)
def mixformer(call: Call) -> np.ndarray:
    n, pictures = call.n, call.n - call.segments["search"]
    own = allowed(n, n, (range(pictures), range(pictures)), (range(pictures, n), range(n)))
    return own[n - (call.n_q or n) :]


def strided(stride: int, pictures: int, target: tuple[int, int], frame: tuple[int, int]) -> Call:
    """A call whose keys are a `stride`-th of the queries on each axis of each picture."""

    def tokens(step: int) -> int:
        height, width = (ceil(length / step) for length in target)
        return pictures * height * width + ceil(frame[0] / step) * ceil(frame[1] / step)

    axes = ("target.pictures", "target.ty", "target.tx", "search.y", "search.x")
    sizes = (pictures, *target, *frame)
    grid = {f"query.{axis}": size for axis, size in zip(axes, sizes, strict=True)}
    params = {"stride": stride}
    return Call(tokens(stride), n_q=tokens(1), cross=True, grid=grid, params=params)


@defines(
    "vision/mixformer.attn",
    strided(2, 2, (4, 3), (6, 5)),
    strided(3, 1, (3, 3), (7, 6)),
)
def mixformer_cvt(call: Call) -> np.ndarray:
    pictures, height, width, *_ = call.grid.values()
    stride = call["stride"]
    rows = pictures * height * width
    columns = pictures * ceil(height / stride) * ceil(width / stride)
    frame = (range(rows, call.n_q), range(call.n))
    return allowed(call.n_q, call.n, (range(rows), range(columns)), frame)


@defines(
    "vision/points_1_5.attn",
    Call(11, inputs={"image": np.array([[0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3]])}),
    Call(7, batch=2, inputs={"image": np.array([[4, 4, 4, 4, 1, 1, 1], [5, 5, 5, 5, 5, 5, 5]])}),
    Call(5, n_q=2, inputs={"image": np.array([[0, 0, 1, 1, 1]])}),
)
def points_1_5(call: Call) -> np.ndarray:
    keep = np.zeros((call.batch, 1, call.n, call.n), bool)
    for entry, numbers in zip(keep, call["image"], strict=True):
        for number in np.unique(numbers):
            mine = np.flatnonzero(numbers == number)
            entry[0][between(mine, mine)] = True
    return keep[:, :, call.n - (call.n_q or call.n) :]


def one_image(height: int, width: int, size: int, full: bool) -> np.ndarray:
    """Of one image, its windows or all of it."""
    plane = np.arange(height * width).reshape(height, width)
    keep = np.full((height * width,) * 2, full)
    for here in cut(plane, size, size):
        keep[between(here, here)] = True
    return keep


@defines(
    "vision/qwen_2_5_vl.attn",
    on_grid(t=3, y=5, x=4)(layer=0, params={"size": 2}),
    on_grid(t=2, y=9, x=10)(layer=6),
    on_grid(t=2, y=9, x=10)(layer=7),
    on_grid(t=1, y=9, x=5)(layer=2, params={"size": 4, "full_layers": [1]}),
)
def qwen_2_5_vl_video(call: Call) -> np.ndarray:
    frames, height, width = call.grid.values()
    full = call.layer in call.params.get("full_layers", [7, 15, 23, 31])
    frame = one_image(height, width, call.params.get("size", 8), full)
    return np.kron(np.eye(frames, dtype=bool), frame)


def packed(*items: tuple[int, int], **others: Any) -> Call:
    """A call on images of these extents, one after another."""
    return Call(sum(height * width for height, width in items), items=items, **others)


@defines(
    "vision/qwen_2_5_vl.attn",
    packed((5, 4), (2, 7), (3, 3), layer=0, params={"size": 2}),
    packed((9, 10), (1, 12), layer=30),
    packed((9, 10), (1, 12), layer=31),
    packed((4, 9), (6, 5), layer=2, params={"size": 4, "full_layers": [1, 2]}),
)
def qwen_2_5_vl(call: Call) -> np.ndarray:
    full = call.layer in call.params.get("full_layers", [7, 15, 23, 31])
    keep = np.zeros((call.n, call.n), bool)
    start = 0
    for height, width in call.items:
        stop = start + height * width
        keep[start:stop, start:stop] = one_image(height, width, call.params.get("size", 8), full)
        start = stop
    return keep


def branches(small: int, large: int, **others: Any) -> Call:
    """A call on two branches, each with its class token."""
    return Call(small + large, segments={"small": small, "large": large}, **others)


@defines("vision/crossvit.attn", branches(5, 3), branches(4, 7))
def crossvit_encoder(call: Call) -> np.ndarray:
    n, small = call.n, call.segments["small"]
    return allowed(n, n, (range(small), range(small)), (range(small, n), range(small, n)))


@defines(
    "vision/crossvit.attn",
    branches(5, 3, n_q=2, cross=True),
    branches(4, 7, n_q=2, cross=True),
)
def crossvit_fusion(call: Call) -> np.ndarray:
    n, small = call.n, call.segments["small"]
    keep = np.zeros((2, n), bool)
    keep[0, [0, *range(small + 1, n)]] = True
    keep[1, [small, *range(1, small)]] = True
    return keep


def grains(heads: int, pooled: int, side: int, **params: int) -> Call:
    """A call of 4 x 6 queries on pooled and fused keys."""
    return Call(
        pooled + 2 * side * side,
        n_q=24,
        heads=heads,
        cross=True,
        grid={"y": 4, "x": 6},
        segments={"pooled": pooled},
        params={"side": side, **params},
    )


@defines(
    "vision/favit.attn",
    grains(16, 6, 2),
    grains(32, 4, 3),
    grains(8, 5, 2, pooled_part=1, close_part=7, spread_part=0),
)
def favit(call: Call) -> np.ndarray:
    pooled, fused = call.segments["pooled"], call["side"] ** 2
    parts = [call.params.get(f"{name}_part") for name in ("pooled", "close", "spread")]
    shares = [7 if part is None else part for part in parts]
    shares[0] = 2 if parts[0] is None else shares[0]
    keys = (range(pooled), range(pooled, pooled + fused), range(pooled + fused, call.n))
    each = call.heads // sum(shares)
    planes = [
        allowed(call.n_q, call.n, (range(call.n_q), mine))
        for share, mine in zip(shares, keys, strict=True)
        for _ in range(share * each)
    ]
    return np.stack(planes)


def means(height: int, width: int, queries: int) -> Call:
    """A call on the means of the rows and of the columns of a picture."""
    segments = {"row": height, "column": width}
    params = {"queries": queries}
    return Call(height + width, n_q=queries, cross=True, segments=segments, params=params)


@defines("vision/cd_mask.attn", means(5, 7, 3), means(8, 5, 10))
def cd_mask_rows(call: Call) -> np.ndarray:
    return np.arange(call.n) < np.full((call.n_q, 1), call.segments["row"])


@defines("vision/cd_mask.attn", means(5, 7, 3), means(8, 5, 10))
def cd_mask_columns(call: Call) -> np.ndarray:
    return ~cd_mask_rows(call)
