"""Grids, segments, two-sided and packed spaces of compiled patterns, and what `grid=` may say."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc.grammar.parse import parse, source
from meaning import Meaning
from subjects import share, slow, tiles_of


def text_of(space, mask, *statements):
    lines = "\n".join(f"    {line}" for line in (f"space {space}", *statements, f"mask {mask}"))
    return f"pattern p {{\n{lines}\n}}"


@cache
def compiled(space, mask, *statements):
    return maskc.loads(text_of(space, mask, *statements)).p


def means(space, mask, n_q, n_k, grid=None, segments=None):
    """The mask [n_q, n_k] of the independent interpreter."""
    tree = parse(source(text_of(space, mask), "spec.attn"))
    return Meaning(tree, "p", n_q, n_k, grid=grid, segments=segments or {}).mask()[0, 0]


def assert_is(pattern, mask, n_q, n_k, **arguments):
    """The pattern's dense mask is `mask`, and its tiles of several sizes are exact."""
    dense = pattern.dense_mask(n_q, n_k, **arguments)[0, 0].numpy()
    assert np.array_equal(dense, mask)
    for block in ((1, 1), (4, 8), (16, 16)):
        tiles = pattern.layout(n_q, n_k, block=block, **arguments).tiles()
        assert torch.equal(tiles, tiles_of(torch.as_tensor(mask), block)), f"tiles of {block}"


def assert_attends(pattern, n_q, n_k, **arguments):
    """Block-sparse attention in float64 is that of the dense back end."""
    q = torch.randn(1, 2, n_q, 8, dtype=torch.float64)
    k, v = torch.randn(2, 1, 2, n_k, 8, dtype=torch.float64).unbind(0)
    got = pattern(q, k, v, backend="torch", return_lse=True, **arguments)
    torch.testing.assert_close(got, pattern(q, k, v, backend="dense", return_lse=True, **arguments))


NEIGHBOURHOODS = {
    "near(y, 1) & near(x, 2)": 2,
    "neighborhood(y, 3) & neighborhood(x, 5)": 2,
    "neighborhood(y, 7, 2) & neighborhood(x, 4)": 2,
    "tile(y, 2) & tile(x, 3, 1)": 2,
    "tile_wrap(y, 2, 1) & tile_wrap(x, 3, 1)": 2,
    "tile_swin(y, 3, 1) & tile_swin(x, 4, 2)": 2,
    "halo(y, 2, 1) & halo(x, 3, 2)": 2,
    "disk(2)": 2,
    "near_wrap(y, 1) & near_wrap(x, 1)": 2,
    "residue(y, 2) & residue(x, 3)": 2,
    "same(y) | same(x) & causal": 2,
    "neighborhood(t, 3) & neighborhood(y, 3) & near(x, 1)": 3,
    "near(t, 1) & tile_swin(y, 2, 1) & tile_swin(x, 2, 1)": 3,
    "disk(1) | same(t) & q.y <= k.y": 3,
}
"""Masks and how many axes they speak of."""


@pytest.mark.parametrize("mask", [*list(NEIGHBOURHOODS)[::2], *slow(list(NEIGHBOURHOODS)[1::2])])
@settings(max_examples=share(2))
@given(data=st.data())
def test_masks_on_grids_are_what_they_mean_for_any_extents(mask, data):
    """Odd ones, ones smaller than the window, and queries that are the last rows of a cache."""
    axes = NEIGHBOURHOODS[mask]
    space = "grid(y, x)" if axes == 2 else "grid(t, y, x)"
    grid = tuple(data.draw(st.lists(st.integers(1, 7), min_size=axes, max_size=axes)))
    n_k = int(np.prod(grid))
    n_q = data.draw(st.sampled_from([n_k, max(n_k // 3, 1), 1]))
    wanted = means(space, mask, n_q, n_k, grid)
    assert_is(compiled(space, mask), wanted, n_q, n_k, grid=grid)


def test_a_neighbourhood_is_plain_numpy():
    """From the definition, without the interpreter."""
    y, x = (axis.ravel() for axis in np.mgrid[0:5, 0:9])
    wanted = (abs(y[:, None] - y) <= 1) & (abs(x[:, None] - x) <= 2)
    pattern = compiled("grid(y, x)", "near(y, 1) & near(x, 2)")
    assert_is(pattern, wanted, 45, 45, grid=(5, 9))
    assert_attends(pattern, 45, 45, grid=(5, 9))


TEXT_AND_IMAGE = (
    "(q in text & k in text & causal) | (q in image & k in text) | "
    "(q in image & k in image & near(y, 1) & near(x, 1))"
)


@given(st.integers(0, 9), st.integers(1, 5), st.integers(1, 6), st.booleans(), st.data())
def test_text_and_image_stand_in_either_order(n, y, x, text_first, data):
    """Segments of lengths and grids given at the call, decoded rows too."""
    parts = ["text(n)", "image: grid(y, x)"]
    space = " ++ ".join(parts if text_first else parts[::-1])
    n_k = n + y * x
    n_q = data.draw(st.integers(1, n_k))
    arguments = {"grid": (y, x), "segments": {"n" if n % 2 else "text": n}}
    wanted = means(space, TEXT_AND_IMAGE, n_q, n_k, (y, x), {"text": n})
    assert_is(compiled(space, TEXT_AND_IMAGE), wanted, n_q, n_k, **arguments)


def test_axes_of_one_name_in_two_segments_are_told_apart():
    space = "image: grid(y, x) ++ text(3) ++ depth: grid(y, x)"
    mask = (
        "(q in image & k in image & abs(q.image.y - k.image.y) <= 1) | q in text | "
        "(q in depth & k in image & q.depth.x * len(image.x) // len(depth.x) == k.image.x)"
    )
    pattern = compiled(space, mask)
    position = np.arange(29)
    image_y, image_x, depth_x = position // 4, position % 4, (position - 15) % 7
    image, depth = position < 12, position >= 15
    wanted = image[:, None] & image & (abs(image_y[:, None] - image_y) <= 1)
    wanted |= (~image & ~depth)[:, None]
    wanted |= depth[:, None] & image & (depth_x[:, None] * 4 // 7 == image_x)
    for grid in ((3, 4, 2, 7), {"image": (3, 4), "depth": (2, 7)}, {"image.y": 3, "depth.y": 2}):
        if "image.y" in grid:
            grid = {**grid, "image.x": 4, "depth.x": 7}
        assert_is(pattern, wanted, 29, 29, grid=grid)
    with pytest.raises(ValueError, match=re.escape("write `image.y` or `depth.y`")):
        pattern.dense_mask(29, grid={"y": 3, "image.x": 4, "depth.x": 7})


@pytest.mark.parametrize(("y", "x"), [(4, 6), (5, 3), (1, 1)])
def test_keys_of_half_the_resolution_follow_from_the_queries(y, x):
    space = "query: grid(y, x), key: grid(y = cdiv(len(query.y), 2), x = cdiv(len(query.x), 2))"
    mask = "q.y // 2 == k.y & abs(q.x // 2 - k.x) <= 1"
    n_q, width = y * x, -(-x // 2)
    n_k = -(-y // 2) * width
    q, k = np.arange(n_q)[:, None], np.arange(n_k)
    wanted = (q // x // 2 == k // width) & (abs(q % x // 2 - k % width) <= 1)
    pattern = compiled(space, mask)
    assert_is(pattern, wanted, n_q, n_k, grid=(y, x))
    assert_attends(pattern, n_q, n_k, grid=(y, x))


def test_two_grids_of_their_own_extents():
    pattern = compiled(
        "query: grid(y, x), key: grid(y, x)", "q.y * len(key.y) // len(query.y) == k.y"
    )
    wanted = np.arange(15)[:, None] // 5 * 2 // 3 == np.arange(8) // 4
    for grid in ((3, 5, 2, 4), {"query": (3, 5), "key": (2, 4)}):
        assert_is(pattern, wanted, 15, 8, grid=grid)


def test_an_axis_is_named_where_the_other_side_derives_its_own():
    space = "query: grid(y, x), key: grid(y = cdiv(len(query.y), 2), x = 2)"
    pattern = compiled(space, "q.y // 2 == k.y")
    wanted = np.arange(15)[:, None] // 5 // 2 == np.arange(4) // 2
    for grid in ({"y": 3, "x": 5}, {"query.y": 3, "query.x": 5}):
        assert_is(pattern, wanted, 15, 4, grid=grid)


def test_a_segment_on_both_sides_has_one_length():
    pattern = compiled("query: a, key: a ++ pool(m)", "k in pool | k in a & q.a == k.a")
    wanted = (np.arange(5)[:, None] == np.arange(8)) | (np.arange(8) >= 5)
    for segments in ({"a": 5, "m": 3}, {"a": 5, "pool": 3}, {"pool": 3}, None):
        assert_is(pattern, wanted, 5, 8, segments=segments)
    fixed = compiled("query: a(3), key: a(n) ++ pool(2)", "k in pool")
    with pytest.raises(ValueError, match="segment `a` has 3 tokens in q and 4 in k"):
        fixed.dense_mask(3, 6, segments={"n": 4})


def test_an_image_on_both_sides_is_given_once():
    space = "query: image: grid(y, x), key: image: grid(y, x) ++ pool(m)"
    pattern = compiled(space, "k in pool | k in image & q.y == k.y")
    q, k = np.arange(6)[:, None], np.arange(8)
    wanted = (k >= 6) | (q // 3 == k // 3)
    for grid in ((2, 3), (2, 3, 2, 3), {"image": (2, 3)}, {"y": 2, "x": 3}):
        assert_is(pattern, wanted, 6, 8, grid=grid)


@settings(max_examples=share(2))
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=5), st.data())
def test_packed_pictures_are_masked_one_by_one(items, data):
    n_k = sum(y * x for y, x in items)
    if n_k == 0:
        items, n_k = [(1, 1)], 1
    n_q = data.draw(st.integers(1, n_k))
    kind = data.draw(st.sampled_from([list, np.array, torch.tensor]))
    for mask in (
        "q.item == k.item & neighborhood(y, 3) & near(x, 1)",
        "q.item >= k.item & near_wrap(x, 1)",
    ):
        wanted = means("packed grid(y, x)", mask, n_q, n_k, items)
        assert_is(compiled("packed grid(y, x)", mask), wanted, n_q, n_k, grid=kind(items))


def test_a_packed_axis_may_be_fixed():
    pattern = compiled("packed grid(y, x = 4)", "q.item == k.item & same(x)")
    wanted = pattern.dense_mask(20, grid=[(2, 4), (3, 4)])
    assert torch.equal(pattern.dense_mask(20, grid=[(2,), (3,)]), wanted)
    with pytest.raises(ValueError, match=re.escape("grid[1, 1] is 5; the spec says 4")):
        pattern.dense_mask(23, grid=[(2, 4), (3, 5)])


def test_layouts_are_kept_by_their_extents():
    flat = compiled("grid(y, x)", "same(y)")
    packed = compiled("packed grid(y, x)", "q.item == k.item & same(y)")
    for pattern, grids in ((flat, [(2, 6), (6, 2)]), (packed, [[(2, 6)], [(6, 2)]])):
        tall, wide = (pattern.layout(12, grid=grid, block=4) for grid in grids)
        assert not torch.equal(tall.tiles(), wide.tiles())
        assert pattern.layout(12, grid=grids[1], block=4) is wide


def test_an_input_over_the_axes_of_a_grid_has_their_extents():
    pattern = maskc.loads(
        "pattern p {\n    space grid(y, x)\n    input seen: bool[len(y), len(x)]\n"
        "    mask seen[k.y, k.x]\n}"
    ).p
    seen = torch.tensor([[True, False, True], [False, True, True]])
    assert torch.equal(pattern.dense_mask(6, grid=(2, 3), seen=seen)[0, 0, 0], seen.flatten())
    with pytest.raises(ValueError, match=re.escape("seen has 3 entries on axis 0")):
        pattern.dense_mask(6, grid=(2, 3), seen=seen.t())


def test_what_follows_from_the_length_may_be_left_out():
    image = compiled("text(2) ++ image: grid(y, x)", "q in image & k in image & q.y == k.y")
    wanted = image.dense_mask(14, grid=(3, 4))
    for grid in ({"y": 3}, {"x": 4}):
        assert torch.equal(image.dense_mask(14, grid=grid), wanted)
    fixed = compiled("grid(y = 3, x)", "same(y)")
    assert torch.equal(fixed.dense_mask(12), fixed.dense_mask(12, grid=(4,)))


WRONG = [
    ("grid(y, x)", (4, 5), None, "grid 4 x 5 has 20 tokens; k has 21"),
    ("grid(y, x)", {"y": 4, "x": 5}, None, "grid 4 x 5 has 20 tokens; k has 21"),
    ("text(2) ++ image: grid(y, x)", (4, 5), None, "text 2 + image 4 x 5 has 22 tokens; k has 21"),
    ("packed grid(y, x)", [(4, 5)], None, "the 1 items of grid have 20 tokens; k has 21"),
    ("grid(y, x)", None, None, "grid is missing: the 21 tokens of k alone do not say the length"),
    ("grid(y, x)", {"y": 4}, None, "grid lacks `x`: the 21 tokens of k alone do not say"),
    ("grid(y, x)", (4,), None, "grid has 1 entries; wanted 2: y, x"),
    ("grid(y, x)", (3, 7, 1), None, "grid has 3 entries; wanted 2: y, x"),
    ("grid(y, x)", {"y": 3, "z": 7}, None, "grid has no `z`; wanted y, x"),
    ("grid(y = 3, x)", {"y": 4, "x": 7}, None, "grid['y'] is 4; the spec says 3"),
    ("grid(y, x)", (3, -7), None, "grid[1] is -7; wanted at least 0"),
    ("grid(y, x)", (3.0, 7), None, "grid[0] is 3.0 (float); wanted an int"),
    ("grid(y, x)", (True, 21), None, "grid[0] is True (bool); wanted an int"),
    ("grid(y, x)", "37", None, "grid is '37' (str); wanted a dict or a sequence of ints"),
    ("grid(y, x)", 21, None, "grid is 21 (int); wanted a dict or a sequence of ints"),
    ("grid(y, x)", (3, 7), {"text": 1}, "segments is given, but p has no segments"),
    ("text(n) ++ more(21)", (3, 7), None, "grid is given, but p has no grid"),
    ("text(n) ++ more(m)", None, {"n": 3, "text": 4}, "its length is also given as 3"),
    ("text(n) ++ more(m)", None, {"text": 3, "more": 4}, "text 3 + more 4 has 7 tokens; k has 21"),
    ("text(n) ++ more(m)", None, {}, "segments lacks `text`: the 21 tokens of k alone"),
    ("text(n) ++ more(m)", None, {"image": 3}, "segments has no `image`; wanted text, more"),
    ("text(n) ++ more(m)", None, [3, 4], "segments is [3, 4] (list); wanted a dict of lengths"),
    ("text(n) ++ more(4)", None, {"more": 5}, "segments['more'] is 5; the spec says 4"),
    ("query: grid(y, x), key: grid(y = 3, x)", (3, 6, 7), None, "grid 3 x 6 has 18 tokens; q has"),
    ("query: a, key: grid(y = len(query.a) - 30, x)", (1,), None, "makes `y` -9; wanted at least"),
    ("packed grid(y, x)", None, None, "grid is missing: wanted ints [items, 2]: y, x of each item"),
    ("packed grid(y, x)", (3, 7), None, "grid has shape [2]; wanted ints [items, 2]"),
    ("packed grid(y, x)", [(3, 7.0)], None, "grid has dtype torch.float32; wanted ints [items, 2]"),
    ("packed grid(y, x)", [(3, 7), (-1, 0)], None, "grid[1, 0] is -1; wanted at least 0"),
    ("packed grid(y, x)", [(3, 7), (1,)], None, "wanted ints [items, 2]: y, x of each item"),
    ("packed grid(y, x)", [(2**40, 2**40)], None, "have 1208925819614629174706176 tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("space", "grid", "segments", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_extents_are_told(space, grid, segments, message):
    pattern = compiled(space, "everything")
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        pattern.dense_mask(21, grid=grid, segments=segments)


def test_an_axis_may_not_have_the_name_of_a_list():
    spec = "pattern p(y: int[] = [1]) {\n    space grid(t, y, x)\n    mask q.y in y\n}"
    with pytest.raises(maskc.MaskcError, match="axis `y` has the name of a list"):
        maskc.loads(spec)
