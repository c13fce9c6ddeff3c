"""`if`, `match` and `in`: choices and memberships, with what their guards say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from maskc import ir, syntax
from maskc.check import coverage, operators
from maskc.check.coordinates import dotted, facts_of, member
from maskc.check.kinds import describe, entry, plain, typed
from maskc.check.loops import list_length, loop
from maskc.check.scope import Scope
from maskc.check.values import POISON, Entry, Poison, Table, Value

Lower = Callable[[syntax.Expression, Scope], Value]


def conditional(node: syntax.If, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """`if c then a else b`."""
    conditions: list[ir.Node | None] = []
    values: list[ir.Node | Poison] = []
    inner = scope
    for test, value in node.arms:
        found = typed(lower(test, inner), ir.BOOL, test, inner, "`if` takes a condition")
        conditions.append(found)
        held = POISON if found is None else found
        within = inner.under(facts_of(held, True, scope))
        values.append(plain(lower(value, within), value, within))
        inner = inner.under(facts_of(held, False, scope))
    values.append(plain(lower(node.otherwise, inner), node.otherwise, inner))
    places = [*(value for _, value in node.arms), node.otherwise]
    return _joined(conditions, values, places, scope, "this `if`")


def matched(node: syntax.Match, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """`match x { 0..4 => A, {6, 7} => B, _ => C }`: the first arm that takes the value wins."""
    subject = plain(lower(node.subject, scope), node.subject, scope)
    if not isinstance(subject, Poison) and ir.type_of(subject) is ir.FLOAT:
        text = "`match` takes an int or a bool, but this is a float"
        subject = scope.error("type-mismatch", text, node.subject)
    conditions: list[ir.Node | None] = []
    values: list[ir.Node | Poison] = []
    taken: list[coverage.Arm] | None = []
    inner = scope
    last: ir.Node | Poison | None = None
    for arm in node.arms:
        if isinstance(arm.pattern, syntax.Wildcard):
            value = plain(lower(arm.value, inner.under(())), arm.value, inner)
            last = last if last is not None else value
            taken = None
            continue
        found = None
        if not isinstance(subject, Poison):
            found, pieces = _arm(arm.pattern, subject, inner, lower)
            if taken is not None:
                taken = None if pieces is None else [*taken, *pieces]
        held = POISON if found is None else found
        within = inner.under(facts_of(held, True, scope))
        value = plain(lower(arm.value, within), arm.value, within)
        inner = inner.under(facts_of(held, False, scope))
        if last is None:
            conditions.append(found)
            values.append(value)
    if isinstance(subject, Poison):
        return POISON
    places = [arm.value for arm in node.arms if not isinstance(arm.pattern, syntax.Wildcard)]
    places = places[: len(values)]
    if last is None:
        if None not in conditions and not _covered(node, subject, taken, scope):
            return POISON
        last = values.pop()
        conditions.pop()
    else:
        places.append(next(a.value for a in node.arms if isinstance(a.pattern, syntax.Wildcard)))
    return _joined(conditions, [*values, last], places, scope, "this `match`")


def contained(node: syntax.In, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """`x in 0..4`, `x in {0, 2}`, `x in list_param`, `q in text`."""
    segment = _segment(node, scope)
    if segment is not None:
        if not isinstance(node.value, syntax.Name) or node.value.name not in ("q", "k"):
            hint = f"write `q in {segment}` or `k in {segment}`"
            text = "only the positions `q` and `k` are in segments"
            return scope.error("type-mismatch", text, node.value, hint=hint)
        return member(node, node.value.name, segment, scope)
    value = plain(lower(node.value, scope), node.value, scope)
    if isinstance(value, Poison):
        return POISON
    found, _ = _arm(node.collection, value, scope, lower, collection=True)
    return POISON if found is None else found


def _arm(
    pattern: syntax.Node, subject: ir.Node, scope: Scope, lower: Lower, collection: bool = False
) -> tuple[ir.Node | None, list[coverage.Arm] | None]:
    nodes = scope.room.nodes
    type = ir.type_of(subject)
    user = f"the value is {describe(type)}"
    match pattern:
        case syntax.Range(low, high):
            if type is not ir.INT:
                text = f"a range holds ints, but the value is {describe(type)}"
                scope.error("type-mismatch", text, pattern)
                return None, None
            ends = [
                typed(lower(e, scope), ir.INT, e, scope, "a range takes ints") for e in (low, high)
            ]
            if ends[0] is None or ends[1] is None:
                return None, None
            inside = nodes.op(
                "and", nodes.op("le", ends[0], subject), nodes.op("lt", subject, ends[1])
            )
            return inside, [(ends[0], ends[1])]
        case syntax.SetOf(elements):
            found = [typed(lower(e, scope), type, e, scope, user) for e in elements]
            present = [value for value in found if value is not None]
            if len(present) < len(found):
                return None, None
            hits = [nodes.op("eq", subject, value) for value in dict.fromkeys(present)]
            return nodes.op("or", *hits), [_single(value, scope) for value in present]
    assert not isinstance(pattern, syntax.Wildcard), "a wildcard is no arm of its own"
    value = lower(pattern, scope)  # pyright: ignore[reportArgumentType]
    if isinstance(value, Table) and value.kind == "list":
        return _in_list(pattern, subject, value, scope), None
    if collection:
        if not isinstance(value, Poison):
            hint = "as in `x in 0..4`, `x in {0, 2}` or `x in list_param`"
            text = "`in` takes a range, a set, a list or a segment"
            scope.error("not-a-collection", text, pattern, hint=hint)
        return None, None
    single = typed(value, type, pattern, scope, user)
    if single is None:
        return None, None
    return nodes.op("eq", subject, single), [_single(single, scope)]


def _single(value: ir.Node, scope: Scope) -> coverage.Arm:
    if ir.type_of(value) is not ir.INT:
        return value, value
    return value, scope.room.nodes.op("add", value, scope.room.nodes.const(1))


def _in_list(node: syntax.Node, subject: ir.Node, table: Table, scope: Scope) -> ir.Node | None:
    nodes = scope.room.nodes
    if ir.type_of(subject) is not table.type:
        found = describe(ir.type_of(subject))
        text = f"`{table.name}` holds {table.type.value}s, but the value is {found}"
        scope.error("type-mismatch", text, node)
        return None
    if table.values is not None:
        return nodes.op("or", *(nodes.op("eq", subject, nodes.const(v)) for v in table.values))

    def body(index: ir.Node, inner: Scope) -> ir.Node:
        return nodes.op("eq", subject, entry(table, (index,), inner))

    free = replace(scope, iterations=1)
    bounds = nodes.const(0), list_length(table, scope)
    value = loop(node, "any", bounds, free, body)
    return None if isinstance(value, Poison) else value


def _segment(node: syntax.In, scope: Scope) -> str | None:
    if not isinstance(node.collection, (syntax.Name, syntax.Member)):
        return None
    path = dotted(node.collection)
    if path is None or len(path) != 1:
        return None
    entry: Entry | None = scope.names.get(path[0])
    if entry is not None:
        return None
    if scope.plan is not None:
        return path[0] if path[0] in scope.plan.segment_names() else None
    prelude = scope.file.prelude.names if scope.file.prelude else {}
    known = path[0] in scope.file.names or path[0] in prelude
    return None if known else path[0]


def _covered(
    node: syntax.Match, subject: ir.Node, taken: list[coverage.Arm] | None, scope: Scope
) -> bool:
    if scope.room.alone and any(isinstance(part, ir.Param) for part in ir.postorder(subject)):
        return True
    missing = coverage.gap(subject, taken or [], scope.room.bounds(), scope.room.nodes)
    if missing is None:
        return True
    what = f"{missing.value} is" if isinstance(missing, ir.Const) else "some values are"
    if isinstance(missing, str):
        what = f"`{missing}` is" if missing in ("true", "false") else f"{missing} are"
    text = f"this `match` may leave values out: {what} not covered"
    scope.error("not-covered", text, node, hint="add a last arm `_ => ...`")
    return False


def _joined(
    conditions: list[ir.Node | None],
    values: list[ir.Node | Poison],
    places: list[syntax.Expression],
    scope: Scope,
    user: str,
) -> ir.Node | Poison:
    ready = [value for value in values if not isinstance(value, Poison)]
    if len(ready) < len(values):
        return POISON
    same = operators.same_type(ready, places, scope, user)
    tests = [test for test in conditions if test is not None]
    if same is None or len(tests) < len(conditions):
        return POISON
    return operators.choose(list(zip(tests, same, strict=False)), same[-1], scope.room.nodes)
