"""What one call leaves behind is not taken for another's."""

from __future__ import annotations

import pytest
import torch

import maskc
from subjects import tiles_of

GRID = "pattern p {\n space grid(y, x)\n mask near(x, 1)\n}"
PACKED = "pattern p {\n space packed grid(y, x)\n mask near(x, 1) & q.item == k.item\n}"
TABLE = "pattern p(t: int[layer] >= 1) = recent(t)"
DOCUMENTS = "pattern p {\n input doc: int[token]\n mask document(doc)\n}"

ROWS = {
    "a parameter": ("pattern p(w: int >= 1) = recent(w)", [{"w": 3}, {"w": 30}]),
    "a dynamic parameter": ("pattern p(w: dynamic int) = recent(w)", [{"w": 3}, {"w": 30}]),
    "a dynamic float": (
        "pattern p(w: dynamic float) {\n input x: float[k]\n mask x[k] < w\n}",
        [{"w": w, "x": torch.arange(48) / 4.0} for w in (2.0, 9.0)],
    ),
    "extents of a grid": (GRID, [{"grid": [6, 8]}, {"grid": [3, 16]}]),
    "items of a packed grid": (PACKED, [{"grid": [[4, 4], [4, 8]]}, {"grid": [[4, 8], [4, 4]]}]),
    "the lengths of segments": (
        "pattern p {\n space text(n) ++ rest(m)\n mask k in text\n}",
        [{"segments": {"text": n, "rest": 48 - n}} for n in (5, 40)],
    ),
    "the layer": (TABLE, [{"t": [3, 30], "layer": i, "n_layers": 2} for i in (0, 1)]),
    "the number of layers": (
        "pattern p = recent(9 * len(layer))",
        [{"layer": 0, "n_layers": n} for n in (1, 4)],
    ),
    "a table": (TABLE, [{"t": [n], "layer": 0, "n_layers": 1} for n in (3, 30)]),
    "an input": (DOCUMENTS, [{"doc": torch.arange(48) // n} for n in (5, 20)]),
    "the number of key heads": (
        "pattern p = recent(9 * len(kv_head))",
        [{"heads": 4, "kv_heads": n} for n in (1, 4)],
    ),
    "the number of heads": ("pattern p = recent(9 * len(head))", [{"heads": n} for n in (1, 4)]),
    "the number of batches": ("pattern p = recent(9 * len(batch))", [{"batch": 1}, {"batch": 4}]),
    "the number of queries": ("pattern p = recent(len(q))", [{"n_q": 5}, {"n_q": 48}]),
}
"""A spec, and calls that differ in one thing alone."""


@pytest.mark.parametrize("differing", ROWS)
def test_calls_that_differ_in_one_thing_have_layouts_of_their_own(differing):
    text, calls = ROWS[differing]
    pattern = maskc.loads(text).p
    masks = []
    for arguments in (*calls, calls[0]):
        arguments = {"n_q": 48, "n_k": 48, **arguments}
        masks.append(pattern.dense_mask(**arguments)[0, 0])
        layout = pattern.layout(**arguments, block=(8, 8))
        assert torch.equal(layout.tiles(0, 0), tiles_of(masks[-1], (8, 8)))
    assert masks[0].shape != masks[1].shape or not torch.equal(masks[0], masks[1])
