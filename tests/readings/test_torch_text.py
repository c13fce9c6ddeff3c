"""The torch text of masks, bounds, spans and scores says what the expressions say."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import ir
from maskc.bounds import bounds, span
from maskc.codegen import render_torch
from maskc.codegen.runtime import arithmetic
from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.tables import RangeTables
from maskc.ir import FLOAT, Const, Node, Op, Var
from maskc.passes.slope import slope
from subjects import many

from .expressions import LENGTH, PARAMS, Place, bools, ints, largest, places, rectangles

MOST_HASH = 2**32
"""Hashes below a remainder are not in a span: back ends keep them unsigned."""

NAMES = ("n_q", "n_k", "heads", "kv_heads", "batches", "layer", "n_layers")


def functions(pattern: ir.Pattern) -> dict[str, Any]:
    """The pattern's spec functions by name, run from their text."""
    made = {**vars(arithmetic), "torch": torch}
    by_s = None if pattern.score is None else slope(pattern.score)
    for function in render_torch.torch_functions(pattern, by_s):
        assert max(map(len, function.text.splitlines())) <= 100
        exec(compile(function.text, function.name, "exec"), made)
    return made


def pattern_of(mask: Node, score: Node | None = None) -> ir.Pattern:
    """A pattern called `p`, with the parameters of these tests."""
    return ir.Pattern("p", "", mask, score, tuple(ir.Scalar(n, ir.INT) for n in PARAMS))


def call_of(place: Place) -> Call:
    """The Call that stands at a place."""
    fixed = {name: place.values[name] for name in NAMES}
    slices = {name: torch.tensor(place.values[name]) for name in ir.SLICE}
    return Call(
        **fixed,
        **slices,
        q_start=place.q_start,
        device=torch.device("cpu"),
        params={name: place.values[name] for name in PARAMS},
        tensors={name: torch.tensor(value) for name, value in place.tensors.items()},
    )


@settings(max_examples=many(5))
@given(bools(3), places())
def test_keep_text_is_the_mask(mask: Node, place: Place) -> None:
    keep = functions(pattern_of(mask))["p_keep"]
    call = call_of(place)
    q = torch.arange(place.q_start, LENGTH)[:, None]
    k = torch.arange(LENGTH)[None, :]
    kept = torch.as_tensor(keep(q, k, call)).expand(len(q), LENGTH)
    for row in range(len(q)):
        for column in range(LENGTH):
            at = {"q": int(q[row, 0]), "k": column}
            if place.fits(mask, **at):
                assert bool(kept[row, column]) == place.read(mask, **at), at


@settings(max_examples=many(4))
@given(bools(2), places(), st.data())
def test_bounds_text_is_sound_and_is_the_reading(
    mask: Node, place: Place, data: st.DataObject
) -> None:
    made = functions(pattern_of(mask))
    reading = bounds(mask, {name: (None, None) for name in PARAMS})
    call = call_of(place)
    terms = tuple(made[f"p_term_{i}"] for i in range(len(reading.terms)))
    spec = Spec("p", "", made["p_keep"], made["p_bounds"], terms=terms)
    corners = [data.draw(rectangles(place)) for _ in range(3)]
    columns = [torch.tensor(column) for column in zip(*corners, strict=True)]
    here = call.at(call.batch.expand(3), call.head.expand(3))
    found = made["p_bounds"](*columns, here, RangeTables(spec, call, call))
    roots = (reading.every, reading.some, reading.hit, reading.miss)
    for root, answers in zip(roots, found, strict=True):
        answers = torch.as_tensor(answers).expand(3)
        for (q0, q1, k0, k1), answer in zip(corners, answers, strict=True):
            if place.fits(root, q0=q0, q1=q1, k0=k0, k1=k1):
                assert bool(answer) == place.read(root, q0=q0, q1=q1, k0=k0, k1=k1)


@settings(max_examples=many(4))
@given(bools(3), places())
def test_span_bounds_every_int_part(mask: Node, place: Place) -> None:
    made = functions(pattern_of(mask))
    last = LENGTH - 1
    reach = made["p_span"](place.q_start, last, 0, last, call_of(place))
    for q in range(place.q_start, LENGTH):
        for k in (0, last // 2, last):
            here = {**place.values, "q": q, "k": k}
            assert largest(mask, here, place.tensors) <= max(reach, MOST_HASH)


@settings(max_examples=many(2))
@given(ints(2))
def test_span_of_an_int_is_an_int_expression(node: Node) -> None:
    assert ir.type_of(span(node)) is ir.INT


def test_span_follows_bounds_that_are_variables_of_other_loops() -> None:
    product = Op("mul", (Op("mul", (Var("i"), Var("j"))), Const(100)))
    inner = ir.Fold("all", "i", Const(0), Var("j"), Op("ne", (Const(7), product)))
    outer = ir.Fold("any", "j", Const(1), Const(4), inner)
    assert max(x.value for x in ir.postorder(span(outer)) if isinstance(x, Const)) == 600


def test_span_covers_what_only_the_bounds_compute() -> None:
    place = Place({**dict.fromkeys(NAMES, 1), **dict.fromkeys(ir.SLICE, 0), **PARAMS}, {}, 0)
    place.values["huge"] = 2**60
    blocks = Op("floordiv", (Var("k"), Const(64)))
    made = functions(pattern_of(Op("lt", (blocks, ir.Param("huge")))))
    assert made["p_span"](0, 9, 0, 9, call_of(place)) >= 2**63
    place.values["huge"] = 2**40
    assert made["p_span"](0, 9, 0, 9, call_of(place)) == 2**40


S = Var("s", FLOAT)
SCORES = {
    "scaled": Op("mul", (S, Const(0.5))),
    "softcap": Op("mul", (Const(5.0), Op("tanh", (Op("div", (S, Const(5.0))),)))),
    "alibi": Op(
        "add",
        (
            S,
            Op(
                "mul",
                (
                    Op("alibi_slope", (Var("head"), Var("heads"))),
                    Op("to_float", (Op("sub", (Var("k"), Var("q"))),)),
                ),
            ),
        ),
    ),
    "curved": Op("sub", (Op("exp", (Op("neg", (S,)),)), Op("sigmoid", (Op("mul", (S, S)),)))),
    "kinked": Op("max", (Op("min", (S, Const(1.0))), Op("abs", (Op("div", (S, Const(-3.0))),)))),
    "log": Op("log", (Op("add", (Const(9.0), S)),)),
}


@settings(max_examples=many(2))
@given(st.sampled_from(sorted(SCORES)), places(), st.floats(-6, 6))
def test_score_text_and_its_slope_are_right(name: str, place: Place, at: float) -> None:
    score = SCORES[name]
    made = functions(pattern_of(Const(True), score))
    s = torch.tensor([at], dtype=torch.float64, requires_grad=True)
    q, k = torch.tensor([5]), torch.tensor([2])
    value = made["p_score"](s, q, k, call_of(place))
    expected = place.read(score, s=at, q=5, k=2)
    assert math.isclose(value.item(), expected, rel_tol=1e-9, abs_tol=1e-9)
    (wanted,) = torch.autograd.grad(value.sum(), s)
    found = torch.as_tensor(made["p_score_slope"](s, q, k, call_of(place)), dtype=torch.float64)
    if name != "kinked" or min(abs(at - x) for x in (1, -3, 0, 0.75, -1.5, 3)) > 0.1:
        assert torch.allclose(found.expand(1), wanted, rtol=1e-9, atol=1e-9)
