"""Layouts on grids, bands and segments, whose rows may repeat earlier ones, are still exact."""

from __future__ import annotations

import math
import sys
from functools import cache
from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import maskc
from maskc.codegen.runtime.panels import panels
from maskc.codegen.runtime.reader import Reader
from subjects import slow, tiles_of

PLANES = {
    "neighborhood": "neighborhood(y, n) & neighborhood(x, n + 1)",
    "dilated": "neighborhood(y, n, 2) & neighborhood(x, 3, n)",
    "near": "near(y, n) & near(x, 2)",
    "wrap": "near_wrap(y, 1) & near_wrap(x, n)",
    "swin": "tile_swin(y, n + 1, n // 2) & tile_swin(x, 3, 1)",
    "rolled": "tile_wrap(y, 4, n) & tile(x, n)",
    "halo": "halo(y, n, 1) & halo(x, 2, 2)",
    "disk": "disk(n)",
    "axial": "same(y) | same(x)",
    "residue": "residue(y, n) & residue(x, 2)",
    "causal": "causal & near(y, n) & near(x, 1)",
    "heads": "near(y, if head < 1 then 1 else n) & near(x, 2)",
}
LINES = {
    "sliding": "recent(n)",
    "streaming": "causal & (sink(n) | recent(5))",
    "longformer": "window(n) | global(2)",
    "dilated": "dilated(3, n)",
    "strided": "causal & (recent(n) | strided(n))",
    "chunks": "block(n) | columns(7, 2)",
    "random": "recent(n) | random_blocks(4, 2)",
    "columns": "q == k | causal & columns(n + 2)",
    "residues": "window(n) | k % 3 == q % 2 & (k + 1) % n == 0",
}
BLOCKS = st.sampled_from([(4, 4), (2, 3), (8, 4), (16, 16), (1, 1)])


@cache
def plane(name: str, dims: int) -> object:
    axes = "y, x" if dims == 2 else "t, y, x"
    more = "" if dims == 2 else "near(t, 1) & "
    text = f"pattern p(n: int >= 1) {{\n space grid({axes})\n mask {more}({PLANES[name]})\n}}"
    return maskc.loads(text).p


@cache
def line(name: str) -> object:
    return maskc.loads(f"pattern p(n: int >= 1) = {LINES[name]}").p


@cache
def captioned() -> object:
    return maskc.loads(
        "pattern p(n: int >= 1) {\n"
        " space text(m) ++ image: grid(y, x)\n"
        " mask q in text | k in text | near(y, n) & neighborhood(x, 3)\n}"
    ).p


def every_row_may_repeat(pattern):
    """A context where also few rows and narrow panels repeat, so that small calls show it."""
    names = vars(sys.modules[type(pattern).__module__])
    return mock.patch.dict(names, FEW_ROWS=1, NARROW=0)


def check(pattern, n_q, n_k, block, **given):
    pattern.layouts.clear()
    mask = pattern.dense_mask(n_q, n_k, **given)
    with every_row_may_repeat(pattern):
        layout = pattern.layout(n_q, n_k, block=block, **given)
        assert layout.kept_pairs == int(mask.sum())
    for head in range(given.get("heads", 1)):
        wanted = tiles_of(mask[0, head], block)
        assert torch.equal(layout.tiles(0, head), wanted)
    across = layout.columns
    for start, runs in ((across.partial_start, across.partial), (across.full_start, across.full)):
        assert (runs[:, 0] < runs[:, 1]).all()
        assert int(start[-1]) == len(runs)
    by_columns = int((across.partial[:, 1] - across.partial[:, 0]).sum())
    by_rows = int((layout.rows.partial[:, 1] - layout.rows.partial[:, 0]).sum())
    assert by_columns == by_rows


@pytest.mark.parametrize(
    "name", [*list(PLANES)[::3], *slow(list(PLANES)[1::3] + list(PLANES)[2::3])]
)
@given(st.data())
def test_grids_of_any_extents_are_read_exactly(name, data):
    dims = data.draw(st.sampled_from([2, 2, 3]))
    pattern = plane(name, dims)
    most = {2: [40, 14], 3: [6, 12, 8]}[dims]
    grid = [data.draw(st.integers(1, m)) for m in most]
    n_k = math.prod(grid)
    n_q = data.draw(st.one_of(st.just(n_k), st.integers(1, n_k)))
    n = data.draw(st.integers(1, 6))
    check(pattern, n_q, n_k, data.draw(BLOCKS), grid=grid, n=n, heads=1 + (name == "heads"))


@pytest.mark.parametrize("name", [*list(LINES)[::2], *slow(list(LINES)[1::2])])
@given(st.integers(1, 400), st.integers(0, 40), st.integers(1, 30), BLOCKS)
def test_bands_are_read_exactly(name, n_k, fewer, n, block):
    pattern = line(name)
    check(pattern, max(n_k - fewer, 1), n_k, block, n=n)


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 9), st.integers(1, 4), BLOCKS)
def test_segments_are_read_exactly(text, height, width, n, block):
    pattern = captioned()
    n_k = text + height * width
    check(pattern, n_k, n_k, block, grid=(height, width), segments={"text": text}, n=n)


@pytest.mark.parametrize(
    ("pattern", "given", "most"),
    [
        (lambda: plane("neighborhood", 2), {"grid": (256, 64), "n": 7}, 0.2),
        (lambda: plane("swin", 2), {"grid": (256, 64), "n": 7}, 0.3),
        (lambda: plane("near", 2), {"grid": (310, 50), "n": 7}, 0.5),
    ],
)
def test_rows_away_from_borders_are_not_read(pattern, given, most):
    grid = given.get("grid", (1, 16384))
    call = pattern().bind(grid[0] * grid[1], **given)
    reader = Reader(pattern().spec, call, (64, 64))
    found = max(panels(reader), key=lambda panel: panel.width)
    assert found.n_read <= most * found.n_rows
