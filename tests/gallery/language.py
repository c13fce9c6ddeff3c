"""Definitions of the systems in `examples/language`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid
from meaning.values import hash_of


def middle_third(call: Call) -> bool:
    """Whether the layer is in the middle third."""
    return call.n_layers // 3 <= call.layer < call.n_layers - call.n_layers // 3


@defines(
    "language/partial_contexts.attn",
    Call(40, layer=0, n_layers=6, params={"sinks": 3, "window": 8}),
    Call(33, layer=2, n_layers=6, params={"sinks": 3, "window": 8}),
    Call(33, n_q=5, layer=5, n_layers=6, params={"sinks": 3, "window": 8}),
)
def partial_contexts(call: Call) -> np.ndarray:
    q, k = call.q, call.k
    near = (k < call["sinks"]) | (q - k < call["window"])
    return (k <= q) & (near | middle_third(call))


@defines(
    "language/partial_contexts.attn",
    Call(40, layer=0, n_layers=3, params={"size": 4, "sinks": 1, "window": 2, "stride": 3}),
    Call(
        33,
        layer=2,
        n_layers=3,
        params={"size": 4, "sinks": 0, "window": 1, "stride": 3, "offset": 2},
    ),
    Call(33, layer=1, n_layers=3, params={"size": 4}),
)
def partial_blocks(call: Call) -> np.ndarray:
    given = {"sinks": 1, "window": 16, "stride": 8, "offset": 0} | call.params
    q, k = call.q // given["size"], call.k // given["size"]
    blocks = (k < given["sinks"]) | (q - k < given["window"])
    blocks = blocks | (k % given["stride"] == given["offset"])
    return (call.k <= call.q) & (blocks | middle_third(call))


@defines(
    "language/attention_influence.attn",
    Call(12, heads=2, layer=0, n_layers=2, params={"masked": [[True, False], [False, False]]}),
    Call(9, n_q=3, heads=2, layer=1, n_layers=2),
)
def attention_influence(call: Call) -> np.ndarray:
    return call.k <= call.q


@defines(
    "language/s2_attention.attn",
    Call(45, heads=4, params={"size": 4, "band": 2, "stride": 4}),
    Call(
        30,
        heads=4,
        kv_heads=2,
        params={"size": 3, "band": 1, "stride": 5, "offset": 2, "dense_heads": 1},
    ),
    Call(30, n_q=4, heads=3, params={"size": 4, "band": 2, "stride": 2}),
)
def s2_attention(call: Call) -> np.ndarray:
    given = {"offset": 0, "dense_heads": 0} | call.params
    groups = call.heads // (call.kv_heads or call.heads)
    step = max(1, given["stride"] // (call.heads // groups))
    keep = np.zeros((call.heads, call.q.size, call.n), bool)
    for head in range(call.heads):
        for i, q in enumerate(call.q[:, 0]):
            for k in range(q + 1):
                far = q // given["size"] - k // given["size"]
                phase = k // given["size"] + head // groups * step + given["offset"]
                dense = head >= call.heads - given["dense_heads"]
                keep[head, i, k] = dense or far < given["band"] or phase % given["stride"] == 0
    return keep


@defines(
    "language/s2_attention.attn",
    Call(40, heads=2, layer=0, n_layers=2, params={"size": 4, "band": 2, "stride": 3}),
    Call(35, heads=2, layer=1, n_layers=2, params={"size": 4, "band": 2, "stride": 3}),
)
def phi_3_small(call: Call) -> np.ndarray:
    if call.layer == 1:
        return call.k <= call.q
    return s2_attention(call)


@defines(
    "language/few_full_layers.attn",
    Call(40, layer=1, n_layers=6, params={"span": 6, "full_layers": 2}),
    Call(33, layer=2, n_layers=6, params={"span": 6, "full_layers": 2}),
    Call(33, n_q=7, layer=5, n_layers=6, params={"span": 4}),
)
def few_full_layers(call: Call) -> np.ndarray:
    span = call["span"]
    starts = (call.q // span - 1) * span
    full = call.layer < call.params.get("full_layers", 4)
    return (call.k <= call.q) & (full | (call.k >= starts))


@defines(
    "language/moa.attn",
    Call(
        330,
        heads=2,
        layer=1,
        n_layers=2,
        params={"first": [[0, 9], [100, 3]], "growth": [[0, 1], [100, 700]]},
    ),
    Call(
        700,
        heads=2,
        layer=1,
        n_layers=2,
        params={"first": [[0, 9], [200, 3]], "growth": [[0, 1], [300, 700]]},
    ),
    Call(300, heads=2, layer=0, n_layers=1, params={"first": 1, "growth": [[0, 600]]}),
)
def moa(call: Call) -> np.ndarray:
    def entry(name: str, head: int) -> int:
        table = call[name]
        return table if isinstance(table, int) else table[call.layer][head]

    keep = []
    for head in range(call.heads):
        # ceil(a + b * n / 1024), by whole numbers
        scaled = 1024 * entry("first", head) + entry("growth", head) * call.n
        span = max(128, -(-scaled // (1024 * 64)) * 64)
        keep.append((call.k <= call.q) & ((call.k < 64) | (call.q - call.k < span - 64)))
    return np.stack(keep)


@defines(
    "language/music_transformer.attn",
    Call(7, inputs={"relative": np.ones((1, 1, 7, 7), np.float32)}),
    Call(11, heads=2, inputs={"relative": np.ones((1, 2, 11, 4), np.float32)}),
)
def music_transformer(call: Call) -> np.ndarray:
    return call.k <= call.q


@defines(
    "language/music_transformer.attn",
    Call(14, params={"size": 4}, inputs={"relative": np.ones((1, 1, 14, 8), np.float32)}),
    Call(9, params={"size": 5}, inputs={"relative": np.ones((1, 1, 9, 10), np.float32)}),
)
def local_music_transformer(call: Call) -> np.ndarray:
    blocks = call.q // call["size"] - call.k // call["size"]
    return (call.k <= call.q) & ((blocks == 0) | (blocks == 1))


@defines(
    "language/decomposed_attention.attn",
    Call(20, heads=3, params={"window": 4, "local_heads": 2}),
    Call(15, n_q=6, heads=2, params={"window": 4}),
)
def decomposed_attention(call: Call) -> np.ndarray:
    local = call.head < call.params.get("local_heads", 1)
    return np.where(local, call.q - call.k < call["window"], True) & (call.k <= call.q)


@defines(
    "language/sink_lora.attn",
    Call(32, heads=4, params={"group": 8, "moved_back": 1, "sinks": 2}),
    Call(40, heads=2, params={"group": 10, "sinks": 0}),
)
def sink_lora(call: Call) -> np.ndarray:
    """Groups and causality in the rolled order, as released, less the keys ahead of their query."""
    group, half = call["group"], call["group"] // 2
    rolled = (np.arange(call.n) - half) % call.n
    plain, shifted = np.arange(call.n) // group, rolled // group
    moved = call.head >= call.heads // 2 + call.params.get("moved_back", 0)
    in_order = (shifted[:, None] == shifted) & (rolled <= rolled[:, None])
    same = np.where(moved, in_order, plain[:, None] == plain)
    everywhere = (call.q < call["sinks"]) | (call.k < call["sinks"])
    return (same | everywhere) & (call.k <= call.q)


@defines(
    "language/long_text_extractor.attn",
    Call(20, params={"reach": 3}),
    Call(9, params={"reach": 20}),
)
def arrow(call: Call) -> np.ndarray:
    near = np.abs(call.q - call.k) <= call["reach"]
    return near | (call.k == 0) | (call.q == 0)


def spans(call: Call) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start and end of each cell, and whether it is a span of the text."""
    length = call.grid["start"]
    start, offset = call.coordinates(np.arange(call.n))
    end = start + offset - call["reach"]
    return start, end, (end >= 0) & (end < length)


@defines(
    "language/long_text_extractor.attn",
    on_grid(start=6, offset=5)(params={"reach": 2}),
    on_grid(start=4, offset=9)(params={"reach": 4}),
)
def same_start(call: Call) -> np.ndarray:
    start, _, real = spans(call)
    return (start[:, None] == start) & real[:, None] & real


@defines(
    "language/long_text_extractor.attn",
    on_grid(start=6, offset=5)(params={"reach": 2}),
    on_grid(start=4, offset=9)(params={"reach": 4}),
)
def same_end(call: Call) -> np.ndarray:
    _, end, real = spans(call)
    return (end[:, None] == end) & real[:, None] & real


@defines(
    "language/information_pathways.attn",
    Call(12, params={"group": 4}, inputs={"order": np.random.default_rng(1).permutation(12)}),
    Call(17, params={"group": 5}, inputs={"order": np.random.default_rng(2).permutation(17)}),
)
def random_groups(call: Call) -> np.ndarray:
    """Tokens put in order and cut into groups."""
    keep = np.zeros((call.n, call.n), bool)
    in_order = np.argsort(call["order"])
    for start in range(0, call.n, call["group"]):
        group = in_order[start : start + call["group"]]
        keep[np.ix_(group, group)] = True
    return keep


@defines(
    "language/information_pathways.attn",
    Call(20, layer=1, n_layers=2, params={"reach": 6, "one_in": 3, "step": 7}),
    Call(13, layer=0, n_layers=1, params={"reach": 40, "one_in": 2}),
)
def random_neighbors(call: Call) -> np.ndarray:
    keep = np.eye(call.n, dtype=bool)
    for q in range(call.n):
        for k in range(call.n):
            drawn = hash_of(call.params.get("step", 0), call.layer, q, k) % call["one_in"] == 0
            keep[q, k] |= drawn and abs(q - k) <= call["reach"]
    return keep


@defines("language/mistral.attn", Call(30, heads=4, kv_heads=1, params={"window": 7}), Call(8))
def mistral(call: Call) -> np.ndarray:
    window = call.params.get("window", 4096)
    return (call.k <= call.q) & (call.q - call.k < window)


@defines(
    "language/dropped_layers.attn",
    Call(10, layer=1, n_layers=3, params={"dropped": [True, False, True]}),
    Call(9, n_q=2, layer=0, n_layers=2),
)
def dropped_layers(call: Call) -> np.ndarray:
    dropped = call.params.get("dropped", [False, False])[call.layer]
    return (call.k <= call.q) & (not dropped)


@defines(
    "language/zero_tuning.attn",
    Call(10, heads=2, layer=0, n_layers=1, inputs={"rate": np.full((1, 2), 0.5, np.float32)}),
    Call(7, n_q=3, layer=1, n_layers=2, inputs={"rate": np.full((2, 1), 2.0, np.float32)}),
)
def zero_tuning(call: Call) -> np.ndarray:
    return call.k <= call.q
