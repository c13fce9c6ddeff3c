"""Compiled kernels on a GPU against the float64 oracle, and what only a GPU can show."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc.testing import Call, assert_matches_dense
from subjects import EXAMPLES, example_cases

pytestmark = pytest.mark.gpu

DTYPES = ("bfloat16", "float16", "float32")
DIMS = ((16, 16), (64, 64), (96, 96), (128, 128), (80, 112), (256, 256))
STREAMING = next(path for path in EXAMPLES if path.stem == "streaming_llm")


def backend(pattern):
    """The module that holds a loaded pattern, its Triton back end with it."""
    return sys.modules[type(pattern).__module__]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@settings(max_examples=20)
@given(st.data())
def test_examples_match_the_oracle(path: Path, data):
    case = data.draw(example_cases(path, 260, dtypes=DTYPES, head_dims=DIMS))
    assert_matches_dense(case.pattern, case.call, "triton", device="cuda", mask=case.mask())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("head_dim", "value_dim"), DIMS)
@pytest.mark.parametrize("n", [1000, 2048, 3001])
def test_long_sequences_match_the_oracle(dtype, head_dim, value_dim, n):
    pattern = maskc.load(STREAMING).streaming_llm
    call = Call(
        n_q=n,
        n_k=n,
        heads=4,
        kv_heads=2,
        head_dim=head_dim,
        value_dim=value_dim,
        dtype=dtype,
        params={"window": 300},
        poison=True,
    )
    assert_matches_dense(pattern, call, "triton", device="cuda")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [64, 128, 256])
@pytest.mark.parametrize("kernel", ["forward", "dq", "dkdv"])
def test_every_tile_on_the_list_runs_and_is_right(monkeypatch, kernel, dim, dtype):
    pattern = maskc.load(STREAMING).streaming_llm
    module = backend(pattern)
    everything = module.tiles
    bits = torch.finfo(getattr(torch, dtype)).bits
    arch = module._arch(torch.device("cuda", 0))
    call = Call(n_q=700, n_k=700, heads=2, head_dim=dim, value_dim=dim, dtype=dtype)
    for tile in everything(kernel, arch, bits, dim):

        def only(name, *rest, tile=tile):
            return (tile,) if name == kernel else everything(name, *rest)

        monkeypatch.setattr(module, "tiles", only)
        module._ranked.clear()
        assert_matches_dense(pattern, call, "triton", device="cuda")
    module._ranked.clear()


def test_tuning_keeps_the_result(monkeypatch):
    pattern = maskc.load(STREAMING).streaming_llm
    module = backend(pattern)
    module._ranked.clear()
    monkeypatch.setattr(module, "LEAST_TUNED", 0.0)
    call = Call(n_q=1024, n_k=1024, heads=2, head_dim=64, value_dim=64, dtype="bfloat16")
    assert_matches_dense(pattern, call, "triton", device="cuda")
    assert {key[0] for key in module._ranked} == {"forward", "dq", "dkdv"}


def test_two_runs_give_the_same_bits():
    pattern = maskc.load(STREAMING).streaming_llm
    q, k, v = (
        torch.randn(2, heads, 3000, 64, device="cuda", dtype=torch.bfloat16, requires_grad=True)
        for heads in (8, 2, 2)
    )

    def run():
        out = pattern(q, k, v)
        return out, *torch.autograd.grad(out.float().square().sum(), (q, k, v))

    assert all(torch.equal(a, b) for a, b in zip(run(), run(), strict=True))


def test_offsets_beyond_32_bits_are_exact():
    pattern = maskc.load(STREAMING).streaming_llm
    n, dim, step = 300, 64, 2**31 // 256
    room = torch.zeros(n * step, device="cuda", dtype=torch.bfloat16)
    k = room.as_strided((1, 1, n, dim), (room.numel(), room.numel(), step, 1))
    k.normal_()
    q, v = (torch.randn(1, 1, n, dim, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    assert (n - 1) * step > 2**31
    assert torch.equal(pattern(q, k, v), pattern(q, k.contiguous(), v))


def test_a_new_length_does_not_compile_again():
    pattern = maskc.load(STREAMING).streaming_llm
    kernel = pattern.spec.kernels["forward"]

    def run(n):
        x = torch.randn(1, 1, n, 64, device="cuda", dtype=torch.bfloat16)
        pattern(x, x, x)
        return sum(len(caches[0]) for caches in kernel.device_caches.values())

    compiled = run(1280)
    assert run(2560) == compiled
