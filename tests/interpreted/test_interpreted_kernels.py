"""The Triton kernels of drawn specs and of the examples against the float64 oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import maskc
from maskc.testing import Call, assert_matches_dense
from subjects import EXAMPLES, cases, example_cases, share

DIMS = ((16, 16), (24, 16), (40, 72))


@settings(max_examples=share(2))
@given(st.data())
def test_kernels_of_drawn_specs_match_the_oracle(data):
    data.draw(cases(200, ("float32", "float16", "bfloat16"), DIMS)).assert_matches("triton")


@pytest.mark.parametrize("cap", [0.5, 5.0, 50.0, 1e4])
def test_a_soft_cap_far_above_the_logits_costs_no_digits(cap):
    pattern = maskc.loads(f"pattern p {{\n score softcap(s, {cap})\n mask causal\n}}").p
    assert_matches_dense(pattern, Call(n_q=7, n_k=7, batch=2, heads=2), "triton")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(10))
@given(st.data())
def test_kernels_of_examples_match_the_oracle(path, data):
    data.draw(example_cases(path, 200, head_dims=DIMS)).assert_matches("triton")


@settings(max_examples=share(5))
@given(st.data())
def test_nan_in_a_key_reaches_only_the_rows_that_see_it(data):
    case = data.draw(cases(64))
    mask = case.mask()
    bad = torch.zeros(case.call.n_k, dtype=torch.bool)
    bad[data.draw(st.lists(st.integers(0, case.call.n_k - 1), min_size=1, max_size=3))] = True
    spoiled = (mask & bad).any(-1)
    assume(not spoiled.all())
    q, k, v, _ = case.call.tensors()
    arguments = {**case.call.arguments(), "scale": case.call.scale, "backend": "triton"}
    clean = case.pattern(q, k, v, **arguments)
    k, v = (torch.where(bad[:, None], torch.nan, x) for x in (k, v))
    got = case.pattern(q, k, v, **arguments)
    assert torch.allclose(got[~spoiled], clean[~spoiled], rtol=1e-5, atol=1e-5)


@settings(max_examples=share(10))
@given(st.data())
def test_both_back_ends_see_one_mask(data):
    case = data.draw(cases(64))
    call = case.call
    q, k, _, _ = call.tensors()
    v = torch.eye(call.n_k).expand(call.batch, call.kv_heads, -1, -1)
    out = case.pattern(q, k, v, **call.arguments(), scale=0.0, backend="triton")
    assume(case.pattern.spec.score is None)
    assert torch.equal(out > 0, case.mask())
