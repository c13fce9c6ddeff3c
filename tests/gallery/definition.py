"""`Definition`: what a system keeps, in plain numpy, written from its paper alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

Keep = Callable[["Call"], np.ndarray]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a pattern, and its positions as arrays that broadcast to [batch, heads, q, k].

    `grid` holds the extents of the space's axes by name, `items` those of each item of a packed
    grid, `inputs` arrays by name.
    """

    n: int
    n_q: int | None = None
    batch: int = 1
    heads: int = 1
    kv_heads: int | None = None
    layer: int | None = None
    n_layers: int | None = None
    grid: dict[str, int] = field(default_factory=dict)
    items: tuple[tuple[int, ...], ...] = ()
    segments: dict[str, int] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, np.ndarray] = field(default_factory=dict)
    cross: bool = False

    def __getitem__(self, name: str) -> Any:
        """A parameter or an input."""
        return self.params[name] if name in self.params else self.inputs[name]

    @property
    def q(self) -> np.ndarray:
        """Query positions; with fewer queries than keys they are the last ones."""
        n_q = self.n if self.n_q is None else self.n_q
        return np.arange(n_q)[:, None] + (0 if self.cross else self.n - n_q)

    @property
    def k(self) -> np.ndarray:
        """Key positions."""
        return np.arange(self.n)[None, :]

    @property
    def head(self) -> np.ndarray:
        """Query heads."""
        return np.arange(self.heads)[:, None, None]

    def coordinates(self, position: np.ndarray) -> tuple[np.ndarray, ...]:
        """Of a position on the grid, row-major, one array for each axis."""
        return np.unravel_index(position, tuple(self.grid.values()))

    def keywords(self) -> dict[str, Any]:
        """What `dense_mask` takes beside the number of keys."""
        given = {**self.params, "batch": self.batch, "heads": self.heads}
        optional = {
            **{"n_k": None if self.n_q is None and not self.cross else self.n},
            **{"kv_heads": self.kv_heads, "layer": self.layer, "n_layers": self.n_layers},
            **{"grid": self.grid or self.items or None, "segments": self.segments or None},
        }
        return given | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Definition:
    """The pattern `name` of `examples/FILE` keeps `keep(call)`, for each of `calls`."""

    file: str
    name: str
    keep: Keep
    calls: tuple[Call, ...]


DEFINITIONS: list[Definition] = []


def defines(file: str, *calls: Call) -> Callable[[Keep], Keep]:
    """Register a function as the definition of the pattern of its name in `examples/FILE`."""

    def register(keep: Keep) -> Keep:
        DEFINITIONS.append(Definition(file, keep.__name__, keep, calls))
        return keep

    return register


def on_grid(**extents: int) -> Callable[..., Call]:
    """Calls on a grid of these extents, all of whose positions are keys."""

    def call(**others: Any) -> Call:
        return Call(prod(extents.values()), grid=extents, **others)

    return call


def two_sided(n_q: int, n_k: int, **others: Any) -> Call:
    """A call on two sequences of their own."""
    return Call(n_k, n_q=n_q, cross=True, **others)
