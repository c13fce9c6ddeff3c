"""PyTorch's own FlexAttention accepts our block masks and gives the same output."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.attention import flex_attention as module
from torch.nn.attention.flex_attention import flex_attention

from subjects import EXAMPLES, Case, cases, example_cases, share

NAME = f"torch {torch.__version__}"


def check(case: Case) -> None:
    call = case.call
    q, k, v, _ = call.tensors()
    block_mask = case.pattern.block_mask(**call.lengths(), **call.arguments())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile")
        theirs = flex_attention(
            q, k, v, block_mask=block_mask, scale=call.scale, enable_gqa=call.heads != call.kv_heads
        )
    ours = case.pattern(q, k, v, scale=call.scale, **call.arguments())
    assert torch.allclose(theirs, ours, rtol=1e-4, atol=1e-5), NAME


@pytest.fixture
def untraced(monkeypatch):
    """Their reference runs as it stands; by default it is traced anew for every mask."""
    monkeypatch.setattr(module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


QUIET = settings(suppress_health_check=list(HealthCheck))


@settings(QUIET, max_examples=share(3))
@given(st.data())
def test_drawn_block_masks_give_the_same_output(untraced, data):
    check(data.draw(cases(200, features=("cross",))))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@pytest.mark.slow
@settings(QUIET, max_examples=share(6))
@given(st.data())
def test_block_masks_of_examples_give_the_same_output(untraced, path, data):
    check(data.draw(example_cases(path, 200, dtypes=["float32"])))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["streaming_llm", "packed_documents", "duo_attention"])
@settings(max_examples=1)
@given(st.data())
def test_a_block_mask_can_be_traced(name, data):
    (path,) = [p for p in EXAMPLES if p.stem == name]
    torch._dynamo.reset()
    check(data.draw(example_cases(path, 200, dtypes=["float32"])))
