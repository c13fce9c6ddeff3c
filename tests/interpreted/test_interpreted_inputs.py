"""The Triton back end with float inputs of scores, and with sinks."""

from __future__ import annotations

import pytest
import torch
from plain_softmax import assert_near, plain_attention, results
from runtime.test_score_inputs import CASES, tensors, wanted_of
from runtime.test_sinks import HEADS, N_Q, PATTERNS, mask_of, per_head
from runtime.test_sinks import tensors as few_tensors

import maskc
from maskc.testing import Call, assert_matches_dense


@pytest.mark.parametrize("case", CASES)
def test_kernels_read_float_inputs_and_torch_gives_their_gradients(case):
    text, inputs, score = CASES[case]
    pattern = maskc.loads(text).p
    q, k, v = tensors(torch.float32)

    def compiled(q, k, v, **inputs):
        return pattern(q, k, v, backend="triton", return_lse=True, **inputs)

    learnt = set(inputs) - {"sink"}
    with pytest.warns(UserWarning, match=f"the gradient of input ({'|'.join(learnt)}) runs in"):
        got = results(compiled, q, k, v, inputs)
    assert_near(got, wanted_of(pattern, inputs, score, q, k, v), torch.float32)


def test_without_gradients_of_inputs_only_kernels_run():
    text, inputs, _ = CASES["relative bias"]
    pattern = maskc.loads(text).p
    q, k, v = tensors(torch.float32)
    bias = inputs["bias"].requires_grad_()
    with torch.no_grad():
        out = pattern(q, k, v, bias=bias, backend="triton")
    dense = pattern(q, k, v, bias=bias.detach(), backend="dense")
    torch.testing.assert_close(out, dense, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_sinks_join_what_kernels_make(dtype):
    q, k, v = few_tensors(dtype)
    inputs = {"sink": torch.tensor([0.5, -2.0, 3.0, -torch.inf])}

    def compiled(q, k, v, sink):
        return PATTERNS.logit(q, k, v, sink=sink, backend="triton", return_lse=True)

    def plain(q, k, v, sink):
        return plain_attention(q, k, v, mask_of(), sinks=(per_head(sink),))

    got = results(compiled, q, k, v, inputs)
    assert got[0].shape == (2, HEADS, N_Q, 6)
    assert got[0].dtype == dtype
    assert_near(got, results(plain, q, k, v, inputs), dtype)


@pytest.mark.parametrize(
    "score", ["s + log(len(k) - k)", "s * log(len(q) - q)", "s + 3.0 * (k - q)"]
)
@pytest.mark.parametrize("mask", ["k <= q", "k >= 0"])
def test_what_a_score_says_past_the_ends_changes_no_gradient(mask, score):
    pattern = maskc.loads(f"pattern p {{\n mask {mask}\n score {score}\n}}").p
    random = torch.Generator().manual_seed(3)
    given = [torch.randn(1, 1, 70, 16, generator=random, requires_grad=True) for _ in "qkv"]
    dense, kernels = (
        torch.autograd.grad(pattern(*given, backend=name).sin().sum(), given)
        for name in ("dense", "triton")
    )
    for got, wanted in zip(kernels, dense, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["weights", "load_tile", "tile_row"])
def test_a_pattern_may_have_the_name_of_a_part_of_the_kernels(name):
    pattern = getattr(maskc.loads(f"pattern {name} = causal"), name)
    q = torch.randn(1, 1, 20, 16, generator=torch.Generator().manual_seed(4))
    kernels, dense = (pattern(q, q, q, backend=backend) for backend in ("triton", "dense"))
    torch.testing.assert_close(kernels, dense, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("limit", ["other[q]", "t", "0.3"])
def test_masks_compare_floats_in_all_their_digits(limit):
    text = f"""pattern p(t: dynamic float = 0.3) {{
        input weight: float[k]
        input other: float[q]
        mask weight[k] > {limit} | k == 0
    }}"""
    pattern = maskc.loads(text).p
    random = torch.Generator().manual_seed(5)
    q, k, v = torch.randn(3, 1, 1, 40, 16, generator=random)
    other = torch.full((40,), 0.3, dtype=torch.float64)
    beside = torch.tensor([1e-12, -1e-12], dtype=torch.float64).repeat(20)
    inputs = {"other": other, "weight": other + beside}
    kernels, dense = (pattern(q, k, v, **inputs, backend=name) for name in ("triton", "dense"))
    torch.testing.assert_close(kernels, dense, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "mask",
    [
        "causal & weight[5] != 0.5",
        "if q == 0 then sign(weight[5 - span]) != 0.5 else causal",
        "causal & (weight[5] > 0.25 & weight[3] < 0.5 | not weight[2] == 1.0)",
        "causal & (count(i in 0..3 : weight[i] > 0.5) > 1 | k < 4)",
    ],
)
def test_comparisons_of_floats_may_be_the_same_for_all_pairs(mask):
    text = f"pattern p(span: int[kv_head] = 3) {{\n input weight: float[k]\n mask {mask}\n}}"
    pattern = maskc.loads(text).p
    weight = torch.tensor([0.0, 1, -2, 0.5, 0, 3, -1, 2, 0, 1])
    assert_matches_dense(
        pattern, Call(n_q=10, n_k=10, inputs={"weight": weight.tolist()}), "triton"
    )


def test_kernels_read_a_dynamic_parameter_at_each_call():
    pattern = maskc.loads("pattern p(w: dynamic int >= 1) {\n score s * w\n mask recent(w)\n}").p
    q, k, v = torch.randn(3, 1, 1, 40, 16, generator=torch.Generator().manual_seed(6))
    for w in (3, 9):
        kernels, dense = (pattern(q, k, v, w=w, backend=name) for name in ("triton", "dense"))
        torch.testing.assert_close(kernels, dense, atol=1e-5, rtol=1e-5)


def test_with_sinks_the_log_sum_exp_alone_has_a_gradient():
    q, k, v = few_tensors(torch.float16)
    sink = torch.tensor([0.5, -2.0, 3.0, 1.0])

    def gradients(backend):
        _, lse = PATTERNS.logit(q, k, v, sink=sink, backend=backend, return_lse=True)
        return torch.autograd.grad(lse.sin().sum(), (q, k))

    for x in (q, k, v):
        x.requires_grad_()
    for got, wanted in zip(gradients("triton"), gradients("dense"), strict=True):
        torch.testing.assert_close(got, wanted, atol=2e-3, rtol=2e-3)
