"""Where the coordinates of a position start anew: the rows of a grid, the ends of a segment.

Over a range of positions that goes on into the next row, `k % width` can be anything, and what a
mask says of it is blurred. Cut at the rows, each piece is a range of one coordinate. A seam tells
where a tile is cut; what the pieces hold is read, so that one too many or too few costs time alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from maskc import ir
from maskc.analysis import K, Q, dependence
from maskc.bounds.cuts import key_borders
from maskc.bounds.literals import SIDES
from maskc.bounds.rectangle import Rectangles
from maskc.ir import Const, Node, Op
from maskc.passes import construct as c
from maskc.passes.linear import Linear, linear, normalise, written
from maskc.passes.substitute import substitute

MOST_SEAMS = 16
"""Seams of one side; what comes after is left out."""

ZERO, ONE = Const(0), Const(1)

Seam = tuple[Node, Node]
"""(first, step): at first, and at every multiple of step from it where step is not 0.

Both have one value for each slice of a call.
"""


@dataclass(frozen=True, slots=True)
class _Ramp:
    """A node that is `(position - first) // unit`, up to a constant, from one seam to the next.

    `period`: by what the value is reduced, or None.
    """

    side: Node
    first: Node
    unit: Node
    period: Node | None = None


def seams(mask: Node, rectangles: Rectangles) -> tuple[tuple[Seam, ...], tuple[Seam, ...]]:
    """The seams of the queries and of the keys.

    Example:
        >>> row = Op("mod", (Op("sub", (K, Const(5))), Const(7)))
        >>> seams(Op("lt", (row, Const(3))), Rectangles({}))
        ((), ((Const(value=5), Const(value=7)),))

    """
    (mask,) = normalise(mask)
    ramps = _Ramps(mask)
    if not ramps.seams:
        return (), ()
    swapped = substitute(mask, {Q: K, K: Q})
    found: dict[Node, dict[Seam, None]] = {Q: {}, K: {}}
    for side, same in ((Q, swapped), (K, mask)):
        found[side].update(dict.fromkeys((x, ZERO) for x in key_borders(same, rectangles)))
    for side, seam in ramps.seams:
        found[side][seam] = None
    of_q, of_k = (tuple(found[side])[:MOST_SEAMS] for side in (Q, K))
    return of_q, of_k


class _Ramps:
    """The ramps of a mask, and the seams between them."""

    def __init__(self, mask: Node) -> None:
        self.names = dependence()
        self.sums = linear(mask)
        self.ramps: dict[Node, _Ramp] = {Q: _Ramp(Q, ZERO, ONE), K: _Ramp(K, ZERO, ONE)}
        self.seams: list[tuple[Node, Seam]] = []
        for node in ir.postorder(mask):
            if isinstance(node, Op) and node.name in ("floordiv", "mod"):
                ramp = self._divided(node)
                if ramp is not None:
                    self.ramps[node] = ramp

    def _divided(self, node: Op) -> _Ramp | None:
        inside, size = node.args
        start = self._of_sum(inside)
        if start is None or not self._is_fixed(size):
            return None
        longer = c.mul(start.unit, size)
        if node.name == "floordiv":
            return _Ramp(start.side, start.first, longer, start.period)
        if start.period is not None and start.period != longer:
            return None
        self.seams.append((start.side, (start.first, longer)))
        return _Ramp(start.side, start.first, start.unit, longer)

    def _of_sum(self, node: Node) -> _Ramp | None:
        """The ramp of a ramp to which a fixed value is added."""
        total = self.sums[node]
        varying = [(part, n) for part, n in total.terms if self.names(part) & SIDES]
        if len(varying) != 1 or varying[0][1] != 1 or varying[0][0] not in self.ramps:
            return None
        ramp = self.ramps[varying[0][0]]
        rest = Linear(tuple(x for x in total.terms if x != varying[0]), total.constant)
        added = written(rest)
        if not self._is_fixed(added):
            return None
        first = c.sub(ramp.first, c.mul(added, ramp.unit))
        return _Ramp(ramp.side, first, ramp.unit, ramp.period)

    def _is_fixed(self, node: Node) -> bool:
        names = self.names(node)
        return not names & {*SIDES, "t"} and not any(x.startswith("loop:") for x in names)
