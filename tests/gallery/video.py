"""Definitions of the systems in `examples/video`: windows, chunks and views."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid, two_sided
from gallery.hybrid import cells
from gallery.vision import windows


def between_frames(frames: np.ndarray, tokens: int) -> np.ndarray:
    """A mask between frames, for all their tokens."""
    return np.kron(frames, np.ones((tokens, tokens), bool))


def shifted_windows(call: Call, sizes: tuple[int, ...], shifted: bool) -> np.ndarray:
    """Windows whose first edge lies half a window in where they are shifted."""
    labels = [
        np.searchsorted(np.arange(size // 2 if shifted else size, length, size), place, "right")
        for place, length, size in zip(
            call.coordinates(np.arange(call.n)), call.grid.values(), sizes, strict=True
        )
    ]
    return windows(*labels)


@defines(
    "video/omnifd.attn",
    on_grid(t=4, y=6, x=5)(layer=0, n_layers=2, params={"frames": 2, "size": 3}),
    on_grid(t=4, y=6, x=5)(layer=1, n_layers=2, params={"frames": 2, "size": 3}),
    on_grid(t=1, y=7, x=3)(layer=1, n_layers=2, params={"frames": 8, "size": 3}),
)
def omnifd(call: Call) -> np.ndarray:
    labels = []
    sizes = (call["frames"], call["size"], call["size"])
    for place, length, size in zip(
        call.coordinates(np.arange(call.n)), call.grid.values(), sizes, strict=True
    ):
        shift = size // 2 if call.layer == 1 else 0
        labels.append(place * 0 if length <= size else np.floor_divide(place - shift, size))
    return windows(*labels)


@defines("video/animate_zero.attn", on_grid(t=4, token=3)(), on_grid(t=2, token=5)())
def animate_zero(call: Call) -> np.ndarray:
    return np.kron(np.tri(call.grid["t"]), np.eye(call.grid["token"])) > 0


@defines(
    "video/dit_3d.attn",
    on_grid(z=4, y=4, x=3)(layer=3, n_layers=12, params={"size": 2}),
    on_grid(z=3, y=2, x=3)(layer=1, n_layers=12, params={"size": 2}),
)
def dit_3d(call: Call) -> np.ndarray:
    if call.layer not in (0, 3, 6, 9):
        return np.ones((call.n, call.n), bool)
    return shifted_windows(call, (call["size"],) * 3, shifted=False)


@defines("video/cross_frame.attn", on_grid(t=3, token=4)(), on_grid(t=4, token=2)())
def cross_frame(call: Call) -> np.ndarray:
    keep = between_frames(np.eye(call.grid["t"], dtype=bool), call.grid["token"])
    messages = np.arange(call.grid["token"] - 1, call.n, call.grid["token"])
    keep[np.ix_(messages, messages)] = True
    return keep


@defines(
    "video/free_noise.attn",
    Call(20, params={"index": 1, "window": 6, "stride": 4}),
    Call(17, params={"index": 0}),
)
def free_noise(call: Call) -> np.ndarray:
    start = call["index"] * call.params.get("stride", 4)
    keep = np.zeros((call.n, call.n), bool)
    inside = slice(start, start + call.params.get("window", 16))
    keep[inside, inside] = True
    return keep


@defines(
    "video/free_swim.attn",
    on_grid(t=2, y=7, x=6)(params={"rows": 1, "columns": 2}),
    on_grid(t=1, y=5, x=9)(params={"rows": 2, "columns": 1}),
)
def free_swim(call: Call) -> np.ndarray:
    _, height, width = call.grid.values()
    keep = np.zeros((call.n, call.n), bool)
    places = cells(*call.grid.values())
    for q, (_, y, x) in enumerate(places):
        top = min(max(y - call["rows"], 0), height - 2 * call["rows"] - 1)
        left = min(max(x - call["columns"], 0), width - 2 * call["columns"] - 1)
        for k, (_, row, column) in enumerate(places):
            in_rows = top <= row <= top + 2 * call["rows"]
            keep[q, k] = in_rows and left <= column <= left + 2 * call["columns"]
    return keep


@defines(
    "video/love_con.attn",
    on_grid(t=9, token=2)(params={"window": 3}),
    on_grid(t=10, token=1)(params={"window": 4}),
)
def love_con(call: Call) -> np.ndarray:
    frames = call.grid["t"]
    keep = np.zeros((frames, frames), bool)
    for start in range(0, frames, call["window"]):
        last = min(start + call["window"], frames) - 1
        keep[start : last + 1, [0, max(start - 1, 0), last]] = True
    return between_frames(keep, call.grid["token"])


@defines(
    "video/long_range_grouping.attn",
    on_grid(view=2, y=4, x=6)(params={"groups": 2}),
    on_grid(view=3, y=3, x=3)(params={"groups": 3}),
)
def between_views(call: Call) -> np.ndarray:
    keep = np.zeros((call.n, call.n), bool)
    tokens = np.arange(call.n).reshape(tuple(call.grid.values()))
    for y in range(call["groups"]):
        for x in range(call["groups"]):
            group = tokens[:, y :: call["groups"], x :: call["groups"]].flatten()
            keep[np.ix_(group, group)] = True
    return keep


@defines("video/long_range_grouping.attn", on_grid(view=2, y=2, x=3)(), on_grid(view=3, y=1, x=2)())
def within_view(call: Call) -> np.ndarray:
    views, height, width = call.grid.values()
    return between_frames(np.eye(views, dtype=bool), height * width)


@defines(
    "video/qihoo_t2x.attn",
    on_grid(t=4, y=4, x=6)(layer=0, n_layers=2, params={"frames": 2, "size": 2}),
    on_grid(t=3, y=5, x=4)(layer=1, n_layers=2, params={"frames": 2, "size": 3}),
)
def detail(call: Call) -> np.ndarray:
    sizes = (call["frames"], call["size"], call["size"])
    return shifted_windows(call, sizes, shifted=call.layer == 1)


@defines(
    "video/stream_dit.attn",
    on_grid(t=4, y=4, x=6)(layer=0, n_layers=2, params={"frames": 2, "size": 2}),
    on_grid(t=3, y=5, x=4)(layer=1, n_layers=2, params={"frames": 2, "size": 3}),
)
def stream_dit(call: Call) -> np.ndarray:
    return detail(call)


@defines("video/rain.attn", on_grid(f=3, pixel=4)(), on_grid(f=5, pixel=2)())
def temporal(call: Call) -> np.ndarray:
    return np.tile(np.eye(call.grid["pixel"], dtype=bool), (call.grid["f"],) * 2)


@defines("video/rain.attn", on_grid(f=3, pixel=4)(), on_grid(f=5, pixel=2)())
def spatial(call: Call) -> np.ndarray:
    return between_frames(np.eye(call.grid["f"], dtype=bool), call.grid["pixel"])


@defines(
    "video/mocha.attn",
    two_sided(12, 12, grid={"t": 3, "y": 2, "x": 2}),
    two_sided(10, 40, grid={"t": 5, "y": 1, "x": 2}, params={"rate": 8, "before": 1, "after": 0}),
)
def mocha(call: Call) -> np.ndarray:
    """With frames i and audio j counted from 1, as published: (i - 1) r - 1 <= j <= i r + 1."""
    given = {"rate": 4, "before": 2, "after": 1} | call.params
    places = cells(*call.grid.values())
    keep = np.zeros((len(places), call.n), bool)
    for q, (t, _, _) in enumerate(places):
        first = t * given["rate"] + 1 - given["before"]
        last = (t + 1) * given["rate"] + given["after"]
        for j in range(1, call.n + 1):
            keep[q, j - 1] = max(1, first) <= j <= min(call.n, last)
    return keep
