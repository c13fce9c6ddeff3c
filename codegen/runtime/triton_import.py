"""Triton, or a stand-in where it is not installed: then kernels are defined and never launched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

try:
    import triton
    import triton.language as tl
    from triton.runtime.errors import OutOfResources  # pyright: ignore[reportAssignmentType]
except ImportError:

    def _not_compiled(kernel: Any = None, **options: Any) -> Any:
        """The kernel as it stands: where there is no Triton, no kernel is ever launched."""
        return kernel or (lambda other: other)

    triton = SimpleNamespace(jit=_not_compiled)
    tl = SimpleNamespace(constexpr=object)

    class OutOfResources(Exception):
        """What a launch raises where the GPU has no room for a tile."""
