"""The built-in functions of language.md section 4, apart from `len` and `coarse`."""

from __future__ import annotations

from collections.abc import Callable

from maskc import ir, syntax
from maskc.check.kinds import number, numbers, typed
from maskc.check.scope import Scope
from maskc.check.values import POISON, Poison, Value

SIGNATURES: dict[str, tuple[str, ...]] = {
    "abs": ("x",),
    "min": ("*",),
    "max": ("*",),
    "sign": ("x",),
    "cdiv": ("x", "y"),
    "clamp": ("x", "low", "high"),
    "log2": ("x",),
    "is_pow2": ("x",),
    "pow2": ("x",),
    "popcount": ("x",),
    "low_bit": ("x",),
    "bit_and": ("x", "y"),
    "bit_or": ("x", "y"),
    "bit_xor": ("x", "y"),
    "hash": ("seed", "*"),
    "distance_squared": (),
    "exp": ("x",),
    "log": ("x",),
    "tanh": ("x",),
    "sigmoid": ("x",),
    "softcap": ("s", "c"),
    "alibi": ("head",),
}
"""Argument names of each; `*` takes any number of further ones."""

SCORE_ONLY = ("exp", "log", "tanh", "sigmoid", "softcap", "alibi")

_FREE_NUMBERS = ("abs", "min", "max", "sign", "clamp")


def call(
    name: str, node: syntax.Call, values: list[Value], places: list[syntax.Node], scope: Scope
) -> ir.Node | Poison:
    """The value of a built-in for arguments in the order of its signature."""
    user = f"`{name}`"
    if name in SCORE_ONLY:
        if scope.in_score is False:
            text = f"{user} stands only in `score`: a mask is exact integers"
            return scope.error("score-only", text, node)
        return _score(name, node, values, places, scope)
    if name in _FREE_NUMBERS:
        found = [number(v, p, scope, user) for v, p in zip(values, places, strict=True)]
        ready = numbers(found, places, scope)
    else:
        ints = [
            typed(v, ir.INT, p, scope, f"{user} takes ints")
            for v, p in zip(values, places, strict=True)
        ]
        ready = None if None in ints else [value for value in ints if value is not None]
    if ready is None:
        return POISON
    return _INTEGER.get(name, _same)(name, node, ready, scope)


def _same(name: str, node: syntax.Node, args: list[ir.Node], scope: Scope) -> ir.Node | Poison:
    return scope.op(node, name, *args)


def _extreme(name: str, node: syntax.Node, args: list[ir.Node], scope: Scope) -> ir.Node | Poison:
    return args[0] if len(args) == 1 else scope.op(node, name, *args)


def _cdiv(name: str, node: syntax.Node, args: list[ir.Node], scope: Scope) -> ir.Node | Poison:
    quotient = scope.op(node, "floordiv", scope.room.nodes.op("neg", args[0]), args[1])
    return quotient if isinstance(quotient, Poison) else scope.op(node, "neg", quotient)


def _clamp(name: str, node: syntax.Node, args: list[ir.Node], scope: Scope) -> ir.Node | Poison:
    x, low, high = args
    nodes = scope.room.nodes
    return nodes.op("min", nodes.op("max", x, low), high)


def _low_bit(name: str, node: syntax.Node, args: list[ir.Node], scope: Scope) -> ir.Node | Poison:
    nodes = scope.room.nodes
    return nodes.op("bit_and", args[0], nodes.op("neg", args[0]))


def _distance_squared(
    name: str, node: syntax.Node, args: list[ir.Node], scope: Scope
) -> ir.Node | Poison:
    from maskc.check.coordinates import coordinate

    nodes = scope.room.nodes
    if scope.plan is None:
        return nodes.keep(ir.Param("open:distance"))
    squares: list[ir.Node] = []
    for axis in scope.plan.axis_names():
        here = coordinate(node, "q", (axis,), scope)
        there = coordinate(node, "k", (axis,), scope)
        if isinstance(here, Poison) or isinstance(there, Poison):
            return POISON
        apart = nodes.op("sub", here, there)
        squares.append(nodes.op("mul", apart, apart))
    if not squares:
        return scope.error("unknown-axis", "this space has no axes to measure along", node)
    return squares[0] if len(squares) == 1 else nodes.op("add", *squares)


_INTEGER: dict[str, Callable[[str, syntax.Node, list[ir.Node], Scope], ir.Node | Poison]] = {
    "min": _extreme,
    "max": _extreme,
    "cdiv": _cdiv,
    "clamp": _clamp,
    "low_bit": _low_bit,
    "distance_squared": _distance_squared,
}


def _score(
    name: str, node: syntax.Node, values: list[Value], places: list[syntax.Node], scope: Scope
) -> ir.Node | Poison:
    nodes = scope.room.nodes
    if name == "alibi":
        head = typed(values[0], ir.INT, places[0], scope, "`alibi` takes a head")
        if head is None:
            return POISON
        slope = nodes.op("alibi_slope", head, nodes.keep(ir.Var("heads")))
        distance = nodes.op("to_float", nodes.op("abs", nodes.op("sub", scope.q, scope.k)))
        return nodes.op("mul", nodes.op("neg", slope), distance)
    floats = [
        typed(v, ir.FLOAT, p, scope, f"`{name}` takes floats")
        for v, p in zip(values, places, strict=True)
    ]
    ready = [value for value in floats if value is not None]
    if len(ready) < len(floats):
        return POISON
    if name == "softcap":
        s, c = ready
        if isinstance(c, ir.Const) and c.value == 0:
            text = "`softcap` by 0 has no meaning"
            return scope.error("undefined-constant", text, places[1])
        return nodes.op("mul", c, nodes.op("tanh", nodes.op("div", s, c)))
    return nodes.op(name, *ready)
