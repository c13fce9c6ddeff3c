"""A default may be made of the parameters before it, in patterns as in functions."""

from __future__ import annotations

import pytest

import maskc
from check.pointwise import checked, spans

CHAIN = "pattern p(w: int >= 1 = 2, u: int = w * 2, v2: int = u + w) = recent(v2)"

CALLS = [
    (CHAIN, {}, 6),
    (CHAIN, {"w": 3}, 9),
    (CHAIN, {"w": 3, "u": 1}, 4),
    (CHAIN, {"v2": 1}, 1),
    ("pattern p(w: int, u: int = w * 2) = recent(u)", {"w": 2}, 4),
    ("pattern p(w: int = 4, wide: bool = w > 3) = recent(if wide then 5 else 1)", {}, 5),
    ("pattern p(w: int = 4, wide: bool = w > 3) = recent(if wide then 5 else 1)", {"w": 3}, 1),
    ("pattern a(w: int = 2, u: int = w) = recent(u)\npattern p(z: int = 1) = a(z)", {"z": 3}, 3),
]


@pytest.mark.parametrize(("text", "given", "window"), CALLS)
def test_a_default_follows_the_parameters_before_it(text, given, window):
    got = maskc.loads(text).p.dense_mask(12, **given)[0, 0]
    assert got.tolist() == [[0 <= q - k < window for k in range(12)] for q in range(12)]


def test_its_value_at_the_other_defaults_is_known_before_any_call():
    (pattern,) = checked(CHAIN)
    assert [scalar.default for scalar in pattern.params] == [2, 4, 6]


@pytest.mark.parametrize(
    ("parameters", "id", "place"),
    [
        ("w: int = 2, u: int >= 3 = w", "broken-refinement", "w"),
        ("u: int = w, w: int = 2", "unknown-name", "w"),
        ("u: int = u", "unknown-name", "u"),
        ("w: dynamic int = 2, u: int = w", "not-constant", "w"),
        ("w: int[head] = 2, u: int = w[0]", "not-constant", "w[0]"),
        ("w: int = 2, u: bool = w", "type-mismatch", "w"),
        ("u: int = len(k)", "not-constant", "len(k)"),
    ],
)
def test_what_no_default_may_be_made_of(parameters, id, place):
    assert spans(f"pattern p({parameters}) = causal") == [(id, place)]


def test_a_rule_holds_for_what_follows_too():
    pattern = maskc.loads("pattern p(w: int, u: int >= 3 = w) = recent(u)").p
    with pytest.raises(ValueError, match="u is 2: the spec says u >= 3"):
        pattern.dense_mask(4, w=2)


def test_a_rule_that_reads_the_parameter_before_its_default_is_known_keeps_nothing_of_it():
    text = "def g(x: int >= 2) = x\npattern p(n: int <= g(n) = 1) = recent(g(n))"
    assert spans(text) == [("broken-refinement", "n")]
