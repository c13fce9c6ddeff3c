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


def _patch_the_language_once_a_launch() -> None:
    """Keep a function that another calls from patching `triton.language` once more.

    The interpreter does so at each call, though the launch has patched it: a third of its time.
    """
    from triton.runtime import interpreter

    patch, patched = interpreter._patch_lang, set()

    def patch_lang(fn: Any) -> Any:
        if id(fn.__globals__) in patched:
            return None
        scope = patch(fn)
        patched.add(id(fn.__globals__))
        restore = scope.restore

        def restore_all() -> None:
            patched.clear()
            restore()

        scope.restore = restore_all
        return scope

    interpreter._patch_lang = patch_lang


if not collect_ignore_glob:
    _add_products_in_order()
    _patch_the_language_once_a_launch()
