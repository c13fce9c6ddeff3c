"""The torch back end against float64 softmax over a mask that is written here a second time."""

from __future__ import annotations

import math
import sys
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch_exactness import dense, drawn, hold, run

import maskc
from maskc.codegen.runtime.torch_plan import TORCH_BLOCK
from subjects import slow

SPEC = """
pattern causal_only = causal
pattern sinks_and_window(sinks: int >= 0 = 3, window: int >= 1 = 100) =
    causal & (sink(sinks) | recent(window))
pattern both_ways(reach: int >= 0 = 70) = window(reach)
pattern every_eighth = causal & (strided(8) | recent(20))
pattern scattered(seed: int = 1) = random(37, seed)
pattern drawn_blocks = random_blocks(32, 2, 7) | block(32)
pattern by_head = causal & recent(if head == 0 then 40 else if head == 1 then 300 else 2)
pattern documents {
    input doc: int[batch, token]
    mask document(doc) & causal
}
pattern few_rows = q % 90 < 30 & k % 50 < 20
pattern nobody = nothing
pattern capped {
    score softcap(s * 2.0, 5.0) + alibi(head)
    mask causal & recent(90)
}
pattern few_rows_by_head {
    score s + alibi(head)
    mask q % 90 < 30 & k % 50 < 20
}
pattern doubled {
    score s * 2.0
    mask causal
}
pattern blocks_by_head {
    score s + alibi(head)
    mask random_blocks(32, 2, 7) | block(32)
}
pattern few_rows_of_some {
    score s + alibi(head)
    mask head >= 4 & q % 90 < 30 & k % 50 < 20
}
"""


@pytest.fixture(scope="module")
def patterns():
    return maskc.loads(SPEC)


@cache
def apart() -> SimpleNamespace:
    """The patterns in a module of their own, for tests that change its limits."""
    return maskc.loads(SPEC.replace("seed: int = 1", "seed: int = 3"))


def rows_and_keys(n_q: int, n_k: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(n_q)[:, None] + n_k - n_q, torch.arange(n_k)


def causal(n_q: int, n_k: int) -> torch.Tensor:
    q, k = rows_and_keys(n_q, n_k)
    return k <= q


def sinks_and_window(n_q: int, n_k: int, sinks: int = 3, window: int = 100) -> torch.Tensor:
    q, k = rows_and_keys(n_q, n_k)
    return (k <= q) & ((k < sinks) | (q - k < window))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("n_q", "n_k"), [(1, 1), (64, 64), (333, 333), (65, 400), (200, 71)])
def test_a_window_with_sinks_is_exact(patterns, n_q, n_k, dtype):
    tensors = drawn((2, 2, n_q, 32), (2, 2, n_k, 32), dtype=dtype)
    got = run(patterns.sinks_and_window, *tensors)
    hold(got, *tensors, sinks_and_window(n_q, n_k))


@pytest.mark.parametrize("heads", [(2, 4, 4), (2, 4, 2), (2, 6, 1), (1, 6, 1)])
@pytest.mark.parametrize(("head_dim", "value_dim"), [(16, 16), (24, 40), (40, 8)])
def test_grouped_heads_and_uneven_dims_are_exact(patterns, heads, head_dim, value_dim):
    """Of two batches, and of one whose slices all see the same keys."""
    batches, heads, kv_heads = heads
    tensors = drawn((batches, heads, 300, head_dim), (batches, kv_heads, 300, head_dim), value_dim)
    hold(run(patterns.causal_only, *tensors), *tensors, causal(300, 300))


SIDES = ("SHARED_ROWS", "LEAST_SHARED", "COARSE_ROWS", "LEAST_COARSE", "ROW_COST")
AREAS = ("LEAST_PAIRS", "CALL_COST")


@pytest.mark.parametrize("scale", [4, *slow([1])])
def test_keys_that_many_rows_share_are_cut_out_exactly(scale, monkeypatch):
    """A quarter of the rows and keys say the same of tiles and limits that are a quarter."""
    pattern = apart().sinks_and_window
    module = sys.modules[pattern.spec.keep.__module__]
    for limits, factor in ((SIDES, scale), (AREAS, scale**2)):
        for limit in limits:
            monkeypatch.setattr(module, limit, getattr(module, limit) // factor)
    n, block = 3200 // scale, TORCH_BLOCK[0] // scale
    tensors = drawn((1, 1, n, 16), (1, 1, n, 16))
    for window in (n, 2200 // scale):
        got = run(pattern, *tensors, window=window, block=block)
        hold(got, *tensors, sinks_and_window(n, n, window=window))
        plan = pattern.layout(n, block=block, window=window)._known["torch plan"]
        shared = [piece for piece in plan.pieces if piece.n_rows == module.SHARED_ROWS]
        assert shared and not all(piece.fresh for piece in plan.pieces)


@pytest.mark.parametrize("name", ["sinks_and_window", "both_ways"])
@pytest.mark.parametrize("tall", [(100, 40), (200, 150)])
def test_chunks_of_any_size_are_exact(name, tall, monkeypatch):
    """Tiles cut in rows and in keys, whose parts overlap by less than a tile."""
    pattern = getattr(apart(), name)
    module = sys.modules[pattern.spec.keep.__module__]
    monkeypatch.setattr(module, "_fuses", lambda work: False)
    monkeypatch.setattr(module, "TALL", tall)
    monkeypatch.setattr(module.chunks, "__defaults__", ((40, 100), 1 << 17))
    tensors = drawn((1, 2, 500, 16), (1, 1, 500, 16))
    hold(run(pattern, *tensors), *tensors, pattern.dense_mask(500, heads=2, kv_heads=1))


NAMES = ("both_ways", "every_eighth", "scattered", "drawn_blocks", "by_head", "few_rows", "nobody")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [97, 300, pytest.param(700, marks=pytest.mark.slow)])
def test_irregular_masks_are_exact(patterns, name, n):
    pattern = getattr(patterns, name)
    tensors = drawn((2, 4, n, 16), (2, 2, n, 16), dtype=torch.float32)
    mask = pattern.dense_mask(n, batch=2, heads=4, kv_heads=2)
    hold(run(pattern, *tensors), *tensors, mask)


@pytest.mark.parametrize("heads", ["{1, 2}", *slow(["{0, 3, 5}", "{2, 5}", "{1, 2, 6}"]), "{7}"])
def test_any_heads_may_share_a_mask(heads):
    pattern = maskc.loads(f"""
        pattern some_heads = causal & (recent(8) | (head in {heads} & recent(200)))
    """).some_heads
    tensors = drawn((1, 8, 500, 16), (1, 4, 500, 16))
    hold(run(pattern, *tensors), *tensors, pattern.dense_mask(500, heads=8, kv_heads=4))


IN_BANDS = ["sinks_and_window", "few_rows_by_head", "few_rows_of_some", "blocks_by_head"]


@pytest.mark.parametrize("name", [*IN_BANDS, *slow(["every_eighth", "drawn_blocks", "capped"])])
@pytest.mark.parametrize("dtype", [torch.bfloat16, *slow([torch.float16])])
def test_16_bits_are_as_exact_in_bands(name, dtype, monkeypatch):
    pattern = getattr(apart(), name)
    module = sys.modules[pattern.spec.keep.__module__]
    tensors = drawn((2, 6, 700, 16), (2, 2, 700, 16), dtype=dtype)
    whole = run(pattern, *tensors)
    for limit in ("BAND_ENTRIES", "BAND_PAIRS"):
        monkeypatch.setattr(module, limit, 1)
    in_bands = run(pattern, *tensors)
    known = pattern.layouts.layout(
        pattern.spec, pattern.bind(700, batch=2, heads=6, kv_heads=2), (64, 64)
    )._known
    assert any("torch bands" in key for key in known)
    for field in ("out", "lse", "dq", "dk", "dv"):
        a, b = getattr(whole, field), getattr(in_bands, field)
        assert torch.allclose(a.double(), b.double(), atol=2 * torch.finfo(dtype).eps), field


@pytest.mark.parametrize("name", ("scattered", "every_eighth", "by_head"))
def test_masks_too_various_to_store_are_read_again(patterns, name, monkeypatch):
    pattern = getattr(apart(), name)
    monkeypatch.setattr(sys.modules[pattern.spec.keep.__module__], "MOST_TILE_POINTS", 20000)
    tensors = drawn((1, 3, 500, 16), (1, 3, 500, 16))
    hold(run(pattern, *tensors), *tensors, pattern.dense_mask(500, heads=3))


def test_documents_of_each_batch_are_exact(patterns):
    generator = torch.Generator().manual_seed(5)
    doc = (torch.rand(3, 777, generator=generator) < 0.01).cumsum(1)
    tensors = drawn((3, 2, 777, 16), (3, 2, 777, 16))
    mask = (doc[:, :, None] == doc[:, None, :])[:, None] & causal(777, 777)
    hold(run(patterns.documents, *tensors, doc=doc), *tensors, mask)


def test_a_changed_input_gives_a_new_plan(patterns):
    tensors = drawn((1, 1, 300, 16), (1, 1, 300, 16))
    doc = torch.zeros(1, 300, dtype=torch.int64)
    for first in (300, 100, 17):
        doc[0, first:] = 1
        mask = (doc[:, :, None] == doc[:, None, :])[:, None] & causal(300, 300)
        hold(run(patterns.documents, *tensors, doc=doc), *tensors, mask)


@pytest.mark.parametrize("lengths", [(40, 40), (400, 400), (150, 270)])
def test_a_score_and_its_slope_are_exact(patterns, lengths):
    n_q, n_k = lengths
    tensors = drawn((1, 4, n_q, 16), (1, 2, n_k, 16))
    q, k = rows_and_keys(n_q, n_k)
    slopes = (2.0 ** (-2.0 * torch.arange(1, 5))).view(-1, 1, 1).double()
    hold(
        run(patterns.capped, *tensors),
        *tensors,
        (k <= q) & (q - k < 90),
        score=lambda s: 5 * torch.tanh(s * 2 / 5) + slopes * (k - q),
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e38])
@pytest.mark.parametrize("name", ["sinks_and_window", "every_eighth", "scattered", "capped"])
def test_bad_keys_reach_only_rows_that_keep_them(patterns, name, bad):
    pattern = getattr(patterns, name)
    n = 400
    q, k, v, d_out = drawn((1, 2, n, 16), (1, 2, n, 16), dtype=torch.float32)
    mask = pattern.dense_mask(n, heads=2)
    keys = torch.tensor([5, 77, 250])
    touched = mask[..., keys].any(-1)
    d_out = d_out.masked_fill(touched[..., None], 0)
    clean = run(pattern, q, k, v, d_out)
    k, v = k.clone(), v.clone()
    k[:, :, keys] = bad
    v[:, :, keys] = bad
    spoiled = run(pattern, q, k, v, d_out)
    for field in ("out", "lse", "dq"):
        a, b = getattr(spoiled, field)[~touched], getattr(clean, field)[~touched]
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5), field
    beside = torch.ones(1, 2, n, dtype=torch.bool)
    for head in range(2):
        rows = touched[0, head]
        beside[0, head] = ~mask[0, head][rows].any(0)
    assert beside.any()
    for field in ("dk", "dv"):
        a, b = getattr(spoiled, field)[beside], getattr(clean, field)[beside]
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-5), field


def test_a_bad_value_reaches_its_own_column_only(patterns):
    q, k, v, _ = drawn((1, 1, 200, 16), (1, 1, 200, 16), dtype=torch.float32)
    v[0, 0, 50, 3], v[0, 0, 60, 4], v[0, 0, 61, 4] = math.inf, math.inf, -math.inf
    out = patterns.causal_only(q, k, v, backend="torch")[0, 0]
    assert (out[50:, 3] == math.inf).all() and out[60, 4] == math.inf and out[61:, 4].isnan().all()
    out[50:, 3] = out[60:, 4] = 0
    assert out.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_strides_give_the_same_bits(patterns, dtype):
    tensors = drawn((2, 4, 260, 32), (2, 2, 260, 32), dtype=dtype)
    plain = run(patterns.sinks_and_window, *tensors)
    for view in (
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
        lambda x: torch.stack([x, x], 2)[:, :, 0],
    ):
        got = run(patterns.sinks_and_window, *(view(x) for x in tensors))
        for field in ("out", "lse", "dq", "dk", "dv"):
            assert torch.equal(getattr(got, field), getattr(plain, field)), field


def test_log_sum_exp_is_differentiable(patterns):
    q, k, v, _ = drawn((1, 2, 200, 16), (1, 2, 200, 16))
    mask = sinks_and_window(200, 200)
    leaves = [x.requires_grad_() for x in (q, k)]
    _, lse = patterns.sinks_and_window(q, k, v, backend="torch", return_lse=True)
    got = torch.autograd.grad(lse.sin().sum(), leaves)
    s = (q @ k.transpose(-1, -2) * 0.25).masked_fill(~mask, -math.inf)
    wanted = torch.autograd.grad(s.logsumexp(-1).sin().sum(), leaves)
    for a, b in zip(got, wanted, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_the_plain_form_equals_the_fused_one(patterns, monkeypatch):
    tensors = drawn((1, 4, 500, 16), (1, 2, 500, 16), 24)
    for name in ("sinks_and_window", "every_eighth", "drawn_blocks", "by_head"):
        pattern = getattr(patterns, name)
        fused = run(pattern, *tensors)
        module = sys.modules[pattern.spec.keep.__module__]
        with monkeypatch.context() as patch:
            patch.setattr(module, "_fuses", lambda work: False)
            plain = run(pattern, *tensors)
        for field in ("out", "lse", "dq", "dk", "dv"):
            assert torch.allclose(getattr(fused, field), getattr(plain, field), atol=1e-12), field


def test_changing_the_output_in_place_is_noticed(patterns):
    q, k, v, d_out = drawn((1, 1, 70, 16), (1, 1, 70, 16))
    out = patterns.causal_only(q.requires_grad_(), k, v, backend="torch")
    out.detach().zero_()
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.backward(d_out)


def test_attention_is_the_same_under_autocast():
    pattern = maskc.loads("pattern long = recent(1500)").long
    tensors = drawn((1, 1, 2500, 32), (1, 1, 2500, 32), dtype=torch.float32)
    plain = run(pattern, *tensors)
    with torch.autocast("cpu", torch.bfloat16):
        got = run(pattern, *tensors)
    for field in ("out", "lse", "dq", "dk", "dv"):
        assert torch.equal(getattr(got, field), getattr(plain, field)), field


@pytest.mark.parametrize("name", ["causal_only", "doubled"])
@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_gradients_are_as_exact_as_dense_ones_where_logits_are_large(patterns, name, scale):
    tensors = drawn((1, 2, 300, 64), (1, 2, 300, 64), dtype=torch.float32)
    mask = causal(300, 300)
    factor = 2.0 if name == "doubled" else 1.0
    same, exact = (
        dense(*tensors, mask, dtype, score=lambda s: s * factor, scale=scale)
        for dtype in (torch.float32, torch.float64)
    )
    got = run(getattr(patterns, name), *tensors, scale=scale)
    for field in ("dq", "dk", "dv"):
        truth = getattr(exact, field)
        error, other = ((getattr(x, field) - truth).abs().max() for x in (got, same))
        assert error <= 3 * other, (field, error, other)
