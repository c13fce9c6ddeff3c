"""`assert_matches_dense` accepts exact attention, and notices each way of being wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import maskc
from maskc.testing import Call, assert_matches_dense, calls, fuzz
from maskc.testing.oracle import (
    _check,
    floor,
    own_sinks,
    poisoned,
    unwritten_memory_is_nan,
)
from maskc.testing.reference import Problem, Rules, Terms, dense_attention

EVERYTHING = maskc.loads("pattern everything_ = everything").everything_

CALL = Call(n_q=21, n_k=17, heads=2, kv_heads=1)


def local_mask(n_q: int, n_k: int, batch: int, heads: int, kv_heads: int) -> torch.Tensor:
    d = torch.arange(n_q).view(-1, 1) + n_k - n_q - torch.arange(n_k)
    return ((d >= 0) & (d < 8)).expand(batch, heads, n_q, n_k)


@dataclass
class Local:
    """A stand-in for a compiled pattern: dense attention in float32, with a fault put in.

    `spoil(name, tensor)` changes a result: out, lse, dq, dk or dv.
    """

    spoil: object = None
    spec = SimpleNamespace(
        **{"name": "local", "score": None, "score_inputs": (), "params": (), "inputs": ()},
        **{"sinks": None, "space": None, "uses_layer": False, "uses_n_layers": False},
    )
    dense_mask = staticmethod(local_mask)

    def __call__(self, q, k, v, *, scale, backend, return_lse):
        """Out [batch, heads, n_q, value_dim] and lse [batch, heads, n_q]."""
        mask = local_mask(q.shape[2], k.shape[2], q.shape[0], q.shape[1], k.shape[1])
        spoil = self.spoil or (lambda name, x: x)

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(context, q, k, v):
                context.save_for_backward(q, k, v)
                seen = mask.any(2).unflatten(1, (k.shape[1], -1)).any(2)[..., None]
                k, v = torch.where(seen, k, 0), torch.where(seen, v, 0)
                nothing = torch.zeros(*q.shape[:3], v.shape[3])
                got = attend(q, k, v, nothing)
                lse = spoil("lse", got["lse"])
                context.mark_non_differentiable(lse)
                return spoil("out", got["out"].to(q.dtype)), lse

            @staticmethod
            def backward(context, gradient, _):
                q, k, v = context.saved_tensors
                seen = mask.any(2).unflatten(1, (k.shape[1], -1)).any(2)[..., None]
                got = attend(q, torch.where(seen, k, 0), torch.where(seen, v, 0), gradient)
                return tuple(spoil(n, got[n].to(q.dtype)) for n in ("dq", "dk", "dv"))

        def attend(q, k, v, gradient):
            factor = q.shape[-1] ** -0.5 if scale is None else scale
            problem = Problem(q, k, v, gradient, {}, factor)
            with torch.enable_grad():
                return dense_attention(problem, Rules(mask), torch.float32)

        return Function.apply(q, k, v)


@given(calls(Local(), max_tokens=200))
def test_exact_attention_passes(call):
    assert_matches_dense(Local(), call)


@pytest.mark.parametrize("name", ["out", "lse", "dq", "dk", "dv"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_one_wrong_entry_is_noticed(name, dtype):
    def spoil(n, x):
        x = x.clone()
        if n == name:
            x[0, 0, 9] += 0.05 if dtype == "float32" else 0.15
        return x

    with pytest.raises(AssertionError, match=f"^{name} is off by"):
        assert_matches_dense(Local(spoil), replace(CALL, dtype=dtype))


@pytest.mark.parametrize("name", ["out", "lse", "dq", "dk", "dv"])
def test_an_unwritten_entry_is_noticed(name):
    def spoil(n, x):
        if n == name:
            gap = torch.empty_like(x)
            gap[:, :, :3] = x[:, :, :3]
            return gap
        return x

    with pytest.raises(AssertionError, match="NaN"):
        assert_matches_dense(Local(spoil), replace(CALL, n_q=17))


@pytest.mark.parametrize(("name", "told"), [("out", "out is not 0"), ("dq", "dq is not 0")])
def test_a_row_without_keys_must_be_exactly_zero(name, told):
    def spoil(n, x):
        return torch.where(x == 0, 1e-30, x) if n == name else x

    with pytest.raises(AssertionError, match=told):
        assert_matches_dense(Local(spoil), CALL)


def test_a_slightly_wrong_scale_is_noticed_in_float32():
    with pytest.raises(AssertionError, match="out is off by"):
        assert_matches_dense(Local(lambda n, x: x * 1.0001), CALL)


def test_nan_of_unseen_keys_must_not_reach_the_result():
    class Leaky(Local):
        def __call__(self, q, k, v, **options):
            out, lse = super().__call__(q, k, v, **options)
            return out + v.sum() * 0, lse

    call = replace(CALL, n_q=5, n_k=40)
    assert_matches_dense(Leaky(), call)
    with pytest.raises(AssertionError, match="NaN"):
        assert_matches_dense(Leaky(), replace(call, poison=True))


def test_a_failure_carries_a_call_that_can_be_pasted():
    with pytest.raises(AssertionError) as caught:
        assert_matches_dense(Local(lambda n, x: x * 1.1), CALL)
    pasted = str(caught.value).splitlines()[-1]
    assert eval(pasted, {"Call": Call}) == CALL


def test_long_inputs_are_told_by_what_repeats():
    doc = [[1] * 27 + [2] * 38, [3] * 65]
    live = [False, True, True] * 21 + [False] * 2
    call = Call(n_q=65, n_k=65, batch=2, inputs={"doc": doc, "live": live, "few": [1, 1, 2]})
    told = "{'doc': [[1] * 27 + [2] * 38, [3] * 65], 'live': [False, True, True] * 21 + "
    assert told + "[False, False], 'few': [1, 1, 2]}" in repr(call)
    assert eval(repr(call)) == call


@given(st.lists(st.tuples(st.lists(st.integers(0, 2), max_size=3), st.integers(0, 9))))
def test_a_call_is_what_its_text_says(parts):
    row = [entry for entries, times in parts for entry in entries * times]
    call = Call(n_q=1, n_k=1, inputs={"rows": [row, row[::-1], row]}, grid=row)
    assert eval(repr(call)) == call


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_few_keys_pass_though_the_error_of_dense_attention_is_near_zero(dtype):
    for seed in range(8):
        call = Call(n_q=1, n_k=1 + seed % 2, head_dim=64, dtype=dtype, seed=seed, scale=1.0)
        assert_matches_dense(EVERYTHING, call, "torch")


def test_the_floor_lets_no_error_of_the_size_of_a_term_through():
    def spoil(n, x):
        return x + 3e-5 if n == "dq" else x

    with pytest.raises(AssertionError, match="dq is"):
        assert_matches_dense(Local(spoil), replace(CALL, n_q=1, n_k=1))


def test_the_floor_is_a_rounding_of_each_term():
    terms = Terms(torch.tensor(3.0), torch.tensor(5.0))
    assert floor(terms, torch.bfloat16, torch.float16) == 3 * 2**-7 + 5 * 2**-23
    assert floor(terms, torch.float64, torch.float64) == 8 * 2**-52


def test_an_error_is_held_to_what_its_own_entry_allows():
    exact = {"out": torch.zeros(2, dtype=torch.float64)}
    got = {"out": torch.tensor([0.9, 0.5])}
    with pytest.raises(AssertionError, match=r"^out is off by 0.5 at \(1,\)"):
        _check("out", got, exact, exact, lambda: torch.tensor([1.0, 0.1]), "here")


def test_unseen_keys_are_poisoned_with_nan_and_both_infinities():
    k, v = torch.ones(1, 1, 4, 2), torch.ones(1, 1, 4, 3)
    mask = torch.tensor([False, False, False, True]).expand(1, 2, 5, 4)
    for x in poisoned(k, v, mask):
        assert str(x[0, 0, :, 0].tolist()) == "[nan, inf, -inf, 1.0]"


def test_fewer_sinks_than_none_are_none():
    text = "pattern padded {\n sink_count q - 2\n mask causal\n}"
    (found,) = own_sinks(maskc.loads(text).padded, Call(n_q=4, n_k=4))({})
    assert found.flatten().tolist() == [-torch.inf, -torch.inf, -torch.inf, 0.0]


def test_new_memory_is_nan_only_inside():
    with unwritten_memory_is_nan():
        assert torch.empty(1000).isnan().all()
    assert not torch.are_deterministic_algorithms_enabled()


def test_fuzz_gives_the_smallest_failing_call():
    def spoil(n, x):
        return x * 1.5 if n == "out" and x.shape[2] >= 12 else x

    seen = []
    report = fuzz(Local(spoil), 200, lambda done, total: seen.append((done, total)), seed=0)
    assert report.failure is not None
    assert (report.failure.call.n_q, report.failure.call.dtype) == (12, "float32")
    assert "out is off by" in report.failure.message
    assert seen[0] == (1, 200)
    assert report.examples == len(seen)


def test_fuzz_of_an_exact_pattern_tries_every_example():
    report = fuzz(Local(), 25, seed=0)
    assert report.failure is None
    assert report.examples == 25
