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
    nested lists by name, ints of dtype `int_dtype`, floats of `float_dtype`. `grid` and `segments`
    are as a call takes them. `poison` fills k and v with NaN and inf wherever no query of the group
    sees the key. `strided` makes q, k and v views with gaps.
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
    grid: Any = None
    segments: dict[str, int] | None = None
    int_dtype: str = "int64"
    float_dtype: str = "float32"
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
                shown.append(f"{f.name}={_shown(value)}")
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
        """The inputs as tensors: bool, int of dtype `int_dtype`, or float of `float_dtype`."""
        made = {}
        for name, values in self.inputs.items():
            x = torch.tensor(values)
            if x.dtype != torch.bool:
                kind = self.float_dtype if x.is_floating_point() else self.int_dtype
                x = x.to(getattr(torch, kind))
            made[name] = x.to(device)
        return made

    def arguments(self, device: str = "cpu") -> dict[str, Any]:
        """Keyword arguments for every method of a pattern: parameters, inputs, the layer."""
        given: dict[str, Any] = {**self.params, **self.input_tensors(device)}
        if self.layer is not None:
            given["layer"] = self.layer
        if self.n_layers is not None:
            given["n_layers"] = self.n_layers
        return {**given, **self.extents()}

    def extents(self) -> dict[str, Any]:
        """`grid=` and `segments=`, where the call gives them."""
        both = {"grid": self.grid, "segments": self.segments}
        return {name: value for name, value in both.items() if value is not None}

    def lengths(self) -> dict[str, int]:
        """What `dense_mask`, `layout` and `block_mask` take in the place of tensors."""
        return {
            **{"n_q": self.n_q, "n_k": self.n_k, "batch": self.batch},
            **{"heads": self.heads, "kv_heads": self.kv_heads},
        }


LONGEST_PERIOD = 8


def _shown(value: Any) -> str:
    """Python text of a value, with long lists by what repeats: `[1] * 27 + [0, 2] * 38`."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_shown(v)}' for key, v in value.items())}}}"
    if not isinstance(value, list):
        return repr(value)
    entries = [_shown(entry) for entry in value]
    return min(_listed(entries), _as_sum(entries), key=len)


def _listed(entries: list[str]) -> str:
    return f"[{', '.join(entries)}]"


def _as_sum(entries: list[str]) -> str:
    """As a sum of lists, one for each stretch that says a few entries over and over."""
    parts: list[str] = []
    single: list[str] = []
    at = 0
    while at < len(entries):
        period, times = max(
            ((n, _times(entries, at, n)) for n in range(1, LONGEST_PERIOD + 1)),
            key=lambda found: (found[0] * (found[1] - 1), -found[0]),
        )
        if times == 1 or len(_listed(entries[at : at + period])) * (times - 1) < 12:
            single.append(entries[at])
            at += 1
            continue
        parts += [_listed(single)] if single else []
        parts.append(f"{_listed(entries[at : at + period])} * {times}")
        single = []
        at += period * times
    return " + ".join([*parts, _listed(single)] if single or not parts else parts)


def _times(entries: list[str], at: int, period: int) -> int:
    """How often the entries at..at + period stand one after another."""
    first = entries[at : at + period]
    times = 1
    while entries[at + period * times : at + period * (times + 1)] == first:
        times += 1
    return times
