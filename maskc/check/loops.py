"""Quantifiers: `any`, `all` and `count` over a range, a set or a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from maskc import ir, points, syntax
from maskc.analysis import unknown
from maskc.check.kinds import entry, typed
from maskc.check.nodes import HIGH, LOW, MOST_ITERATIONS
from maskc.check.scope import Room, Scope
from maskc.check.values import POISON, Entry, Poison, Table, Value

MOST_DYNAMIC = 64
"""Iterations of a quantifier whose bound is known only at the call."""

Lower = Callable[[syntax.Expression, Scope], Value]


def quantifier(node: syntax.Quantifier, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """The value of a quantifier."""
    match node.range:
        case syntax.Range(low, high):
            return _over_range(node, low, high, scope, lower)
        case syntax.SetOf(elements):
            return _over_set(node, elements, scope, lower)
        case _:
            return _over_list(node, node.range, scope, lower)


def loop(
    node: syntax.Node,
    kind: str,
    ends: tuple[ir.Node, ir.Node],
    scope: Scope,
    body: Callable[[ir.Node, Scope], ir.Node | None],
) -> ir.Node | Poison:
    """A Fold over constant bounds; `body` gets the loop variable and the scope inside."""
    nodes = scope.room.nodes
    low, high = ends
    variable = ir.Var(f"I{scope.loop}")
    inner = replace(scope, loop=scope.loop + 1)
    if not (scope.is_constant(low) and scope.is_constant(high)):
        return _dynamic(node, kind, ends, inner, body)
    width = nodes.op("sub", high, low)
    rounds = default_value(width, scope)
    if rounds is None:
        rounds = scope.room.bounds().of(width)[1]
    if rounds is not None:
        inner = replace(inner, iterations=scope.iterations * max(int(rounds), 0))
        if inner.iterations > MOST_ITERATIONS:
            text = f"{inner.iterations:,} iterations are more than {MOST_ITERATIONS:,}"
            hint = "nested quantifiers count together"
            return scope.error("too-many-iterations", text, node, hint=hint)
    bounds = scope.room.bounds()
    (least, _), (_, most) = bounds.of(low), bounds.of(high)
    scope.room.loops[variable.name] = _wider(
        scope.room.loops.get(variable.name), least, None if most is None else most - 1
    )
    inside = body(nodes.keep(variable), inner)
    return POISON if inside is None else nodes.fold(kind, variable.name, low, high, inside)


def default_value(node: ir.Node, scope: Scope) -> int | bool | float | None:
    """The value of a constant expression when every parameter has its default, where it has one."""
    known = scope.room.defaults
    for part in unknown(node, known):
        known[part] = _default_of(part, scope.room)
    return known[node]


def _default_of(part: ir.Node, room: Room) -> Any:
    match part:
        case ir.Const(value):
            return value
        case ir.Param(name):
            scalar = room.scalars.get(name)
            return None if scalar is None else scalar.default
        case ir.Var(name):
            scalar = room.scalars.get(name.removeprefix("size:"))
            given = None if scalar is None else scalar.default
            return len(given) if isinstance(given, tuple) else None
        case ir.Op(name, args):
            values = [room.defaults[arg] for arg in args]
            value = None if None in values else points.apply(name, values)
            return None if isinstance(value, int) and not LOW <= value <= HIGH else value
    return None


def _over_range(
    node: syntax.Quantifier,
    low: syntax.Expression,
    high: syntax.Expression,
    scope: Scope,
    lower: Lower,
) -> ir.Node | Poison:
    user = "the range of a quantifier takes ints"
    ends = [typed(lower(end, scope), ir.INT, end, scope, user) for end in (low, high)]
    if ends[0] is None or ends[1] is None:
        return POISON

    def body(value: ir.Node, inner: Scope) -> ir.Node | None:
        return _body(node, value, inner, lower)

    return loop(node, node.kind, (ends[0], ends[1]), scope, body)


def _dynamic(
    node: syntax.Node,
    kind: str,
    bounds: tuple[ir.Node, ir.Node],
    inner: Scope,
    body: Callable[[ir.Node, Scope], ir.Node | None],
) -> ir.Node | Poison:
    nodes = inner.room.nodes
    low, high = bounds
    width = nodes.op("sub", high, low)
    known = inner.room.bounds()
    most = known.of(width)[1]
    if most is None or most > MOST_DYNAMIC:
        text = "the bounds of this quantifier are neither constant nor proved to be at most "
        hint = f"refine the dynamic parameter, as in `n: dynamic int in 1..{MOST_DYNAMIC + 1}`"
        return inner.error("unbounded-quantifier", f"{text}{MOST_DYNAMIC} apart", node, hint=hint)
    inner = replace(inner, iterations=inner.iterations * max(most, 0))
    if inner.iterations > MOST_ITERATIONS:
        text = f"{inner.iterations:,} iterations are more than {MOST_ITERATIONS:,}"
        return inner.error("too-many-iterations", text, node)
    counter = nodes.keep(ir.Var(f"I{inner.loop - 1}"))
    inner.room.loops[f"I{inner.loop - 1}"] = _wider(
        inner.room.loops.get(f"I{inner.loop - 1}"), 0, MOST_DYNAMIC - 1
    )
    inside = body(nodes.op("add", low, counter), inner)
    if inside is None:
        return POISON
    exists = nodes.op("lt", counter, width)
    if kind == "all":
        inside = nodes.op("or", nodes.op("not", exists), inside)
    else:
        inside = nodes.op("and", exists, inside)
    return nodes.fold(kind, f"I{inner.loop - 1}", nodes.const(0), nodes.const(max(most, 0)), inside)


def _over_set(
    node: syntax.Quantifier,
    elements: tuple[syntax.Expression, ...],
    scope: Scope,
    lower: Lower,
) -> ir.Node | Poison:
    nodes = scope.room.nodes
    user = "the set of a quantifier takes ints"
    values = [typed(lower(e, scope), ir.INT, e, scope, user) for e in elements]
    present = list(dict.fromkeys(value for value in values if value is not None))
    if None in values:
        return POISON
    if scope.iterations * len(present) > MOST_ITERATIONS:
        text = f"{scope.iterations * len(present):,} iterations are more than {MOST_ITERATIONS:,}"
        return scope.error("too-many-iterations", text, node)
    inner = replace(scope, iterations=scope.iterations * max(len(present), 1))
    hits: list[ir.Node] = []
    for i, value in enumerate(present):
        hit = _body(node, value, inner, lower)
        if hit is None:
            return POISON
        earlier = [] if isinstance(value, ir.Const) else present[:i]
        if node.kind == "count" and earlier:
            repeated = nodes.op("or", *(nodes.op("eq", value, e) for e in earlier))
            hit = nodes.op("and", hit, nodes.op("not", repeated))
        hits.append(hit)
    if node.kind != "count":
        return nodes.op("or" if node.kind == "any" else "and", *hits)
    zero, one = nodes.const(0), nodes.const(1)
    ones = [nodes.op("select", hit, one, zero) for hit in hits]
    return zero if not ones else ones[0] if len(ones) == 1 else nodes.op("add", *ones)


def _over_list(
    node: syntax.Quantifier, place: syntax.Expression, scope: Scope, lower: Lower
) -> ir.Node | Poison:
    table = lower(place, scope)
    if isinstance(table, Poison):
        return POISON
    if not isinstance(table, Table) or table.kind != "list":
        text = "a quantifier runs over a range, a set or a list parameter"
        return scope.error("not-a-collection", text, place, hint="as in `any(i in 0..4 : ...)`")
    if table.type is not ir.INT:
        return scope.error("type-mismatch", "a quantifier runs over ints", place)

    def body(index: ir.Node, inner: Scope) -> ir.Node | None:
        return _body(node, entry(table, (index,), inner), inner, lower)

    return loop(
        node, node.kind, (scope.room.nodes.const(0), list_length(table, scope)), scope, body
    )


def list_length(table: Table, scope: Scope) -> ir.Node:
    """The number of entries of a list."""
    if table.values is not None:
        return scope.room.nodes.const(len(table.values))
    return scope.room.nodes.keep(ir.Var(f"size:{table.name}"))


def _body(node: syntax.Quantifier, value: ir.Node, inner: Scope, lower: Lower) -> ir.Node | None:
    names = inner.names.inside(node.variable, Entry(value, node.span))
    within = replace(inner, names=names)
    user = f"`{node.kind}` takes a condition"
    return typed(lower(node.body, within), ir.BOOL, node.body, within, user)


def _wider(
    known: tuple[int | None, int | None] | None, low: int | None, high: int | None
) -> tuple[int | None, int | None]:
    if known is None:
        return low, high
    return (
        None if low is None or known[0] is None else min(low, known[0]),
        None if high is None or known[1] is None else max(high, known[1]),
    )
