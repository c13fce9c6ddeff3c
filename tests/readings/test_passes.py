"""Every pass keeps the points reading and leaves what it states."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import ir
from maskc.analysis import analyse, depends_on
from maskc.codegen.render_attn import node_text
from maskc.ir import Const, Fold, Load, Node, Param, Var
from maskc.passes import PASSES
from maskc.passes.bind import bind
from maskc.passes.linear import MOST_TERMS, linear, normalise
from maskc.passes.merge import merge
from maskc.passes.simplify import simplify
from maskc.passes.slope import S, slope
from maskc.points import evaluate
from subjects import many

from .expressions import LENGTH, Place, bools, ints, places
from .test_rectangles import CAUSAL, DILATED, DOCUMENT, RECENT, D, K, Q, W, op

X, Y = Param("x", ir.BOOL), Param("y", ir.BOOL)
U, V = (Load(name, (), ir.FLOAT) for name in "uv")

BY_NAME = {each.name: each for each in PASSES}


@pytest.mark.parametrize("name", BY_NAME)
@settings(max_examples=many(4))
@given(node=st.one_of(bools(3), ints(3)), place=places(), data=st.data())
def test_pass_keeps_the_value(name: str, node: Node, place: Place, data: st.DataObject) -> None:
    after = BY_NAME[name].apply(node)
    assert BY_NAME[name].leaves(after)
    assert ir.type_of(after) is ir.type_of(node)
    for _ in range(5):
        at = {
            "q": data.draw(st.integers(place.q_start, LENGTH - 1)),
            "k": data.draw(st.integers(0, LENGTH - 1)),
        }
        if place.fits(node, **at):
            before = place.read(node, **at)
            assert place.read(after, **at) == before
            assert type(place.read(after, **at)) is type(before)


def chain(n: int) -> Node:
    node: Node = CAUSAL
    for i in range(n):
        node = op("and" if i % 2 else "or", node, op("lt", op("add", Q, i), op("sub", K, i)))
    return node


@pytest.mark.parametrize("name", BY_NAME)
def test_pass_takes_deep_and_large_nodes_without_recursion(name: str) -> None:
    deep = chain(1500)
    start = time.process_time()
    BY_NAME[name].apply(deep)
    assert time.process_time() - start < 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (op("sub", op("sub", op("add", Q, 3), K), 1), "q - k + 2"),
        (op("add", op("mul", Q, 2), op("neg", op("mul", K, 2))), "(q - k) * 2"),
        (op("sub", op("sub", Q, K), op("sub", Q, K)), "0"),
        (op("add", op("sub", K, Q), op("add", Q, W)), "k + w"),
    ],
)
def test_sums_are_written_in_one_way(before: Node, after: str) -> None:
    assert node_text(normalise(before)[0]) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (op("and", op("and", CAUSAL, CAUSAL), Const(True)), "k <= q"),
        (op("not", op("not", CAUSAL)), "k <= q"),
        (op("not", CAUSAL), "q < k"),
        (op("and", CAUSAL, op("not", op("eq", Q, Q))), "false"),
        (op("or", CAUSAL, op("and", CAUSAL, RECENT)), "k <= q"),
        (op("select", Const(True), CAUSAL, RECENT), "k <= q"),
        (op("select", DILATED, CAUSAL, CAUSAL), "k <= q"),
        (op("and", op("or", X, Y), op("or", Y, X)), "(x | y) & (y | x)"),
        (Fold("count", "i", Const(0), W, Const(False)), "0"),
        (op("floordiv", Q, 0), "0"),
        (op("min", 3, Q, 5), "min(q, 3)"),
        (Fold("any", "i", Const(3), Const(3), CAUSAL), "false"),
        (op("le", 0, D), "k <= q"),
        (op("add", Const(2**62), Const(2**62)), f"{2**62} + {2**62}"),
        (op("add", Q, op("neg", K), 3), "q + -k + 3"),
        (op("add", Q, op("neg", K)), "q - k"),
        *((op("mod", Q, n), "0") for n in (-1, 0, 1)),
        (op("le", 1, D), "k < q"),
        (op("lt", -1, D), "k <= q"),
        (op("le", D, -1), "q < k"),
        (op("lt", D, 1), "q <= k"),
    ],
)
def test_algebra_folds(before: Node, after: str) -> None:
    assert node_text(simplify(before)) == after


@pytest.mark.parametrize(
    "node",
    [
        *(op("not", op(name, U, V)) for name in ("lt", "le")),
        *(op(name, U, U) for name in ("lt", "le", "eq", "ne")),
        *(op(name, U, V, U) for name in ("min", "max")),
        *(op(name, U, Const(0.0)) for name in ("add", "mul")),
        op("sub", U, U),
    ],
)
def test_floats_that_may_be_nan_stay_as_they_are(node: Node) -> None:
    for each in PASSES:
        assert each.apply(node) == node


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (op("and", op("lt", D, 5), op("le", D, 2)), "q - k <= 2"),
        (op("or", op("lt", D, 5), op("le", D, 2)), "q - k < 5"),
        (op("and", CAUSAL, op("le", -3, D), op("lt", K, W)), "k <= q & k < w"),
        (op("and", op("le", D, 3), op("lt", D, 3)), "q - k < 3"),
        (op("and", op("lt", D, 3), op("le", D, 2)), "q - k < 3"),
        (op("or", op("lt", D, 3), op("le", D, 3)), "q - k <= 3"),
        (op("and", op("le", op("mul", Q, 4), 10), op("lt", Q, 3)), "q * 4 <= 10"),
        (op("and", op("le", Q, 3), op("le", op("mul", Q, 4), 10)), "q * 4 <= 10"),
    ],
)
def test_bounds_of_one_sum_are_merged(before: Node, after: str) -> None:
    assert node_text(merge(before)) == after


def of(name: str, *args: Node | float) -> Node:
    return ir.Op(name, tuple(Const(a) if isinstance(a, float) else a for a in args))


@pytest.mark.parametrize(
    "score",
    [
        *(of(name, S) for name in ("neg", "abs", "exp", "log", "tanh", "sigmoid")),
        *(of("div", a, b) for a, b in ((S, 3.0), (2.0, S), (S, of("exp", S)))),
        *(of(name, S, 1.5, of("mul", S, S)) for name in ("add", "mul", "min", "max")),
        of("sub", of("exp", S), of("mul", 2.0, S)),
        of("select", of("lt", S, 1.0), of("mul", S, 3.0), of("tanh", S)),
    ],
)
def test_the_slope_is_how_the_score_rises(score: Node) -> None:
    for s in (-1.7, 0.4, 1.3, 2.9):
        step = 1e-6
        below, above = (evaluate(score, {"s": s + by}) for by in (-step, step))
        if below == below:
            wanted = (above - below) / (2 * step)
            assert evaluate(slope(score), {"s": s}) == pytest.approx(wanted, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", ["min", "max"])
def test_the_slope_at_a_kink_is_that_of_the_first_side(name: str) -> None:
    sides = [of("mul", S, float(n)) for n in (2, 3, 4)]
    assert evaluate(slope(of(name, *sides)), {"s": 0.0}) == 2.0
    assert evaluate(slope(of("abs", S)), {"s": 0.0}) == 1.0


def test_analysis_names_what_a_mask_depends_on() -> None:
    by_head = op("lt", Var("head"), Var("n_k"))
    found = analyse(op("and", CAUSAL, op("or", DILATED, by_head), DOCUMENT))
    assert found.slices == ("batch", "head")
    assert found.uniform == ("n_k",)
    assert found.params == ("w",)
    assert found.tensors == ("doc",)
    assert [kind for kind, _ in found.terms] == ["both", "d", "d", "none", "both"]
    assert found.split == "both"


@pytest.mark.parametrize(
    ("node", "side"),
    [
        (op("eq", op("mod", op("hash", 1, op("floordiv", Q, 4)), 3), K), "q"),
        (op("eq", Q, Load("pages", (op("floordiv", K, 4), Const(0)))), "k"),
        (op("eq", op("hash", Q, K), 3), "both"),
        (CAUSAL, "both"),
    ],
)
def test_opaque_sides_are_split_first(node: Node, side: str) -> None:
    assert analyse(node).split == side


def test_loop_variables_are_no_dependence() -> None:
    fold = Fold("any", "i", Const(0), Param("w"), op("eq", D, op("mul", Var("i"), 3)))
    assert depends_on(fold) == {"q", "k", "param:w"}


def test_a_loop_in_a_loop_has_a_name_of_its_own() -> None:
    def nested(outside: str, inside: str) -> Node:
        product = op("mul", Var(outside), Var(inside))
        inner = Fold("any", inside, Const(0), Const(2), op("eq", D, product))
        return Fold("any", outside, Const(0), Const(3), op("or", inner, op("eq", Q, Var(outside))))

    assert bind(nested("I0", "I1")) == (nested("loop:j", "loop:i"),)


def test_sums_of_many_terms_are_left_as_they_are() -> None:
    for n, known in ((MOST_TERMS, MOST_TERMS), (MOST_TERMS + 1, 1)):
        whole = op("add", *(Var(f"v{i}") for i in range(n)))
        assert len(linear(whole)[whole].terms) == known


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-2, 2)), min_size=1, max_size=9))
def test_a_sum_of_many_is_that_of_its_parts_one_after_another(
    multiples: list[tuple[str, int]],
) -> None:
    parts = [op("mul", Var(name), n) for name, n in multiples]
    whole = op("add", *parts, 3)
    found = linear(whole)
    total = found[parts[0]]
    for part in (*parts[1:], Const(3)):
        total = total.plus(found[part])
    assert found[whole] == total
