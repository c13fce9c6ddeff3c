"""Tiles cut where a coordinate starts anew."""

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
from maskc.codegen.runtime.parts import Parts
from maskc.codegen.runtime.reader import Reader
from maskc.codegen.runtime.seams import between, seams_of
from subjects import slow, tiles_of

MASKS = {
    "windows": "tile(y, n) & tile(x, n + 1)",
    "rolled": "tile_wrap(y, n, 1) & tile_wrap(x, n + 2, n // 2)",
    "by head": "tile_wrap(y, n + head) & tile_wrap(x, n, if head == 1 then 2 else 0)",
    "by batch": "tile_wrap(x, n, if rolled then n // 2 else 0) & near(y, n)",
    "near": "near(y, 2) & near(x, n)",
    "disk": "disk(n)",
    "residues": "residue(y, n) & residue(x, n)",
    "by parts": "q.y * n // len(y) == k.y * n // len(y) & q.x * 2 // len(x) == k.x * 2 // len(x)",
    "inward": "abs(k.x - clamp(q.x, 2, len(x) - 3)) <= n & abs(k.y - clamp(q.y, 1, len(y))) <= 2",
    "behind": "q.y == k.y & k.x <= q.x | near(y, 1) & k.x % n == 0",
}
SPACES = {
    ("grid(y, x)", 0): "{}",
    ("text(3) ++ image: grid(y, x)", 3): "if q in text then true else k in text & k.text < n | {}",
    ("image: grid(z, y, x) ++ text(5)", 5): "if q in image then {} & near(z, 1) else k in text",
}
"""Masks of a call by its space and the tokens beside its grid."""


@cache
def pattern_of(name: str, space: str, mask: str) -> object:
    inside = MASKS[name] if space.startswith("grid") else f"(k in image & ({MASKS[name]}))"
    return maskc.loads(f"""pattern p(n: int >= 1) {{
        space {space}
        input rolled: bool[batch]
        mask {mask.format(inside)}
    }}""").p


@pytest.mark.parametrize("name", [*list(MASKS)[::3], *slow(list(MASKS)[1::3] + list(MASKS)[2::3])])
@given(st.data())
def test_layouts_of_grids_in_tiles_of_any_size_are_exact(name, data):
    (space, more), mask = data.draw(st.sampled_from(list(SPACES.items())))
    most = (4, 9, 13) if "z" in space else (24, 21)
    grid = [data.draw(st.integers(1, length)) for length in most]
    n = math.prod(grid) + more
    given = {"grid": grid, "n": data.draw(st.integers(1, 7)), "heads": 2, "batch": 2}
    given["rolled"] = torch.tensor(data.draw(st.lists(st.booleans(), min_size=2, max_size=2)))
    block = data.draw(st.tuples(*[st.sampled_from([4, 6, 16, 32])] * 2))
    pattern = pattern_of(name, space, mask)
    pattern.layouts.clear()
    kept = pattern.dense_mask(n, **given)
    repeated = {"FEW_ROWS": 1, "NARROW": 0} if data.draw(st.booleans()) else {}
    with mock.patch.dict(vars(sys.modules[type(pattern).__module__]), repeated):
        layout = pattern.layout(n, block=block, **given)
        kept_pairs = layout.kept_pairs
    assert kept_pairs == int(kept.sum())
    for batch in range(2):
        for head in range(2):
            assert torch.equal(layout.tiles(batch, head), tiles_of(kept[batch, head], block))


@given(st.integers(1, 40), st.integers(-60, 60), st.integers(0, 90), st.integers(1, 60))
def test_pieces_are_the_range_cut_at_every_seam(step, first, start, size):
    pattern = maskc.loads(
        "pattern p(a: int, b: int >= 0) {\n space line(n)\n"
        " mask (k - a) % b < 2 & (q + 3) % 7 == 1 & k < 20\n}"
    ).p
    call = pattern.bind(200, a=first, b=step)
    seams = seams_of(Reader(pattern.spec, call, (64, 64)))
    assert seams is not None
    ranges = (
        torch.zeros(1, dtype=torch.int64),
        torch.tensor([start]),
        torch.tensor([start + size - 1]),
    )
    low, high = (x[:, 0].tolist() for x in between(seams[1], *ranges))
    pieces = [range(a, b + 1) for a, b in zip(low, high, strict=True) if a <= b]
    assert [x for piece in pieces for x in piece] == list(range(start, start + size))
    wanted = {x for x in range(start + 1, start + size) if (x - first) % step == 0 or x == 20}
    assert step < 6 or {piece[0] for piece in pieces[1:]} == wanted


def test_a_tile_that_goes_on_in_the_next_row_of_a_grid_is_told_without_its_points():
    pattern = maskc.loads("pattern p {\n space grid(y, x)\n mask tile(y, 7) & tile(x, 7)\n}").p
    call = pattern.bind(161 * 161, grid=(161, 161))
    reader = Reader(pattern.spec, call, (128, 128))
    tile = torch.arange(-(-call.n_q // 128) - 2)
    start, end = tile * 128, tile * 128 + 127
    own = torch.zeros_like(tile), start, end, start + 256, end + 256
    every, some, hit, miss = reader.bounds(*own)
    assert bool((some & ~every & ~(hit & miss)).any())
    parts = Parts(tile, *own, size=(128, 128), seams=seams_of(reader)).split()
    every, some, hit, miss = reader.bounds(*parts.rectangles)
    assert not bool((some & ~every & ~(hit & miss)).any())


def test_a_slice_without_a_seam_is_cut_nowhere_by_the_seams_of_others():
    pattern = maskc.loads(
        "pattern p {\n space grid(y, x)\n mask k % (head * 16) * 3 < q // 4 & near(x, 30)\n}"
    ).p
    call = {"heads": 2, "grid": (8, 128)}
    kept = pattern.dense_mask(1024, **call)
    assert pattern.layout(1024, block=128, **call).kept_pairs == int(kept.sum())
