"""Tests here need Triton's interpreter, which a process has from its start or not at all."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]


def _add_products_in_order() -> None:
    """Make the interpreter sum a product of fp32 matrices as a GPU does, one FMA after another.

    It asks BLAS, where the order hangs on the shapes: then the backward kernels, whose tiles are
    transposed, meet other logits than the forward kernel did, by more than fp32 has to spare.
    """
    from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

    by_blas = InterpreterBuilder.create_dot

    def create_dot(builder: Any, a: Any, b: Any, d: Any, *rest: Any) -> Any:
        if a.data.dtype != np.float32 or d.data.dtype != np.float32:
            return by_blas(builder, a, b, d, *rest)
        total = d.data
        with np.errstate(all="ignore"):
            for column, row in zip(a.data.T.astype(np.float64), b.data, strict=True):
                total = (column[:, None] * row + total).astype(np.float32)
        return TensorHandle(total, d.dtype.scalar)

    InterpreterBuilder.create_dot = create_dot


if not collect_ignore_glob:
    _add_products_in_order()
