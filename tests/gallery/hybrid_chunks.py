"""Definitions of the softmax parts of the systems in `examples/hybrid`: chunks, segments, cells."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid, two_sided
from gallery.hybrid import cells, everywhere, shrunk
from gallery.vision import windows
from gallery.vision_windows import rolled


@defines(
    "hybrid/rat.attn",
    two_sided(12, 15, params={"chunk": 4}, segments={"x": 12}),
    two_sided(10, 14, params={"chunk": 3}, segments={"x": 10}),
)
def rat(call: Call) -> np.ndarray:
    n = call.q.size
    before = np.arange(call.n - n) < (np.arange(n) // call["chunk"])[:, None]
    return np.concatenate([np.eye(n, dtype=bool), before], axis=1)


@defines("hybrid/rat.attn", Call(12, params={"window": 4}), Call(9, n_q=3, params={"window": 1}))
def rat_local(call: Call) -> np.ndarray:
    return (call.k <= call.q) & (call.k > call.q - call["window"])


@defines("hybrid/scout.attn", Call(23, params={"segment": 5}), Call(14, n_q=3))
def scout(call: Call) -> np.ndarray:
    segment = call.params.get("segment", 10)
    return (call.k == call.q) | (call.k < call.q) & ((call.k + 1) % segment == 0)


@defines("hybrid/scout.attn", Call(12, params={"window": 4}), Call(9, n_q=3, params={"window": 1}))
def scout_local(call: Call) -> np.ndarray:
    return rat_local(call)


@defines(
    "hybrid/recursive_generalization.attn",
    on_grid(y=8, x=8)(heads=4, layer=2, n_layers=4, params={"short": 2, "long": 4}),
    on_grid(y=8, x=16)(heads=2, layer=0, n_layers=4, params={"short": 4, "long": 8}),
    on_grid(y=6, x=12)(heads=2, layer=6, n_layers=8, params={"short": 2, "long": 6}),
)
def rectangles(call: Call) -> np.ndarray:
    """The rolled plane is cut, and what the roll brought in is masked from the rest."""
    y, x = call.coordinates(np.arange(call.n))
    shifted = call.layer in (2, 6)
    halves = []
    for window in ((call["short"], call["long"]), (call["long"], call["short"])):
        down, right = (size // 2 if shifted else 0 for size in window)
        brought = windows(y < down, x < right)
        halves.append(rolled(call.grid["y"], call.grid["x"], window, (down, right)) & brought)
    return np.repeat(np.stack(halves), call.heads // 2, axis=0)


@defines("hybrid/recursive_generalization.attn", *shrunk(4, params={"times": 1}))
def recursive_global(call: Call) -> np.ndarray:
    return everywhere(call)


@defines(
    "hybrid/reward_forcing.attn",
    on_grid(t=8, token=2)(params={"chunk": 2, "window": 4, "sink": 2}),
    on_grid(t=8, token=3)(params={"chunk": 3, "window": 5}),
    on_grid(t=6, token=1)(params={"chunk": 3, "window": 3, "sink": 0}),
)
def reward_forcing(call: Call) -> np.ndarray:
    sink = call.params.get("sink", 1)
    frames = call.grid["t"]
    keep = np.zeros((frames, frames), bool)
    keep[:, :sink] = True
    for first in range(sink, frames, call["chunk"]):
        last = first + call["chunk"]
        keep[first:last, max(last - call["window"], 0) : last] = True
    return np.kron(keep, np.ones((call.grid["token"],) * 2, bool))


@defines(
    "hybrid/sparse_modular_activation.attn",
    Call(
        14,
        params={"chunk": 2},
        inputs={
            "active": np.array([[1, 0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0]], bool),
            "rank": np.array([[0, 1, 1, 2, 3, 3, 4, 5, 6, 6, 6, 7, 8, 9]]),
        },
    ),
    Call(
        6,
        params={"chunk": 1, "causal_only": False},
        inputs={
            "active": np.array([[0, 1, 1, 0, 1, 1]], bool),
            "rank": np.array([[0, 0, 1, 2, 2, 3]]),
        },
    ),
)
def sparse_modular_activation(call: Call) -> np.ndarray:
    """Active tokens pressed together, chunked, and spread out again."""
    (active,) = np.nonzero(call["active"][0])
    keep = np.zeros((call.n, call.n), bool)
    for i, q in enumerate(active):
        for j, k in enumerate(active):
            far = i // call["chunk"] - j // call["chunk"]
            causal = call.params.get("causal_only", True)
            keep[q, k] = j <= i and far <= 1 if causal else abs(far) <= 1
    return keep


def chunks(call: Call, size: int) -> np.ndarray:
    """Chunks on their own, causal but where a parameter says otherwise."""
    keep = np.zeros((call.n, call.n), bool)
    for first in range(0, call.n, size):
        keep[first : first + size, first : first + size] = True
    return keep & np.tri(call.n, dtype=bool) if call.params.get("causal_only", True) else keep


@defines(
    "hybrid/tcnca.attn",
    Call(14, params={"chunk": 4}),
    Call(9, params={"chunk": 3, "causal_only": False}),
)
def tcnca(call: Call) -> np.ndarray:
    return chunks(call, call["chunk"])


@defines(
    "hybrid/transnormer.attn",
    Call(14, layer=1, n_layers=4, params={"size": 4}),
    Call(9, layer=0, n_layers=3, params={"size": 3, "causal_only": False}),
    Call(9, layer=1, n_layers=3, params={"size": 3}),
)
def transnormer(call: Call) -> np.ndarray:
    return chunks(call, call["size"]) & (call.layer < call.n_layers // 2)


@defines(
    "hybrid/titans.attn",
    Call(14, segments={"persistent": 3, "text": 11}, params={"window": 4}),
    Call(9, n_q=3, segments={"persistent": 2, "text": 7}, params={"window": 2}),
)
def memory_as_gate(call: Call) -> np.ndarray:
    persistent = call.segments["persistent"]
    keep = np.tile(np.arange(call.n) < persistent, (call.n, 1))
    for q in range(persistent, call.n):
        keep[q, max(q - call["window"] + 1, persistent) : q + 1] = True
    return keep[call.n - call.q.size :]


@defines(
    "hybrid/titans.attn",
    two_sided(9, 20, segments={"persistent": 2, "text": 9}, params={"segment": 4}),
    two_sided(6, 13, segments={"persistent": 1, "text": 6}, params={"segment": 3}),
)
def memory_as_context(call: Call) -> np.ndarray:
    n, segment = call.q.size, call["segment"]
    p = call.segments["persistent"]
    keep = np.zeros((n, call.n), bool)
    keep[:, :p] = True
    for q in range(n):
        first = q // segment * segment
        keep[q, p + first : p + min(first + segment, n)] = True
        keep[q, p + n + first : p + n + q + 1] = True
    return keep


@defines(
    "hybrid/ultragen.attn",
    on_grid(t=2, y=5, x=7)(layer=0, n_layers=2, params={"parts": 2}),
    on_grid(t=1, y=6, x=8)(layer=1, n_layers=2, params={"parts": 3}),
)
def local_branch(call: Call) -> np.ndarray:
    _, y, x = call.coordinates(np.arange(call.n))
    cuts = call["parts"] + call.layer
    labels = []
    for place, length in ((y, call.grid["y"]), (x, call.grid["x"])):
        edges = [-(-cut * length // cuts) for cut in range(1, cuts)]
        labels.append(np.searchsorted(edges, place, side="right"))
    return windows(*labels)


@defines("hybrid/ultragen.attn", on_grid(t=2, y=2, x=3)(), on_grid(t=1, y=3, x=1)())
def global_branch(call: Call) -> np.ndarray:
    return everywhere(call)


@defines("hybrid/super_token.attn", *shrunk(2, params={"cell": 2}), *shrunk(3, params={"cell": 3}))
def associate(call: Call) -> np.ndarray:
    cell, (height, width) = call["cell"], call.grid.values()
    supers = cells(-(-height // cell), -(-width // cell))
    keep = np.zeros((call.q.size, call.n), bool)
    for q, (y, x) in enumerate(cells(height, width)):
        for k, (row, column) in enumerate(supers):
            keep[q, k] = max(abs(row - y // cell), abs(column - x // cell)) <= 1
    return keep


@defines("hybrid/super_token.attn", on_grid(y=2, x=3)(), on_grid(y=1, x=4)())
def super_tokens(call: Call) -> np.ndarray:
    return everywhere(call)
