"""The interval reading: the least and greatest value of a node over a box, as expressions.

What is exact is said in `maskc.bounds.operations`. A read of a tensor has the extremes of the
entries in range; its ends are taken where the index is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from maskc import ir
from maskc.analysis import Names, dependence
from maskc.bounds.ends import NONE, Interval, moves
from maskc.bounds.operations import READ, ZERO, of_all, unbounded
from maskc.ir import FALSE, TRUE, Const, Node, Op
from maskc.passes import construct as c

Truth = Callable[[Node], tuple[Node, Node]]
"""(every, some) of a bool node over the box."""

MOST_DEGREE = 64
"""Varying factors from which a product has no ends: written out they grow with their square, and
64 bits hold no such product of anything but signs.
"""


class Intervals:
    """A function from int and float nodes to their intervals over one box, remembered."""

    def __init__(
        self,
        box: Mapping[Node, Interval],
        truth: Truth,
        names: Names | None = None,
        whole: bool = False,
        signs: Intervals | None = None,
    ) -> None:
        """Read over `box`: the interval of each node (variables, `q - k`) that is given.

        Args:
            box: intervals that are known beforehand.
            truth: reads bool nodes.
            names: a shared `dependence()`.
            whole: bound every read by the whole tensor's extremes.
            signs: the same nodes over all calls, where every low end is a constant or unknown.

        """
        self.known: dict[Node, Interval] = dict(box)
        self._degrees: dict[Node, int] = {}
        self.varying = NONE.union(*(part.varying for part in box.values()))
        self.truth = truth
        self.names = names or dependence()
        self.whole = whole
        self.signs = signs

    def __call__(self, root: Node) -> Interval:
        """The interval of a node."""
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in self.known:
                continue
            if ready:
                self.known[node] = self._with_least(node, self._read(node))
            elif not self.names(node) & self.varying and not self.whole:
                self.known[node] = self._with_least(node, Interval(node, node))
            else:
                stack.append((node, True))
                stack.extend(
                    (part, False)
                    for part in reversed(ir.children(node))
                    if self._is_number(node, part)
                )
        return self.known[root]

    def _with_least(self, node: Node, part: Interval) -> Interval:
        if self.signs is None or not c.is_int(node):
            return part
        low = self.signs(node).low
        return replace(part, least=low.value) if isinstance(low, Const) else part

    @staticmethod
    def _is_number(node: Node, part: Node) -> bool:
        return not isinstance(node, ir.Fold) and ir.type_of(part) is not ir.BOOL

    def _read(self, node: Node) -> Interval:
        varying = self.names(node) & self.varying
        match node:
            case Const() | ir.Var() | ir.Param() if not varying:
                return Interval(node, node)
            case Op(name="select") if ir.type_of(node) is not ir.BOOL:
                return self._select(node, varying)
            case Op() if self._degree(node, varying) > MOST_DEGREE:
                return unbounded(varying)
            case Op() if node.name in READ:
                return READ[node.name](node, [self.known[arg] for arg in node.args])
            case ir.Load():
                return self._load(node, varying)
            case ir.Fold():
                return self._count(node, varying)
            case ir.Extreme():
                return Interval(*_extremes(node), varying, ends=FALSE, filled=FALSE)
            case ir.Tally():
                low, high = self.known[node.low].low, self.known[node.high].high
                if low is None or high is None:
                    return unbounded(varying, ZERO)
                most = c.greatest(c.add(c.sub(high, low), Const(1)), ZERO)
                return Interval(ZERO, most, varying, ends=FALSE, filled=FALSE)
        return unbounded(varying)

    def _degree(self, node: Op, varying: frozenset[str]) -> int:
        """How many varying factors the largest product has that the node's size grows with."""
        if not varying or node.name in ("mod", "hash", "popcount", "sign", "log2"):
            return 0
        parts = (self._degrees.get(a, int(bool(self.names(a) & varying))) for a in node.args)
        degree = sum(parts) if node.name == "mul" else max(parts)
        self._degrees[node] = degree
        return degree

    def _select(self, node: Op, varying: frozenset[str]) -> Interval:
        condition, *sides = node.args
        a, b = (self.known[part] for part in sides)
        if not self.names(condition) & self.varying:

            def pick(x: Node | None, y: Node | None) -> Node | None:
                return None if x is None or y is None else c.select(condition, x, y)

            return Interval(
                pick(a.low, b.low),
                pick(a.high, b.high),
                varying,
                frozenset(v for v in varying if moves(v, "rising", a, b)),
                frozenset(v for v in varying if moves(v, "falling", a, b)),
                c.select(condition, a.ends, b.ends),
                c.select(condition, a.filled, b.filled),
            )
        every, some = self.truth(condition)
        low, high = of_all(c.least, [a.low, b.low]), of_all(c.greatest, [a.high, b.high])
        if a.low is not None and b.low is not None and low is not None:
            low = c.select(every, a.low, c.select(some, low, b.low))
        if a.high is not None and b.high is not None and high is not None:
            high = c.select(every, a.high, c.select(some, high, b.high))
        ends, filled = (
            c.either(c.both(every, x), c.both(c.negate(some), y))
            for x, y in ((a.ends, b.ends), (a.filled, b.filled))
        )
        return Interval(low, high, varying, ends=ends, filled=filled)

    def _load(self, node: ir.Load, varying: frozenset[str]) -> Interval:
        if self.whole:
            return Interval(*_extremes(node), varying, ends=FALSE, filled=FALSE)
        parts = [self.known[i] for i in node.indices]
        last, lows = parts[-1], tuple(i.low for i in parts if i.low is not None)
        if last.bounded is None or any(i.bounded is None for i in parts):
            return unbounded(varying)
        if any(i.varying for i in parts[:-1]):
            single = c.both(*(i.one for i in parts))
            exact = ir.Load(node.tensor, lows, node.type)
            highs = tuple(i.high for i in parts if i.high is not None)
            least, most = (
                ir.Extreme(kind, node.tensor, lows[:-1], *last.bounded, node.type, highs[:-1])
                for kind in ("min", "max")
            )
            return Interval(
                c.select(single, exact, least),
                c.select(single, exact, most),
                varying,
                ends=single,
                filled=FALSE,
            )
        low, high = (
            ir.Extreme(kind, node.tensor, lows[:-1], *last.bounded, node.type)
            for kind in ("min", "max")
        )
        ends = c.both(last.ends, last.filled)
        return Interval(low, high, varying, ends=ends, filled=FALSE)

    def _count(self, node: ir.Fold, varying: frozenset[str]) -> Interval:
        bounds = self.names(node.low) | self.names(node.high)
        if bounds & self.varying:
            return Interval(ZERO, None, varying, ends=FALSE, filled=FALSE)
        every, some = self.truth(node.body)
        low, high = (
            ir.Fold("count", node.variable, node.low, node.high, body) for body in (every, some)
        )
        if self.whole:
            most = c.greatest(c.sub(node.high, node.low), ZERO)
            return Interval(ZERO, most, varying, ends=FALSE, filled=FALSE)
        return Interval(low, high, varying, ends=FALSE, filled=FALSE)


def _extremes(node: ir.Load | ir.Extreme) -> tuple[Node, Node]:
    """Bounds of every entry of a tensor."""
    if node.type is ir.BOOL:
        return FALSE, TRUE
    return ir.Var(f"least:{node.tensor}", node.type), ir.Var(f"greatest:{node.tensor}", node.type)
