"""Scores, sinks and the ints that convert in them."""

from __future__ import annotations

import math

import pytest

from check.pointwise import checked, errors
from maskc import ir
from maskc.points import alibi_slope, evaluate

CALL = {"s": 0.75, "q": 9, "k": 4, "head": 2, "heads": 8, "n_q": 10, "n_k": 10, "layer": 1}


def score(expression: str, statements: str = "", **tensors: object) -> float:
    text = f"pattern p {{\n{statements}\n    score {expression}\n    mask causal\n}}"
    (pattern,) = checked(text)
    assert pattern.score is not None
    return evaluate(pattern.score, CALL, tensors)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("s * 0.5", 0.375),
        ("s + q - k", 5.75),
        ("s * 2 - 1", 0.5),
        ("softcap(s, 50.0)", 50.0 * math.tanh(0.75 / 50.0)),
        ("softcap(c = 2, s = s)", 2.0 * math.tanh(0.375)),
        ("s + alibi(head)", 0.75 - alibi_slope(2, 8) * 5),
        ("s - log(1 + q) + exp(-1.5)", 0.75 - math.log(10) + math.exp(-1.5)),
        ("sigmoid(s) * tanh(q - k)", math.tanh(5) / (1 + math.exp(-0.75))),
        ("if q - k > 2 then s * 2 else k", 1.5),
        ("match head { 0..2 => s, _ => s + head }", 2.75),
        ("min(s, 0.5, k) + max(k, 0.5) + abs(-s)", 5.25),
        ("q // 2", 4.0),
        ("-s", -0.75),
        ("if s > k then 1 else 0.25", 0.25),
    ],
)
def test_a_score_is_the_expression_in_floats(expression, value):
    assert score(expression) == pytest.approx(value, rel=1e-15)


def test_s_is_the_logit_in_the_score_of_a_pattern_that_is_called_s():
    (pattern,) = checked("pattern s {\n    score s + 0.5 * s\n    mask causal\n}")
    assert pattern.score is not None
    assert evaluate(pattern.score, CALL) == 1.125
    (found,) = errors("pattern s {\n    score s + 0.5\n    mask causal & s\n}")
    assert found.id == "cycle"


def test_a_score_reads_float_inputs():
    bias = [float(i) / 8 for i in range(12)]
    assert score("s + bias[q - k + 2]", "input bias: float[m]", bias=bias) == 0.75 + 7 / 8
    assert score("s + bias[q - k - 9]", "input bias: float[m]", bias=bias) == 0.75
    heads = [[float(h * 10 + i) for i in range(12)] for h in range(8)]
    assert score("s + b[k]", "input b: float[head, k]", b=heads) == 24.75


def test_the_plain_logit_is_no_score():
    (pattern,) = checked("pattern p {\n    score s\n    mask causal\n}")
    assert pattern.score is None


def test_defs_and_lets_serve_scores():
    text = """
def decay(x: float, rate: float = 0.5) = x - rate * (q - k)
pattern p {
    let slope(h: int) = if h > 1 then 0.25 else 0.5
    score decay(s, slope(head))
    mask causal
}
"""
    (pattern,) = checked(text)
    assert pattern.score is not None
    assert evaluate(pattern.score, CALL) == 0.75 - 0.25 * 5


@pytest.mark.parametrize(
    ("statement", "id"),
    [
        ("mask s > 0.5", "unknown-name"),
        ("mask exp(0.5) > 0.5", "score-only"),
        ("let z = s * 2", "unknown-name"),
        ("score causal", "type-mismatch"),
        ("score softcap(s, 0)", "undefined-constant"),
        ("score s + bias", "unknown-name"),
    ],
)
def test_a_wrong_score_is_told(statement, id):
    assert id in {d.id for d in errors(f"pattern p {{\n    {statement}\n    mask causal\n}}")}


def test_the_logit_hides_nothing():
    text = "pattern p(s: int = 3) {\n    score s * 2\n    mask causal\n}"
    assert [d.id for d in errors(text)] == ["reserved-name"]
    assert len(checked("pattern p(s: int = 3) = recent(s)")) == 1


def test_sinks_reach_the_pattern():
    text = """
pattern p {
    input z: float[head]
    sink_logit z
    sink_count max(4 - q, 0) + head
    mask causal
}
"""
    (pattern,) = checked(text)
    assert pattern.sink_logit == "z"
    assert pattern.sink_count is not None and ir.type_of(pattern.sink_count) is ir.INT
    assert evaluate(pattern.sink_count, {"q": 1, "head": 5}) == 8
