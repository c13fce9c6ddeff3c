"""Entries of inputs, tables and lists."""

from __future__ import annotations

from collections.abc import Callable

from maskc import ir, syntax
from maskc.check.kinds import SLICE_AXES, entry, typed
from maskc.check.plan import N_K, N_Q
from maskc.check.scope import Scope
from maskc.check.values import POISON, Poison, Table, Value

Lower = Callable[[syntax.Expression, Scope], Value]


def indexed(node: syntax.Index, scope: Scope, lower: Lower) -> Value:
    """`table[head]`, `doc[q]`: one entry of an input, table or list."""
    table = lower(node.value, scope)
    if isinstance(table, Poison):
        for index in node.indices:
            lower(index, scope)
        return POISON
    if not isinstance(table, Table):
        hint = "inputs, tables and lists take an index"
        return scope.error("not-indexable", "this value takes no index", node.value, hint=hint)
    axes: tuple[str | ir.Node, ...] = table.axes or ("list",)
    free = [axis for axis in axes if axis not in SLICE_AXES]
    if len(node.indices) == len(axes):
        free = list(axes)
    elif len(node.indices) != len(free) or table.kind == "table":
        return _wrong_count(node, table, axes, free, scope)
    indices: list[ir.Node] = []
    for axis, place in zip(free, node.indices, strict=True):
        value = typed(lower(place, scope), ir.INT, place, scope, "an index is an int")
        if value is None or not _in_reach(table, axis, value, place, scope):
            return POISON
        indices.append(_row(value, scope) if axis == "q" else value)
    if len(free) < len(axes):
        given = iter(indices)
        own = scope.room.nodes.keep
        indices = [own(ir.Var(str(a))) if a in SLICE_AXES else next(given) for a in axes]
    return entry(table, tuple(indices), scope)


def _wrong_count(
    node: syntax.Index,
    table: Table,
    axes: tuple[str | ir.Node, ...],
    free: list[str | ir.Node],
    scope: Scope,
) -> Poison:
    wanted = str(len(axes))
    if free and len(free) < len(axes) and table.kind != "table":
        wanted = f"{len(free)} or {len(axes)}"
    got = len(node.indices)
    text = f"`{table.name}` takes {wanted} ind{'ex' if wanted == '1' else 'ices'}, not {got}"
    hint = "index all its axes, or all but `batch`, `head`, `kv_head` and `layer`"
    return scope.error("wrong-index-count", text, node, hint=hint)


def _in_reach(
    table: Table, axis: str | ir.Node, value: ir.Node, place: syntax.Node, scope: Scope
) -> bool:
    if scope.guarded or not isinstance(value, ir.Const) or axis == "q":
        return True
    size = axis.value if isinstance(axis, ir.Const) else None
    if axis == "list" and table.values is not None:
        size = len(table.values)
    if value.value >= 0 and (size is None or value.value < size):
        return True
    reach = f"0..{size}" if size is not None else "the entries from 0 on"
    text = f"index {value.value} of `{table.name}` is outside {reach}"
    scope.error("undefined-constant", text, place)
    return False


def _row(position: ir.Node, scope: Scope) -> ir.Node:
    if scope.plan is not None and scope.plan.space.align != "end":
        return position
    nodes = scope.room.nodes
    return nodes.op("sub", position, nodes.op("sub", nodes.keep(N_K), nodes.keep(N_Q)))
