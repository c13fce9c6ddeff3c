"""Definitions of the systems in `examples/structured`."""

from __future__ import annotations

import numpy as np

from gallery.definition import Call, defines, on_grid, two_sided


def axial(call: Call, along_first: bool) -> np.ndarray:
    """Tokens of a plane in one line along its first axis, or along its second."""
    rows, columns = call.grid.values()
    if along_first:
        return np.tile(np.eye(columns, dtype=bool), (rows, rows))
    return np.kron(np.eye(rows), np.ones((columns, columns))) > 0


@defines(
    "structured/ktp_former.attn",
    on_grid(frame=4, joint=3)(layer=0, n_layers=2),
    on_grid(frame=5, joint=2)(layer=3, n_layers=4),
)
def ktp_former(call: Call) -> np.ndarray:
    return axial(call, along_first=call.layer == 3)


@defines("structured/loco_net.attn", on_grid(speaker=3, t=4)(), on_grid(speaker=1, t=5)())
def loco_net(call: Call) -> np.ndarray:
    return axial(call, along_first=False)


@defines(
    "structured/traffic_flow.attn",
    on_grid(node=4, t=3)(layer=0, n_layers=2),
    on_grid(node=5, t=2)(layer=1, n_layers=2),
)
def traffic_flow(call: Call) -> np.ndarray:
    return axial(call, along_first=call.layer == 0)


def by_segment(call: Call, table: dict[int, list[int]]) -> np.ndarray:
    """Which segment sees which, less padded keys: [batch, 1, n, n]."""
    label = np.repeat(np.arange(len(call.segments)), list(call.segments.values()))
    keep = np.array([[k in table[q] for k in label] for q in label])
    return keep & call["live"][:, None, None, :]


def live(*rows: str) -> dict[str, np.ndarray]:
    """The input from rows of 0 and 1."""
    return {"live": np.array([[c == "1" for c in row] for row in rows])}


@defines(
    "structured/dimension_reduction.attn",
    Call(
        9,
        batch=2,
        segments={"condition": 2, "frames": 4, "text": 3},
        inputs=live("111111110", "111111111"),
    ),
    Call(6, segments={"condition": 1, "frames": 3, "text": 2}, inputs=live("111100")),
)
def one_text(call: Call) -> np.ndarray:
    return by_segment(call, {0: [0], 1: [0, 1, 2], 2: [1, 2]})


@defines(
    "structured/dimension_reduction.attn",
    Call(
        11,
        segments={"condition": 2, "frames": 4, "text": 3, "second": 2},
        inputs=live("11111111010"),
    ),
    Call(7, segments={"condition": 2, "frames": 2, "text": 2, "second": 1}, inputs=live("1" * 7)),
)
def two_texts(call: Call) -> np.ndarray:
    return by_segment(call, {0: [0, 3], 1: [0, 1, 2], 2: [1, 2], 3: [0, 3]})


@defines(
    "structured/holistic_tokenizer.attn",
    Call(8, batch=2, inputs=live("00111111", "11111111")),
    Call(5, n_q=2, inputs=live("01110")),
)
def holistic_tokenizer(call: Call) -> np.ndarray:
    keep = (call.k <= call.q) & call["live"][:, None, None, :]
    return keep | (call.k == call.q)


@defines(
    "structured/nvlm_x.attn",
    two_sided(
        5,
        9,
        inputs={
            "tag": np.array([[-1, 2, 0, -1, 7]]),
            "tile": np.array([[0, 0, 1, 1, 2, 2, 7, 7, 7]]),
        },
    ),
    two_sided(
        3,
        4,
        batch=2,
        inputs={
            "tag": np.array([[0, 1, -1], [-1, -1, 5]]),
            "tile": np.array([[0, 1, 2, 2], [0, 0, 0, 1]]),
        },
    ),
)
def nvlm_x(call: Call) -> np.ndarray:
    keep = np.ones((call.batch, 1, call.q.size, call.n), bool)
    for b in range(call.batch):
        for q, tag in enumerate(call["tag"][b]):
            if tag >= 0:
                keep[b, 0, q] = call["tile"][b] == tag
    return keep
