"""Calls of definitions, patterns and built-ins: arguments bound by position or keyword."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from maskc import ir, syntax
from maskc.check import builtins
from maskc.check.kinds import describe, typed
from maskc.check.loops import default_value
from maskc.check.nodes import READINGS_OF_A_STEP, TooLarge
from maskc.check.scope import Room, Scope
from maskc.check.values import POISON, AxisName, Entry, Global, Local, Names, Poison, Table, Value
from maskc.diagnostics import Label, near_miss

Lower = Callable[[syntax.Expression, Scope], Value]

TYPES = {"int": ir.INT, "bool": ir.BOOL, "float": ir.FLOAT}


OTHER_TYPES = {
    **dict.fromkeys(("integer", "long", "number"), "int"),
    **dict.fromkeys(("boolean", "mask"), "bool"),
    **dict.fromkeys(("double", "real"), "float"),
}
"""Types of other languages by ours."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The value of one parameter and where it was written."""

    parameter: syntax.Parameter
    value: Value
    place: syntax.Node


def type_meant(name: str, others: Sequence[str] = ()) -> str:
    """The cure for a type that does not exist, or nothing. `others`: more types that do."""
    meant = OTHER_TYPES.get(name) or near_miss(name, (*TYPES, *others))
    return f"did you mean `{meant}`?" if meant else ""


def definition(
    target: Global | Local, node: syntax.Expression, scope: Scope, lower: Lower
) -> Value:
    """The value of a `def`, `let` or `const` for the arguments of `node`."""
    declaration = target.declaration
    assert not isinstance(declaration, syntax.Pattern), "patterns have statements, not a body"
    if isinstance(declaration, syntax.Const):
        memo = scope.room.memo
        if id(declaration) not in memo:
            inside = replace(callee_scope(target, node, scope), in_score=None, guarded=False)
            constant(declaration, inside, lower)
        return memo[id(declaration)]
    inside = callee_scope(target, node, scope)
    bound = bind(declaration.name, declaration.parameters, node, scope, inside, lower)
    if bound is None:
        return POISON
    values = tuple(b.value for b in bound)
    key = (
        target if isinstance(target, Local) else id(declaration),
        values,
        *(scope.q, scope.k, inside.in_score, inside.facts, inside.guarded),
        *(scope.loop, scope.iterations),
    )
    memo = scope.room.memo
    if key not in memo:
        if scope.room.shallow:
            return POISON
        inside = replace(inside, names=_with(inside.names, bound))
        memo[key] = lower(declaration.body, inside)
    return memo[key]


def constant(declaration: syntax.Const, inside: Scope, lower: Lower) -> Value:
    """The value of a `const`, which is the same wherever it is named; `inside`: its own view."""
    memo, key = inside.room.memo, id(declaration)
    try:
        memo[key] = _settled(lower(declaration.value, inside), inside.room)
    except TooLarge:
        # The consts that reach this one are as large: they are not to be tried again.
        memo[key] = POISON
        raise
    return memo[key]


def _settled(value: Value, room: Room) -> Value:
    if isinstance(value, (AxisName, Poison, Table)):
        return value
    readings = room.nodes.readings(value)
    if not readings:
        return value
    room.spend(readings // READINGS_OF_A_STEP)
    return POISON if room.shallow else room.nodes.settled(value)


def callee_scope(target: Global | Local, node: syntax.Node, scope: Scope) -> Scope:
    """The view of a definition's body: its own names, this place's positions and guards."""
    calls = (*scope.calls, node.span)
    if isinstance(target, Local):
        return replace(scope, names=target.names, calls=calls, later=target.later)
    return replace(scope, file=target.file, names=Names(), calls=calls, later={})


def bind(
    name: str,
    parameters: Sequence[syntax.Parameter],
    node: syntax.Expression,
    scope: Scope,
    inside: Scope,
    lower: Lower,
) -> list[Bound] | None:
    """The value of every parameter, or None after telling what is wrong with the arguments."""
    arguments = node.arguments if isinstance(node, syntax.Call) else ()
    given = _matched(name, [p.name for p in parameters], arguments, node, scope)
    if given is None:
        return None
    bound: list[Bound] = []
    names = Names(inside.names)
    for parameter in parameters:
        argument = given.get(parameter.name)
        if argument is not None:
            value = _argument(parameter, argument.value, scope, lower)
            place: syntax.Node = argument.value
        elif parameter.default is not None:
            value = _default(parameter, replace(inside, names=names), lower)
            place = node
        else:
            text = f"`{name}` needs a value for `{parameter.name}`"
            labels = _label(parameter, "declared here", scope)
            signature = ", ".join(p.name for p in parameters)
            hint = f"call it as `{name}({signature})`"
            scope.error("missing-argument", text, node, hint=hint, labels=labels)
            return None
        names = names.add(parameter.name, Entry(value, parameter.span))
        bound.append(Bound(parameter, value, place))
    if not any(parameter.refinements for parameter in parameters):
        return bound
    kept = _keeps_rules(name, bound, scope, replace(inside, names=names), lower)
    return bound if kept else None


def _with(names: Names, bound: Sequence[Bound]) -> Names:
    inner = Names(names)
    for b in bound:
        inner = inner.add(b.parameter.name, Entry(b.value, b.parameter.span))
    return inner


def built_in(name: str, node: syntax.Call, scope: Scope, lower: Lower) -> ir.Node | Poison:
    """The value of a built-in function."""
    signature = builtins.SIGNATURES[name]
    fixed = tuple(part for part in signature if part != "*")
    arguments = node.arguments
    if "*" in signature:
        if not arguments or any(a.name for a in arguments):
            text = f"`{name}` takes one or more arguments, by position"
            return scope.error("wrong-arguments", text, node)
        places = [argument.value for argument in arguments]
    else:
        given = _matched(name, list(fixed), arguments, node, scope)
        if given is None:
            return POISON
        missing = [part for part in fixed if part not in given]
        if missing:
            text = f"`{name}` needs a value for `{missing[0]}`"
            hint = f"call it as `{name}({', '.join(fixed)})`"
            return scope.error("missing-argument", text, node, hint=hint)
        places = [given[part].value for part in fixed]
    values = [lower(place, scope) for place in places]
    return builtins.call(name, node, values, list(places), scope)


def _matched(
    name: str,
    parameters: Sequence[str],
    arguments: Sequence[syntax.Argument],
    node: syntax.Node,
    scope: Scope,
) -> Mapping[str, syntax.Argument] | None:
    given: dict[str, syntax.Argument] = {}
    by_position = 0
    fine = True
    for argument in arguments:
        if argument.name is None:
            if by_position >= len(parameters):
                count = len(parameters)
                text = f"`{name}` takes {count} argument{'' if count == 1 else 's'}"
                scope.error("too-many-arguments", text, argument.value, "one too many")
                return None
            target = parameters[by_position]
            by_position += 1
        else:
            target = argument.name
            if target not in parameters:
                text = f"`{name}` has no parameter `{target}`"
                known = ", ".join(f"`{p}`" for p in parameters) or "none"
                hint = scope.near(parameters, target) or f"its parameters: {known}"
                scope.error("unknown-argument", text, argument, hint=hint)
                fine = False
                continue
        if target in given:
            text = f"`{name}` gets `{target}` twice"
            first = given[target].span
            labels = [Label(first, "first here")] if first else []
            scope.error("duplicate-argument", text, argument, labels=labels)
            fine = False
            continue
        given[target] = argument
    return given if fine else None


def _argument(
    parameter: syntax.Parameter, place: syntax.Expression, scope: Scope, lower: Lower
) -> Value:
    kind = parameter.type.name if parameter.type else "int"
    if kind == "axis":
        return _axis(parameter, place, scope)
    value = lower(place, scope)
    user = f"`{parameter.name}` takes {'an' if kind in ('int', 'input') else 'a'} {kind}"
    if kind == "input":
        if not isinstance(value, (Table, Poison)):
            hint = "write the bare name of an `input`"
            return scope.error("type-mismatch", f"{user}, not a value", place, hint=hint)
        return value
    if parameter.type is not None and parameter.type.axes is not None:
        return _collection(parameter, value, place, scope)
    found = typed(value, TYPES.get(kind, ir.INT), place, scope, user)
    return POISON if found is None else found


def _axis(parameter: syntax.Parameter, place: syntax.Expression, scope: Scope) -> Value:
    if not isinstance(place, syntax.Name):
        text = f"`{parameter.name}` takes the name of an axis"
        return scope.error("type-mismatch", text, place, hint="such as `x` or `y`, without `q.`")
    entry = scope.names.get(place.name)
    if entry is not None and isinstance(entry.value, (AxisName, Poison)):
        return entry.value
    names = scope.plan.coordinate_names() if scope.plan is not None else (place.name,)
    if place.name not in names:
        text = f"this space has no axis `{place.name}`"
        known = ", ".join(f"`{n}`" for n in names) or "none"
        return scope.error(
            "unknown-axis", text, place, hint=scope.near(names, place.name) or f"its axes: {known}"
        )
    return AxisName(place.name)


def _collection(
    parameter: syntax.Parameter, value: Value, place: syntax.Node, scope: Scope
) -> Value:
    assert parameter.type is not None, "only a typed parameter has axes"
    wanted = TYPES.get(parameter.type.name)
    kind = "list" if parameter.type.axes == () else "table"
    if isinstance(value, Poison):
        return value
    if isinstance(value, Table) and value.type is wanted and value.kind == kind:
        return value
    return scope.error("type-mismatch", f"`{parameter.name}` takes a {kind} parameter", place)


def _default(parameter: syntax.Parameter, inside: Scope, lower: Lower) -> Value:
    default = parameter.default
    kind = TYPES.get(parameter.type.name if parameter.type else "int", ir.INT)
    axes = parameter.type.axes if parameter.type else None
    if isinstance(default, tuple) or axes is not None:
        values = constant_entries(default, kind, inside, lower)
        names = tuple(a.name for a in axes or () if isinstance(a, syntax.Name))
        form = "list" if not axes else "table"
        return POISON if values is None else Table(parameter.name, kind, names, form, values)
    assert default is not None, "only a parameter with a default gets here"
    if parameter.type is not None and parameter.type.name in ("axis", "input"):
        return inside.error("wrong-default", "an axis or input has no default", default)
    found = typed(lower(default, inside), kind, default, inside, f"`{parameter.name}`")
    return POISON if found is None else found


def constant_entries(
    default: object, kind: ir.Type, scope: Scope, lower: Lower
) -> int | bool | float | tuple | None:
    """A default of one or several constants as Python values; None after telling what is wrong."""
    if isinstance(default, tuple):
        entries = [constant_entries(part, kind, scope, lower) for part in default]
        return None if None in entries else tuple(entries)
    assert isinstance(default, syntax.Node), "a default is made of expressions"
    value = typed(lower(default, scope), kind, default, scope, f"the default is {describe(kind)}")  # pyright: ignore
    if value is None:
        return None
    if not isinstance(value, ir.Const):
        hint = "a default is made of literals and consts"
        scope.error("not-constant", "this default is not a constant", default, hint=hint)
        return None
    return value.value


def _keeps_rules(
    name: str, bound: Sequence[Bound], scope: Scope, inside: Scope, lower: Lower
) -> bool:
    quiet = replace(inside, guarded=True)
    for b in bound:
        if isinstance(b.value, (Poison, AxisName, Table)):
            continue
        for refinement in b.parameter.refinements:
            rule = typed(lower(refinement.rule, quiet), ir.BOOL, refinement, quiet, "a refinement")
            if rule is None:
                continue
            holds = _holds(rule, scope)
            text = refinement.span.text if refinement.span else "its rule"
            if holds is False and not scope.guarded:
                shown = default_value(b.value, scope) if scope.is_constant(b.value) else "this"
                message = f"`{b.parameter.name}` of `{name}` is {shown}, which breaks `{text}`"
                labels = _label(refinement, "the rule", scope)
                scope.error("broken-refinement", message, b.place, labels=labels)
                return False
            elif not isinstance(rule, ir.Const) and not scope.guarded:
                _oblige(rule, f"{b.parameter.name} {text} (of {name})", scope)
    return True


def _holds(rule: ir.Node, scope: Scope) -> bool | None:
    if isinstance(rule, ir.Const):
        return bool(rule.value)
    of_parameters = all(name.startswith("param:") for name in scope.room.depends(rule))
    if not of_parameters or not scope.is_constant(rule):
        return None
    value = default_value(rule, scope)
    return None if value is None else bool(value)


def _oblige(rule: ir.Node, text: str, scope: Scope) -> None:
    room = scope.room
    names = room.depends(rule)
    if len(names) != 1 or rule in room.nodes.loops:
        return
    kind, _, name = next(iter(names)).partition(":")
    if kind == "param" and name in room.scalars:
        room.rules.setdefault(name, {}).setdefault(rule, text)


def _label(node: syntax.Node, text: str, scope: Scope) -> list[Label]:
    """A label at a node, unless it stands in the prelude."""
    span = node.span
    return [Label(span, text)] if span and not scope.in_prelude(span) else []
