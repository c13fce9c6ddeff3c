"""Operators, comparisons and choices over operands that are read already."""

from __future__ import annotations

from collections.abc import Sequence

from maskc import ir, syntax
from maskc.check.kinds import describe, number, numbers, plain
from maskc.check.nodes import Nodes
from maskc.check.scope import Scope
from maskc.check.values import POISON, Poison, Value

_ARITHMETIC = {
    "*": "mul",
    "//": "floordiv",
    "%": "mod",
    "+": "add",
    "-": "sub",
    "<<": "shl",
    ">>": "shr",
}
_LONG = 32
"""From this many operands on, sums and choices are built flat or balanced instead of nested."""


def arithmetic(node: syntax.Chain, values: Sequence[Value], scope: Scope) -> ir.Node | Poison:
    """`a * b // c`, `a + b - c`, `a << b`: from left to right."""
    found = [
        number(value, operand, scope, f"`{node.operators[max(i - 1, 0)]}`")
        for i, (value, operand) in enumerate(zip(values, node.operands, strict=True))
    ]
    ready = numbers(found, node.operands, scope)
    if ready is None:
        return POISON
    if ir.type_of(ready[0]) is ir.FLOAT:
        for operator in node.operators:
            if operator not in ("+", "-", "*"):
                return scope.error("type-mismatch", f"`{operator}` takes ints, not floats", node)
    if set(node.operators) <= {"+", "-"} and len(ready) > _LONG:
        signed = [
            scope.room.nodes.op("neg", value) if i and node.operators[i - 1] == "-" else value
            for i, value in enumerate(ready)
        ]
        return scope.op(node, "add", *signed)
    if set(node.operators) in ({"+"}, {"*"}):
        return scope.op(node, _ARITHMETIC[node.operators[0]], *ready)
    result: ir.Node | Poison = ready[0]
    run: list[ir.Node] = [ready[0]]
    for i, operator in enumerate(node.operators):
        assert not isinstance(result, Poison), "a poisoned chain ends early"
        if operator in ("+", "*") and i and node.operators[i - 1] == operator:
            run.append(ready[i + 1])
        else:
            run = [result, ready[i + 1]]
        result = scope.op(node, _ARITHMETIC[operator], *run)
        if isinstance(result, Poison):
            return POISON
    return result


def xor(values: Sequence[ir.Node], nodes: Nodes) -> ir.Node:
    """`A ^ B ^ C`, balanced."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return nodes.op("xor", xor(values[:half], nodes), xor(values[half:], nodes))


def compare(node: syntax.Compare, values: Sequence[Value], scope: Scope) -> ir.Node | Poison:
    """`0 <= q - k < w`: every neighbouring pair holds."""
    found = [plain(v, n, scope) for v, n in zip(values, node.operands, strict=True)]
    parts: list[ir.Node] = []
    failed = False
    for i, operator in enumerate(node.operators):
        a, b = found[i], found[i + 1]
        if isinstance(a, Poison) or isinstance(b, Poison):
            failed = True
            continue
        part = _comparison(operator, (a, b), node.operands[i : i + 2], scope)
        failed = failed or part is None
        if part is not None:
            parts.append(part)
    if failed:
        return POISON
    return parts[0] if len(parts) == 1 else scope.room.nodes.op("and", *parts)


def choose(arms: Sequence[tuple[ir.Node, ir.Node]], otherwise: ir.Node, nodes: Nodes) -> ir.Node:
    """The value of the first arm whose condition holds; long chains become a balanced tree."""
    if len(arms) <= _LONG:
        for condition, value in reversed(arms):
            otherwise = nodes.op("select", condition, value, otherwise)
        return otherwise
    level = list(arms)
    while len(level) > 1:
        paired = [
            (nodes.op("or", c, d), nodes.op("select", c, a, b))
            for (c, a), (d, b) in zip(level[::2], level[1::2], strict=False)
        ]
        level = [*paired, level[-1]] if len(level) % 2 else paired
    return nodes.op("select", level[0][0], level[0][1], otherwise)


def same_type(
    values: Sequence[ir.Node], places: Sequence[syntax.Node], scope: Scope, user: str
) -> list[ir.Node] | None:
    """The branches of a choice as one type, or None after telling which differ."""
    types = {ir.type_of(value) for value in values}
    if len(types) == 1:
        return list(values)
    if ir.BOOL not in types:
        return numbers(values, places, scope)
    first = ir.type_of(values[0])
    other = next(i for i, value in enumerate(values) if ir.type_of(value) is not first)
    text = f"{user} gives {describe(first)} first and {describe(ir.type_of(values[other]))} here"
    scope.error("type-mismatch", text, places[other], hint="all branches have one type")
    return None


def _comparison(
    operator: str,
    pair: tuple[ir.Node, ir.Node],
    places: Sequence[syntax.Node],
    scope: Scope,
) -> ir.Node | None:
    a, b = pair
    bools = [ir.type_of(side) is ir.BOOL for side in pair]
    if any(bools):
        if not all(bools):
            place = places[bools.index(False)]
            text = (
                f"`{operator}` between a bool and {describe(ir.type_of(pair[bools.index(False)]))}"
            )
            scope.error("type-mismatch", text, place, hint="bools compare with bools only")
            return None
        if operator not in ("==", "!="):
            text = f"bools compare with `==` and `!=`, not `{operator}`"
            scope.error("type-mismatch", text, places[0])
            return None
    else:
        ready = numbers(pair, places, scope)
        if ready is None:
            return None
        a, b = ready
    nodes = scope.room.nodes
    match operator:
        case "==":
            return nodes.op("eq", a, b)
        case "!=":
            return nodes.op("ne", a, b)
        case "<":
            return nodes.op("lt", a, b)
        case "<=":
            return nodes.op("le", a, b)
        case ">":
            return nodes.op("lt", b, a)
        case _:
            return nodes.op("le", b, a)
