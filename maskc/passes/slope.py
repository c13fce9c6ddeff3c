"""The derivative of a score: `slope` gives it by the logit `s`, `derivative` by any node.

A gradient with respect to a tensor's entries is the same walk with those `Load`s as the variable.
"""

from __future__ import annotations

from math import prod

from maskc import ir
from maskc.ir import FLOAT, Const, Node, Op, Var
from maskc.passes import construct as c

S = Var("s", FLOAT)
NOTHING, WHOLE = Const(0.0), Const(1.0)


def slope(score: Node) -> Node:
    """The derivative of a score by `s`.

    Where a function has a kink (`abs`, `min`, `max`), that of the first side; where it steps, 0.

    Example:
        >>> slope(Op("mul", (S, Const(2.0))))
        Const(value=2.0)

    """
    return derivative(score, S)


def derivative(root: Node, variable: Node) -> Node:
    """The derivative of a float node by a variable or a read of a tensor."""
    slopes: dict[Node, Node] = {}
    for node in ir.postorder(root):
        if node == variable:
            slopes[node] = WHOLE
        elif isinstance(node, Op) and ir.type_of(node) is FLOAT:
            slopes[node] = _of(node, [slopes.get(arg, NOTHING) for arg in node.args])
        else:
            slopes[node] = NOTHING
    return slopes[root]


def _of(node: Op, slopes: list[Node]) -> Node:
    if all(part == NOTHING for part in slopes):
        return NOTHING
    args = node.args
    match node.name:
        case "add":
            return _sum(slopes)
        case "sub":
            return _sum([slopes[0], _product([Const(-1.0), slopes[1]])])
        case "neg":
            return _product([Const(-1.0), slopes[0]])
        case "mul":
            parts = []
            for i, part in enumerate(slopes):
                parts.append(_product([part, *args[:i], *args[i + 1 :]]))
            return _sum(parts)
        case "div":
            first = NOTHING if slopes[0] == NOTHING else c.operation("div", (slopes[0], args[1]))
            if slopes[1] == NOTHING:
                return first
            second = Op("div", (_product([node, slopes[1], Const(-1.0)]), args[1]))
            return _sum([first, second])
        case "exp":
            return _product([slopes[0], node])
        case "log":
            return Op("div", (slopes[0], args[0]))
        case "tanh":
            return _product([slopes[0], Op("sub", (WHOLE, Op("mul", (node, node))))])
        case "sigmoid":
            return _product([slopes[0], node, Op("sub", (WHOLE, node))])
        case "abs":
            below = _product([Const(-1.0), slopes[0]])
            return Op("select", (Op("lt", (args[0], NOTHING)), below, slopes[0]))
        case "select":
            return Op("select", (args[0], slopes[1], slopes[2]))
        case "min" | "max":
            return _extreme(node, slopes)
        case _:
            return NOTHING


def _extreme(node: Op, slopes: list[Node]) -> Node:
    """The slope of the first argument that is the extreme one."""
    found = slopes[-1]
    for arg, part in zip(reversed(node.args[:-1]), reversed(slopes[:-1]), strict=True):
        if part != found:
            found = Op("select", (Op("eq", (arg, node)), part, found))
    return found


def _sum(parts: list[Node]) -> Node:
    terms = tuple(part for part in parts if part != NOTHING)
    return Op("add", terms) if len(terms) > 1 else terms[0] if terms else NOTHING


def _product(factors: list[Node]) -> Node:
    """The product, with all constants in front as one."""
    constant = prod(factor.value for factor in factors if isinstance(factor, Const))
    terms: list[Node] = [factor for factor in factors if not isinstance(factor, Const)]
    if constant == 0.0 or not terms:
        return Const(float(constant))
    if constant != 1.0:
        terms = [Const(float(constant)), *terms]
    return Op("mul", tuple(terms)) if len(terms) > 1 else terms[0]
