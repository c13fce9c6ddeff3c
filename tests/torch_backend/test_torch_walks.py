"""Rows and keys in another order: where it is taken, and that nothing changes but the work."""

from __future__ import annotations

import sys

import pytest
import torch
from torch_exactness import drawn, hold, run

import maskc
from maskc.codegen.runtime.torch_plan import TORCH_BLOCK, TorchPlan
from maskc.codegen.runtime.torch_planner import TorchPlanner
from subjects import slow

SPEC = """
pattern strided_past = causal & (recent(64) | strided(64))
pattern dilated_past = causal & dilated(64, 16)
pattern columns_past = causal & (recent(64) | columns(32))
pattern last_columns = causal & fixed(128, 32)
pattern by_head = causal & (recent(64) | (if head == 1 then strided(100) else columns(64)))
pattern scored {
    score softcap(s, 3.0) + alibi(head)
    mask causal & (recent(64) | strided(64))
}
"""
NAMES = ("strided_past", "dilated_past", "columns_past", "last_columns", "by_head")


@pytest.fixture(scope="module")
def patterns():
    return maskc.loads(SPEC)


def plan_of(pattern, n_q: int, n_k: int | None = None, heads: int = 2, **more: int) -> TorchPlan:
    layout = pattern.layout(n_q, n_k, heads=heads, block=TORCH_BLOCK, **more)
    return TorchPlanner(layout, pattern.spec, pattern.bind(n_q, n_k, heads=heads, **more)).plan()


@pytest.mark.parametrize("name", NAMES)
def test_sparse_patterns_are_walked_in_another_order(patterns, name):
    pattern = getattr(patterns, name)
    n = 4096
    plan = plan_of(pattern, n)
    assert plan.walks
    layout = pattern.layout(n, heads=2, block=TORCH_BLOCK)
    assert plan.pairs <= layout.computed_pairs / 1.5
    assert plan.pairs <= 8 * layout.kept_pairs


@pytest.mark.parametrize("spec", ["causal", "recent(300)", "random(9)", "sink(9) | recent(99)"])
def test_other_patterns_keep_their_order(spec):
    pattern = maskc.loads(f"pattern other = causal & ({spec})").other
    assert not plan_of(pattern, 2000).walks


@pytest.mark.parametrize("name", [*NAMES[::2], *slow(NAMES[1::2])])
@pytest.mark.parametrize("lengths", [(1100, 1100), *slow([(1200, 1511), (1511, 1200)])])
def test_walks_are_exact(patterns, name, lengths):
    n_q, n_k = lengths
    pattern = getattr(patterns, name)
    assert plan_of(pattern, n_q, n_k).walks
    tensors = drawn((1, 2, n_q, 16), (1, 1, n_k, 16), 24)
    mask = pattern.dense_mask(n_q, n_k, heads=2, kv_heads=1)
    hold(run(pattern, *tensors), *tensors, mask)


def test_walks_of_one_batch_leave_the_other_alone():
    pattern = maskc.loads("""
        pattern one_batch = causal & (recent(64) | (batch == 1 & strided(64)))
    """).one_batch
    n = 900
    assert plan_of(pattern, n, batch=2).walks
    tensors = drawn((2, 2, n, 16), (2, 1, n, 16))
    mask = pattern.dense_mask(n, batch=2, heads=2, kv_heads=1)
    hold(run(pattern, *tensors), *tensors, mask)


def test_scores_see_the_true_positions(patterns):
    n = 900
    assert plan_of(patterns.scored, n).walks
    tensors = drawn((1, 2, n, 16), (1, 2, n, 16))
    slopes = torch.tensor([2.0**-4, 2.0**-8], dtype=torch.float64).view(-1, 1, 1)
    q, k = torch.arange(n)[:, None], torch.arange(n)
    mask = patterns.scored.dense_mask(n, heads=2)
    hold(
        run(patterns.scored, *tensors),
        *tensors,
        mask,
        score=lambda s: 3 * torch.tanh(s / 3) + slopes * (k - q),
    )


def test_scores_see_the_true_heads_of_walks_in_bands(patterns, monkeypatch):
    n, pattern = 900, patterns.scored
    assert plan_of(pattern, n, heads=6, batch=2, kv_heads=2).walks
    tensors = drawn((2, 6, n, 16), (2, 2, n, 16), dtype=torch.bfloat16)
    whole = run(pattern, *tensors)
    for limit in ("BAND_ENTRIES", "BAND_PAIRS"):
        monkeypatch.setattr(sys.modules[pattern.spec.keep.__module__], limit, 1)
    in_bands = run(pattern, *tensors)
    for field in ("out", "lse", "dq", "dk", "dv"):
        a, b = (getattr(x, field).double() for x in (whole, in_bands))
        assert torch.allclose(a, b, atol=2 * torch.finfo(torch.bfloat16).eps), field


def test_bad_keys_do_not_spread_along_walks(patterns):
    n = 1100
    for name in ("strided_past", "last_columns"):
        pattern = getattr(patterns, name)
        assert plan_of(pattern, n, heads=1).walks
        q, k, v, d_out = drawn((1, 1, n, 16), (1, 1, n, 16), dtype=torch.float32)
        touched = pattern.dense_mask(n)[..., 700]
        d_out = d_out.masked_fill(touched[..., None], 0)
        clean = run(pattern, q, k, v, d_out)
        k[:, :, 700] = v[:, :, 700] = torch.nan
        spoiled = run(pattern, q, k, v, d_out)
        for field in ("out", "lse", "dq"):
            a, b = getattr(spoiled, field)[~touched], getattr(clean, field)[~touched]
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-5), (name, field)
        assert spoiled.out[touched].isnan().any(-1).all()
