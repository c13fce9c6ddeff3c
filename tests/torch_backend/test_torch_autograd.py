"""Gradients where autograd, its transforms and dtypes are at their edges, of both back ends."""

from __future__ import annotations

import math

import pytest
import torch
from torch_exactness import drawn

import maskc

SPEC = """
pattern near = causal & recent(20)
pattern some_rows = q % 3 != 1 & (causal & recent(70) | k % 16 == 0)
pattern flat {
    score 0.0
    mask causal
}
"""
BACKENDS = ("torch", "dense")


@pytest.fixture(scope="module")
def patterns():
    return maskc.loads(SPEC)


def leaves_of(n: int = 90, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    q, k, v, _ = drawn((1, 2, n, 8), (1, 2, n, 8), dtype=dtype)
    return [x.requires_grad_() for x in (q, k, v)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e38])
@pytest.mark.parametrize("where", ["q", "d_out", "d_lse"])
@pytest.mark.parametrize("n", [90, 700])
def test_rows_without_keys_reach_no_gradient(patterns, backend, bad, where, n):
    empty = torch.arange(n) % 3 == 1
    q, k, v, d_out = drawn((1, 2, n, 8), (1, 2, n, 8), dtype=torch.float32)
    rows = {"q": q, "d_out": d_out, "d_lse": torch.ones(1, 2, n)}
    results = []
    for spoiled in (False, True):
        if spoiled:
            rows[where] = rows[where].clone()
            rows[where][:, :, empty] = bad
        leaves = [x.detach().clone().requires_grad_() for x in (rows["q"], k, v)]
        both = patterns.some_rows(*leaves, backend=backend, return_lse=True)
        results.append(torch.autograd.grad(both, leaves, (rows["d_out"], rows["d_lse"])))
    for clean, got in zip(*results, strict=True):
        assert torch.allclose(clean, got, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_result_does_not_hang_on_has_a_gradient_of_zeros(patterns, backend):
    q, k, v = leaves_of()
    patterns.flat(q, k, v, backend=backend).sum().backward()
    assert (q.grad == 0).all() and (k.grad == 0).all() and (v.grad != 0).any()
    for name in ("flat", "near"):
        q, k, v = leaves_of()
        getattr(patterns, name)(q, k, v, backend=backend, return_lse=True)[1].sum().backward()
        assert (v.grad == 0).all() and (q.grad != 0).any() == (name == "near")


def test_a_second_derivative_is_an_error_and_not_a_missing_term(patterns):
    leaves = leaves_of()
    out = patterns.near(*leaves, backend="torch")
    (dq,) = torch.autograd.grad(out.sum(), leaves[0], create_graph=True)
    with pytest.raises(NotImplementedError, match="no second derivative; backend='dense' has one"):
        (out.sum() + dq.pow(2).sum()).backward()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_functional_gradient_is_the_other_one(patterns, backend):
    leaves = leaves_of()
    wanted = torch.autograd.grad(patterns.near(*leaves, backend=backend).sin().sum(), leaves)

    def total(*qkv: torch.Tensor) -> torch.Tensor:
        return patterns.near(*qkv, backend=backend).sin().sum()

    got = torch.func.grad(total, argnums=(0, 1, 2))(*(x.detach() for x in leaves))
    for a, b in zip(got, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_vmap_is_told_what_to_do_instead(patterns):
    stacked = [torch.stack([x.detach()] * 3) for x in leaves_of()]
    with pytest.raises(NotImplementedError, match="under vmap; wanted its axis as part of the"):
        torch.vmap(lambda *qkv: patterns.near(*qkv, backend="torch"))(*stacked)


def test_a_plan_made_in_inference_mode_serves_training():
    pattern = maskc.loads(SPEC.replace("recent(20)", "recent(21)")).near
    leaves = leaves_of(200)
    with torch.inference_mode():
        wanted = pattern(*leaves, backend="torch")
    out = pattern(*leaves, backend="torch")
    out.sum().backward()
    assert torch.equal(out, wanted) and all(x.grad.isfinite().all() for x in leaves)


def test_the_default_device_is_not_asked():
    pattern = maskc.loads(SPEC.replace("recent(20)", "recent(22)")).near
    leaves = leaves_of()
    with torch.device("meta"):
        out = pattern(*leaves, backend="torch")
        out.backward(torch.ones(out.shape, device="cpu"))
    assert out.device.type == leaves[0].grad.device.type == "cpu"


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_float16_entries_do_not_overflow_inside(patterns, backend):
    leaves = [x.detach().mul(200).half().requires_grad_() for x in leaves_of()]
    out = patterns.near(*leaves, backend=backend)
    exact = patterns.near.oracle(*leaves)
    assert (out - exact).abs().max() <= 1e-3 * exact.abs().max()
    assert all(x.isfinite().all() for x in torch.autograd.grad(out.sum(), leaves))


@pytest.mark.parametrize("backend", BACKENDS)
def test_autocast_has_no_say(patterns, backend):
    leaves = leaves_of()
    plain = patterns.near(*leaves, backend=backend)
    with torch.autocast("cpu", torch.bfloat16):
        got = patterns.near(*leaves, backend=backend)
    assert torch.equal(plain, got)


def test_a_layout_on_another_device_leaves_the_plan_behind(patterns):
    patterns.near(*leaves_of(), backend="torch")
    layout = patterns.near.layout(90, heads=2, block=64)
    layout.kept_pairs  # noqa: B018 - a property that counts
    assert "torch plan" in layout._known
    moved = layout.to("meta")
    assert moved.kept_pairs == layout.kept_pairs and "torch plan" not in moved._known


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bad_gradient_of_a_row_reaches_no_key_that_the_row_drops(patterns, backend):
    leaves = leaves_of()
    out = patterns.near(*leaves, backend=backend)
    d_out = torch.ones_like(out)
    d_out[:, :, 0] = math.nan
    dk = torch.autograd.grad(out, leaves[1], d_out)[0]
    assert not dk[:, :, 1:].isnan().any()
