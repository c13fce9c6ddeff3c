"""Builds IR nodes: each distinct one once, constants folded, size and depth limited."""

from __future__ import annotations

from math import prod

from maskc import ir, points

MOST_NODES = 20_000
"""Distinct nodes of one pattern's expressions (language.md section 2)."""

MOST_BUILT = 3 * MOST_NODES
"""Distinct nodes that may be built on the way; a pattern that needs more is given up."""

MOST_STEPS = 2 * MOST_NODES
"""Pieces of syntax that may be read in calls, sets and rounds of constants of one pattern."""

MOST_OF_FILE = 80_000
"""Steps and nodes of the patterns of a file after which no further one is read."""

MOST_DEPTH = 500
"""Depth of an expanded expression, so that later stages may walk it."""

MOST_LOOPS = 16
"""Depth of quantifiers in each other, of which a `coarse` side is one: Python takes 20."""

MOST_ITERATIONS = 4_096
"""Iterations of quantifiers with constant bounds, nested ones together."""

READINGS_OF_A_STEP = 16
"""Nodes that are read by value in the time that a piece of syntax takes."""

MOST_SETTLED = 64
"""Nodes of an expression with quantifiers that is still a constant: each round reads all."""

MOST_ALONE = MOST_NODES // 2
"""Pieces of syntax that may be read inside calls to check the definitions of a file by themselves;
further calls are checked where a pattern leads to them."""

LOW, HIGH = -(2**63), 2**63 - 1
"""The integers that the language has."""


class TooLarge(Exception):
    """An expression grew past a limit; carries the sentence that tells the user."""


class Nodes:
    """A table of nodes. Equal nodes from one table are the same object."""

    def __init__(self, most: int = MOST_BUILT) -> None:
        self.most = most
        self.depth: dict[ir.Node, int] = {}
        self.loops: dict[ir.Node, int] = {}
        self.table: dict[ir.Node, ir.Node] = {}
        self.literals: dict[tuple[type, object], ir.Node] = {}

    def keep(self, node: ir.Node) -> ir.Node:
        """The table's own object for a node, whose children are of this table."""
        known = self.table.get(node)
        if known is not None:
            return known
        parts = ir.children(node)
        depth = 1 + max((self.depth.get(part, 1) for part in parts), default=0)
        loops = max((self.loops.get(part, 0) for part in parts), default=0)
        loops += isinstance(node, ir.Fold)
        if depth > MOST_DEPTH:
            raise TooLarge(f"the expanded expression is more than {MOST_DEPTH} operations deep")
        if loops > MOST_LOOPS:
            raise TooLarge(f"quantifiers and sides of `coarse` nest more than {MOST_LOOPS} deep")
        if len(self.table) >= self.most:
            raise TooLarge(f"the expanded expression has more than {MOST_NODES:,} distinct nodes")
        self.table[node] = node
        self.depth[node] = depth
        if loops:
            self.loops[node] = loops
        return node

    def const(self, value: int | bool | float) -> ir.Node:
        """A literal."""
        if value != value or value == 0:
            return self.keep(ir.Const(value))
        known = self.literals.get((type(value), value))
        if known is None:
            known = self.literals[type(value), value] = self.keep(ir.Const(value))
        return known

    def op(self, name: str, *args: ir.Node) -> ir.Node:
        """An operation, folded where all it needs is constant."""
        if name in ("and", "or"):
            return self._junction(name, args)
        if name == "select" and isinstance(args[0], ir.Const):
            return args[1] if args[0].value else args[2]
        if name == "select" and args[1] is args[2]:
            return args[1]
        if all(isinstance(arg, ir.Const) for arg in args):
            values = [arg.value for arg in args if isinstance(arg, ir.Const)]
            return self.const(points.apply(name, values))
        if name == "not" and isinstance(args[0], ir.Op) and args[0].name == "not":
            return args[0].args[0]
        return self.keep(ir.Op(name, args))

    def fold(self, kind: str, variable: str, low: ir.Node, high: ir.Node, body: ir.Node) -> ir.Node:
        """A quantifier."""
        return self.keep(ir.Fold(kind, variable, low, high, body))

    def settled(self, value: ir.Node) -> ir.Node:
        """The constant that an expression with `readings` stands for."""
        return self.const(points.evaluate(value, {}))

    def readings(self, value: ir.Node) -> int:
        """Nodes that `settled` reads at most, over all rounds of the quantifiers.

        0 where there are none, where a call may change the value, and where it is too long.
        """
        parts = list(ir.postorder(value))
        loops = [part for part in parts if isinstance(part, ir.Fold)]
        variables = {part.variable for part in loops}
        open_parts = [
            part
            for part in parts
            if isinstance(part, (ir.Param, ir.Load))
            or (isinstance(part, ir.Var) and part.name not in variables)
        ]
        if not loops or open_parts or len(parts) > MOST_SETTLED:
            return 0
        return min(prod(_width(loop) for loop in loops), MOST_ITERATIONS) * len(parts)

    def load(self, tensor: str, indices: tuple[ir.Node, ...], type: ir.Type) -> ir.Node:
        """An entry of a tensor."""
        return self.keep(ir.Load(tensor, indices, type))

    def _junction(self, name: str, args: tuple[ir.Node, ...]) -> ir.Node:
        neutral = name == "and"
        kept: list[ir.Node] = []
        for arg in args:
            if isinstance(arg, ir.Const):
                if arg.value is not neutral:
                    return self.const(not neutral)
            else:
                kept.append(arg)
        kept = list(dict.fromkeys(kept))
        if not kept:
            return self.const(neutral)
        return kept[0] if len(kept) == 1 else self.keep(ir.Op(name, tuple(kept)))


def _width(loop: ir.Fold) -> int:
    if isinstance(loop.low, ir.Const) and isinstance(loop.high, ir.Const):
        return max(int(loop.high.value - loop.low.value), 1)
    return MOST_ITERATIONS


def linear(node: ir.Node, depth: int = 8) -> tuple[dict[ir.Node, int], int]:
    """An int node as (factor of each term, constant); below `depth` a node is a term of its own."""
    if depth == 0:
        return {node: 1}, 0
    match node:
        case ir.Const(value):
            return {}, int(value)
        case ir.Op("add", args):
            return _sum([(linear(arg, depth - 1), 1) for arg in args])
        case ir.Op("sub", (a, b)):
            return _sum([(linear(a, depth - 1), 1), (linear(b, depth - 1), -1)])
        case ir.Op("neg", (a,)):
            return _sum([(linear(a, depth - 1), -1)])
        case ir.Op("mul", (ir.Const(value), a)) | ir.Op("mul", (a, ir.Const(value))):
            return _sum([(linear(a, depth - 1), int(value))])
    return {node: 1}, 0


def _sum(parts: list[tuple[tuple[dict[ir.Node, int], int], int]]) -> tuple[dict[ir.Node, int], int]:
    total: dict[ir.Node, int] = {}
    constant = 0
    for (terms, offset), factor in parts:
        constant += factor * offset
        for term, times in terms.items():
            total[term] = total.get(term, 0) + factor * times
    return {term: times for term, times in total.items() if times}, constant
