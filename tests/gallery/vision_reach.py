"""Definitions of the systems in `examples/vision` whose queries see keys around them."""

from __future__ import annotations

from math import ceil

import numpy as np

from gallery.definition import Call, defines, on_grid

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
