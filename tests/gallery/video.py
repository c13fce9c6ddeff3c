"""Definitions of the systems in `examples/video`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid
from gallery.vision import windows


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
