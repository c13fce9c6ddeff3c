"""The index space of a pattern as the checker reads it: parts of a sequence and their axes."""

from __future__ import annotations

from dataclasses import dataclass

from maskc import ir

N_Q, N_K = ir.Var("n_q"), ir.Var("n_k")
ZERO, ONE = ir.Const(0), ir.Const(1)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a sequence: positions start (inclusive) to start + length.

    `axes`: name and extent of each axis, slowest first; a stretch without a grid has none.
    """

    name: str | None
    start: ir.Node
    length: ir.Node
    axes: tuple[tuple[str, ir.Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Both sides of a space; `space` is what later stages get.

    One-sided spaces hold the same tuple twice. `packed`: extents differ from item to item.
    """

    space: ir.Space
    query: tuple[Part, ...]
    key: tuple[Part, ...]
    packed: bool = False

    def side(self, side: str) -> tuple[Part, ...]:
        """The parts of side `q` or `k`."""
        return self.query if side == "q" else self.key

    def axis_names(self) -> tuple[str, ...]:
        """Every axis of either side, each once, in order."""
        parts = (*self.query, *self.key)
        return tuple(dict.fromkeys(name for part in parts for name, _ in part.axes))

    def coordinate_names(self) -> tuple[str, ...]:
        """The axes, and of a packed space the item, which has no length."""
        return (*self.axis_names(), *(("item",) if self.packed else ()))

    def segment_names(self) -> tuple[str, ...]:
        """Every named segment of either side, each once, in order."""
        parts = (*self.query, *self.key)
        return tuple(dict.fromkeys(part.name for part in parts if part.name is not None))


def line(align: str) -> Plan:
    """The default space, or `space align start` and `space cross` of two lines."""
    key = (Part(None, ZERO, N_K, (("x", N_K),)),)
    query = (Part(None, ZERO, N_Q, (("x", N_Q),)),) if align == "cross" else key
    return Plan(ir.Space(align), query, key)
