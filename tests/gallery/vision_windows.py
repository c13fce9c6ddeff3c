"""Definitions of the systems in `examples/vision` with windows that shift."""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np

from gallery.definition import Call, defines, on_grid


def between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The pairs of two sets of positions, as an index of a mask."""
    return np.ix_(first.ravel(), second.ravel())


def cut(plane: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """The windows of a plane [y, x], row by row; the last ones may be short."""
    return [
        plane[top : top + height, left : left + width]
        for top in range(0, plane.shape[0], height)
        for left in range(0, plane.shape[1], width)
    ]


def rolled(height: int, width: int, window: tuple[int, int], shift: tuple[int, int]) -> np.ndarray:
    """Windows of a plane that is rolled back by `shift` and cut, with nothing masked."""
    keep = np.zeros((height * width,) * 2, bool)
    plane = np.roll(
        np.arange(height * width).reshape(height, width), (-shift[0], -shift[1]), (0, 1)
    )
    for here in cut(plane, *window):
        keep[between(here, here)] = True
    return keep


def swin_windows(height: int, width: int, size: int, shift: int) -> np.ndarray:
    """Swin's windows as its code finds them: fill, roll, cut, and mask what the roll brought in.

    The code labels nine regions of the filled and rolled plane, and masks pairs of two regions. The
    filling is left out at the end.
    """
    shape = (ceil(height / size) * size, ceil(width / size) * size)
    real = np.full(shape, -1)
    real[:height, :width] = np.arange(height * width).reshape(height, width)
    real = np.roll(real, (-shift, -shift), (0, 1))
    regions = np.zeros(shape, int)
    if shift:
        bands = (slice(0, -size), slice(-size, -shift), slice(-shift, None))
        for i, (rows, columns) in enumerate((a, b) for a in bands for b in bands):
            regions[rows, columns] = i
    keep = np.zeros((height * width,) * 2, bool)
    for here, labels in zip(cut(real, size, size), cut(regions, size, size), strict=True):
        for label in np.unique(labels):
            mine = here[(labels == label) & (here >= 0)]
            keep[between(mine, mine)] = True
    return keep


def swin_of(call: Call, shifts: bool) -> np.ndarray:
    """Swin's windows of a call with the parameter `size`, shifted by half of it or not."""
    height, width = call.grid.values()
    return swin_windows(height, width, call["size"], call["size"] // 2 if shifts else 0)


def bias(heads: int, length: int) -> dict[str, np.ndarray]:
    """The input `bias`, which no mask depends on."""
    return {"bias": np.zeros((heads, length, length), np.float32)}


SWIN_CALLS = (
    on_grid(y=8, x=12)(layer=0, params={"size": 4}),
    on_grid(y=8, x=12)(layer=1, params={"size": 4}),
    on_grid(y=9, x=10)(layer=3, params={"size": 7}),
    on_grid(y=7, x=11)(layer=5, params={"size": 3}),
    on_grid(y=5, x=3)(layer=2, params={"size": 2}),
)


@defines("vision/swin.attn", *SWIN_CALLS)
def swin(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


@defines(
    "vision/swin.attn",
    on_grid(y=8, x=12)(layer=1, heads=2, params={"size": 4}, inputs=bias(2, 7)),
    on_grid(y=7, x=11)(layer=0, params={"size": 3}, inputs=bias(1, 5)),
)
def swin_with_bias(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


@defines("vision/coswin.attn", *SWIN_CALLS)
def coswin(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


@defines("vision/hbformer.attn", *SWIN_CALLS)
def hbformer(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


@defines("vision/aeroreformer.attn", *SWIN_CALLS)
def aeroreformer_backbone(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


@defines(
    "vision/aeroreformer.attn",
    Call(6, n_q=15, batch=3, cross=True, inputs={"words": np.array([2, 6, 0])}),
    Call(9, n_q=4, batch=2, cross=True, inputs={"words": np.array([9, 1])}),
)
def aeroreformer_fusion(call: Call) -> np.ndarray:
    keep = np.zeros((call.batch, 1, call.n_q, call.n), bool)
    for entry, length in enumerate(call["words"]):
        keep[entry, :, :, :length] = True
    return keep


@defines(
    "vision/drct.attn",
    *(on_grid(y=8, x=8)(layer=i, params={"size": 4}) for i in (0, 1, 4, 5, 6)),
    on_grid(y=6, x=9)(layer=8, params={"size": 3}),
    on_grid(y=6, x=9)(layer=5, params={"size": 3, "group": 4}),
)
def drct(call: Call) -> np.ndarray:
    shifts = (0, 1, 0, 1, 0)[: call.params.get("group", 5)]
    return swin_of(call, shifts[call.layer % len(shifts)] == 1)


@defines(
    "vision/attention_swin_unet.attn",
    on_grid(y=8, x=8)(layer=1, params={"size": 4}),
    on_grid(y=4, x=4)(layer=1, params={"size": 4}),
    on_grid(y=9, x=3)(layer=1, params={"size": 4}),
    on_grid(y=5, x=5)(layer=0, params={"size": 7}),
    on_grid(y=6, x=9)(layer=0, params={"size": 3}),
)
def attention_swin_unet(call: Call) -> np.ndarray:
    height, width = call.grid.values()
    if min(height, width) <= call["size"]:
        return swin_windows(height, width, min(height, width), 0)
    return swin_of(call, call.layer % 2 == 1)


@defines(
    "vision/hat.attn",
    on_grid(y=8, x=8)(layer=5, heads=2, params={"size": 4}, inputs=bias(2, 7)),
    on_grid(y=12, x=6)(layer=2, params={"size": 6}, inputs=bias(1, 11)),
)
def hat_windows(call: Call) -> np.ndarray:
    return swin_of(call, call.layer % 2 == 1)


def overlapping(height: int, width: int, size: int, overlap: int) -> Call:
    """A call whose keys are the plane of its queries with a border."""
    return Call(
        (height + 2 * overlap) * (width + 2 * overlap),
        n_q=height * width,
        cross=True,
        grid={"query.y": height, "query.x": width},
        params={"size": size, "overlap": overlap},
        inputs=bias(1, 2 * size + 2 * overlap - 1),
    )


@defines(
    "vision/hat.attn",
    overlapping(8, 12, 4, 1),
    overlapping(6, 3, 3, 2),
    overlapping(7, 5, 4, 0),
)
def hat_overlapping(call: Call) -> np.ndarray:
    """Each window of queries sees what the code unfolds: a patch of the bordered plane."""
    height, width = call.grid.values()
    size, border = call["size"], 2 * call["overlap"]
    bordered = np.arange(call.n).reshape(height + border, width + border)
    keep = np.zeros((call.n_q, call.n), bool)
    queries = np.arange(call.n_q).reshape(height, width)
    for top in range(0, height, size):
        for left in range(0, width, size):
            mine = queries[top : top + size, left : left + size]
            patch = bordered[top : top + size + border, left : left + size + border]
            keep[between(mine, patch)] = True
    return keep


def padding(n: int, *places: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The input `padding`, true at the places of each entry of the batch."""
    given = np.zeros((len(places), n), bool)
    for entry, its_places in zip(given, places, strict=True):
        entry[list(its_places)] = True
    return {"padding": given}


def patches(height: int, width: int, detections: int, **others: Any) -> Call:
    """A call on a plane of patches and detection tokens behind them."""
    n = height * width + detections
    params = {"size": 3, "detections": detections, **others.pop("params", {})}
    return Call(n, grid={"y": height, "x": width}, params=params, **others)


@defines(
    "vision/vidt.attn",
    patches(6, 6, 5, batch=2, layer=1, inputs=padding(41, (3, 4, 5, 35), ())),
    patches(7, 4, 2, batch=1, layer=0, params={"stage": 2}, inputs=padding(30, (0,))),
    patches(
        5,
        6,
        3,
        batch=2,
        layer=1,
        params={"stage": 1, "cross_stages": [1, 3]},
        inputs=padding(33, (29,), (0, 1, 2)),
    ),
)
def vidt(call: Call) -> np.ndarray:
    n_patches = prod(call.grid.values())
    keep = np.zeros((call.batch, 1, call.n, call.n), bool)
    keep[:, :, :n_patches, :n_patches] = swin_of(call, call.layer % 2 == 1)
    for detection in range(n_patches, call.n):
        keep[:, :, detection, n_patches:] = True
        if call.params.get("stage", 3) in call.params.get("cross_stages", [3]):
            keep[:, 0, detection, :n_patches] = ~call["padding"][:, :n_patches]
    return keep


@defines(
    "vision/dito.attn",
    on_grid(y=8, x=12)(
        batch=2, layer=0, params={"size": 4}, inputs={"rolled": np.array([False, True])}
    ),
    on_grid(y=6, x=6)(batch=1, layer=11, inputs={"rolled": np.array([True])}),
    on_grid(y=7, x=5)(
        batch=3,
        layer=2,
        params={"size": 3, "global_layers": [1]},
        inputs={"rolled": np.array([True, False, True])},
    ),
)
def dito(call: Call) -> np.ndarray:
    given = {"size": 16, "global_layers": [5, 11, 17, 23]} | call.params
    if call.layer in given["global_layers"]:
        return np.ones((call.n, call.n), bool)
    size, (height, width) = given["size"], call.grid.values()
    passes = [rolled(height, width, (size, size), (s, s)) for s in (0, size // 2)]
    return np.stack([passes[int(entry)] for entry in call["rolled"]])[:, None]


@defines(
    "vision/craft.attn",
    on_grid(y=8, x=12)(heads=4, layer=0, params={"short": 2, "long": 4}),
    on_grid(y=8, x=12)(heads=3, layer=1, params={"short": 2, "long": 4}),
    on_grid(y=7, x=9)(heads=2, layer=3, params={"short": 3, "long": 5}),
)
def craft(call: Call) -> np.ndarray:
    height, width = call.grid.values()
    wide = (call["short"], call["long"])
    planes = []
    for head in range(call.heads):
        window = wide if head < call.heads // 2 else wide[::-1]
        shift = (window[0] // 2, window[1] // 2) if call.layer % 2 else (0, 0)
        planes.append(rolled(height, width, window, shift))
    return np.stack(planes)


@defines(
    "vision/hidiffusion.attn",
    on_grid(y=8, x=12)(),
    on_grid(y=8, x=12)(params={"down": 3, "right": 2}),
    on_grid(y=6, x=10)(params={"down": 1, "right": 0}),
    on_grid(y=7, x=5)(params={"down": 2, "right": 1}),
)
def hidiffusion(call: Call) -> np.ndarray:
    height, width = call.grid.values()
    shift = (call.params.get("down", 0), call.params.get("right", 0))
    return rolled(height, width, (ceil(height / 2), ceil(width / 2)), shift)


@defines(
    "vision/textmonkey.attn",
    Call(96, grid={"crop_y": 2, "crop_x": 3}, params={"crop": 4, "size": 3, "shift": 1}),
    Call(200, grid={"crop_y": 4, "crop_x": 2}, params={"crop": 5, "size": 4, "shift": 2}),
    Call(50, grid={"crop_y": 1, "crop_x": 2}, params={"crop": 5}),
)
def textmonkey(call: Call) -> np.ndarray:
    """Crops are put into their picture, whose windows are Swin's, and taken out again."""
    down, right = call.grid.values()
    crop = call["crop"]
    picture = np.zeros((down * crop, right * crop), int)
    for i in range(down * right):
        top, left = i // right * crop, i % right * crop
        tokens = np.arange(i * crop * crop, (i + 1) * crop * crop)
        picture[top : top + crop, left : left + crop] = tokens.reshape(crop, crop)
    size, shift = call.params.get("size", 12), call.params.get("shift", 6)
    keep = np.zeros((call.n, call.n), bool)
    keep[between(picture, picture)] = swin_windows(*picture.shape, size, shift)
    return keep
