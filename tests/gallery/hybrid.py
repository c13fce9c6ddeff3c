"""Definitions of the softmax parts of the systems in `examples/hybrid`."""

from __future__ import annotations

from itertools import product

import numpy as np

from gallery.definition import Call, defines, on_grid, two_sided
from gallery.vision import in_parts, plane_of
from gallery.vision_windows import cut


def cells(*extents: int) -> list[tuple[int, ...]]:
    """The coordinates of every cell of a grid, row-major."""
    return list(product(*(range(extent) for extent in extents)))


def everywhere(call: Call) -> np.ndarray:
    """All pairs."""
    return np.ones((call.q.size, call.n), bool)


def shrunk(cell: int, **others: object) -> tuple[Call, Call]:
    """Two calls of a grid against a grid `cell` times smaller."""
    return tuple(  # type: ignore[return-value]
        two_sided(y * x, -(-y // cell) * -(-x // cell), grid={"y": y, "x": x}, **others)
        for y, x in ((6, 8), (7, 9))
    )


@defines("hybrid/arflow.attn", Call(24, params={"image": 6}), Call(17, params={"image": 5}))
def arflow(call: Call) -> np.ndarray:
    label = np.arange(call.n) // call["image"]
    return label[:, None] == label


STARS = (
    Call(
        13,
        heads=2,
        segments={"tokens": 9, "agents": 4},
        inputs={"bias": np.zeros((2, 9, 9), np.float32)},
    ),
    Call(8, segments={"tokens": 7, "agents": 1}, inputs={"bias": np.zeros((1, 7, 7), np.float32)}),
)


@defines("hybrid/agent_attention.attn", *STARS)
def aggregate(call: Call) -> np.ndarray:
    is_token = np.arange(call.n) < call.segments["tokens"]
    return ~is_token[:, None] & is_token


@defines("hybrid/agent_attention.attn", *STARS)
def broadcast(call: Call) -> np.ndarray:
    return aggregate(call).T


@defines(
    "hybrid/combiner.attn",
    two_sided(16, 20, params={"size": 4}, segments={"x": 16}),
    two_sided(11, 15, params={"size": 3}, segments={"x": 11}),
)
def combiner_fixed(call: Call) -> np.ndarray:
    n, size = call.q.size, call["size"]
    keep = np.zeros((n, call.n), bool)
    for q in range(n):
        keep[q, q // size * size : q + 1] = True
        keep[q, n : n + q // size] = True
    return keep


@defines(
    "hybrid/combiner.attn",
    two_sided(8, 32, segments={"x": 8}, grid={"level": 3}),
    two_sided(13, 65, segments={"x": 13}, grid={"level": 4}),
)
def combiner_log_sparse(call: Call) -> np.ndarray:
    """Spans that end at the query, from the longest to the shortest, tile all that is before it."""
    n = call.q.size
    keep = np.zeros((n, call.n), bool)
    for q in range(n):
        keep[q, q] = True
        start = 0
        for level in reversed(range(call.grid["level"])):
            if start + 2**level <= q:
                keep[q, n * (1 + level) + start // 2**level] = True
                start += 2**level
        assert start == q
    return keep


@defines(
    "hybrid/combiner.attn",
    two_sided(12, 24, grid={"y": 3, "x": 4}),
    two_sided(10, 20, grid={"y": 5, "x": 2}),
)
def combiner_axial(call: Call) -> np.ndarray:
    width = call.grid["x"]
    n = call.q.size
    keep = np.zeros((n, 2 * n), bool)
    for q in range(n):
        keep[q, q // width * width : q + 1] = True
        keep[q, n + q % width : n + q // width * width : width] = True
    return keep


@defines(
    "hybrid/combiner.attn",
    two_sided(12, 48, grid={"y": 3, "x": 4}),
    two_sided(10, 40, grid={"y": 5, "x": 2}),
    two_sided(4, 16, grid={"y": 4, "x": 1}),
)
def combiner_mixture(call: Call) -> np.ndarray:
    """What is before the query in its row and column, and the summaries of all else before it."""
    n, width = call.q.size, call.grid["x"]
    keep = np.zeros((n, 4 * n), bool)
    for q, (y, x) in enumerate(cells(*call.grid.values())):
        keep[q, [y * width + i for i in range(x + 1)]] = True
        keep[q, [i * width + x for i in range(y)]] = True
        above, left, right = (kind * n + np.arange(n).reshape(-1, width) for kind in (1, 2, 3))
        if y > 0:
            keep[q, np.delete(above[y], x)] = True
        if x > 0:
            keep[q, left[:y, x]] = True
        if x + 1 < width:
            keep[q, right[:y, x]] = True
    return keep


WINDOWS = (
    on_grid(y=6, x=8)(params={"size": 3}),
    on_grid(y=5, x=7)(params={"size": 4}),
)


def in_windows(call: Call) -> np.ndarray:
    """Squares of `size`."""
    return in_parts(call, *cut(plane_of(call), call["size"], call["size"]))


@defines("hybrid/contrast.attn", *WINDOWS)
def contrast(call: Call) -> np.ndarray:
    return in_windows(call)


@defines("hybrid/davit.attn", *WINDOWS)
def davit_windows(call: Call) -> np.ndarray:
    return in_windows(call)


@defines("hybrid/davit.attn", Call(12, params={"size": 4}), Call(10, params={"size": 3}))
def davit_channels(call: Call) -> np.ndarray:
    return np.kron(np.eye(4), np.ones((call["size"], call["size"])))[: call.n, : call.n] > 0


@defines("hybrid/hilo.attn", *WINDOWS)
def high_frequency(call: Call) -> np.ndarray:
    return in_windows(call)


@defines("hybrid/hilo.attn", *shrunk(2))
def low_frequency(call: Call) -> np.ndarray:
    return everywhere(call)


@defines("hybrid/maformer.attn", *WINDOWS)
def local_stream(call: Call) -> np.ndarray:
    return in_windows(call)


@defines("hybrid/maformer.attn", two_sided(9, 4), two_sided(3, 8))
def global_stream(call: Call) -> np.ndarray:
    return everywhere(call)


@defines("hybrid/sg_former.attn", *WINDOWS)
def fine_heads(call: Call) -> np.ndarray:
    return in_windows(call)


@defines("hybrid/sg_former.attn", *shrunk(3, params={"rate": 3}))
def coarse_heads(call: Call) -> np.ndarray:
    return everywhere(call)


@defines(
    "hybrid/linear_resurrection.attn",
    on_grid(y=6, x=8)(params={"size": 3}, layer=0, n_layers=2),
    on_grid(y=5, x=7)(params={"size": 4}, layer=2, n_layers=3),
    on_grid(y=5, x=7)(params={"size": 4}, layer=1, n_layers=3),
)
def linear_resurrection(call: Call) -> np.ndarray:
    return in_windows(call) & (call.layer != 1)


@defines(
    "hybrid/core_context_aware.attn",
    two_sided(20, 25, params={"group": 4, "window": 4}, segments={"x": 20}),
    two_sided(17, 22, params={"group": 3, "window": 6}, segments={"x": 17}),
)
def core_context_aware(call: Call) -> np.ndarray:
    """Every past token once: groups that end before the window, then each token."""
    n, group = call.q.size, call["group"]
    keep = np.zeros((n, call.n), bool)
    for q in range(n):
        cores = sum((c + 1) * group - 1 <= q - call["window"] for c in range(n // group))
        keep[q, n : n + cores] = True
        keep[q, cores * group : q + 1] = True
    return keep


@defines(
    "hybrid/lizard.attn",
    Call(20, params={"meta": 3, "window": 5}),
    Call(14, n_q=2, params={"meta": 1, "window": 1}),
)
def lizard(call: Call) -> np.ndarray:
    ahead = call.q - call.k
    return (ahead >= 0) & ((ahead < call["window"]) | (call.k < call["meta"]))


@defines(
    "hybrid/longvq.attn",
    two_sided(
        12,
        15,
        params={"size": 4},
        segments={"x": 12, "codes": 3},
        inputs={"count": np.arange(36).reshape(12, 3) % 5 % 3},
    ),
    two_sided(
        9,
        11,
        params={"size": 2},
        segments={"x": 9, "codes": 2},
        inputs={"count": np.arange(18).reshape(9, 2) % 2},
    ),
)
def longvq(call: Call) -> np.ndarray:
    n, size = call.q.size, call["size"]
    tokens = np.arange(n)
    starts = np.maximum(tokens // size - 1, 0) * size
    local = (tokens >= starts[:, None]) & (tokens <= tokens[:, None])
    return np.concatenate([local, call["count"] > 0], axis=1)


def windowed(call: Call, layers: tuple[int, ...]) -> np.ndarray:
    """A causal window in some layers, nothing in the others."""
    keep = np.zeros((call.n, call.n), bool)
    if call.layer in layers:
        for q in range(call.n):
            keep[q, max(q - call["window"] + 1, 0) : q + 1] = True
    return keep


@defines(
    "hybrid/delta_net.attn",
    Call(12, layer=1, n_layers=4, params={"window": 3}),
    Call(9, layer=3, n_layers=4, params={"window": 20}),
    Call(9, layer=2, n_layers=4, params={"window": 4}),
)
def delta_net_window(call: Call) -> np.ndarray:
    return windowed(call, (1, 3))


@defines(
    "hybrid/delta_net.attn",
    Call(12, layer=12, n_layers=24),
    Call(9, layer=2, n_layers=4, params={"full": [0, 2]}),
    Call(9, layer=1, n_layers=4, params={"full": [0, 2]}),
)
def delta_net_global(call: Call) -> np.ndarray:
    return np.tri(call.n, dtype=bool) & (call.layer in call.params.get("full", [1, 12]))


@defines(
    "hybrid/based.attn",
    Call(12, layer=7, n_layers=36, params={"window": 3}),
    Call(9, layer=1, n_layers=4, params={"window": 4, "windowed": [1, 3]}),
    Call(9, layer=8, n_layers=36, params={"window": 4}),
)
def based(call: Call) -> np.ndarray:
    layers = call.params.get("windowed", [2, 7, 12, 17, 22, 28, 34])
    return windowed(call, tuple(layers))
