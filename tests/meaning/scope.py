"""What names stand for while an expression is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from maskc import syntax
from meaning.values import Value, integers

SLICES = ("batch", "head", "kv_head", "layer")


@dataclass(frozen=True)
class Function:
    """A def, let, const or pattern: evaluated anew at each place it is used."""

    parameters: tuple[syntax.Parameter, ...]
    body: syntax.Expression | syntax.Pattern
    names: Mapping[str, Any]


@dataclass(frozen=True)
class Tensor:
    """An input or a table: `entries` is a numpy array of ints or bools, or a float64 tensor."""

    entries: Any
    axes: tuple[str, ...]


@dataclass(frozen=True)
class AxisName:
    """What a parameter of type `axis` holds."""

    name: str


@dataclass(frozen=True)
class Module:
    """What `use "..." as v` names."""

    names: Mapping[str, Any]


@dataclass(frozen=True)
class Scope:
    """Names in sight and the positions that `q` and `k` stand for."""

    names: Mapping[str, Any]
    q: Value
    k: Value

    def with_names(self, **names: Any) -> Scope:
        """More names, the new ones first."""
        return replace(self, names={**self.names, **names})


def entries_of(given: Any, kind: str) -> Any:
    """A given tensor or nested list as exact entries of one kind."""
    if kind == "float":
        return torch.as_tensor(given).to(torch.float64)
    array = given.detach().cpu().numpy() if isinstance(given, torch.Tensor) else np.asarray(given)
    return array.astype(bool) if kind == "bool" else integers(array)
