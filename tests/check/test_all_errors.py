"""Every error of a file is told, and each cause once."""

from __future__ import annotations

import pytest

from check.pointwise import checked, spans
from maskc import MaskcError, pipeline

ONE_CAUSE = [
    ("pattern p {\n let a = b\n let b = 3\n mask k < a\n}", "used-before-definition", "b"),
    ("pattern p {\n let a(n: int) = b + n\n let b = 3\n mask k < a(2)\n}",
     "used-before-definition", "b"),
    ("pattern r {\n let a = b\n let b = 3\n mask k < a\n}\npattern p = r",
     "used-before-definition", "b"),
    ("def f(n: int) = n < w\npattern p = f(q) & f(k)", "unknown-name", "w"),
    ("pattern p {\n let a = b < k\n mask a | a & causal\n}", "unknown-name", "b"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "id", "place"), ONE_CAUSE)
def test_one_cause_gives_one_error(text, id, place):
    assert spans(text) == [(id, place)]


AGAIN = [
    ("pattern p = causal\npattern p = k < w", "duplicate-name", "p"),
    ("def f = causal\ndef f = k < w\npattern p = f", "duplicate-name", "f"),
    ("const c = 4\nconst c = w\npattern p = causal", "duplicate-name", "c"),
    ("pattern p(n: int, n: int = w) = recent(n)", "duplicate-name", "n"),
    ("pattern p {\n let m = causal\n let m = k < w\n mask m\n}", "duplicate-name", "m"),
    ("pattern p {\n mask causal\n mask k < w\n}", "duplicate-statement", "mask k < w"),
    ("pattern p {\n score s\n score s + w\n mask causal\n}", "duplicate-statement", "score s + w"),
    ("pattern p {\n mask causal\n sink_count 1\n sink_count w\n}",
     "duplicate-statement", "sink_count w"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "id", "place"), AGAIN)
def test_what_stands_twice_is_checked_twice(text, id, place):
    assert sorted(spans(text)) == [(id, place), ("unknown-name", "w")]


NOT_THERE = [
    "match q in a { false => q.a >= k, true => causal }",
    "(q in a) == false & q.a >= k",
    "(q in a) != true & q.a >= k",
]


@pytest.mark.parametrize("mask", NOT_THERE)
def test_a_guard_that_says_the_opposite_guards_nothing(mask):
    text = f"pattern p {{\n space a(3) ++ b(6)\n mask {mask}\n}}"
    assert spans(text) == [("unguarded-coordinate", "q.a")]


def test_the_name_of_the_logit_is_no_segment_where_there_is_a_score():
    text = "pattern p {{\n space s(3) ++ t(6)\n {}\n mask q in s\n}}"
    assert spans(text.format("score 2.0 * s")) == [("reserved-name", "2.0 * s")]
    assert spans(text.format("sink_count 1")) == []


def test_the_smallest_integer_stands_for_itself():
    (pattern,) = checked("pattern p = k in {-9223372036854775808, 1}")
    assert pattern == checked("pattern p = k in {-9223372036854775807 - 1, 1}")[0]


def test_the_smallest_integer_without_its_minus_is_too_large():
    assert spans("pattern p = k > 1 - 9223372036854775808") == [("overflow", "9223372036854775808")]


SYNTAX_TOO = [
    ("pattern p = causal && casual", ["&&", "casual"]),
    ("pattern p = causal &\npattern r = windw(3)", ["", "windw"]),
    ("import torch\npattern p = True & casual", ["import", "True", "casual"]),
    ("w = 3\npattern p = recent(w) & casual", ["w", "casual"]),
    ("def f(x) = x > 1\npattern p = f(q) & casual", [")", "casual"]),
    ("pattern P = Causal & casual", ["P", "Causal", "casual"]),
    ("pattern p {\n let w = = 3\n mask recent(w) & casual\n}", ["=", "casual"]),
    ("pattern p {\n space grid y x\n mask near(y, 1)\n}\npattern r = cauzal", ["y", "cauzal"]),
    ("pattern p {\n foo bar\n mask near(y, 1)\n}\npattern r = cauzal", ["foo", "cauzal"]),
    ("pattern p(w int = 3) {\n mask recent(w)\n}\npattern r = p(3) & casual", ["int", "casual"]),
    ("pattern p {\n mask (causal\n}\npattern r = casual", ["}", "casual"]),
    ("pattern p = 1..3\npattern r = p & casual", ["..", "casual"]),
    ("pattern p = k // 0 == 0 & q / 2 == k", ["k // 0", "/"]),
    ('use vision\npattern p = window2(3)', ["vision"]),
    ("pattern p = k < 99999999999999999999 & k // 0 == 0", ["99999999999999999999"]),
    ("pattern p {\n let q = 3\n mask casual\n}", ["q", "casual"]),
    ("pattern p(v: int = 1, k: int = 2, scale: int = 3) = casual", ["v", "k", "scale", "casual"]),
    ("pattern p = any(q in 0..4 : k == q) & casual", ["q", "casual"]),
    ("pattern p = k == -match q { _ => 1 } + 1\npattern r = casual",
     ["-match q { _ => 1 }", "casual"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "places"), SYNTAX_TOO)
def test_an_error_of_syntax_hides_no_other_and_brings_none(text, places):
    with pytest.raises(MaskcError) as told:
        pipeline.check_text(text)
    assert [d.span.text for d in told.value.diagnostics if d.span] == places


def test_a_default_that_breaks_its_rule_is_told_once():
    assert spans("pattern p(b: int >= 1 = 0) = block(b)") == [("broken-refinement", "0")]


@pytest.mark.parametrize("word", ["corss", "start", "align", "packed", "anything"])
def test_a_word_that_is_no_space_is_no_segment_either(word):
    assert spans(f"pattern p {{\n space {word}\n mask causal\n}}") == [("unknown-space", word)]
