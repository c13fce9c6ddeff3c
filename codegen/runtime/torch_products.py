"""Matrix products of the torch back end, by whichever library is the faster one.

On a CPU torch gives float32 products to MKL, which runs at half its speed on processors that are
not Intel's. oneDNN, which comes with torch too, does not; torch's own compiler calls it through
the same operator.
"""

from __future__ import annotations

import platform
from functools import cache

import torch

LEAST_PRODUCT = 1 << 22
"""Multiplications of one product below which calling oneDNN costs more than it saves."""


def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`a @ b^T` in each of c: [c, m, n] from [c, m, k] and [c, n, k]."""
    if takes_one_dnn(a, a.numel() * b.shape[1]):
        return _linear(a[0], b[0])[None]
    return torch.bmm(a, b.transpose(1, 2))


def add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """Add a @ b in each of c to `total`: [c, m, n] from [c, m, k] and [c, k, n].

    The c parts of `total` do not overlap.
    """
    if takes_one_dnn(a, a.numel() * b.shape[2]):
        total[0].add_(_linear(a[0], b[0].t()))
    elif total.shape[0] == 1:
        total[0].addmm_(a[0], b[0])
    elif total.is_contiguous():
        total.baddbmm_(a, b)
    else:
        total.add_(torch.bmm(a, b))


def add_transposed_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> None:
    """Add a^T @ b in each of c to `total`: [c, n, m] from [c, k, n] and [c, k, m]."""
    if takes_one_dnn(a, a.numel() * b.shape[2]):
        # This way round only the small b is copied.
        total[0].add_(_linear(b[0].t(), a[0].t()).t())
    else:
        add_product(total, a.transpose(1, 2), b)


def takes_one_dnn(a: torch.Tensor, multiplications: int) -> bool:
    """Whether a product of `a` [c, m, k], of so many multiplications, is oneDNN's."""
    return (
        a.shape[0] == 1
        and multiplications >= LEAST_PRODUCT
        and a.dtype == torch.float32
        and a.device.type == "cpu"
        and has_one_dnn()
        and bool(torch.backends.mkldnn.enabled)
    )


@cache
def has_one_dnn() -> bool:
    """Whether torch's operator on oneDNN is there, on a processor of the kind meant."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _linear(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """`a @ b^T`: [m, n] from [m, k] and [n, k]."""
    return torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
