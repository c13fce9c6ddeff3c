"""Values that mean a number, and tensors without values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import maskc

PATTERNS = maskc.loads("""
pattern local(w: int >= 1 = 4, c: bool = true, f: float = 0.5) = recent(w) & (c | q == k)
pattern documents {
    input doc: int[batch, token]
    sink_count 2
    mask doc[q] == doc[k]
}
""")
LOCAL = PATTERNS.local
X = torch.randn(2, 4, 8, 16)


@pytest.mark.parametrize(
    "value", [np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), torch.tensor(3).byte()]
)
def test_exact_integers_of_torch_and_numpy_are_integers(value):
    assert torch.equal(LOCAL.dense_mask(8, w=value), LOCAL.dense_mask(8, w=3))


@pytest.mark.parametrize("value", [np.False_, np.array(False), torch.tensor(False)])
def test_single_bools_of_torch_and_numpy_are_bools(value):
    assert torch.equal(LOCAL.dense_mask(8, c=value), LOCAL.dense_mask(8, c=False))


@pytest.mark.parametrize("value", [np.float32(0.5), torch.tensor(0.5), np.array(0.5)])
def test_single_floats_of_torch_and_numpy_are_floats(value):
    assert torch.equal(LOCAL(X, X, X, scale=value), LOCAL(X, X, X, scale=0.5))
    assert LOCAL.bind(8, f=value).params["f"] == 0.5


@pytest.mark.parametrize("backend", ["auto", "torch", "dense"])
def test_tensors_on_meta_give_shapes_and_a_graph(backend):
    """As one asks for the memory of a model before it is loaded."""
    q = torch.empty(2, 4, 8, 16, dtype=torch.bfloat16, device="meta", requires_grad=True)
    v = torch.empty(2, 2, 8, 5, dtype=torch.bfloat16, device="meta")
    k = torch.empty(2, 2, 8, 16, dtype=torch.bfloat16, device="meta")
    doc = torch.zeros(2, 8, dtype=torch.int64, device="meta")
    for pattern, inputs in ((LOCAL, {}), (PATTERNS.documents, {"doc": doc})):
        out, lse = pattern(q, k, v, backend=backend, return_lse=True, **inputs)
        assert (out.shape, out.dtype, out.is_meta) == ((2, 4, 8, 5), torch.bfloat16, True)
        assert (lse.shape, lse.dtype, lse.is_meta) == ((2, 4, 8), torch.float32, True)
        out.sum().backward()
        assert q.grad is not None and q.grad.is_meta


def test_inference_mode_and_tensors_made_in_it_are_fine_without_gradients():
    with torch.inference_mode():
        y = torch.randn(2, 4, 8, 16)
        inside = LOCAL(y, y, y)
    assert torch.equal(LOCAL(y, y, y), inside)


def test_subclasses_of_tensors_are_tensors():
    class Named(torch.Tensor):
        pass

    wanted = LOCAL(X, X, X)
    assert torch.equal(LOCAL(X.as_subclass(Named), X, X).as_subclass(torch.Tensor), wanted)
    assert torch.equal(LOCAL(torch.nn.Parameter(X), X, X).detach(), wanted)


def test_explain_gives_a_parameter_of_its_own_name_to_the_pattern():
    """Also where the name is one that `explain` has itself."""
    own = maskc.loads("pattern p(head_dim: int = 3, value_dim: int = 1) = recent(head_dim)").p
    told = own.explain(128, head_dim=7, value_dim=2)
    assert told["kept pairs"] == 128 * 7 - 21
    assert told["dense FLOPs"] == own.explain(128)["dense FLOPs"] == 256 * 128**2


@pytest.mark.parametrize(
    ("mask", "kept"), [("k > -9223372036854775808", 25), ("k in {-9223372036854775808, 1}", 5)]
)
def test_the_smallest_integer_may_be_compared_with(mask, kept):
    """It fits in 64 bits, though its opposite does not."""
    assert maskc.loads(f"pattern p = {mask}").p.dense_mask(5).sum() == kept
