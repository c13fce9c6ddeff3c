"""Definitions of the systems in `examples/video`: chunks of frames, and draws."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.hybrid import cells
from gallery.video import between_frames
from meaning.values import hash_of


@defines(
    "video/long_live.attn",
    on_grid(t=9, token=2)(params={"chunk": 3, "window": 5}),
    on_grid(t=8, token=1)(params={"chunk": 3, "window": 4}),
    on_grid(t=6, token=3)(params={"chunk": 2, "window": 0}),
)
def long_live(call: Call) -> np.ndarray:
    tokens = call.grid["token"]
    keep = np.eye(call.n, dtype=bool)
    for q in range(call.n):
        end = (q // tokens // call["chunk"] + 1) * call["chunk"] * tokens
        keep[q, max(end - call["window"] * tokens, 0) : end] = True
    return keep


@defines(
    "video/long_live.attn",
    on_grid(t=12, token=2)(params={"chunk": 3, "window": 5, "sink": 2}),
    on_grid(t=15, token=1)(),
)
def long_live_cache(call: Call) -> np.ndarray:
    given = {"chunk": 3, "window": 9, "sink": 3} | call.params
    frames = call.grid["t"]
    keep = np.zeros((frames, frames), bool)
    for start in range(0, frames, given["chunk"]):
        seen = list(range(min(start + given["chunk"], frames)))
        full = start + given["chunk"]
        seen = [t for t in seen if t < given["sink"] or t >= full - given["window"]]
        keep[start : start + given["chunk"], seen] = True
    return between_frames(keep, call.grid["token"])


@defines(
    "video/long_live.attn",
    Call(24, grid={"clean.t": 6, "clean.token": 2}, params={"chunk": 2}),
    Call(10, grid={"clean.t": 5, "clean.token": 1}),
)
def long_live_teacher(call: Call) -> np.ndarray:
    frames, tokens = call.grid.values()
    chunk = np.arange(frames) // call.params.get("chunk", 3)
    behind = chunk[:, None] - chunk
    none = np.zeros((frames, frames), bool)
    return between_frames(np.block([[behind >= 0, none], [behind > 0, behind == 0]]), tokens)


@defines(
    "video/motion_stream.attn",
    on_grid(t=9, token=2)(params={"chunk": 2, "window": 1, "sinks": 1}),
    on_grid(t=13, token=1)(),
)
def motion_stream(call: Call) -> np.ndarray:
    given = {"chunk": 3, "window": 1, "sinks": 1} | call.params
    frames = call.grid["t"]
    keep = np.zeros((frames, frames), bool)
    for q in range(frames):
        for k in range(frames):
            here, there = q // given["chunk"], k // given["chunk"]
            near = here - given["window"] <= there <= here
            keep[q, k] = near or (there < given["sinks"] and there <= here)
    return between_frames(keep, call.grid["token"])


PROXIES = (
    on_grid(t=4, y=4, x=6)(layer=0, n_layers=2, params={"frames": 2, "size": 2}),
    on_grid(t=2, y=6, x=3)(layer=1, n_layers=2, params={"frames": 2, "size": 3, "seed": 5}),
)


def is_proxy(call: Call) -> np.ndarray:
    """Which tokens are drawn."""
    frames, size = call["frames"], call["size"]
    found = []
    for t, y, x in cells(*call.grid.values()):
        window = t // frames, y // size, x // size
        drawn = hash_of(call.params.get("seed", 0), call.layer, *window) % (frames * size * size)
        inside = np.ravel_multi_index((t % frames, y % size, x % size), (frames, size, size))
        found.append(inside == drawn)
    return np.array(found)


@defines("video/qihoo_t2x.attn", *PROXIES)
def proxies(call: Call) -> np.ndarray:
    drawn = is_proxy(call)
    return drawn[:, None] & drawn


@defines("video/qihoo_t2x.attn", *PROXIES)
def injection(call: Call) -> np.ndarray:
    return np.tile(is_proxy(call), (call.n, 1))


@defines(
    "video/radial.attn",
    on_grid(t=9, token=20)(params={"tile": 4}),
    on_grid(t=6, token=13)(params={"tile": 8, "decay_percent": 50, "full_neighbors": True}),
    on_grid(t=19, token=3)(params={"tile": 2}),
    on_grid(t=18, token=5)(params={"tile": 3}),
)
def radial(call: Call) -> np.ndarray:
    frames, n = call.grid.values()
    tile = call["tile"]
    offset = np.abs(np.arange(n)[:, None] - np.arange(n))
    keep = np.zeros((frames, n, frames, n), bool)
    for i in range(frames):
        for j in range(frames):
            far = abs(i - j)
            span = 2 ** n.bit_length() / 2 ** far.bit_length()
            if j == 0 or far == 0:
                width = n
            elif far == 1:
                width = n if call.params.get("full_neighbors") else n // 2
            elif span < tile and far % int(tile / span):
                width = -1
            else:
                width = max(call.params.get("decay_percent", 100) * span / 100, tile)
            keep[i, :, j] = offset <= width
    return keep.reshape(call.n, call.n)


@defines(
    "video/story_diffusion.attn",
    on_grid(image=5, token=6)(params={"identities": 2, "step": 3}),
    on_grid(image=3, token=4)(params={"identities": 5, "percent": 25}),
)
def story_diffusion(call: Call) -> np.ndarray:
    images, tokens = call.grid.values()
    step, percent = call.params.get("step", 0), call.params.get("percent", 50)
    keep = between_frames(np.eye(images, dtype=bool), tokens)
    for token in range(min(call["identities"], images) * tokens):
        if hash_of(step, tokens, token) % 100 < percent:
            keep[:, token] = True
    return keep
