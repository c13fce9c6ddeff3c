"""Definitions of the systems in `examples/language`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines


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
