"""Definitions of the systems in `examples/vision`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.vision_windows import between, cut


def nearest(length: int, kernel: int, dilation: int) -> np.ndarray:
    """On one axis, the `kernel` nearest keys of each query of its class: bool [length, length]."""
    keep = np.zeros((length, length), bool)
    for i in range(length):
        mine = np.arange(i % dilation, length, dilation)
        size = min(kernel, mine.size)
        start = min(max(i // dilation - kernel // 2, 0), mine.size - size)
        keep[i, mine[start : start + size]] = True
    return keep


def windows(*edges: np.ndarray) -> np.ndarray:
    """Pairs with the same label in every array: bool [q, k]."""
    return np.logical_and.reduce([label[:, None] == label[None, :] for label in edges])


def plane_of(call: Call) -> np.ndarray:
    """The positions of a call on their grid."""
    return np.arange(call.n).reshape(tuple(call.grid.values()))


def in_parts(call: Call, *parts: np.ndarray) -> np.ndarray:
    """Positions that see their own part: bool [q, k]."""
    keep = np.zeros((call.n, call.n), bool)
    for part in parts:
        keep[between(part, part)] = True
    return keep


@defines(
    "vision/dinat.attn",
    on_grid(y=9, x=7)(params={"kernel": 3, "dilation": 1}),
    on_grid(y=11, x=10)(params={"kernel": 3, "dilation": 3}),
    on_grid(y=5, x=4)(params={"kernel": 7, "dilation": 1}),
    on_grid(y=5, x=8)(params={"kernel": 4, "dilation": 2}),
)
def dinat(call: Call) -> np.ndarray:
    rows, columns = (nearest(n, call["kernel"], call["dilation"]) for n in call.grid.values())
    return np.kron(rows, columns)


@defines(
    "vision/maxvit.attn",
    on_grid(y=8, x=12)(params={"size": 4}),
    on_grid(y=7, x=9)(params={"size": 3}),
)
def block_attention(call: Call) -> np.ndarray:
    return in_parts(call, *cut(plane_of(call), call["size"], call["size"]))


@defines(
    "vision/maxvit.attn",
    on_grid(y=8, x=12)(params={"size": 4}),
    on_grid(y=14, x=7)(params={"size": 7}),
)
def grid_attention(call: Call) -> np.ndarray:
    plane = plane_of(call)
    down, right = (length // call["size"] for length in plane.shape)
    return in_parts(call, *(plane[i::down, j::right] for i in range(down) for j in range(right)))


@defines(
    "vision/cswin.attn",
    on_grid(y=6, x=8)(heads=4, params={"width": 2}),
    on_grid(y=7, x=5)(heads=2, params={"width": 3}),
)
def cswin(call: Call) -> np.ndarray:
    plane, width = plane_of(call), call["width"]
    tall = in_parts(call, *cut(plane, plane.shape[0], width))
    wide = in_parts(call, *cut(plane, width, plane.shape[1]))
    return np.stack([tall] * (call.heads // 2) + [wide] * (call.heads // 2))
