"""Values of a wanted type: what fits, what converts, and what is told where neither does."""

from __future__ import annotations

from collections.abc import Sequence

from maskc import ir, syntax
from maskc.check.scope import Scope
from maskc.check.values import AxisName, Poison, Table, Value

SLICE_AXES = ("batch", "head", "kv_head", "layer")
"""Axes whose index is this pair's own where it is left out."""

_ARTICLE = {ir.INT: "an int", ir.BOOL: "a bool", ir.FLOAT: "a float"}


def plain(value: Value, node: syntax.Node, scope: Scope) -> ir.Node | Poison:
    """A value as an IR node: a tensor that needs no index is read, an axis is refused."""
    match value:
        case AxisName(name):
            hint = f"write `q.{name}` or `k.{name}`"
            return scope.error(
                "axis-as-value", f"`{name}` is an axis, not a value", node, hint=hint
            )
        case Table():
            if value.kind != "list" and all(axis in SLICE_AXES for axis in value.axes):
                return own_entry(value, scope)
            what = "a list" if value.kind == "list" else "a tensor"
            example = "0" if value.kind == "list" else ", ".join(_example(value))
            hint = f"write `{value.name}[{example}]`"
            if value.kind == "list":
                hint = f"write `x in {value.name}` or `{value.name}[0]`"
            return scope.error(
                "missing-index",
                f"`{value.name}` is {what} and needs an index here",
                node,
                hint=hint,
            )
    return value


def own_entry(table: Table, scope: Scope) -> ir.Node | Poison:
    """The entry of a tensor of slice axes that belongs to this pair."""
    return entry(table, tuple(scope.room.nodes.keep(ir.Var(str(a))) for a in table.axes), scope)


def entry(table: Table, indices: tuple[ir.Node, ...], scope: Scope) -> ir.Node:
    """One entry of a tensor; of constant values it is chosen by comparisons."""
    nodes = scope.room.nodes
    if table.values is None:
        return nodes.load(table.name, indices, table.type)
    return _chosen(table, table.values, indices, scope)


def typed(
    value: Value, wanted: ir.Type, node: syntax.Node, scope: Scope, user: str
) -> ir.Node | None:
    """The value as `wanted`, or None after telling why not (and for a value told before).

    `user` is what wants it: "`&` joins masks" and so on, the start of the sentence.
    """
    found = plain(value, node, scope)
    if isinstance(found, Poison):
        return None
    type = ir.type_of(found)
    if type is wanted:
        return found
    if wanted is ir.FLOAT and type is ir.INT:
        return as_float(found, node, scope)
    scope.error(
        "type-mismatch", f"{user}, but this is {_ARTICLE[type]}", node, hint=_cure(type, wanted)
    )
    return None


def as_float(value: ir.Node, node: syntax.Node, scope: Scope) -> ir.Node | None:
    """An int as a float: anywhere in a score, only constants elsewhere."""
    if scope.in_score is False and not isinstance(value, ir.Const):
        hint = "ints convert to float only in `score`; compare ints with ints here"
        scope.error("int-as-float", "an int does not convert to float in a mask", node, hint=hint)
        return None
    return scope.room.nodes.op("to_float", value)


def numbers(
    values: Sequence[ir.Node | None], nodes: Sequence[syntax.Node], scope: Scope
) -> list[ir.Node] | None:
    """Ints, or floats where one of them is a float; None where one is missing."""
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None
    if all(ir.type_of(value) is ir.INT for value in present):
        return present
    floats: list[ir.Node] = []
    for value, node in zip(present, nodes, strict=True):
        converted = value if ir.type_of(value) is ir.FLOAT else as_float(value, node, scope)
        if converted is None:
            return None
        floats.append(converted)
    return floats


def number(value: Value, node: syntax.Node, scope: Scope, user: str) -> ir.Node | None:
    """The value as an int or a float, or None after telling why not."""
    found = plain(value, node, scope)
    if isinstance(found, Poison):
        return None
    if ir.type_of(found) is ir.BOOL:
        hint = _cure(ir.BOOL, ir.INT)
        scope.error("type-mismatch", f"{user} takes numbers, but this is a bool", node, hint=hint)
        return None
    return found


def describe(type: ir.Type) -> str:
    """`an int`, `a bool`, `a float`."""
    return _ARTICLE[type]


def _cure(found: ir.Type, wanted: ir.Type) -> str:
    if found is ir.BOOL and wanted is ir.INT:
        return "bools do not convert; write `if c then 1 else 0`"
    if found is ir.INT and wanted is ir.BOOL:
        return "ints do not convert; compare it, as in `x != 0` (for bits: `bit_and`, `bit_or`)"
    if found is ir.FLOAT:
        return "floats stand only in `score` and in comparisons with floats"
    return ""


def _example(table: Table) -> list[str]:
    names = [a if isinstance(a, str) else "0" for a in table.axes if a not in SLICE_AXES]
    return ["q" if name in ("q", "token") else "k" if name == "k" else name for name in names]


def _chosen(table: Table, values: object, indices: tuple[ir.Node, ...], scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    if not isinstance(values, tuple):
        return nodes.const(values)  # pyright: ignore[reportArgumentType]
    zero = {ir.INT: 0, ir.BOOL: False, ir.FLOAT: 0.0}[table.type]
    result = nodes.const(zero)
    for i in reversed(range(len(values))):
        inner = _chosen(table, values[i], indices[1:], scope)
        result = nodes.op("select", nodes.op("eq", indices[0], nodes.const(i)), inner, result)
    return result
