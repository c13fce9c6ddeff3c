"""Where a mask goes on as it was: pairs moved along the diagonal, or down the queries alone.

A band of a sequence, and a neighbourhood on the rows of a grid, hold the same pairs again and
again, each time some positions further down both sides; the rows of one window see the same keys.
One such stretch of queries stands for the others; where borders clamp or cut it, the proof fails
and the stretch is read itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maskc import ir
from maskc.analysis import OPAQUE, K, Q, atoms
from maskc.bounds.cuts import key_borders
from maskc.bounds.literals import SIDES
from maskc.bounds.rectangle import Rectangles
from maskc.bounds.system import WHOLE
from maskc.ir import FALSE, TRUE, Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.linear import normalise

SHIFT = Var("moved_by")
"""How far the query moves, and the key with it or not at all; at least 1."""

ZERO, ONE = Const(0), Const(1)

MOST_UNITS = 4
"""Units of one node that are followed further up."""

INSIDE = SIDES | {"t"}
"""What may not be in a unit: it has one value for each slice."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """How a mask goes on down the queries.

    `same`: a bool over the corners `q0 q1 k0 k1` and SHIFT: proved that every pair (q, k) of the
    rectangle whose (q + SHIFT, k + SHIFT) is in it too is kept just where that one is. `still`: the
    same of (q + SHIFT, k). None where that is never told. `units`: int nodes of one value for each
    slice; a SHIFT that is a multiple of some of them may have such rectangles. `borders`: keys, of
    one value for a call, where the mask may change for all queries.
    """

    same: Node | None
    still: Node | None
    units: tuple[Node, ...]
    borders: tuple[Node, ...]


def repeats(
    mask: Node, known: Mapping[str, tuple[int | None, int | None]] | None = None
) -> Repeats | None:
    """How the mask repeats down the queries, or None where nothing tells that it does.

    Example:
        >>> repeats(Op("le", (K, Q))).same
        Const(value=True)

    """
    (mask,) = normalise(mask)
    rectangles = Rectangles(known or {})
    steps = _Steps(rectangles, SHIFT)
    same, still = _told(steps, mask), _told(_Steps(rectangles, ZERO), mask)
    if same is None and still is None:
        return None
    units = [unit for node in ir.postorder(mask) for unit in steps.units(node)]
    fixed = [unit for unit in dict.fromkeys(units) if steps.is_fixed(unit) and unit != ONE]
    return Repeats(same, still, tuple(fixed), key_borders(mask, rectangles))


def _told(steps: _Steps, mask: Node) -> Node | None:
    """Where the mask is the same at the moved pair; None where that is never told."""
    same = steps(mask)
    hopeless = same == FALSE or any(steps.hopeless(atom) for atom in atoms(mask))
    return None if hopeless else same


@dataclass(frozen=True, slots=True)
class _Step:
    """By how much a value grows from a pair to the moved one, and where that is proved."""

    by: Node
    sure: Node


STILL = _Step(ZERO, TRUE)
UNKNOWN = _Step(ZERO, FALSE)


class _Steps:
    """A function from bool nodes to where they are proved the same at the moved pair."""

    def __init__(self, rectangles: Rectangles, of_key: Node) -> None:
        self.rectangles = rectangles
        self.of_position: dict[Node, _Step] = {Q: _Step(SHIFT, TRUE), K: _Step(of_key, TRUE)}
        self.names = rectangles.names
        self.reader = rectangles.reader(WHOLE)
        self._same: dict[Node, Node] = {}
        self._moved: dict[Node, Node] = {}
        self._step: dict[Node, _Step] = {}
        self._units: dict[Node, tuple[Node, ...]] = {}

    def __call__(self, mask: Node) -> Node:
        for node in ir.postorder(mask):
            if ir.type_of(node) is ir.BOOL:
                self._moved[node] = self._bool(node)
                self._same[node] = c.either(self._moved[node], self._constant(node))
            else:
                self._step[node] = self._number(node)
        return self._same[mask]

    def hopeless(self, atom: Node) -> bool:
        """Whether a condition on both positions is never known to move with them."""
        return self._moved[atom] == FALSE and self.names(atom) >= SIDES

    def is_fixed(self, node: Node) -> bool:
        """Whether the node has one value for each slice."""
        return not any(name in INSIDE or name.startswith("loop:") for name in self.names(node))

    def units(self, node: Node) -> tuple[Node, ...]:
        """By multiples of which the positions must move for the node to grow evenly."""
        if node not in self._units:
            for part in ir.postorder(node):
                self._units[part] = self._units_of(part)
        return self._units[node]

    def _units_of(self, node: Node) -> tuple[Node, ...]:
        if node in (Q, K):
            return (ONE,)
        parts = [self._units[part] for part in ir.children(node) if part in self._units]
        own = dict.fromkeys(unit for units in parts for unit in units)
        if isinstance(node, Op) and node.name in ("floordiv", "mod") and parts:
            times = dict.fromkeys(c.mul(unit, node.args[1]) for unit in parts[0])
            own = times if node.name == "floordiv" else {**own, **times}
        return tuple(own)[:MOST_UNITS]

    def _constant(self, node: Node) -> Node:
        """Whether a condition has one value over the rectangle; only single ones are asked."""
        if self.rectangles.structure((node, True)) is not None or not self._varies(node):
            return FALSE
        return c.either(self._always(node, True), self._always(node, False))

    def _always(self, node: Node, value: bool) -> Node:
        some, _ = self.rectangles.found(node, not value)
        return c.negate(some)

    def _varies(self, node: Node) -> bool:
        return bool(self.names(node) & SIDES)

    def _bool(self, node: Node) -> Node:
        if not self._varies(node):
            return TRUE
        parts = ir.children(node)
        match node:
            case Op(name="and" | "or"):
                settled = [self._always(p, node.name == "or") for p in parts if self._is_single(p)]
                return c.either(c.both(*(self._same[p] for p in parts)), *settled)
            case Op(name="select"):
                return self._chosen(node).sure
            case Op(name="lt" | "le" | "eq" | "ne") if c.is_int(parts[0]):
                a, b = (self._step[p] for p in parts)
                return c.both(a.sure, b.sure, _equal(a.by, b.by))
            case ir.Fold():
                return self._folded(node)
        return c.both(*(self._stays(part) for part in parts))

    def _is_single(self, node: Node) -> bool:
        return self._varies(node) and self.rectangles.structure((node, True)) is None

    def _folded(self, node: ir.Fold) -> Node:
        if self._varies(node.low) or self._varies(node.high):
            return FALSE
        body = self._stays(node.body)
        if node.variable in self.names(body):
            return ir.Fold("all", node.variable, node.low, node.high, body)
        return body

    def _stays(self, node: Node) -> Node:
        """Where a node is proved to have one value at both pairs."""
        if ir.type_of(node) is ir.BOOL:
            return self._same[node]
        step = self._step[node]
        return c.both(step.sure, _equal(step.by, ZERO))

    def _number(self, node: Node) -> _Step:
        if node in self.of_position:
            return self.of_position[node]
        if not self._varies(node):
            return STILL
        if isinstance(node, Op) and c.is_int(node):
            return self._operation(node)
        if isinstance(node, ir.Fold):
            return _Step(ZERO, self._folded(node))
        return _Step(ZERO, c.both(*(self._stays(part) for part in ir.children(node))))

    def _operation(self, node: Op) -> _Step:
        if node.name == "select":
            return self._chosen(node)
        parts = [self._step[part] for part in node.args]
        sure = c.both(*(part.sure for part in parts))
        steps = tuple(part.by for part in parts)
        match node.name:
            case "add" | "sub" | "neg":
                return _Step(c.operation(node.name, steps), sure)
            case "mul":
                varying = [i for i, part in enumerate(node.args) if self._varies(part)]
                if len(varying) == 1:
                    (i,) = varying
                    rest = (*node.args[:i], *node.args[i + 1 :])
                    return _Step(c.mul(steps[i], *rest), sure)
            case "floordiv" | "mod":
                return self._divided(node, parts)
            case "min" | "max":
                return self._extreme(node, parts)
            case "abs":
                return self._absolute(node, parts[0])
        if node.name in OPAQUE:
            return UNKNOWN
        return _Step(ZERO, c.both(*(self._stays(part) for part in node.args)))

    def _divided(self, node: Op, parts: list[_Step]) -> _Step:
        """Of a multiple of the divisor, or inside one multiple of it."""
        x, size = node.args
        if self._varies(size):
            return UNKNOWN
        ends = self.reader(x).bounded
        even = c.eq(c.mod(parts[0].by, size), ZERO)
        inside = FALSE
        if ends is not None:
            inside = c.eq(*(c.floordiv(end, size) for end in ends))
        sure = c.both(parts[0].sure, c.either(even, inside))
        if node.name == "floordiv":
            return _Step(c.select(even, c.floordiv(parts[0].by, size), ZERO), sure)
        moves = c.both(inside, c.negate(c.eq(size, ZERO)))
        return _Step(c.select(moves, parts[0].by, ZERO), sure)

    def _extreme(self, node: Op, parts: list[_Step]) -> _Step:
        """As all arguments, or as one that is the extreme over the whole rectangle."""
        alike = c.both(*(c.eq(part.by, parts[0].by) for part in parts[1:]))
        by = parts[0].by
        sure = [c.both(alike, *(part.sure for part in parts))]
        for i, part in enumerate(parts):
            wins = c.both(*(self._beats(node, i, j) for j in range(len(parts)) if j != i))
            by = c.select(c.both(wins, c.negate(alike)), part.by, by)
            sure.append(c.both(wins, *(p.sure for p in parts)))
        return _Step(by, c.either(*sure))

    def _beats(self, node: Op, i: int, j: int) -> Node:
        a, b = (self.reader(node.args[x]) for x in ((i, j) if node.name == "max" else (j, i)))
        return FALSE if a.low is None or b.high is None else c.le(b.high, a.low)

    def _absolute(self, node: Op, part: _Step) -> _Step:
        x = self.reader(node.args[0])
        above = FALSE if x.low is None else c.le(ZERO, x.low)
        below = FALSE if x.high is None else c.le(x.high, ZERO)
        by = c.select(above, part.by, c.select(below, c.neg(part.by), ZERO))
        still = c.eq(part.by, ZERO)
        return _Step(by, c.both(part.sure, c.either(still, above, below)))

    def _chosen(self, node: Op) -> _Step:
        """Of `select`: as both sides where they move alike, or as the one that is taken."""
        condition, *sides = node.args
        if ir.type_of(node) is ir.BOOL:
            a, b = (_Step(ZERO, self._same[side]) for side in sides)
        else:
            a, b = (self._step[side] for side in sides)
        if not self._varies(condition):
            return _Step(c.select(condition, a.by, b.by), c.select(condition, a.sure, b.sure))
        alike = c.both(a.sure, b.sure, c.eq(a.by, b.by), self._same[condition])
        always, never = (
            (self._always(condition, value) for value in (True, False))
            if self._is_single(condition)
            else (FALSE, FALSE)
        )
        by = c.select(c.both(never, c.negate(alike)), b.by, a.by)
        return _Step(by, c.either(alike, c.both(always, a.sure), c.both(never, b.sure)))


def _equal(a: Node, b: Node) -> Node:
    """Whether two steps are equal; SHIFT is never 0."""
    never = ZERO in (a, b) and {a, b} & {SHIFT, c.neg(SHIFT)}
    return FALSE if never else c.eq(a, b)
