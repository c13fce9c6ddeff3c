"""The rectangle reading is sound for every mask, and exact where it says so."""

from __future__ import annotations

import sys
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import ir
from maskc.bounds import Reading, bounds
from maskc.ir import Const, Fold, Load, Node, Op, Param, Var
from subjects import many, share

from .expressions import LENGTH, Place, bools, places, rectangles

Q, K = Var("q"), Var("k")
D = Op("sub", (Q, K))
W = Param("w")


def op(name: str, *args: Node | int) -> Op:
    return Op(name, tuple(Const(a) if isinstance(a, int) else a for a in args))


CAUSAL = op("le", K, Q)
RECENT = op("and", op("le", 0, D), op("lt", D, W))
SINK = op("lt", K, Param("rate"))
DOCUMENT = op("eq", Load("doc", (Var("batch"), Q)), Load("doc", (Var("batch"), K)))
BLOCKS = op("eq", op("floordiv", Q, W), op("floordiv", K, W))
DILATED = op("and", op("lt", op("abs", D), op("mul", W, 2)), op("eq", op("mod", D, W), 0))
COLUMNS = op("eq", op("mod", K, W), op("sub", W, 1))
POWERS = op("or", op("eq", D, 0), op("is_pow2", D))

EXACT = {
    "causal": CAUSAL,
    "recent": RECENT,
    "causal & (sink | recent)": op("and", CAUSAL, op("or", SINK, RECENT)),
    "window both ways": op("and", op("le", -2, D), op("le", D, W)),
    "abs window": op("lt", op("abs", D), W),
    "outside a window": op("not", op("lt", op("abs", D), W)),
    "global": op("or", op("lt", Q, 2), op("lt", K, 2)),
    "prefix": op("or", CAUSAL, op("lt", K, W)),
    "blocks": BLOCKS,
    "causal blocks": op("le", op("floordiv", K, W), op("floordiv", Q, W)),
    "dilated": DILATED,
    "causal & strided": op("and", CAUSAL, op("eq", op("mod", D, W), 0)),
    "causal & columns": op("and", CAUSAL, COLUMNS),
    "columns of a block's end": op("and", CAUSAL, op("le", op("sub", W, 2), op("mod", K, W))),
    "powers": POWERS,
    "causal & powers & sink": op("and", CAUSAL, op("and", POWERS, SINK)),
    "bits of d": op("eq", op("popcount", op("bit_and", D, 6)), 1),
    "hash of a key": op("eq", op("mod", op("hash", 7, K), 3), 0),
    "strided": op("or", RECENT, op("and", CAUSAL, op("eq", op("mod", D, W), 0))),
    "per head": op("select", op("lt", Var("head"), 2), CAUSAL, RECENT),
    "a set of distances": op("or", op("eq", D, 0), op("eq", D, 2), op("eq", D, 5)),
    "two ranges": op("and", op("ne", D, 2), op("ne", K, 3)),
    "flags": Load("flags", (K,), ir.BOOL),
    "flags & causal": op("and", CAUSAL, Load("flags", (K,), ir.BOOL)),
    "any of few": Fold("any", "i", Const(0), Const(3), op("eq", D, op("mul", Var("i"), 4))),
    "everything": Const(True),
    "nothing": Const(False),
}


def check(reading: Reading, mask: Node, place: Place, corners: tuple[int, int, int, int]) -> None:
    q0, q1, k0, k1 = corners
    kept = [place.read(mask, q=q, k=k) for q in range(q0, q1 + 1) for k in range(k0, k1 + 1)]
    ends = {"q0": q0, "q1": q1, "k0": k0, "k1": k1}
    every, some, hit, miss = (
        place.read(node, **ends)
        for node in (reading.every, reading.some, reading.hit, reading.miss)
    )
    assert not every or all(kept)
    assert some or not any(kept)
    assert not hit or any(kept)
    assert not miss or not all(kept)
    assert hit or miss or not reading.exact
    if reading.exact:
        assert (every, some, hit, miss) == (all(kept), any(kept), any(kept), not all(kept))


@settings(max_examples=many(14))
@given(bools(3), places(), st.data())
def test_rectangle_reading_is_sound(mask: Node, place: Place, data: st.DataObject) -> None:
    reading = bounds(mask)
    for _ in range(4):
        check(reading, mask, place, data.draw(rectangles(place)))


KNOWN = {"w": (1, None), "rate": (0, None)}


@pytest.mark.parametrize("name", EXACT)
def test_rectangle_reading_is_exact_for(name: str) -> None:
    assert bounds(EXACT[name], KNOWN).exact


@pytest.mark.parametrize("name", [*EXACT, "document", "causal & document"])
@settings(max_examples=share(2))
@given(place=places(), data=st.data(), w=st.integers(1, 7), rate=st.integers(0, 4))
def test_rectangle_reading_tells_the_truth_of(
    name: str, place: Place, data: st.DataObject, w: int, rate: int
) -> None:
    masks = {**EXACT, "document": DOCUMENT, "causal & document": op("and", CAUSAL, DOCUMENT)}
    place.values.update(w=w, rate=rate)
    reading = bounds(masks[name], KNOWN)
    for _ in range(3):
        check(reading, masks[name], place, data.draw(rectangles(place)))


def test_reading_of_single_pairs_decides_documents() -> None:
    reading = bounds(DOCUMENT)
    tensors = {"doc": [[i // 3 for i in range(LENGTH)]]}
    place = Place({"batch": 0}, tensors, 0)
    for q in range(LENGTH):
        for k in range(LENGTH):
            ends = {"q0": q, "q1": q, "k0": k, "k1": k}
            kept = q // 3 == k // 3
            assert place.read(reading.every, **ends) == place.read(reading.hit, **ends) == kept


def test_many_disjuncts_are_read_in_linear_time() -> None:
    parts = [op("and", op("le", Q, i), op("lt", i, op("add", K, i % 7))) for i in range(400)]
    reading = bounds(Op("or", tuple(parts)))
    nodes = list(ir.postorder(reading.every, reading.some, reading.hit, reading.miss))
    assert len(nodes) < 12_500


def test_deep_conditions_are_read_without_recursion() -> None:
    mask: Node = CAUSAL
    for i in range(300):
        mask = op("or" if i % 2 else "and", mask, op("lt", K, op("add", Q, i)))
    limit, here = sys.getrecursionlimit(), sum(1 for _ in traceback.walk_stack(None))
    sys.setrecursionlimit(here + 150)
    try:
        reading = bounds(mask)
    finally:
        sys.setrecursionlimit(limit)
    place = Place({}, {}, 0)
    assert place.read(reading.some, q0=0, q1=3, k0=0, k1=3) is True


@settings(max_examples=many(5))
@given(st.data())
def test_bounded_sums_of_both_sides_that_are_compared_are_exact_inside_rows(data):
    def end(x: Node) -> Op:
        return op("add", op("floordiv", x, 10), op("mod", x, 10))

    low, high = data.draw(st.integers(0, 6)), data.draw(st.integers(4, 12))
    inside = [op("and", op("le", low, end(x)), op("lt", end(x), high)) for x in (Q, K)]
    mask = op("and", *inside, op("eq", end(Q), end(K)))
    rows = st.tuples(st.integers(0, 3), st.tuples(*[st.integers(0, 9)] * 2))
    (q0, q1), (k0, k1) = (
        [10 * row + x for x in sorted(ends)] for row, ends in (data.draw(rows), data.draw(rows))
    )
    place = Place({}, {}, 0)
    kept = [place.read(mask, q=q, k=k) for q in range(q0, q1 + 1) for k in range(k0, k1 + 1)]
    reading = bounds(mask)
    corners = {"q0": q0, "q1": q1, "k0": k0, "k1": k1}
    assert place.read(reading.some, **corners) == place.read(reading.hit, **corners) == any(kept)
    assert not place.read(reading.every, **corners) or all(kept)


FEW_BITS = op("le", op("popcount", K), 0)
SHIFTED = op("add", op("floordiv", Q, 4), op("mod", Q, 8))
NARROWED = {
    "values left that none takes": op(
        "and", FEW_BITS, op("eq", op("popcount", Q), op("popcount", K))
    ),
    "another condition on the same position": op(
        "and", op("eq", op("floordiv", Q, 4), 1), op("eq", SHIFTED, K)
    ),
    "a form with gaps": op(
        "and",
        *(op("le", op("floordiv", op("mul", x, x), 2), 5) for x in (Q, K)),
        op("ne", *(op("floordiv", op("mul", x, x), 2) for x in (Q, K))),
    ),
}


@pytest.mark.parametrize("name", NARROWED)
def test_what_is_proved_of_values_left_by_a_range_holds(name):
    mask, place = NARROWED[name], Place({}, {}, 0)
    reading, n = bounds(mask), 9
    ranges = [(a, b) for a in range(n) for b in range(a, n)]
    grid = [[place.read(mask, q=q, k=k) for k in range(n)] for q in range(n)]
    for q0, q1 in ranges:
        for k0, k1 in ranges:
            kept = [x for row in grid[q0 : q1 + 1] for x in row[k0 : k1 + 1]]
            corners = {"q0": q0, "q1": q1, "k0": k0, "k1": k1}
            assert any(kept) or not place.read(reading.hit, **corners), corners
            assert not all(kept) or not place.read(reading.miss, **corners), corners
            assert place.read(reading.some, **corners) or not any(kept), corners
            assert all(kept) or not place.read(reading.every, **corners), corners
