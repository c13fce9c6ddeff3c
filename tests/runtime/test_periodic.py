"""Rectangles said to repeat do: each whole tile in them holds the same mask."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc import ir, points
from maskc.bounds.periodic import repetition
from maskc.codegen.runtime.subdivide import build_layout
from maskc.ir import Const, Op, Param, Var
from subjects import many, tiles_of

Q, K, D = Var("q"), Var("k"), Op("sub", (Var("q"), Var("k")))
CAUSAL = Op("le", (K, Q))


def mod(x, n):
    """X % n."""
    return Op("mod", (x, Const(n) if isinstance(n, int) else n))


FIXED = Op(
    "and",
    (
        CAUSAL,
        Op(
            "or",
            (
                Op("eq", (Op("floordiv", (Q, Const(4))), Op("floordiv", (K, Const(4))))),
                Op("le", (Const(3), mod(K, 4))),
            ),
        ),
    ),
)
DILATED = Op(
    "and",
    (
        Op("lt", (Op("abs", (D,)), Const(24))),
        Op("eq", (mod(Op("add", (D, Var("head"))), 3), Const(0))),
        Op("ne", (mod(Op("mul", (Q, Const(5))), 2), mod(K, 2))),
    ),
)
PARAMETER = Op("or", (CAUSAL, Op("eq", (mod(D, Param("n")), Const(1)))))


@settings(max_examples=many(4))
@given(
    st.sampled_from([(FIXED, 4), (DILATED, 6), (PARAMETER, 5)]),
    st.tuples(st.integers(-3, 6), st.integers(0, 6), st.integers(1, 3), st.integers(1, 3)),
    st.integers(0, 2),
)
def test_tiles_of_a_uniform_rectangle_hold_the_same_mask(mask_size, place, head):
    """Tiles are multiples of the period in size, and lie anywhere."""
    mask, size = mask_size
    values = {"n": 5, "head": head}
    found = repetition(mask)
    assert found is not None
    assert math.lcm(*(points.evaluate(m, values) for m in found.moduli)) == size
    r, col, h, w = place
    q0, k0 = r * size, col * size
    corners = {"q0": q0, "q1": q0 + h * size - 1, "k0": k0, "k1": k0 + w * size - 1}
    if not points.evaluate(found.uniform, {**values, **corners}):
        return
    tiles = {
        tuple(
            points.evaluate(mask, {**values, "q": q0 + i * size + a, "k": k0 + j * size + b})
            for a in range(size)
            for b in range(size)
        )
        for i in range(h)
        for j in range(w)
    }
    assert len(tiles) == 1


def test_rectangles_away_from_other_borders_are_uniform():
    """Below the diagonal and outside the query's own block."""
    found = repetition(FIXED)
    assert found is not None
    for corners, wanted in (((40, 47, 0, 31), True), ((0, 7, 0, 7), False), ((0, 7, 8, 15), True)):
        values = dict(zip(("q0", "q1", "k0", "k1"), corners, strict=True))
        assert points.evaluate(found.uniform, values) is wanted


@pytest.mark.parametrize("period", [10, 128])
def test_a_period_no_longer_than_a_tile_tells_most_tiles_together(period):
    """Each tile holds every residue, whether or not the period divides it."""
    pattern = maskc.loads("pattern p(n: int >= 1) = q == k | causal & columns(n)").p
    n_read = 0

    def counted(q0, *rest):
        nonlocal n_read
        n_read += q0.numel()
        return pattern.spec.bounds(q0, *rest)

    spec = replace(pattern.spec, bounds=counted, outline=None)
    layout = build_layout(spec, pattern.bind(1 << 18, n=period), (128, 128))
    assert layout.partial_tiles == 2048 * 2049 // 2
    assert n_read < layout.partial_tiles // 10
    few = pattern.layout(1000, n=period, block=(128, 128))
    assert few.kept_pairs == int(pattern.dense_mask(1000, n=period).sum())


@pytest.mark.parametrize(
    "mask",
    [
        CAUSAL,
        Op("eq", (mod(D, Var("head")), Const(0))),
        Op("eq", (mod(Op("mul", (Q, K)), 4), Const(0))),
        Op("eq", (mod(Op("floordiv", (K, Const(2))), 4), Const(0))),
        Op("eq", (mod(ir.Load("doc", (K,)), 4), Const(0))),
    ],
)
def test_what_does_not_repeat_is_not_said_to(mask):
    """Moduli have one value for a call; what is inside is a sum of positions."""
    assert repetition(mask) is None


RESIDUES = (
    *("q % 8 == 7", "k % 8 == 7", "q % 8 < 3 & k % 4 == 1", "q % 16 > 10 | k % 16 > 12"),
    *("causal & (q - k) % 8 == 0", "(q + k) % 8 == 3"),
)


@pytest.mark.parametrize("mask", RESIDUES)
def test_the_last_tiles_of_a_mask_that_repeats_are_read_where_they_are_short(mask, monkeypatch):
    """Few tiles are read one by one; here rectangles of few are halved as those of many."""
    pattern = maskc.loads(f"pattern p = {mask}").p
    assert pattern.spec.uniform is not None
    monkeypatch.setitem(vars(sys.modules[type(pattern).__module__]), "CHEAP", 0)
    pattern.layouts.clear()
    for n_q, n_k in ((243, 229), (115, 256), (128, 229), (259, 200)):
        kept = pattern.dense_mask(n_q, n_k)[0, 0]
        layout = pattern.layout(n_q, n_k, block=(16, 32))
        assert torch.equal(layout.tiles(), tiles_of(kept, (16, 32)))
        assert layout.kept_pairs == int(kept.sum())
