"""What a pattern is (`Spec`) and what one call of it fixes (`Call`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch


@dataclass(frozen=True, slots=True)
class Param:
    """A scalar, list or table parameter.

    `type`: "int", "bool" or "float". `axes`: None for a scalar, () for a list, names out of
    `head kv_head layer` for a table. `default`: a value, a (nested) tuple of values, or None where
    the call must give it. `derived`: the default as a function of the scalar parameters before it
    by name, in the place of `default`. `rules`: pairs of a function of (entry, scalar parameters by
    name), true where the entry is allowed, and the rule's own text, such as "window >= 1".
    """

    name: str
    type: str
    axes: tuple[str, ...] | None = None
    dynamic: bool = False
    default: Any = None
    rules: tuple[tuple[Callable[[Any, dict[str, Any]], bool], str], ...] = ()
    doc: str = ""
    derived: Callable[[dict[str, Any]], Any] | None = None

    @property
    def wanted(self) -> str:
        """What kind of value it takes, for a message."""
        one = {"int": "an int", "float": "a number", "bool": "True or False"}[self.type]
        if self.axes is None:
            return one
        return f"a list, each entry {one}" if not self.axes else f"{one} for each {self.axes[0]}"


@dataclass(frozen=True, slots=True)
class Input:
    """A tensor given at each call.

    `type`: "int", "bool" or "float". `axes`: for each axis one of `batch head kv_head layer q k
    token`, an int, another name (a size bound by the shape), or a function of the Call so far.
    """

    name: str
    type: str
    axes: tuple[str | int | Callable[[Call], int], ...]
    doc: str = ""


class Space(Protocol):
    """Where the tokens of a call stand, where that is no plain line."""

    def bind(self, pattern: str, grid: Any, segments: Any, call: Call, /) -> None:
        """Put what the caller gave into the call, checked."""


class Sinks(Protocol):
    """What joins the denominator of each row's softmax beside its keys."""

    def join(
        self, out: torch.Tensor, lse: torch.Tensor, call: Call, /
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention (out, lse) with them, from attention without."""
        ...


@dataclass(frozen=True, slots=True)
class Spec:
    """One pattern: its declarations and the functions that the compiler wrote for it.

    Functions (architecture.md, "The generated module"): `keep(q, k, call)`, `bounds(q0, q1, k0,
    k1, call, tables)`, `span(q0, q1, k0, k1, call)`, `terms[i](t, call)`, `score(s, q, k, call)`,
    `score_slope(s, q, k, call)`.

    Parts of the runtime that only some patterns want stand here, so that a module holds those of
    its own patterns alone: `tables` is the class of what `bounds` takes, `sinks` and `space` are
    objects with the rest of the declarations.

    `score_inputs`: the float inputs that the score reads, whose gradients are wanted.
    `align`: "end", "start" or "cross".
    `slices`: which of `batch head kv_head` the mask depends on (table and input axes included).
    `mask_inputs`: the inputs the mask reads, None for all.
    `split`: the side of a rectangle that the layout splits first: "both", "q" or "k".
    `outline`: the first two answers of `bounds` alone, None where those cost as much as all four.
    `cuts`: pairs of functions `keys(q0, q1, index, call)` and `range(call)`: for each index of
    the range, keys where the mask may change over queries q0..q1: a hint where to split, no proof.
    `periods`: functions of the Call that give the moduli of the mask's periodic terms; with them
    goes `uniform(q0, q1, k0, k1, call, tables)`, bool [n]: inside the rectangle the mask is proved
    to depend on q and k modulo their common multiple alone. Then one tile stands for many.
    `slice_keys`: function of the Call that gives what the mask of each slice hangs on; slices with
    equal keys have equal masks. None where `slices` themselves are the keys.
    `moved`: function (q0, q1, k0, k1, moved_by, call, tables) to bool [n]: proved that the mask
    keeps (q, k) just where it keeps (q + moved_by, k + moved_by), for all such pairs inside the
    rectangle. `still`: the same of (q + moved_by, k).
    `strides`: function of the Call; multiples of some of these may be such distances. `borders`:
    function of the Call; keys where the mask may change for all queries.
    `block`: the tile (BQ, BK) of the layout a call walks.
    `kernels`: the Triton kernels by name (`forward`, `dq`, `dkdv`).
    `halvings`: how often default tiles are halved, for the registers that mask and score take.
    """

    name: str
    doc: str
    keep: Callable[..., torch.Tensor]
    bounds: Callable[..., tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]]
    span: Callable[..., int] | None = None
    terms: tuple[Callable[..., torch.Tensor], ...] = ()
    tables: Callable[[Spec, Call, Call], Any] | None = None
    score: Callable[..., torch.Tensor] | None = None
    score_slope: Callable[..., torch.Tensor] | None = None
    score_inputs: tuple[str, ...] = ()
    sinks: Sinks | None = None
    params: tuple[Param, ...] = ()
    inputs: tuple[Input, ...] = ()
    space: Space | None = None
    align: str = "end"
    slices: tuple[str, ...] = ()
    uses_layer: bool = False
    uses_n_layers: bool = False
    mask_inputs: tuple[str, ...] | None = None
    split: str = "both"
    outline: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None = None
    cuts: tuple[Callable[..., Any], ...] = ()
    seams: tuple[Callable[[Call], tuple[Any, ...]], ...] = ()
    periods: tuple[Callable[[Call], int], ...] = ()
    uniform: Callable[..., torch.Tensor] | None = None
    slice_keys: Callable[[Call], tuple[torch.Tensor, ...]] | None = None
    moved: Callable[..., torch.Tensor] | None = None
    still: Callable[..., torch.Tensor] | None = None
    strides: Callable[[Call], tuple[Any, ...]] | None = None
    borders: Callable[[Call], tuple[int, ...]] | None = None
    block: tuple[int, int] = (128, 128)
    kernels: dict[str, Any] = field(default_factory=dict)
    halvings: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What one call fixes; every generated function reads it.

    `q_start`: position of the first query row. `layer`, `n_layers`: 0 where the spec does not use
    them. `batch`, `head`, `kv_head`: int64, the slice of the mask each position or rectangle is
    in; they broadcast against positions, and are [n] for n rectangles. `params`: scalars.
    `sizes`: lengths bound by shapes, `grid=` or `segments=`, and the length of each list.
    `tensors`: inputs, lists and tables as int64, bool or float64, contiguous, and of a packed grid
    `packed.item` [n_k], `packed.start` [items] and the extents `packed.AXIS` [items]. `tables`: the
    entries of lists and tables, for keys of caches.
    """

    n_q: int
    n_k: int
    heads: int
    kv_heads: int
    batches: int
    layer: int
    n_layers: int
    q_start: int
    device: torch.device
    batch: torch.Tensor
    head: torch.Tensor
    kv_head: torch.Tensor
    params: dict[str, int | bool | float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    tables: tuple = ()

    def at(self, batch: torch.Tensor, head: torch.Tensor) -> Call:
        """The same call with these slices; `kv_head` follows from `head`.

        Args:
            batch: int64, broadcasts against the positions it will be used with.
            head: int64, the same.

        """
        group = self.heads // self.kv_heads
        kv_head = head if group == 1 else torch.div(head, group, rounding_mode="floor")
        return replace(self, batch=batch, head=head, kv_head=kv_head)

    def everywhere(self) -> Call:
        """The same call with `batch` as [batches, 1, 1, 1] and `head` as [1, heads, 1, 1]."""
        batch = torch.arange(self.batches, device=self.device).view(-1, 1, 1, 1)
        head = torch.arange(self.heads, device=self.device).view(1, -1, 1, 1)
        return self.at(batch, head)
