"""Consts and defs that stand by themselves, checked whether anybody calls them or not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from maskc import ir, syntax
from maskc.check.calls import TYPES, constant, type_meant
from maskc.check.expressions import lower
from maskc.check.kinds import typed
from maskc.check.names import check_name, name_span
from maskc.check.scope import Room, Scope
from maskc.check.values import POISON, AxisName, Entry, Global, Names, Poison, Value
from maskc.diagnostics import Label


def alone(target: Global, room: Room) -> None:
    """Tell the errors of a `const` or `def` that stands by itself; `room` is shared by all."""
    node = target.declaration
    assert isinstance(node, (syntax.Const, syntax.Def)), "patterns are read whole"
    q, k = room.nodes.keep(ir.Var("q")), room.nodes.keep(ir.Var("k"))
    scope = Scope(room, target.file, Names(), q, k, None, in_score=None, facts=None)
    room.level = 0
    if isinstance(node, syntax.Const):
        known = id(node) in room.memo
        value = room.memo[id(node)] if known else constant(node, scope, lower)
        if not isinstance(value, (ir.Const, Poison)):
            text = f"`{node.name}` is not a constant"
            hint = "a const is made of literals and other consts"
            scope.error("not-constant", text, node.value, hint=hint)
        return
    names = unknown_parameters(node.parameters, scope)
    lower(node.body, replace(scope, names=names))


def unknown_parameters(parameters: Collection[syntax.Parameter], scope: Scope) -> Names:
    """Names for the parameters of a definition that nobody calls: any value of their type."""
    names = Names(scope.names)
    own: set[str] = set()
    for node in parameters:
        check_name(node.name, "a parameter", name_span(node, node.name), scope.room.report, False)
        if node.name in own:
            text = f"parameter `{node.name}` stands twice"
            scope.error("duplicate-name", text, name_span(node, node.name))
            continue
        own.add(node.name)
        names = names.add(node.name, Entry(_unknown(node, scope), node.span))
        inside = replace(scope, names=names, guarded=True, in_score=None)
        for refinement in node.refinements:
            user = "a refinement is a condition"
            typed(lower(refinement.rule, inside), ir.BOOL, refinement.rule, inside, user)
        if node.default is not None and isinstance(node.default, syntax.Node) and node.type:
            _check_default(node, node.default, inside)
    return names


def _check_default(node: syntax.Parameter, default: syntax.Expression, scope: Scope) -> None:
    assert node.type is not None, "an untyped parameter was told"
    if node.type.name not in TYPES:
        scope.error("wrong-default", f"`{node.type.name}` parameters have no default", default)
        return
    kind = TYPES[node.type.name]
    user = f"`{node.name}` is {'an' if kind is ir.INT else 'a'} {kind.value}"
    value = typed(lower(default, scope), kind, default, scope, user)
    if not isinstance(value, ir.Const):
        return
    bound = replace(scope, names=scope.names.inside(node.name, Entry(value, node.span)))
    for refinement in node.refinements:
        rule = lower(refinement.rule, bound)
        if isinstance(rule, ir.Const) and rule.value is False:
            text = refinement.span.text if refinement.span else "its rule"
            message = f"the default {value.value} of `{node.name}` breaks `{text}`"
            labels = [Label(refinement.span, "the rule")] if refinement.span else []
            scope.error("broken-refinement", message, default, labels=labels)


def _unknown(node: syntax.Parameter, scope: Scope) -> Value:
    kind = node.type
    if kind is None:
        hint = f"write `{node.name}: int`"
        return scope.error("wrong-type", f"parameter `{node.name}` has no type", node, hint=hint)
    if kind.name == "axis":
        return AxisName(node.name)
    if kind.name == "input":
        return POISON
    if kind.name not in TYPES or kind.dynamic or kind.axes is not None:
        text = "the type of a def's parameter is `int`, `bool`, `float`, `axis` or `input`"
        return scope.error("wrong-type", text, kind, hint=type_meant(kind.name, ("axis", "input")))
    return scope.room.nodes.keep(ir.Param(f"open:{node.name}", TYPES[kind.name]))
