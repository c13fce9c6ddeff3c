"""Patterns: statements in order, the pattern as a whole, and patterns that others call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from maskc import ir, syntax
from maskc.check.calls import bind, callee_scope
from maskc.check.definitions import unknown_parameters
from maskc.check.expressions import lower
from maskc.check.kinds import typed
from maskc.check.names import check_name, name_span
from maskc.check.nodes import MOST_NODES, MOST_OF_FILE, Nodes, TooLarge
from maskc.check.parameters import parameter, tensor
from maskc.check.scope import Report, Room, Scope
from maskc.check.spaces import has_shape, plan_of
from maskc.check.values import (
    POISON,
    Entry,
    Global,
    Local,
    Names,
    Size,
    Table,
    Value,
)
from maskc.diagnostics import Label
from maskc.source import Span

_ONCE = (syntax.Score, syntax.Mask, syntax.SinkLogit, syntax.SinkCount)
"""Statements of which a pattern has one."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the statements of a pattern say so far."""

    mask: ir.Node | None = None
    score: ir.Node | None = None
    sink_logit: str | None = None
    sink_count: ir.Node | None = None


def pattern(target: Global, room: Room) -> ir.Pattern | None:
    """The pattern of a declaration, or None after telling its errors; `room`: for it alone."""
    node, report = target.declaration, room.report
    assert isinstance(node, syntax.Pattern), "only patterns become patterns"
    told = len(report.told)
    try:
        scope = _opened(node, target, room)
        read, scope = _statements(node, scope)
    except TooLarge as limit:
        report.add("too-large", f"pattern `{node.name}`: {limit}", _header(node))
        return None
    assert scope.plan is not None, "a pattern has a space"
    roots = [root for root in (read.mask, read.score, read.sink_count) if root is not None]
    size = sum(1 for _ in ir.postorder(*roots))
    if size > MOST_NODES:
        text = (
            f"pattern `{node.name}` expands to {size:,} distinct nodes; {MOST_NODES:,} is the most"
        )
        report.add("too-large", text, _header(node))
    if read.mask is None or len(report.told) > told:
        return None
    return ir.Pattern(
        name=node.name,
        doc=node.doc,
        mask=read.mask,
        score=read.score,
        params=tuple(
            replace(s, rules=(*s.rules, *room.rules.get(s.name, {}).items()))
            for s in room.scalars.values()
        ),
        inputs=tuple(found for found, _ in room.inputs.values()),
        space=scope.plan.space,
        sink_logit=read.sink_logit,
        sink_count=read.sink_count,
    )


def room_for(report: Report, broken: Collection[int], *, alone: bool = False) -> Room:
    """A room for one pattern, or for all definitions as they stand alone."""
    return Room(Nodes(), report, broken=broken, call_pattern=_called, alone=alone)


def not_read(node: syntax.Pattern, report: Report) -> None:
    """Tell that the patterns before this one leave nothing to read it and those after it with."""
    text = (
        f"pattern `{node.name}` and those after it are not read: the patterns before it expand to "
        f"more than {MOST_OF_FILE:,} operations together"
    )
    report.add("too-large", text, _header(node), hint="split the file")


def _opened(node: syntax.Pattern, target: Global, room: Room) -> Scope:
    q, k = room.nodes.keep(ir.Var("q")), room.nodes.keep(ir.Var("k"))
    names = Names()
    scope = Scope(room, target.file, names, q, k, None)
    for p in node.parameters:
        earlier, kept = names.get(p.name), room.scalars.get(p.name)
        found = parameter(p, replace(scope, names=names), lower)
        if earlier is not None:
            _twice(p.name, name_span(p, p.name), earlier.span, scope)
            if kept is not None:
                room.declare(kept)
            continue
        names = names.add(
            p.name, Entry(POISON if found is None else found[1], name_span(p, p.name))
        )
    scope = replace(scope, names=names, later=_named_in(node))
    return _with_space(node, scope)


def _with_space(node: syntax.Pattern, scope: Scope) -> Scope:
    """The scope with the plan of the pattern's space; lets before it may name its extents."""
    spaces = [s for s in node.statements if isinstance(s, syntax.SpaceStatement)]
    names = Names(scope.names)
    for statement in node.statements if spaces else ():
        if statement is spaces[0]:
            break
        if isinstance(statement, syntax.Let) and statement.name not in names:
            local = Local(statement, names, scope.later)
            names = names.add(statement.name, Entry(local, statement.span))
    inside = replace(scope, names=names)
    plan, sizes = plan_of(spaces[0] if spaces else None, inside, lower)
    for other in spaces[1:]:
        labels = [Label(spaces[0].span, "the first one")] if spaces[0].span else []
        scope.error("duplicate-statement", "a pattern has one space", other, labels=labels)
    for name, entry in sizes.items():
        scope = replace(scope, names=scope.names.add(name, entry))
    return replace(scope, plan=plan)


def _statements(node: syntax.Pattern, scope: Scope) -> tuple[_Read, Scope]:
    read = _Read()
    first: dict[type, syntax.Node] = {}
    for statement in node.statements:
        before, repeated = read, isinstance(statement, _ONCE) and type(statement) in first
        if repeated:
            _two(statement, first[type(statement)], scope)
        first.setdefault(type(statement), statement)
        match statement:
            case syntax.SpaceStatement():
                pass
            case syntax.Input():
                scope = _input(statement, scope)
            case syntax.Let():
                scope = _let(statement, scope)
            case syntax.Route():
                hint = "use masks computed from positions, tables and inputs"
                scope.error("not-yet", "routes are not compiled yet", statement, hint=hint)
                place = name_span(statement, statement.name)
                scope = _named(statement.name, POISON, place, scope)
            case syntax.Score(value):
                read = replace(read, score=_score(value, scope))
            case syntax.SinkLogit(name):
                read = replace(read, sink_logit=_sink_logit(statement, name, scope))
            case syntax.SinkCount(value):
                read = replace(read, sink_count=_sink_count(value, scope))
            case syntax.Mask(value):
                mask = typed(lower(value, scope), ir.BOOL, value, scope, "a mask is a bool")
                read = replace(read, mask=mask)
        if repeated:
            read = before
    if syntax.Mask not in first:
        hint = "add `mask EXPR`, say `mask causal`"
        scope.error("missing-mask", f"pattern `{node.name}` has no mask", _header(node), hint=hint)
    return read, scope


def _header(node: syntax.Pattern) -> Span | None:
    """The span of `pattern name`, so that a long body is not underlined whole."""
    name = name_span(node, node.name)
    return node.span and name and Span(name.source, node.span.start, name.end)


def _two(node: syntax.Node, first: syntax.Node, scope: Scope) -> None:
    words = {
        syntax.Mask: "mask",
        syntax.Score: "score",
        syntax.SinkLogit: "sink_logit",
        syntax.SinkCount: "sink_count",
    }
    labels = [Label(first.span, "the first one")] if first.span else []
    text = f"a pattern has one `{words[type(node)]}` statement"
    scope.error("duplicate-statement", text, node, labels=labels)


def _named_in(node: syntax.Pattern) -> dict[str, Span | None]:
    named = (syntax.Let, syntax.Input, syntax.Route)
    return {s.name: name_span(s, s.name) for s in reversed(node.statements) if isinstance(s, named)}


def _named(name: str, value: Value | Local | Size, span: Span | None, scope: Scope) -> Scope:
    earlier = scope.names.get(name)
    if earlier is not None:
        _twice(name, span, earlier.span, scope)
        return scope
    return replace(scope, names=scope.names.add(name, Entry(value, span)))


def _twice(name: str, span: Span | None, first: Span | None, scope: Scope) -> None:
    labels = [Label(first, "first defined here")] if first else []
    scope.error("duplicate-name", f"`{name}` is defined twice", span, "again here", "", labels)


def _input(node: syntax.Input, scope: Scope) -> Scope:
    place = name_span(node, node.name)
    found = tensor(node, scope, lower)
    if found is None:
        return _named(node.name, POISON, place, scope)
    given, sizes = found
    merged = scope.room.inputs.get(node.name)
    if merged is not None and node.name not in scope.names:
        if replace(merged[0], doc="") != replace(given, doc=""):
            labels = [Label(merged[1], "of another type here")] if merged[1] else []
            text = f"input `{node.name}` is declared with two types"
            scope.error("input-types-differ", text, place, labels=labels)
            return _named(node.name, POISON, place, scope)
    elif node.name not in scope.names:
        if node.name in scope.room.scalars:
            text = f"input `{node.name}` has the name of a parameter of the calling pattern"
            scope.error("duplicate-name", text, place)
            return _named(node.name, POISON, place, scope)
        scope.room.inputs[node.name] = (given, place)
    for name, entry in sizes.items():
        scope = _named(name, entry.value, entry.span, scope)
    return _named(node.name, Table(node.name, given.type, given.axes, "input"), place, scope)


def _let(node: syntax.Let, scope: Scope) -> Scope:
    place = name_span(node, node.name)
    check_name(node.name, "a let", place, scope.room.report, False)
    takes_axes = any(p.type is not None and p.type.name == "axis" for p in node.parameters)
    plan = None if takes_axes else scope.plan
    alone = replace(scope, facts=None, in_score=None, plan=plan)
    inside = replace(alone, names=unknown_parameters(node.parameters, alone))
    lower(node.body, inside)
    return _named(node.name, Local(node, scope.names, scope.later), place, scope)


def _score(value: syntax.Expression, scope: Scope) -> ir.Node | None:
    other = scope.names.get("s")
    is_segment = scope.plan is not None and "s" in scope.plan.segment_names()
    if other is not None or is_segment:
        labels = [Label(other.span, "defined here")] if other and other.span else []
        text = "inside `score`, `s` is the logit, so nothing else may be called `s`"
        scope.error("reserved-name", text, value, labels=labels, hint="rename the other `s`")
        return None
    logit = Entry(scope.room.nodes.keep(ir.Var("s", ir.FLOAT)))
    inside = replace(scope, names=scope.names.inside("s", logit), in_score=True)
    found = typed(lower(value, inside), ir.FLOAT, value, inside, "a score is a float")
    return None if found == ir.Var("s", ir.FLOAT) else found


def _sink_logit(node: syntax.SinkLogit, name: str, scope: Scope) -> str | None:
    entry, place = scope.names.get(name), name_span(node, name)
    if entry is None or not isinstance(entry.value, Table) or entry.value.kind != "input":
        if entry is None or entry.value != POISON:
            hint = f"declare it first: `input {name}: float[head]`"
            scope.error("wrong-sink", "`sink_logit` takes the name of an input", place, hint=hint)
        return None
    table = entry.value
    if table.type is not ir.FLOAT or not all(
        a in ("batch", "head", "kv_head", "layer") for a in table.axes
    ):
        hint = f"declare it as `input {name}: float[head]`"
        labels = [Label(entry.span, "declared here")] if entry.span else []
        text = f"the sink logit `{name}` is a float for each head"
        scope.error("wrong-sink", text, place, hint=hint, labels=labels)
        return None
    return name


def _sink_count(value: syntax.Expression, scope: Scope) -> ir.Node | None:
    found = typed(lower(value, scope), ir.INT, value, scope, "a number of sinks is an int")
    if found is None:
        return None
    if any(isinstance(p, ir.Var) and p.name in ("k", "batch") for p in ir.postorder(found)):
        text = "a number of sinks may depend on `q`, `head` and `layer` only"
        scope.error("wrong-sink", text, value)
        return None
    if isinstance(found, ir.Const) and found.value < 0:
        scope.error("wrong-sink", "a number of sinks cannot be negative", value)
        return None
    return found


def _called(target: Global, node: syntax.Expression, scope: Scope) -> Value:
    """The mask of a pattern that is called in an expression."""
    declaration = target.declaration
    assert isinstance(declaration, syntax.Pattern), "only patterns are called as patterns"
    inside = callee_scope(target, node, scope)
    bound = bind(declaration.name, declaration.parameters, node, scope, inside, lower)
    if bound is None:
        return POISON
    key = ("pattern", id(declaration), tuple(b.value for b in bound), *_view(scope))
    if key not in scope.room.memo:
        if scope.room.shallow:
            return POISON
        names = Names()
        for b in bound:
            names = names.add(b.parameter.name, Entry(b.value, b.parameter.span))
        inside = replace(inside, names=names, later=_named_in(declaration))
        scope.room.memo[key] = _mask_of(declaration, node, inside, scope)
    return scope.room.memo[key]


def _in_space(
    declaration: syntax.Pattern,
    place: syntax.SpaceStatement | None,
    inside: Scope,
    space: ir.Space,
) -> Scope | None:
    """The scope with the plan of a called pattern, or None where its space is not the caller's."""
    if place is None:
        return inside if space == ir.Space() else None
    if not has_shape(place, space):
        return None
    inside = _with_space(declaration, inside)
    assert inside.plan is not None, "a pattern has a space"
    parts = (*inside.plan.query, *inside.plan.key)
    inside.room.spend(sum(1 + len(part.axes) for part in parts))
    return inside if inside.plan.space == space else None


def _view(scope: Scope) -> tuple[object, ...]:
    return (
        *(scope.q, scope.k, scope.in_score, scope.facts, scope.guarded),
        *(scope.loop, scope.iterations),
    )


def _mask_of(
    declaration: syntax.Pattern, node: syntax.Expression, inside: Scope, scope: Scope
) -> Value:
    scope.room.spend(len(declaration.statements))
    if scope.plan is not None:
        spaces = (s for s in declaration.statements if isinstance(s, syntax.SpaceStatement))
        place = next(spaces, None)
        found = _in_space(declaration, place, inside, scope.plan.space)
        if found is None:
            span = place.span if place is not None else _header(declaration)
            labels = [Label(span, "its space")] if span else []
            text = f"`{declaration.name}` has another space than this pattern"
            return scope.error("spaces-differ", text, node, labels=labels)
        inside = found
    mask: Value = POISON
    for statement in declaration.statements:
        match statement:
            case syntax.Input():
                inside = _input(statement, inside)
            case syntax.Let():
                local = Local(statement, inside.names, inside.later)
                place = name_span(statement, statement.name)
                inside = _named(statement.name, local, place, inside)
            case syntax.Mask(value):
                found = typed(lower(value, inside), ir.BOOL, value, inside, "a mask is a bool")
                mask = POISON if found is None else found
            case syntax.Score() | syntax.SinkLogit() | syntax.SinkCount():
                labels = [Label(statement.span, "its score")] if statement.span else []
                text = f"`{declaration.name}` changes the score, so it cannot be called as a mask"
                hint = "move its mask to a `def` or a pattern of its own"
                return scope.error("callee-score", text, node, hint=hint, labels=labels)
            case syntax.Route():
                return scope.error("not-yet", "routes are not compiled yet", node)
            case _:
                pass
    return mask
