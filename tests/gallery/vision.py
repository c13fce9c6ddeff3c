"""Definitions of the systems in `examples/vision`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid


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
    y, x = call.coordinates(np.arange(call.n))
    return windows(y // call["size"], x // call["size"])


@defines(
    "vision/maxvit.attn",
    on_grid(y=8, x=12)(params={"size": 4}),
    on_grid(y=14, x=7)(params={"size": 7}),
)
def grid_attention(call: Call) -> np.ndarray:
    y, x = call.coordinates(np.arange(call.n))
    height, width = call.grid.values()
    return windows(y % (height // call["size"]), x % (width // call["size"]))


@defines(
    "vision/cswin.attn",
    on_grid(y=6, x=8)(heads=4, params={"width": 2}),
    on_grid(y=7, x=5)(heads=2, params={"width": 3}),
)
def cswin(call: Call) -> np.ndarray:
    y, x = call.coordinates(np.arange(call.n))
    tall, wide = windows(x // call["width"]), windows(y // call["width"])
    return np.where(call.head < call.heads // 2, tall, wide)
