"""Sinks in every back end: out, lse and all gradients against textbook softmax."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plain_softmax import assert_near, plain_attention, results

import maskc

BACKENDS = ("dense", "torch")

SPEC = """
pattern plain = causal & recent(5) & k > 5

pattern logit {
    input sink: float[head]
    sink_logit sink
    mask plain
}

pattern by_layer {
    input sink: float[layer, batch, kv_head]
    sink_logit sink
    mask plain
}

pattern counted {
    sink_count if q % 3 == 0 then 0 else q % 5 + head
    mask plain
}

pattern both(pads: int = 3) {
    input sink: float[head]
    sink_logit sink
    sink_count pads - q
    mask plain
}

pattern deep {
    sink_count layer
    mask plain
}
"""
PATTERNS = maskc.loads(SPEC)
HEADS, N_Q, N_K = 4, 9, 13


def tensors(dtype, n_q=N_Q, n_k=N_K):
    generator = torch.Generator().manual_seed(0)
    shapes = ((HEADS, n_q, 8), (2, n_k, 8), (2, n_k, 6))
    return [
        torch.randn((2, *shape), generator=generator, dtype=torch.float64).to(dtype)
        for shape in shapes
    ]


def mask_of(n_q=N_Q, n_k=N_K):
    return PATTERNS.plain.dense_mask(n_q, n_k, batch=2, heads=HEADS, kv_heads=2)


def copies(counts):
    """As many sinks of logit 0 as the largest count: -inf where a row has fewer."""
    shape = (2, HEADS, N_Q)
    return tuple(
        torch.where(counts > i, 0.0, -torch.inf).double().expand(shape)
        for i in range(int(counts.max()))
    )


def per_head(sink):
    return sink.view(1, -1, 1).expand(2, HEADS, N_Q)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sink_logit_joins_the_softmax_and_has_a_gradient(backend, dtype):
    """Rows without keys too: their lse is the sink, their out 0."""
    q, k, v = tensors(dtype)
    inputs = {"sink": torch.tensor([0.5, -2.0, 3.0, -torch.inf])}

    def compiled(q, k, v, sink):
        return PATTERNS.logit(q, k, v, sink=sink, backend=backend, return_lse=True)

    def plain(q, k, v, sink):
        return plain_attention(q, k, v, mask_of(), sinks=(per_head(sink.double()),))

    assert not mask_of().any(-1).all()
    got = results(compiled, q, k, v, inputs)
    assert got[0].dtype == got[2].dtype == dtype
    assert_near(got, results(plain, q, k, v, inputs), dtype)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_sink_may_differ_by_layer_batch_and_kv_head(backend):
    q, k, v = tensors(torch.float64)
    inputs = {"sink": torch.randn(3, 2, 2)}

    def compiled(q, k, v, sink):
        return PATTERNS.by_layer(q, k, v, sink=sink, layer=1, backend=backend, return_lse=True)

    def plain(q, k, v, sink):
        one = sink[1].repeat_interleave(2, 1)[..., None].expand(2, HEADS, N_Q)
        return plain_attention(q, k, v, mask_of(), sinks=(one,))

    # The gradient of a float32 sink is rounded to float32.
    assert_near(results(compiled, q, k, v, inputs), results(plain, q, k, v, inputs), torch.float32)
    with pytest.raises(ValueError, match="layer is missing"):
        PATTERNS.by_layer(q, k, v, sink=inputs["sink"])


@pytest.mark.parametrize("backend", BACKENDS)
def test_counted_sinks_are_keys_of_logit_and_value_0(backend):
    """Live padding: a count by position, not by row, and by head."""
    q, k, v = tensors(torch.float64)
    position = torch.arange(N_Q) + N_K - N_Q
    counts = position % 5 + torch.arange(HEADS).view(1, -1, 1)
    sinks = copies(torch.where(position % 3 == 0, 0, counts))

    def compiled(q, k, v):
        return PATTERNS.counted(q, k, v, backend=backend, return_lse=True)

    def plain(q, k, v):
        return plain_attention(q, k, v, mask_of(), sinks=sinks)

    wanted = results(plain, q, k, v, {})
    assert_near(results(compiled, q, k, v, {}), wanted, torch.float64)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pads", [0, 9, 20])
def test_logit_and_count_join_together_and_a_negative_count_is_none(backend, pads):
    q, k, v = tensors(torch.float64)
    inputs = {"sink": torch.randn(HEADS, dtype=torch.float64)}
    counts = (pads - torch.arange(N_Q) - N_K + N_Q).clamp(min=0)

    def compiled(q, k, v, sink):
        return PATTERNS.both(q, k, v, sink=sink, pads=pads, backend=backend, return_lse=True)

    def plain(q, k, v, sink):
        return plain_attention(q, k, v, mask_of(), sinks=(per_head(sink), *copies(counts)))

    wanted = results(plain, q, k, v, inputs)
    assert_near(results(compiled, q, k, v, inputs), wanted, torch.float64)


def test_a_count_of_the_layer_asks_for_the_layer():
    q, k, v = tensors(torch.float64)
    with pytest.raises(ValueError, match="layer is missing"):
        PATTERNS.deep(q, k, v)
    none = PATTERNS.deep(q, k, v, layer=0, return_lse=True)
    torch.testing.assert_close(none, PATTERNS.plain(q, k, v, return_lse=True))


@pytest.mark.parametrize("backend", BACKENDS)
def test_without_any_key_only_the_sinks_are_left(backend):
    q, k, v = tensors(torch.float64, 3, 0)
    sink = torch.tensor([0.5, -2.0, 3.0, -torch.inf])
    out, lse = PATTERNS.logit(q, k, v, sink=sink, backend=backend, return_lse=True)
    assert not out.any()
    assert torch.equal(lse, sink.double().view(1, -1, 1).expand(2, -1, 3))


@given(st.floats(-1e4, 1e4, width=32))
def test_a_sink_of_any_size_gives_no_nan(size):
    q, k, v = tensors(torch.float32)
    inputs = {"sink": torch.full((HEADS,), size)}

    def compiled(q, k, v, sink):
        return PATTERNS.logit(q, k, v, sink=sink, return_lse=True)

    assert all(x.isfinite().all() for x in results(compiled, q, k, v, inputs))


def test_the_oracle_has_the_sinks():
    q, k, v = tensors(torch.float32)
    sink = torch.randn(HEADS)
    wanted = plain_attention(q, k, v, mask_of(), sinks=(per_head(sink),))
    got = PATTERNS.logit.oracle(q, k, v, sink=sink, return_lse=True)
    torch.testing.assert_close(got, wanted)


def test_a_sink_of_the_wrong_shape_is_told():
    q, k, v = tensors(torch.float32)
    with pytest.raises(ValueError, match=re.escape("sink has 3 entries on axis 0 (head)")):
        PATTERNS.logit(q, k, v, sink=torch.zeros(3))
    with pytest.raises(TypeError, match="input sink is missing"):
        PATTERNS.logit(q, k, v)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_output_in_16_bits_is_rounded_once(backend, dtype):
    narrow = tensors(dtype)
    wide = [x.float() for x in narrow]
    sink = torch.linspace(-2, 3, HEADS)
    got, exact = (PATTERNS.logit(*x, sink=sink, backend=backend) for x in (narrow, wide))
    assert got.dtype == dtype
    assert torch.equal(got, exact.to(dtype))
