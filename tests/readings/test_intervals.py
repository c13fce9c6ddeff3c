"""What the interval reading says of every int part: its ends, and what it takes of them."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from maskc import ir
from maskc.bounds.rectangle import Rectangles
from maskc.bounds.system import WHOLE
from maskc.ir import Const, Node, Op, Var
from subjects import many

from .expressions import Place, ints, places, rectangles

Q, K = Var("q"), Var("k")
HERE = Place({}, {}, 0)
FAR = Op("abs", (Op("sub", (Op("floordiv", (Q, Const(4))), Op("floordiv", (K, Const(4))))),))
KNOWN = {"w": (1, None), "rate": (0, None)}
LENGTH_OF_BITS = Op("add", (Op("log2", (FAR,)), Const(1)))


def check(node: Node, place: Place, corners: tuple[int, int, int, int]) -> None:
    q0, q1, k0, k1 = corners
    ends = {"q0": q0, "q1": q1, "k0": k0, "k1": k1}
    reader = Rectangles(KNOWN).reader(WHOLE)
    reader(node)
    for part, found in reader.known.items():
        if ir.type_of(part) is not ir.INT or any(
            name.startswith("loop:") or name in ("i", "j") for name in reader.names(part)
        ):
            continue
        values = {place.read(part, q=q, k=k) for q in range(q0, q1 + 1) for k in range(k0, k1 + 1)}
        low, high, taken, filled, value = (
            None if x is None else place.read(x, **ends)
            for x in (found.low, found.high, found.ends, found.filled, found.value)
        )
        assert low is None or low <= min(values)
        assert high is None or high >= max(values)
        assert found.least is None or found.least <= min(values)
        if taken and low is not None and high is not None:
            assert (low, high) == (min(values), max(values))
            assert value is None or values == {value}
            if filled:
                assert values == set(range(low, high + 1))
        for way, sign in ((found.rising, 1), (found.falling, -1)):
            for q in range(q0, q1 + 1):
                for k in range(k0, k1 + 1):
                    here = place.read(part, q=q, k=k)
                    if "q" in way and q < q1:
                        assert sign * (place.read(part, q=q + 1, k=k) - here) >= 0
                    if "k" in way and k < k1:
                        assert sign * (place.read(part, q=q, k=k + 1) - here) >= 0


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


def test_what_falls_with_the_distance_of_two_rows_is_taken_at_its_ends() -> None:
    reader = Rectangles({}).reader(WHOLE)
    found = reader(Op("shr", (Const(64), LENGTH_OF_BITS)))
    for ends, wanted in (((0, 3, 8, 11), (16, 16)), ((0, 7, 16, 19), (8, 16))):
        corners = dict(zip(("q0", "q1", "k0", "k1"), ends, strict=True))
        assert HERE.read(found.ends, **corners) is True
        assert tuple(HERE.read(x, **corners) for x in (found.low, found.high)) == wanted
