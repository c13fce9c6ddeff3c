"""`Call`: everything about one call of a pattern, small enough to read and to paste."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any

import torch


@dataclass(frozen=True, repr=False)
class Call:
    """One call of a pattern. Its `repr` makes it again.

    Tensors follow from `seed`: normal q [batch, heads, n_q, head_dim], k [batch, kv_heads, n_k,
    head_dim], v [batch, kv_heads, n_k, value_dim] and the gradient of the output. `inputs` are
    nested lists by name, ints of dtype `int_dtype`. `poison` fills k and v with NaN and inf
    wherever no query of the group sees the key. `strided` makes q, k and v views with gaps.
    """

    n_q: int
    n_k: int
    batch: int = 1
    heads: int = 1
    kv_heads: int = 1
    head_dim: int = 16
    value_dim: int = 16
    dtype: str = "float32"
    scale: float | None = None
    layer: int | None = None
    n_layers: int | None = None
    params: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    int_dtype: str = "int64"
    poison: bool = False
    strided: bool = False
    seed: int = 0

    def __repr__(self) -> str:
        """The call as Python text, with what differs from the defaults."""
        shown = []
        for f in fields(self):
            value = getattr(self, f.name)
            default = f.default
            if f.default_factory is not MISSING:
                default = f.default_factory()
            if default is MISSING or value != default:
                shown.append(f"{f.name}={value!r}")
        return f"Call({', '.join(shown)})"

    def tensors(self, device: str = "cpu") -> tuple[torch.Tensor, ...]:
        """q, k, v and the gradient of the output, fresh from `seed`, none requiring gradients."""
        generator = torch.Generator().manual_seed(self.seed)
        dtype = getattr(torch, self.dtype)

        def normal(heads: int, tokens: int, dim: int) -> torch.Tensor:
            shape = (self.batch, heads, tokens, dim)
            x = torch.randn(shape, generator=generator, dtype=torch.float64)
            x = x.to(device=device, dtype=dtype)
            if self.strided:
                wide = torch.zeros((self.batch, tokens, heads, dim + 8), device=device, dtype=dtype)
                wide[..., :dim] = x.transpose(1, 2)
                x = wide[..., :dim].transpose(1, 2)
            return x

        return (
            normal(self.heads, self.n_q, self.head_dim),
            normal(self.kv_heads, self.n_k, self.head_dim),
            normal(self.kv_heads, self.n_k, self.value_dim),
            normal(self.heads, self.n_q, self.value_dim),
        )

    def input_tensors(self, device: str = "cpu") -> dict[str, torch.Tensor]:
        """The inputs as tensors: bool, int of dtype `int_dtype`, or float of the call's dtype."""
        made = {}
        for name, values in self.inputs.items():
            x = torch.tensor(values)
            if x.dtype == torch.int64:
                x = x.to(getattr(torch, self.int_dtype))
            made[name] = x.to(device)
        return made

    def arguments(self, device: str = "cpu") -> dict[str, Any]:
        """Keyword arguments for every method of a pattern: parameters, inputs, the layer."""
        given: dict[str, Any] = {**self.params, **self.input_tensors(device)}
        if self.layer is not None:
            given["layer"] = self.layer
        if self.n_layers is not None:
            given["n_layers"] = self.n_layers
        return given

    def lengths(self) -> dict[str, int]:
        """What `dense_mask`, `layout` and `block_mask` take in the place of tensors."""
        return {
            **{"n_q": self.n_q, "n_k": self.n_k, "batch": self.batch},
            **{"heads": self.heads, "kv_heads": self.kv_heads},
        }
