"""Forward and backward of drawn specs and of the examples against the float64 oracle."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import maskc
from maskc.testing import Call
from maskc.testing.calls import DTYPES, HEAD_DIMS
from subjects import EXAMPLES, Case, cases, example_cases, share, tree_of

BACKENDS = ("torch", "dense")


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=share(2))
@given(st.data())
def test_drawn_specs_match_the_oracle(backend, data):
    data.draw(cases(200, DTYPES, HEAD_DIMS)).assert_matches(backend)


FOUND = {
    "a slope that is one number for the call": (
        "pattern p {\n score s * log(len(k))\n mask causal & head < 1\n}",
        Call(n_q=7, n_k=9, heads=2),
    ),
    "a logit that is one number for the call": (
        "pattern p {\n score log(len(k))\n mask causal & head < 1\n}",
        Call(n_q=7, n_k=9, heads=2),
    ),
    "a gradient of an input beside keys that are NaN": (
        "pattern p {\n input height: float[q]\n score s * height[q]\n mask k < 3\n}",
        Call(n_q=7, n_k=9, inputs={"height": [0.5] * 7}, poison=True),
    ),
    "a modulus that a layer's table holds": (
        "pattern p(span: int[layer] >= 1 = 3) = k % span == 0",
        Call(n_q=7, n_k=9, layer=1, n_layers=2, params={"span": [3, 4]}),
    ),
    "segments of one length in another order": (
        "pattern p {\n space query: own(n), key: pool(m) ++ own(n)\n mask k in own\n}",
        Call(n_q=5, n_k=8, segments={"own": 5, "pool": 3}),
    ),
}
"""Specs that drawn ones shrank to, before they were right."""


@pytest.mark.parametrize("found", FOUND)
def test_specs_that_were_once_wrong_match_the_oracle(found):
    text, call = FOUND[found]
    case = Case(tree_of(text), maskc.loads(text).p, call)
    for backend in BACKENDS:
        case.assert_matches(backend)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(2))
@given(st.data())
def test_examples_match_the_oracle(path, data):
    data.draw(example_cases(path, 257)).assert_matches("torch")


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(4))
@given(st.data())
def test_nan_in_a_key_reaches_only_the_rows_that_see_it(path, data):
    case = data.draw(example_cases(path, 64, dtypes=["float32"]))
    mask = case.mask()
    bad = torch.zeros(case.call.n_k, dtype=torch.bool)
    bad[data.draw(st.lists(st.integers(0, case.call.n_k - 1), min_size=1, max_size=3))] = True
    spoiled = (mask & bad).any(-1)
    assume(not spoiled.all())
    q, k, v, _ = case.call.tensors()
    arguments = {**case.call.arguments(), "scale": case.call.scale, "backend": "torch"}
    clean = case.pattern(q, k, v, **arguments)
    for value in (torch.nan, torch.inf):
        k, v = (torch.where(bad[:, None], value, x) for x in (k, v))
        got = case.pattern(q, k, v, **arguments)
        assert torch.allclose(got[~spoiled], clean[~spoiled], rtol=1e-5, atol=1e-5)


@settings(max_examples=share(4))
@given(cases(64))
def test_two_runs_give_the_same_bits(case):
    q, k, v, gradient = case.call.tensors()
    results = []
    for _ in range(2):
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        out = case.pattern(*leaves, **case.call.arguments(), backend="torch")
        results.append((out, *torch.autograd.grad(out, leaves, gradient)))
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


HEAD_BY_HEAD = {
    "pattern p = causal & recent(9)": (),
    "pattern p(t: int[head] >= 1 = 3) = recent(t)": ("t",),
    "pattern p(t: bool[kv_head] = true) = causal & (t | recent(5))": ("t",),
    "pattern p {\n input n: int[head]\n score if n > 2 then s * 0.5 else s\n mask window(n)\n}": (
        "n",
    ),
}
"""Specs that treat a head by its table alone, and the names of their tables."""


@pytest.mark.parametrize("text", HEAD_BY_HEAD)
@settings(max_examples=share(4))
@given(st.permutations(range(3)), st.lists(st.integers(1, 9), min_size=6, max_size=6))
def test_permuted_heads_give_permuted_results(text, groups, entries):
    pattern = maskc.loads(text).p
    heads = [2 * g + i for g in groups for i in range(2)]
    call = Call(n_q=50, n_k=70, heads=6, kv_heads=3)
    q, k, v, _ = call.tensors()
    plain: dict[str, Any] = {}
    moved: dict[str, Any] = {}
    for name in HEAD_BY_HEAD[text]:
        if "kv_head" in text:
            plain[name] = [n > 4 for n in entries[:3]]
            moved[name] = [plain[name][g] for g in groups]
        else:
            plain[name], moved[name] = entries, [entries[h] for h in heads]
        if "input" in text:
            plain[name], moved[name] = torch.tensor(plain[name]), torch.tensor(moved[name])
    wanted = pattern(q, k, v, **plain)[:, heads]
    got = pattern(q[:, heads], k[:, groups], v[:, groups], **moved)
    assert torch.allclose(got, wanted, rtol=1e-5, atol=1e-6)
