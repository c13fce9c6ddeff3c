"""Parameters and inputs of a pattern: from syntax to `ir.Scalar` and `ir.Tensor`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from maskc import ir, points, syntax
from maskc.analysis import dependence
from maskc.check.calls import TYPES, constant_entries, type_meant
from maskc.check.kinds import typed
from maskc.check.loops import default_value
from maskc.check.names import check_name, name_span
from maskc.check.scope import Scope
from maskc.check.values import AxisName, Entry, Poison, Size, Table, Value
from maskc.diagnostics import Label

Lower = Callable[[syntax.Expression, Scope], Value]

TABLE_AXES = ("head", "kv_head", "layer")
INPUT_AXES = ("batch", "head", "kv_head", "layer", "q", "k", "token")


def parameter(node: syntax.Parameter, scope: Scope, lower: Lower) -> tuple[ir.Scalar, Value] | None:
    """A parameter of a pattern and what its name stands for, or None after telling errors."""
    check_name(node.name, "a parameter", name_span(node, node.name), scope.room.report, True)
    kind = node.type
    if kind is None:
        hint = f"write `{node.name}: int`"
        scope.error("wrong-type", f"parameter `{node.name}` has no type", node, hint=hint)
        return None
    if kind.name not in TYPES:
        text = f"a pattern's parameter is an int, bool or float, not `{kind.name}`"
        for_def = kind.name in ("axis", "input")
        hint = "`axis` and `input` are for `def`" if for_def else type_meant(kind.name)
        scope.error("wrong-type", text, kind, hint=hint)
        return None
    type = TYPES[kind.name]
    axes = _table_axes(kind, scope)
    if kind.dynamic and (kind.axes is not None or type is ir.BOOL):
        text = "only `dynamic int` and `dynamic float` exist"
        scope.error("wrong-type", text, kind, hint="other values that change per call are inputs")
        return None
    if axes is _FAILED:
        return None
    scalar = ir.Scalar(node.name, type, axes, kind.dynamic, doc=node.doc)
    value: Value
    if axes is None:
        value = scope.room.nodes.keep(ir.Param(node.name, type))
    else:
        value = Table(node.name, type, axes, "list" if axes == () else "table")
    scope.room.declare(scalar)
    rules = _rules(node, type, scope, lower)
    scalar = replace(scalar, rules=rules)
    scope.room.declare(scalar)
    if node.default is not None:
        derived = _derived(node.default, type, scope, lower) if axes is None else None
        if derived is not None:
            default = default_value(derived, scope)
            scalar = replace(scalar, derived=derived)
            scope.room.declare(scalar)
        else:
            default = constant_entries(node.default, type, scope, lower)
        if (
            default is not None
            and _fits_axes(node, default, axes, scope)
            and _keeps_rules(node, default, rules, scope)
        ):
            scalar = replace(scalar, default=default)
            scope.room.declare(scalar)
    return scalar, value


def tensor(
    node: syntax.Input, scope: Scope, lower: Lower
) -> tuple[ir.Tensor, dict[str, Entry]] | None:
    """An input and the fresh size names that it binds, or None after telling errors."""
    check_name(node.name, "an input", name_span(node, node.name), scope.room.report, True)
    kind = node.type
    if kind.name not in TYPES or kind.dynamic:
        text = f"an input holds `int`, `bool` or `float`, not `{kind.name}`"
        hint = type_meant(kind.name)
        if kind.dynamic:
            text = "an input is given at each call anyway; `dynamic` is for parameters"
        scope.error("wrong-type", text, kind, hint=hint)
        return None
    if not kind.axes:
        hint = f"write `input {node.name}: {kind.name}[batch, token]`, say"
        scope.error("wrong-type", f"input `{node.name}` has no axes", kind, hint=hint)
        return None
    axes: list[str | ir.Node] = []
    sizes: dict[str, Entry] = {}
    for place in kind.axes:
        axis = _input_axis(place, scope, sizes, lower)
        if axis is None:
            return None
        if axis in (*TABLE_AXES, "batch") and axis in axes:
            scope.error("wrong-type", f"axis `{axis}` stands twice", place)
            return None
        axes.append(axis)
    return ir.Tensor(node.name, TYPES[kind.name], tuple(axes), node.doc), sizes


_FAILED: tuple[str, ...] = ("failed",)


def _table_axes(kind: syntax.TypeRef, scope: Scope) -> tuple[str, ...] | None:
    if kind.axes is None:
        return None
    axes: list[str] = []
    for axis in kind.axes:
        name = axis.name if isinstance(axis, syntax.Name) else ""
        if name not in TABLE_AXES or name in axes:
            text = "the axes of a table are `head`, `kv_head` and `layer`, each at most once"
            scope.error("wrong-type", text, axis, hint="tensors with other axes are inputs")
            return _FAILED
        axes.append(name)
    return tuple(axes)


def _rules(
    node: syntax.Parameter, type: ir.Type, scope: Scope, lower: Lower
) -> tuple[tuple[ir.Node, str], ...]:
    entry = Entry(scope.room.nodes.keep(ir.Param(node.name, type)), node.span)
    inside = replace(scope, names=scope.names.inside(node.name, entry), guarded=True, in_score=None)
    rules: list[tuple[ir.Node, str]] = []
    for refinement in node.refinements:
        user = "a refinement is a condition"
        rule = typed(lower(refinement.rule, inside), ir.BOOL, refinement.rule, inside, user)
        if rule is None:
            continue
        if not _only_params(rule):
            text = "a refinement speaks of the parameter and constants only"
            scope.error("not-constant", text, refinement)
            continue
        text = refinement.span.text if refinement.span else ""
        if not text.startswith(node.name):
            text = f"{node.name} {text}".strip()
        rules.append((rule, " ".join(text.split())))
    return tuple(rules)


def _derived(default: object, type: ir.Type, scope: Scope, lower: Lower) -> ir.Node | None:
    """A default that is made of the scalar parameters before it, or None."""
    if not isinstance(default, syntax.Node):
        return None
    found = lower(default, scope)  # pyright: ignore[reportArgumentType]
    if isinstance(found, (AxisName, Poison, Table)) or ir.type_of(found) is not type:
        return None
    known = all(isinstance(part, (ir.Const, ir.Param, ir.Op)) for part in ir.postorder(found))
    return found if known and not isinstance(found, ir.Const) and scope.is_constant(found) else None


def _only_params(rule: ir.Node) -> bool:
    return all(name.startswith("param:") for name in dependence()(rule))


def _fits_axes(
    node: syntax.Parameter,
    default: int | bool | float | tuple,
    axes: tuple[str, ...] | None,
    scope: Scope,
) -> bool:
    depth = _depth(default)
    if axes is None and depth != 0:
        text, hint = (
            f"`{node.name}` is one value, not a list",
            "for a list write its type as `int[]`",
        )
    elif axes == () and depth != 1:
        text, hint = f"`{node.name}` is a list", "write its default in brackets, as in `[1, 2]`"
    elif axes and depth not in (0, len(axes)):
        counted = "1 axis" if len(axes) == 1 else f"{len(axes)} axes"
        text = f"`{node.name}` has {counted}, its default has {max(depth, 0) or 'uneven brackets'}"
        hint = "write one value for all entries, or a bracket for each axis"
    else:
        return True
    scope.error("wrong-default", text, _place(node), hint=hint)
    return False


def _depth(default: object) -> int:
    """Nesting of a default; -1 where its parts differ in nesting or length."""
    if not isinstance(default, tuple):
        return 0
    depths = {_depth(part) for part in default}
    lengths = {len(part) for part in default if isinstance(part, tuple)}
    if len(depths) > 1 or len(lengths) > 1 or -1 in depths:
        return -1
    return 1 + (depths.pop() if depths else 0)


def _keeps_rules(
    node: syntax.Parameter,
    default: int | bool | float | tuple,
    rules: tuple[tuple[ir.Node, str], ...],
    scope: Scope,
) -> bool:
    for rule, text in rules:
        used = {part.name for part in ir.postorder(rule) if isinstance(part, ir.Param)}
        others = {name: scope.room.scalars[name].default for name in used - {node.name}}
        if None in others.values():
            continue
        for value in _flat(default):
            if not points.evaluate(rule, {**others, node.name: value}):
                message = f"the default {value} of `{node.name}` breaks `{text}`"
                rule_span = next((r.span for r in node.refinements if r.span), None)
                labels = [Label(rule_span, "the rule")] if rule_span else []
                scope.error("broken-refinement", message, _place(node), labels=labels)
                return False
    return True


def _flat(default: object) -> list[int | bool | float]:
    if isinstance(default, tuple):
        return [value for part in default for value in _flat(part)]
    assert isinstance(default, (int, bool, float)), "a default is made of numbers and bools"
    return [default]


def _place(node: syntax.Parameter) -> syntax.Node:
    default: object = node.default
    while isinstance(default, tuple) and default:
        default = default[0]
    return default if isinstance(default, syntax.Node) else node


def _input_axis(
    place: syntax.Expression, scope: Scope, sizes: dict[str, Entry], lower: Lower
) -> str | ir.Node | None:
    keep = scope.room.nodes.keep
    if isinstance(place, syntax.Name):
        name = place.name
        if name in INPUT_AXES:
            if name == "token" and scope.plan is not None and scope.plan.space == ir.Space("cross"):
                text = "under `space cross` there is no one sequence of tokens"
                scope.error("token-axis", text, place, hint="write `q` or `k`")
                return None
            return name
        known = sizes.get(name) or scope.names.get(name)
        if known is not None and isinstance(known.value, Size):
            return known.value.node
        if known is None and name not in scope.file.names and name not in scope.later:
            check_name(name, "a size", place.span, scope.room.report, True)
            node = keep(ir.Var(f"size:{name}"))
            sizes[name] = Entry(Size(node), place.span)
            return node
    for name, entry in sizes.items():
        scope = replace(scope, names=scope.names.inside(name, entry))
    value = typed(lower(place, scope), ir.INT, place, scope, "the size of an axis is an int")
    if value is None:
        return None
    for part in ir.postorder(value):
        length = isinstance(part, ir.Var) and part.name not in (*ir.POSITIONS, *ir.SLICE, "layer")
        dynamic = isinstance(part, ir.Param) and not scope.is_constant(part)
        if isinstance(part, ir.Load) or dynamic or (isinstance(part, ir.Var) and not length):
            text = "the size of an axis is a constant expression, a length or a fresh name"
            scope.error("not-constant", text, place)
            return None
    if isinstance(value, ir.Const) and value.value < 0:
        scope.error("wrong-extent", f"an axis cannot have {value.value} entries", place)
        return None
    return value
