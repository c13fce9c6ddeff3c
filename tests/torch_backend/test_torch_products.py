"""Products by oneDNN equal those by torch, and autocast leaves attention alone."""

from __future__ import annotations

import sys

import pytest
import torch

import maskc
from maskc.codegen.runtime import torch_products


@pytest.mark.parametrize("c", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_those_of_torch(c, dtype, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    monkeypatch.setattr(torch_products, "LEAST_PRODUCT", 1)
    a, b = (torch.randn(c, n, 24, generator=generator).to(dtype) for n in (70, 90))
    assert torch.allclose(torch_products.product(a, b), a @ b.transpose(1, 2), atol=1e-5)
    strided = torch.randn(c, 24, 90, generator=generator).to(dtype).transpose(1, 2)
    wanted = a @ strided.transpose(1, 2)
    assert torch.allclose(torch_products.product(a, strided), wanted, atol=1e-5)

    total = torch.randn(c, 70, 90, generator=generator).to(dtype)
    wanted = total + a @ b.transpose(1, 2)
    torch_products.add_product(total, a, b.transpose(1, 2))
    assert torch.allclose(total, wanted, atol=1e-5)

    p, d = (torch.randn(c, 70, n, generator=generator).to(dtype) for n in (90, 24))
    total = torch.zeros(c, 90, 24, dtype=dtype)
    torch_products.add_transposed_product(total, p, d)
    assert torch.allclose(total, p.transpose(1, 2) @ d, atol=1e-5)


def test_attention_is_the_same_under_autocast_and_without_one_dnn(monkeypatch):
    pattern = maskc.loads("pattern long = recent(1500)").long
    module = sys.modules[pattern.spec.keep.__module__]
    generator = torch.Generator().manual_seed(0)
    q, k, v, d_out = (torch.randn(1, 1, 2500, 32, generator=generator) for _ in range(4))
    results = []
    for autocast, has_one_dnn in ((False, True), (True, True), (False, False)):
        if not has_one_dnn:
            monkeypatch.setattr(module, "has_one_dnn", lambda: False)
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = pattern(*leaves, backend="torch")
            results.append((out, *torch.autograd.grad(out, leaves, d_out)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert a.dtype == b.dtype == torch.float32
            assert torch.allclose(a, b, atol=2e-5)
