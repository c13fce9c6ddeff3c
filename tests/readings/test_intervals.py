"""What the interval reading says of every int part: its ends, and what it takes of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskc import ir, points
from maskc.bounds.ends import Interval
from maskc.bounds.rectangle import Rectangles
from maskc.bounds.system import WHOLE
from maskc.ir import Const, Fold, Node, Op, Var
from subjects import many

from .expressions import Place, ints, places, rectangles

Q, K = Var("q"), Var("k")
HERE = Place({}, {}, 0)
FAR = Op("abs", (Op("sub", (Op("floordiv", (Q, Const(4))), Op("floordiv", (K, Const(4))))),))
KNOWN = {"w": (1, None), "rate": (0, None)}
LENGTH_OF_BITS = Op("add", (Op("log2", (FAR,)), Const(1)))
COUNT = Fold("count", "i", Const(0), K, Op("lt", (Var("i"), Q)))
"""Never below 0, and nobody knows where it ends."""

Pair = tuple[int, int]


def check(node: Node, place: Place, corners: tuple[int, int, int, int]) -> None:
    reader = Rectangles(KNOWN).reader(WHOLE)
    reader(node)
    for part, found in reader.known.items():
        if ir.type_of(part) is ir.INT and not any(
            name.startswith("loop:") or name in ("i", "j") for name in reader.names(part)
        ):
            hold(found, values(part, place, corners), place, corners)


def values(node: Node, place: Place, corners: tuple[int, int, int, int]) -> dict[Pair, int]:
    """The value at every pair of a rectangle."""
    q0, q1, k0, k1 = corners
    pairs = itertools.product(range(q0, q1 + 1), range(k0, k1 + 1))
    return {(q, k): place.read(node, q=q, k=k) for q, k in pairs}


def hold(
    found: Interval, taken: dict[Pair, int], place: Place, corners: tuple[int, int, int, int]
) -> None:
    """What is told of a node is true of its values."""
    ends = dict(zip(("q0", "q1", "k0", "k1"), corners, strict=True))
    low, high, takes_ends, filled, value = (
        None if x is None else place.read(x, **ends)
        for x in (found.low, found.high, found.ends, found.filled, found.value)
    )
    least, most = min(taken.values()), max(taken.values())
    assert low is None or low <= least
    assert high is None or high >= most
    assert found.least is None or found.least <= least
    if takes_ends and low is not None and high is not None:
        assert (low, high) == (least, most)
        assert value is None or set(taken.values()) == {value}
        assert not filled or set(taken.values()) == set(range(low, high + 1))
    for way, sign in ((found.rising, 1), (found.falling, -1)):
        for (q, k), here in taken.items():
            for name, after in (("q", (q + 1, k)), ("k", (q, k + 1))):
                assert name not in way or sign * (taken.get(after, here) - here) >= 0


@settings(max_examples=many(10))
@given(ints(3), places(), st.data())
@example(Op("shr", (Const(64), LENGTH_OF_BITS)), HERE, None)
@example(Op("shr", (Op("sub", (K, Q)), Op("sub", (Q, Const(2))))), HERE, None)
@example(Op("bit_and", (Op("sub", (K, Const(9))), Const(3))), HERE, None)
@example(Op("bit_and", (Const(1), Op("shr", (Q, Const(2))))), HERE, None)
@example(Op("bit_and", (Op("sub", (Q, K)), Const(6))), HERE, None)
@example(Op("floordiv", (Op("mul", (Q, Const(5))), Op("sub", (K, Const(3))))), HERE, None)
@example(Op("mod", (Q, Op("sub", (Op("floordiv", (K, Const(4))), Const(1))))), HERE, None)
@example(Op("add", (Op("floordiv", (Q, Const(4))), Op("mod", (Q, Const(4))))), HERE, None)
@example(Op("mod", (FAR, Op("floordiv", (Const(8), Op("add", (FAR, Const(1))))))), HERE, None)
def test_intervals_hold_every_value_and_take_what_they_say(
    node: Node, place: Place, data: st.DataObject | None
) -> None:
    if data is None:
        for corners in ((0, 6, 0, 6), (8, 11, 0, 3), (0, 1, 9, 12), (5, 5, 2, 9)):
            check(node, place, corners)
        return
    for _ in range(3):
        check(node, place, data.draw(rectangles(place)))


def shifted(node: Node, by: int, factor: int = 1) -> Node:
    return Op("add", (Op("mul", (node, Const(factor))), Const(by)))


OPERANDS: tuple[Node, ...] = (
    *(Const(-7), Const(0), Const(3), Const(20)),
    *(K, shifted(K, 0), shifted(K, 1), shifted(K, -3), shifted(K, -1, -1), shifted(K, 0, 20)),
    *(shifted(Q, -4), Op("floordiv", (Q, Const(2))), COUNT, Op("neg", (COUNT,))),
)
"""Of either sign, of one sign, of a sign that changes in a rectangle; on one position or both."""

RECTANGLES = ((0, 3, 0, 3), (3, 6, 2, 4), (5, 5, 3, 3), (2, 5, 6, 6))


@pytest.mark.parametrize("name", ["floordiv", "mod", "shr", "bit_and", "bit_or"])
def test_operations_hold_the_values_of_all_pairs_of_operands(name: str) -> None:
    reader = Rectangles({}).reader(WHOLE)
    for corners in RECTANGLES:
        of = {x: values(x, HERE, corners) for x in OPERANDS}
        for a, b in itertools.product(OPERANDS, OPERANDS):
            found = reader(Op(name, (a, b)))
            taken = {at: points.apply(name, [of[a][at], of[b][at]]) for at in of[a]}
            hold(found, taken, HERE, corners)


def test_what_falls_with_the_distance_of_two_rows_is_taken_at_its_ends() -> None:
    reader = Rectangles({}).reader(WHOLE)
    found = reader(Op("shr", (Const(64), LENGTH_OF_BITS)))
    for ends, wanted in (((0, 3, 8, 11), (16, 16)), ((0, 7, 16, 19), (8, 16))):
        corners = dict(zip(("q0", "q1", "k0", "k1"), ends, strict=True))
        assert HERE.read(found.ends, **corners) is True
        assert tuple(HERE.read(x, **corners) for x in (found.low, found.high)) == wanted
