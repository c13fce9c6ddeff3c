"""Rectangles said to go on down the queries do: each pair is kept where its moved one is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import ir
from maskc.bounds.shifted import SHIFT, repeats
from maskc.ir import Const, Node, Op, Var
from subjects import many

from .expressions import LENGTH, Place, bools, places

Q, K = Var("q"), Var("k")


def op(name: str, *args: Node | int) -> Op:
    return Op(name, tuple(Const(a) if isinstance(a, int) else a for a in args))


def row(x: Node, width: int = 5) -> Op:
    return op("floordiv", x, width)


def column(x: Node, width: int = 5) -> Op:
    return op("mod", x, width)


def near(a: Node, b: Node, reach: int) -> Op:
    return op("le", op("abs", op("sub", a, b)), reach)


def clamped(x: Node, last: int) -> Op:
    return op("min", op("max", op("sub", x, 2), 0), last)


BAND = op("and", op("le", 0, op("sub", Q, K)), op("lt", op("sub", Q, K), 4))
PLANE = op("and", near(row(Q), row(K), 1), near(column(Q), column(K), 2))
CLAMPED = op(
    "and", op("le", clamped(row(Q), 8), row(K)), op("lt", row(K), op("add", clamped(row(Q), 8), 5))
)
TILES = op("eq", op("floordiv", op("mod", op("sub", row(Q), 1), 12), 2), op("floordiv", row(K), 2))
SEGMENT = op("select", op("lt", K, 3), op("lt", Q, 30), op("and", PLANE, op("le", 3, Q)))
REPEATING = {"band": BAND, "plane": PLANE, "clamped": CLAMPED, "tiles": TILES, "segment": SEGMENT}


def check(mask: Node, place: Place, corners: tuple[int, ...], by: int) -> tuple[bool, bool]:
    """Whether pairs are told to be kept as those further along the diagonal, and further down."""
    found = repeats(mask)
    if found is None:
        return False, False
    q0, q1, k0, k1 = corners
    ends = {"q0": q0, "q1": q1, "k0": k0, "k1": k1, SHIFT.name: by}
    told = []
    for same, of_key in ((found.same, by), (found.still, 0)):
        told.append(same is not None and bool(place.read(same, **ends)))
        for q in range(q0, q1 - by + 1) if told[-1] else ():
            for k in range(k0, k1 - of_key + 1):
                assert place.read(mask, q=q, k=k) == place.read(mask, q=q + by, k=k + of_key)
    return told[0], told[1]


@st.composite
def moved_rectangles(draw, last: int):
    """Corners, and a distance that leaves some pairs of the rectangle inside it."""
    by = draw(st.integers(1, 10))
    ends = []
    for _ in range(2):
        low = draw(st.integers(0, max(last - by - 1, 0)))
        ends += [low, draw(st.integers(low + by, low + by + 6))]
    return tuple(ends), by


@settings(max_examples=many(10))
@given(bools(3), places(), st.data())
def test_pairs_of_any_mask_are_kept_as_their_moved_ones(mask, place, data):
    for _ in range(3):
        corners, by = data.draw(moved_rectangles(LENGTH))
        check(mask, place, corners, by)


@pytest.mark.parametrize("name", REPEATING)
@settings(max_examples=many(2))
@given(st.data())
def test_pairs_of_grids_are_kept_as_their_moved_ones(name, data):
    corners, by = data.draw(moved_rectangles(60))
    by = by * data.draw(st.sampled_from([1, 5]))
    corners = (corners[0], corners[1] + by, corners[2], corners[3] + by)
    check(REPEATING[name], Place({}, {}, 0), corners, by)


@pytest.mark.parametrize("name", REPEATING)
def test_the_middle_of_a_repeating_mask_is_told(name):
    along, _ = check(REPEATING[name], Place({}, {}, 0), (20, 39, 20, 39), 10)
    assert along


def test_rows_of_one_window_are_told_to_keep_the_same():
    _, down = check(TILES, Place({}, {}, 0), (25, 34, 0, 59), 5)
    assert down
    band = repeats(BAND)
    assert band is not None and band.still is None


def test_units_of_a_grid_are_its_rows_and_their_groups():
    found = repeats(TILES)
    assert found is not None
    assert {5, 10} <= {unit.value for unit in found.units if isinstance(unit, Const)}


@pytest.mark.parametrize(
    "mask",
    [
        op("eq", ir.Load("doc", (Q,)), ir.Load("doc", (K,))),
        op("eq", op("mod", op("hash", 7, Q, K), 3), 0),
    ],
)
def test_what_never_repeats_is_not_asked(mask):
    assert repeats(mask) is None
