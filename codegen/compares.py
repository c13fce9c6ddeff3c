"""Comparisons of positions as comparisons of their difference, which a tile has anyway."""

from __future__ import annotations

from maskc import ir
from maskc.ir import Const, Node, Op, Var

Q, K = Var("q"), Var("k")
DIFFERENCE = Op("sub", (Q, K))


def by_difference(root: Node) -> Node:
    """The root with `k <= q` as `0 <= q - k`, where it also reads `q - k`.

    Two bounds of one difference are one unsigned comparison to the compiler of a kernel: a tile at
    the edge of a window costs one compare for each pair.

    Example:
        >>> both = Op("and", (Op("le", (K, Q)), Op("lt", (DIFFERENCE, Const(4)))))
        >>> by_difference(both).args[0] == Op("le", (Const(0), DIFFERENCE))
        True

    """
    if DIFFERENCE not in set(ir.postorder(root)):
        return root
    made: dict[Node, Node] = {}
    for node in ir.postorder(root):
        made[node] = _compared(ir.rebuild(node, tuple(made[part] for part in ir.children(node))))
    return made[root]


def _compared(node: Node) -> Node:
    match node:
        case Op("le" | "lt" as name, (left, right)) if (left, right) == (K, Q):
            return Op(name, (Const(0), DIFFERENCE))
        case Op("le" | "lt" as name, (left, right)) if (left, right) == (Q, K):
            return Op(name, (DIFFERENCE, Const(0)))
        case _:
            return node
