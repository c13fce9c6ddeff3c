"""Definitions of the systems in `examples/vision` whose queries see keys around them."""

from __future__ import annotations

from math import ceil

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.vision_windows import between, cut

HALO_CALLS = (
    on_grid(y=8, x=12)(params={"size": 4, "border": 1}),
    on_grid(y=7, x=9)(params={"size": 3, "border": 2}),
    on_grid(y=5, x=6)(params={"size": 2, "border": 0}),
)


def halo_keys(length: int, size: int, border: int, stride: int = 1) -> np.ndarray:
    """On one axis, what each query sees: bool [queries, keys]; one query for each `stride`."""
    keep = np.zeros((length, length), bool)
    for start in range(0, length, size):
        keep[start : start + size, max(start - border, 0) : start + size + border] = True
    return keep[::stride]


def halo_of(call: Call, lengths: tuple[int, ...], stride: int = 1) -> np.ndarray:
    """The keys of both axes together."""
    size, border = call["size"], call["border"]
    return np.kron(*(halo_keys(length, size, border, stride) for length in lengths))


@defines("vision/halonet.attn", *HALO_CALLS)
def halonet(call: Call) -> np.ndarray:
    return halo_of(call, tuple(call.grid.values()))


@defines("vision/halonet.attn", *HALO_CALLS)
def halonet_live(call: Call) -> np.ndarray:
    return halo_of(call, tuple(call.grid.values()))


def bordered(height: int, width: int, size: int, border: int) -> Call:
    """A call whose keys are the plane of its queries with a border."""
    n, length = height * width, 2 * size + 2 * border - 1
    table = np.zeros((1, 1, n, length), np.float32)
    return Call(
        (height + 2 * border) * (width + 2 * border),
        n_q=n,
        cross=True,
        grid={"query.y": height, "query.x": width},
        params={"size": size, "border": border},
        inputs={"by_row": table, "by_column": table},
    )


@defines("vision/halonet.attn", bordered(8, 12, 4, 1), bordered(7, 5, 3, 2))
def halonet_relative(call: Call) -> np.ndarray:
    """Each block of queries sees its patch of the bordered plane."""
    axes = []
    for length in call.grid.values():
        axis = np.zeros((length, length + 2 * call["border"]), bool)
        for start in range(0, length, call["size"]):
            stop = start + call["size"]
            axis[start:stop, start : stop + 2 * call["border"]] = True
        axes.append(axis)
    return np.kron(*axes)


def halved(height: int, width: int, stride: int, size: int, border: int) -> Call:
    """A call with one query for each `stride` keys of each axis."""
    params = {"stride": stride, "size": size, "border": border}
    n_q = ceil(height / stride) * ceil(width / stride)
    grid = {"key.y": height, "key.x": width}
    return Call(height * width, n_q=n_q, cross=True, grid=grid, params=params)


@defines(
    "vision/halonet.attn",
    halved(8, 12, 2, 4, 1),
    halved(7, 9, 2, 4, 2),
    halved(10, 6, 3, 6, 1),
)
def halonet_downsampling(call: Call) -> np.ndarray:
    return halo_of(call, tuple(call.grid.values()), call["stride"])


def disk(height: int, width: int, radius: int) -> np.ndarray:
    """Pairs of a plane closer than `radius`, found by moving the plane over itself."""
    plane = np.arange(height * width).reshape(height, width)
    keep = np.zeros((height * width,) * 2, bool)
    for down in range(1 - height, height):
        for right in range(1 - width, width):
            if np.hypot(down, right) < radius:
                mine = plane[max(-down, 0) : height - max(down, 0)]
                mine = mine[:, max(-right, 0) : width - max(right, 0)]
                keep[mine, mine + down * width + right] = True
    return keep


def beside_text(text: int, height: int, width: int, **params: int) -> Call:
    """A call with text before a plane of image tokens."""
    grid = {"y": height, "x": width}
    return Call(text + height * width, grid=grid, segments={"text": text}, params=params)


@defines(
    "vision/clear.attn",
    beside_text(3, 6, 9, radius=2),
    beside_text(5, 8, 8, radius=5),
    beside_text(0, 7, 5, radius=3),
    beside_text(2, 4, 4),
)
def clear(call: Call) -> np.ndarray:
    text = call.segments["text"]
    keep = np.ones((call.n, call.n), bool)
    keep[text:, text:] = disk(*call.grid.values(), call.params.get("radius", 16))
    return keep


def with_squares(text: int, height: int, width: int, radius: int, square: int) -> Call:
    """A call whose keys have the squares of the image behind it."""
    n_q = text + height * width
    return Call(
        n_q + ceil(height / square) * ceil(width / square),
        n_q=n_q,
        cross=True,
        grid={"y": height, "x": width},
        segments={"text": text},
        params={"radius": radius, "square": square},
    )


@defines(
    "vision/clear.attn",
    with_squares(3, 6, 8, 3, 2),
    with_squares(4, 7, 5, 2, 4),
)
def clear_pooled(call: Call) -> np.ndarray:
    text, n = call.segments["text"], call.n_q
    keep = np.ones((n, call.n), bool)
    keep[:text, n:] = False
    keep[text:, text:n] = disk(*call.grid.values(), call["radius"])
    return keep


@defines(
    "vision/metaformer.attn",
    on_grid(y=6, x=9)(),
    on_grid(y=7, x=4)(params={"size": 5}),
    on_grid(y=5, x=5)(params={"size": 1}),
)
def poolformer(call: Call) -> np.ndarray:
    reach = call.params.get("size", 3) // 2
    height, width = call.grid.values()
    keep = np.zeros((height, width, height, width), bool)
    for i in range(height):
        for j in range(width):
            rows = slice(max(i - reach, 0), i + reach + 1)
            keep[i, j, rows, max(j - reach, 0) : j + reach + 1] = True
    return keep.reshape(call.n, call.n)


@defines(
    "vision/vwformer.attn",
    on_grid(y=8, x=12)(params={"size": 4, "ratio": 2}),
    on_grid(y=9, x=7)(params={"size": 2, "ratio": 4}),
    on_grid(y=5, x=6)(params={"size": 2, "ratio": 1}),
)
def vwformer_context(call: Call) -> np.ndarray:
    """For each window, the square of `ratio` times its length that has the same middle."""
    size, ratio = call["size"], call["ratio"]
    y, x = call.coordinates(np.arange(call.n))
    keep = np.zeros((call.n, call.n), bool)
    for query in range(call.n):
        middle = [place // size * size + (size - 1) / 2 for place in (y[query], x[query])]
        far = np.maximum(abs(y - middle[0]), abs(x - middle[1]))
        keep[query] = far < ratio * size / 2
    return keep


def rescaled(height: int, width: int, size: int) -> Call:
    """A call with as many keys as whole windows have queries."""
    return Call(
        ceil(height / size) * ceil(width / size) * size * size,
        n_q=height * width,
        cross=True,
        grid={"y": height, "x": width},
        params={"size": size},
    )


@defines("vision/vwformer.attn", rescaled(8, 12, 4), rescaled(7, 5, 3))
def vwformer_rescaled(call: Call) -> np.ndarray:
    height, width = call.grid.values()
    size = call["size"]
    keep = np.zeros((call.n_q, call.n), bool)
    plane = np.arange(call.n_q).reshape(height, width)
    for window, here in enumerate(cut(plane, size, size)):
        keep[here.ravel(), window * size * size : (window + 1) * size * size] = True
    return keep


def upsampled(height: int, width: int, **params: int) -> Call:
    """A call whose queries have `ratio` times the length of its keys on each axis."""
    n_q = height * width * params.get("ratio", 2) ** 2
    grid = {"key.y": height, "key.x": width}
    return Call(height * width, n_q=n_q, cross=True, grid=grid, params=params)


@defines(
    "vision/window_upsample.attn",
    upsampled(4, 6, size=2),
    upsampled(5, 4, size=3, ratio=3),
    upsampled(8, 9),
)
def window_upsample(call: Call) -> np.ndarray:
    """Windows of the coarse map, whose tokens are then repeated to make the queries."""
    size, ratio = call.params.get("size", 7), call.params.get("ratio", 2)
    coarse = np.zeros((call.n, call.n), bool)
    plane = np.arange(call.n).reshape(tuple(call.grid.values()))
    for here in cut(plane, size, size):
        coarse[between(here, here)] = True
    return coarse[plane.repeat(ratio, 0).repeat(ratio, 1).ravel()]


def motion(frames: int, kernel: int, stride: int) -> Call:
    """A call with the steps that a convolution of this kernel and stride makes."""
    padded = frames + 2 * ((kernel - 1) // 2)
    return Call(
        frames,
        n_q=len(range(0, padded - kernel + 1, stride)),
        cross=True,
        segments={"frame": frames},
        params={"kernel": kernel, "stride": stride},
        inputs={"bias": np.zeros((1, kernel), np.float32)},
    )


@defines(
    "vision/sinmdm.attn",
    motion(12, 3, 1),
    motion(11, 2, 2),
    motion(9, 5, 3),
    motion(8, 4, 1),
)
def sinmdm(call: Call) -> np.ndarray:
    """A convolution's kernel moves over the frames and what it is padded with."""
    before = (call["kernel"] - 1) // 2
    padded = np.pad(np.eye(call.n, dtype=bool), ((0, 0), (before, before)))
    starts = range(0, padded.shape[1] - call["kernel"] + 1, call["stride"])
    return np.stack([padded[:, i : i + call["kernel"]].any(1) for i in starts])
