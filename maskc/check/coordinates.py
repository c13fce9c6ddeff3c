"""Coordinates, lengths and memberships of positions, as arithmetic on the positions."""

from __future__ import annotations

from collections.abc import Sequence

from maskc import ir, syntax
from maskc.check.plan import ZERO, Part, Plan
from maskc.check.scope import Scope
from maskc.check.values import POISON, AxisName, Poison, Size, Table

LENGTHS = {
    "q": "n_q",
    "k": "n_k",
    "head": "heads",
    "kv_head": "kv_heads",
    "layer": "n_layers",
    "batch": "batches",
}
"""What `len` of each mask variable is called in the IR."""


def coordinate(
    node: syntax.Node, side: str, path: tuple[str, ...], scope: Scope
) -> ir.Node | Poison:
    """`q.y`, `q.image.y`, `q.text` (the offset in a segment) or `q.item` as a node."""
    if any(_is_poisoned(name, scope) for name in path):
        return POISON
    path = tuple(_axis_argument(name, scope) for name in path)
    position = scope.q if side == "q" else scope.k
    plan = scope.plan
    if plan is None:
        return scope.room.nodes.keep(ir.Param(f"open:{side}.{'.'.join(path)}"))
    if plan.packed:
        return _packed(node, side, path, position, plan, scope)
    part = _part(node, side, path, scope)
    if part is None:
        return POISON
    offset = _difference(scope, position, part.start)
    if len(plan.side(side)) > 1 and not _exists(side, part, position, scope):
        text = f"`{side}.{'.'.join(path)}` exists only where {side} is in `{part.name}`"
        hint = f"put it behind a guard: `{side} in {part.name} & ...`"
        return scope.error("unguarded-coordinate", text, node, hint=hint)
    if path[-1] == part.name and not any(name == path[-1] for name, _ in part.axes):
        return offset
    return _axis_of(part, path[-1], offset, scope)


def length(node: syntax.Expression, scope: Scope) -> ir.Node | Poison:
    """`len(...)` of a mask variable, an axis, a segment, `query.y`, a size name or a list.

    An axis of both sides has its length on the key side, as `len(x)` is `len(k)` on a line; in a
    packed grid it has that of the key's item.
    """
    keep = scope.room.nodes.keep
    path = dotted(node)
    if path is None:
        text = "`len` takes a name, such as `k`, `head`, an axis or a list"
        return scope.error("no-length", text, node)
    if len(path) == 1:
        name = path[0]
        if name in LENGTHS:
            return keep(ir.Var(LENGTHS[name]))
        entry = scope.names.get(name)
        value = entry.value if entry else None
        if isinstance(value, Size):
            return value.node
        if isinstance(value, Table) and value.kind == "list":
            if value.values is not None:
                return keep(ir.Const(len(value.values)))
            return keep(ir.Var(f"size:{value.name}"))
        if isinstance(value, Poison):
            return POISON
        if entry is not None and not isinstance(value, AxisName):
            return scope.error("no-length", f"`{name}` has no length", node)
    plan = scope.plan
    if plan is None:
        return keep(ir.Param(f"open:len.{'.'.join(path)}"))
    if path == ("item",) and plan.packed:
        return scope.error("no-length", "the number of items is known only at the call", node)
    return _plan_length(node, tuple(_axis_argument(name, scope) for name in path), plan, scope)


def member(node: syntax.Node, side: str, segment: str, scope: Scope) -> ir.Node | Poison:
    """Whether the position of one side is in a segment, as a node."""
    position = scope.q if side == "q" else scope.k
    if scope.plan is None:
        return scope.room.nodes.keep(ir.Param(f"open:{side} in {segment}", ir.BOOL))
    for part in scope.plan.side(side):
        if part.name == segment:
            found = _membership(part, position, scope)
            scope.room.members.add(found)
            return found
    what = "query" if side == "q" else "key"
    return scope.error(
        "unknown-segment",
        f"the {what} side has no segment `{segment}`",
        node,
        hint=scope.near((part.name or "" for part in scope.plan.side(side)), segment),
    )


def dotted(node: syntax.Expression) -> tuple[str, ...] | None:
    """The names of `a.b.c`, or None for any other expression."""
    names: list[str] = []
    while isinstance(node, syntax.Member):
        names.append(node.name)
        node = node.value
    if not isinstance(node, syntax.Name):
        return None
    return (node.name, *reversed(names))


def facts_of(value: ir.Node | Poison, truth: bool, scope: Scope) -> list[tuple[ir.Node, bool]]:
    """What a guard says about segments where it is `truth`."""
    members = scope.room.members
    if not members or isinstance(value, Poison):
        return []
    facts: list[tuple[ir.Node, bool]] = []
    stack, seen = [(value, truth)], set()
    while stack:
        item = stack.pop()
        if item in seen:
            continue
        seen.add(item)
        node, holds = item
        if node in members:
            facts.append(item)
            continue
        match node:
            case ir.Op("not", (a,)):
                stack.append((a, not holds))
            case ir.Op("and" | "or" as name, args) if holds == (name == "and"):
                stack.extend((arg, holds) for arg in args)
            case ir.Op("eq" | "ne" as name, (a, ir.Const(bool() as said))):
                stack.append((a, said == (holds == (name == "eq"))))
            case ir.Op(
                "eq" | "ne" as name,
                (ir.Op("select", (c, a, b)), v) | (v, ir.Op("select", (c, a, b))),
            ):
                same = holds == (name == "eq")
                if all(isinstance(x, ir.Const) for x in (a, b, v)) and a != b:
                    if same and v in (a, b):
                        stack.append((c, v == a))
                    elif not same and v in (a, b):
                        stack.append((c, v != a))
    return facts


def _is_poisoned(name: str, scope: Scope) -> bool:
    entry = scope.names.get(name)
    return entry is not None and isinstance(entry.value, Poison)


def _axis_argument(name: str, scope: Scope) -> str:
    entry = scope.names.get(name)
    return entry.value.name if entry and isinstance(entry.value, AxisName) else name


def _part(node: syntax.Node, side: str, path: tuple[str, ...], scope: Scope) -> Part | None:
    assert scope.plan is not None, "a definition that stands alone has no parts"
    parts = scope.plan.side(side)
    *_, axis = path
    written = f"{side}.{'.'.join(path)}"
    if len(path) == 2:
        found = [p for p in parts if p.name == path[0] and path[1] in dict(p.axes)]
    else:
        found = [p for p in parts if path[0] == p.name or path[0] in dict(p.axes)]
    if len(path) <= 2 and len(found) == 1:
        return found[0]
    if len(found) > 1:
        hint = f"write `{side}.{found[0].name}.{axis}`"
        scope.error("ambiguous-axis", f"`{written}` stands in several segments", node, hint=hint)
        return None
    names = [name for part in parts for name, _ in part.axes]
    names += [part.name for part in parts if part.name]
    what = "query" if side == "q" else "key"
    text = f"the {what} side of this space has no axis `{axis}`"
    has = ", ".join(f"`{name}`" for name in dict.fromkeys(names)) or "none"
    scope.error("unknown-axis", text, node, hint=scope.near(names, axis) or f"its axes: {has}")
    return None


def _exists(side: str, part: Part, position: ir.Node, scope: Scope) -> bool:
    if scope.facts is None:
        return True
    assert scope.plan is not None, "only a known space has parts"
    if (_membership(part, position, scope), True) in scope.facts:
        return True
    others = [p for p in scope.plan.side(side) if p is not part]
    return all((_membership(p, position, scope), False) in scope.facts for p in others)


def _membership(part: Part, position: ir.Node, scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    end = _total(scope, part.start, part.length)
    return nodes.op("and", nodes.op("le", part.start, position), nodes.op("lt", position, end))


def _axis_of(part: Part, axis: str, offset: ir.Node, scope: Scope) -> ir.Node:
    nodes = scope.room.nodes
    names = [name for name, _ in part.axes]
    index = names.index(axis)
    faster = [extent for _, extent in part.axes[index + 1 :]]
    value = offset
    if faster:
        value = nodes.op(
            "floordiv", value, nodes.op("mul", *faster) if len(faster) > 1 else faster[0]
        )
    return nodes.op("mod", value, part.axes[index][1]) if index else value


def _packed(
    node: syntax.Node, side: str, path: tuple[str, ...], position: ir.Node, plan: Plan, scope: Scope
) -> ir.Node | Poison:
    nodes = scope.room.nodes
    item = nodes.load("packed.item", (position,), ir.INT)
    if path == ("item",):
        return item
    part = plan.side(side)[0]
    names = [name for name, _ in part.axes]
    if len(path) != 1 or path[0] not in names:
        text = f"this space has no axis `{'.'.join(path)}`"
        return scope.error(
            "unknown-axis", text, node, hint=scope.near((*names, "item"), ".".join(path))
        )
    extents = tuple((n, nodes.load(f"packed.{n}", (item,), ir.INT)) for n in names)
    offset = nodes.op("sub", position, nodes.load("packed.start", (item,), ir.INT))
    return _axis_of(Part(None, ZERO, part.length, extents), path[0], offset, scope)


def _plan_length(
    node: syntax.Node, path: Sequence[str], plan: Plan, scope: Scope
) -> ir.Node | Poison:
    qualified = path[0] in ("query", "key") and len(path) > 1
    names = path[1:] if qualified else path
    side = plan.query if qualified and path[0] == "query" else plan.key
    if not qualified and not any(names[0] in (p.name, *dict(p.axes)) for p in side):
        side = plan.query
    found: list[ir.Node] = []
    for part in side:
        axes = dict(part.axes)
        if len(names) == 1 and names[0] == part.name:
            found.append(part.length)
        elif len(names) == 1 and names[0] in axes:
            found.append(axes[names[0]])
        elif len(names) == 2 and names[0] == part.name and names[1] in axes:
            found.append(axes[names[1]])
    if plan.packed and found and names[-1] in dict(side[0].axes):
        position = scope.q if path[0] == "query" else scope.k
        item = scope.room.nodes.load("packed.item", (position,), ir.INT)
        return scope.room.nodes.load(f"packed.{names[-1]}", (item,), ir.INT)
    written = ".".join(path)
    if not found:
        known = (*plan.axis_names(), *plan.segment_names(), *LENGTHS)
        text = f"`len` of `{written}`: no axis, segment or size has this name"
        return scope.error("no-length", text, node, hint=scope.near(known, written.split(".")[-1]))
    if any(extent != found[0] for extent in found):
        hint = f"name the segment, as in `len({side[0].name}.{names[0]})`"
        return scope.error("ambiguous-axis", f"`{written}` has several lengths", node, hint=hint)
    return found[0]


def _difference(scope: Scope, a: ir.Node, b: ir.Node) -> ir.Node:
    return a if b == ZERO else scope.room.nodes.op("sub", a, b)


def _total(scope: Scope, a: ir.Node, b: ir.Node) -> ir.Node:
    return b if a == ZERO else scope.room.nodes.op("add", a, b)
