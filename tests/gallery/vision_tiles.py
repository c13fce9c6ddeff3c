"""Definitions of the systems in `examples/vision` whose windows stay where they are."""

from __future__ import annotations

from math import ceil

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.vision_windows import between, bias, cut


def plain(call: Call, size: int) -> np.ndarray:
    """The windows of the plane of a call, the last ones short."""
    plane = np.arange(call.n).reshape(tuple(call.grid.values()))
    keep = np.zeros((call.n, call.n), bool)
    for here in cut(plane, size, size):
        keep[between(here, here)] = True
    return keep


PLAIN_CALLS = (
    on_grid(y=8, x=12)(params={"size": 4}),
    on_grid(y=7, x=5)(params={"size": 3}),
    on_grid(y=3, x=4)(params={"size": 3}, heads=2),
)


@defines("vision/emo_v2.attn", *PLAIN_CALLS)
def emo_v2_near(call: Call) -> np.ndarray:
    return plain(call, call["size"])


@defines(
    "vision/emo_v2.attn",
    on_grid(y=8, x=12)(params={"size": 4}),
    on_grid(y=7, x=5)(params={"size": 3}),
    on_grid(y=14, x=14)(),
)
def emo_v2_remote(call: Call) -> np.ndarray:
    """The code fills the plane up to whole windows and takes each stride apart; filling is cut."""
    height, width = call.grid.values()
    size = call.params.get("size", 7)
    real = np.full((ceil(height / size) * size, ceil(width / size) * size), -1)
    real[:height, :width] = np.arange(call.n).reshape(height, width)
    down, right = (length // size for length in real.shape)
    keep = np.zeros((call.n, call.n), bool)
    for top in range(down):
        for left in range(right):
            mine = real[top::down, left::right]
            mine = mine[mine >= 0]
            keep[between(mine, mine)] = True
    return keep


@defines(
    "vision/efficientvit.attn",
    on_grid(y=8, x=12)(params={"size": 4}, inputs=bias(1, 4)),
    on_grid(y=7, x=5)(heads=2, params={"size": 3}, inputs=bias(2, 3)),
)
def efficientvit(call: Call) -> np.ndarray:
    return plain(call, call["size"])


@defines(
    "vision/mobile_sam.attn",
    *(on_grid(y=15, x=16)(layer=i, n_layers=10, inputs=bias(1, 14)) for i in (1, 2, 7, 8)),
    on_grid(y=7, x=5)(layer=1, n_layers=2, params={"size": [2, 3]}, inputs=bias(1, 3)),
)
def mobile_sam(call: Call) -> np.ndarray:
    sizes = call.params.get("size", [7] * 2 + [14] * 6 + [7] * 2)
    return plain(call, sizes[call.layer])


@defines("vision/gc_vit.attn", *PLAIN_CALLS)
def gc_vit(call: Call) -> np.ndarray:
    return plain(call, call["size"])


@defines("vision/lola_spec_vit.attn", *PLAIN_CALLS)
def lola_spec_vit(call: Call) -> np.ndarray:
    return plain(call, call["size"])


@defines("vision/moat.attn", *PLAIN_CALLS)
def moat(call: Call) -> np.ndarray:
    return plain(call, call["size"])


@defines(
    "vision/uniformer.attn",
    *(on_grid(y=8, x=12)(layer=i, params={"size": 4}) for i in range(4)),
    on_grid(y=15, x=16)(layer=8),
    on_grid(y=7, x=5)(layer=1, params={"size": 3, "period": 2}),
)
def uniformer(call: Call) -> np.ndarray:
    last = call.params.get("period", 4) - 1
    if call.layer % (last + 1) == last:
        return np.ones((call.n, call.n), bool)
    return plain(call, call.params.get("size", 14))


@defines(
    "vision/tnt.attn",
    Call(48),
    Call(20, params={"words": 4}),
    Call(11, params={"words": 3}),
)
def tnt_inner(call: Call) -> np.ndarray:
    words = call.params.get("words", 16)
    patches = np.kron(np.eye(ceil(call.n / words), dtype=bool), np.ones((words, words), bool))
    return patches[: call.n, : call.n]


INF_LLAVA_CALLS = (
    on_grid(y=8, x=6)(params={"height": 4, "width": 3}),
    on_grid(y=9, x=12)(params={"height": 3, "width": 4}),
)


@defines("vision/inf_llava.attn", *INF_LLAVA_CALLS)
def inf_llava_local(call: Call) -> np.ndarray:
    plane = np.arange(call.n).reshape(tuple(call.grid.values()))
    keep = np.zeros((call.n, call.n), bool)
    for here in cut(plane, call["height"], call["width"]):
        keep[between(here, here)] = True
    return keep


@defines("vision/inf_llava.attn", *INF_LLAVA_CALLS)
def inf_llava_global(call: Call) -> np.ndarray:
    plane = np.arange(call.n).reshape(tuple(call.grid.values()))
    n = plane.shape[0] // call["height"]
    keep = np.zeros((call.n, call.n), bool)
    for i in range(n):
        for j in range(n):
            keep[between(plane[i::n, j::n], plane[i::n, j::n])] = True
    return keep
