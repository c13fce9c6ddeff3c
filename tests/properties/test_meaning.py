"""The compiler's mask is the spec's meaning, read independently."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc.testing import Call
from meaning.values import hash_of
from subjects import EXAMPLES, Case, cases, example_cases, meaning_of, share, tree_of


def dense_mask(case: Case) -> torch.Tensor:
    return case.pattern.dense_mask(**case.call.lengths(), **case.call.arguments())


@given(cases())
def test_the_dense_mask_is_what_the_spec_means(case):
    assert torch.equal(dense_mask(case), case.mask())


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(2))
@given(st.data())
def test_the_dense_mask_of_an_example_is_what_it_means(path, data):
    case = data.draw(example_cases(path))
    assert torch.equal(dense_mask(case), case.mask())


def score_and_slope(score, s):
    logits = score(s)
    (slope,) = torch.autograd.grad(logits.sum(), s, allow_unused=True)
    return logits.detach(), torch.zeros_like(s) if slope is None else slope


@settings(max_examples=share(2))
@given(cases())
def test_the_score_and_its_slope_are_what_the_spec_says(case):
    spec = case.pattern.spec
    call = case.pattern.bind(**case.call.lengths(), **case.call.arguments()).everywhere()
    shape = (case.call.batch, case.call.heads, case.call.n_q, case.call.n_k)
    s = (4 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
    wanted, slope = score_and_slope(case.meaning.score, s)
    if spec.score is None:
        assert torch.equal(wanted, s)
        return
    q = (torch.arange(case.call.n_q) + call.q_start).view(-1, 1)
    k = torch.arange(case.call.n_k).view(1, -1)
    got = torch.as_tensor(spec.score(s.detach(), q, k, call)).expand(shape)
    got_slope = torch.as_tensor(spec.score_slope(s.detach(), q, k, call)).expand(shape)
    assert torch.allclose(got, wanted, rtol=1e-9, atol=1e-9)
    assert torch.allclose(got_slope.double(), slope, rtol=1e-9, atol=1e-9)


# --- the meaning itself, by hand -----------------------------------------------------------------


def drawn(text: str, **call: int) -> list[str]:
    """The mask of `text` as rows of `#` and `.`, for the first batch entry and head."""
    meaning = meaning_of(tree_of(text), "p", Call(**call))
    return ["".join(".#"[int(x)] for x in row) for row in meaning.mask()[0, 0]]


def test_queries_are_the_last_positions_by_default():
    assert drawn("pattern p = causal", n_q=2, n_k=4) == ["###.", "####"]


def test_queries_before_the_first_key_see_nothing():
    assert drawn("pattern p = causal", n_q=3, n_k=1) == [".", ".", "#"]


def test_align_start_counts_queries_from_0():
    text = "pattern p {\n space align start\n mask causal\n}"
    assert drawn(text, n_q=2, n_k=3) == ["#..", "##."]


def test_window_counts_left_plus_one_plus_right_keys():
    assert drawn("pattern p = window(1, 2)", n_q=5, n_k=5) == [
        *("###..", "####.", ".####", "..###", "...##"),
    ]


def test_streaming_llm_keeps_sinks_and_the_recent():
    text = "pattern p = causal & (sink(1) | recent(2))"
    assert drawn(text, n_q=4, n_k=4) == ["#...", "##..", "###.", "#.##"]


def test_floor_division_and_modulo_floor_on_negatives():
    text = "pattern p = (q - k) // 2 == -1 & (q - k) % 2 == 1"
    assert drawn(text, n_q=3, n_k=3) == [".#.", "..#", "..."]


def test_a_let_sees_replaced_positions():
    text = "pattern p {\n let m = k <= q\n mask at(q = q - 1) m\n}"
    assert drawn(text, n_q=3, n_k=3) == ["...", "#..", "##."]


def test_coarse_keeps_whole_tiles():
    text = "pattern p = coarse(k == q, q = 1, k = 2)"
    assert drawn(text, n_q=3, n_k=5) == ["..##.", "..##.", "....#"]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ((0,), 2462723854),
        ((0, 0), 1427592746),
        ((0, 1), 2361927692),
        ((1, 0), 4193604354),
        ((7, 3, 5), 1853999445),
        ((7, 5, 3), 2791714836),
        ((42, -1, 100000), 2386792942),
    ],
)
def test_hash_gives_the_values_of_the_language_page(arguments, value):
    assert hash_of(*arguments) == value
