"""Space statements: from syntax to the plan that coordinates are read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from maskc import ir, syntax
from maskc.check.kinds import typed
from maskc.check.names import RESERVED
from maskc.check.nodes import TooLarge
from maskc.check.plan import N_K, N_Q, ZERO, Part, Plan, line
from maskc.check.scope import Scope
from maskc.check.values import Entry, Size, Table, Value
from maskc.diagnostics import Label
from maskc.tree import descendants

Lower = Callable[[syntax.Expression, Scope], Value]


MOST_AXES = 64
"""Axes of one grid."""


@dataclass(slots=True)
class _Names:
    """How often each axis and segment is named, so that only clashing sizes are qualified."""

    axes: Counter[str]
    sizes: dict[str, ir.Node]


def plan_of(
    node: syntax.SpaceStatement | None, scope: Scope, lower: Lower
) -> tuple[Plan, dict[str, Entry]]:
    """The plan of a space statement, and the fresh length names that it binds."""
    if node is None:
        return line("end"), {}
    if node.kind == "cross":
        return line("cross"), {}
    align = "start" if node.align_start else "end"
    names = _Names(Counter(_axis_names(node.query) + _axis_names(node.key)), {})
    if node.kind == "one":
        if node.query is None:
            return line(align), {}
        _check_line(node.query, scope)
        own, side = _side(node.query, "", replace(scope, plan=line(align)), lower, names)
        whole = _only_part_spans(own, N_K)
        packed = side.packed
        plan = Plan(ir.Space(align, side, side), whole, whole, packed)
        return plan, _entries(names)
    assert node.query is not None and node.key is not None, "a two-sided space has both sides"
    first, second = ("query", "key")
    if _derives(node.query, "key") and not _derives(node.key, "query"):
        first, second = second, first
    sides = {"query": node.query, "key": node.key}
    parts: dict[str, tuple[Part, ...]] = {}
    found: dict[str, ir.Side] = {}
    known = line("cross")
    for name in (first, second):
        own, found[name] = _side(sides[name], name, replace(scope, plan=known), lower, names)
        parts[name] = own
        known = replace(known, **{name: own})
        if found[name].packed:
            text = "packed grids are one-sided so far"
            scope.error("not-yet", text, sides[name], hint="write `space packed grid(...)`")
    _check_shared(node, parts, scope)
    plan = Plan(
        ir.Space("cross", found["query"], found["key"]),
        _only_part_spans(parts["query"], N_Q),
        _only_part_spans(parts["key"], N_K),
    )
    return plan, _entries(names)


def has_shape(node: syntax.SpaceStatement, space: ir.Space) -> bool:
    """Whether a statement has as many segments as a space: a look that reads no extents."""
    said = [node.query, node.key or node.query]
    known = [space.query, space.key]
    return all(
        (0 if a is None else len(a.segments)) == (0 if b is None else len(b.segments))
        for a, b in zip(said, known, strict=True)
    )


def _side(
    space: syntax.Space, side: str, scope: Scope, lower: Lower, names: _Names
) -> tuple[tuple[Part, ...], ir.Side]:
    nodes = scope.room.nodes
    parts: list[Part] = []
    segments: list[tuple[str | None, tuple[ir.Extent, ...]]] = []
    start: ir.Node = nodes.keep(ZERO)
    packed = False
    taken: dict[str, syntax.Node] = {}
    for segment in space.segments:
        scope = _knowing(scope, side, tuple(parts), names)
        _check_segment(segment, taken, scope)
        layout = segment.layout
        if isinstance(layout, syntax.Grid):
            packed = packed or layout.packed
            extents = _grid(segment, layout, side, scope, lower, names)
            sizes = [extent.value for extent in extents]
            length = sizes[0] if len(sizes) == 1 else nodes.op("mul", *sizes)
            length = nodes.keep(N_K) if layout.packed else length
            axes = tuple((a.name, e.value) for a, e in zip(layout.axes, extents, strict=True))
        else:
            extents = (_length(segment, layout, side, scope, lower, names),)
            length = extents[0].value
            axes = ()
        parts.append(Part(segment.name, start, length, axes))
        segments.append((segment.name, extents))
        start = length if start == ZERO else nodes.op("add", start, length)
    if packed and len(space.segments) > 1:
        text = "a packed grid is a whole side, not a segment"
        scope.error("not-yet", text, space, hint="write `space packed grid(...)` alone")
    return tuple(parts), ir.Side(tuple(segments), packed)


def _knowing(scope: Scope, side: str, parts: tuple[Part, ...], names: _Names) -> Scope:
    """The scope in which the next extent stands: it may speak of what is left of it."""
    if not parts or scope.plan is None:
        return scope
    plan = replace(scope.plan, query=parts, key=parts)
    if side:
        plan = replace(scope.plan, **{side: parts})
    known = scope.names
    for name, node in names.sizes.items():
        known = known if name in known else known.inside(name, Entry(Size(node)))
    return replace(scope, plan=plan, names=known)


def _grid(
    segment: syntax.Segment,
    grid: syntax.Grid,
    side: str,
    scope: Scope,
    lower: Lower,
    names: _Names,
) -> tuple[ir.Extent, ...]:
    if len(grid.axes) > MOST_AXES:
        text = f"a grid has at most {MOST_AXES} axes, not {len(grid.axes):,}"
        raise TooLarge(text)
    extents: list[ir.Extent] = []
    seen: dict[str, syntax.Node] = {}
    before = scope.plan.side(side[:1] or "q") if scope.plan and scope.plan.query else ()
    for i, axis in enumerate(grid.axes):
        known = tuple((a.name, e.value) for a, e in zip(grid.axes[:i], extents, strict=True))
        if known:
            here = Part(segment.name, ZERO, ZERO, known)
            scope = _knowing(scope, side, (*before, here), names)
        if axis.name in RESERVED or axis.name in ("item", "query", "key"):
            scope.error("reserved-name", f"`{axis.name}` cannot name an axis", axis)
        if axis.name in seen:
            first = seen[axis.name].span
            labels = [Label(first, "first here")] if first else []
            text = f"axis `{axis.name}` stands twice in one grid"
            scope.error("duplicate-name", text, axis, labels=labels)
        seen[axis.name] = axis
        named = scope.names.get(axis.name)
        if named is not None and isinstance(named.value, Table) and named.value.kind == "list":
            labels = [Label(named.span, "the list")] if named.span else []
            text = f"axis `{axis.name}` has the name of a list, so `len({axis.name})` is two things"
            scope.error("duplicate-name", text, axis, labels=labels)
        qualified = [side, segment.name or "", axis.name]
        name = axis.name
        if names.axes[axis.name] > 1:
            name = ".".join(part for part in qualified if part)
        if axis.extent is None:
            extents.append(ir.Extent(name, scope.room.nodes.keep(ir.Var(f"size:{name}"))))
        else:
            value = _extent(axis.extent, scope, lower)
            extents.append(ir.Extent(name, value))
    return tuple(extents)


def _length(
    segment: syntax.Segment,
    layout: syntax.Expression | None,
    side: str,
    scope: Scope,
    lower: Lower,
    names: _Names,
) -> ir.Extent:
    keep = scope.room.nodes.keep
    name = segment.name or "x"
    if layout is None:
        return ir.Extent(name, keep(ir.Var(f"size:{name}")), False)
    if isinstance(layout, syntax.Name) and (
        layout.name in names.sizes or _is_fresh(layout.name, scope)
    ):
        node = names.sizes.setdefault(layout.name, keep(ir.Var(f"size:{layout.name}")))
        return ir.Extent(name, node, False)
    return ir.Extent(name, _extent(layout, scope, lower), False)


def _extent(place: syntax.Expression, scope: Scope, lower: Lower) -> ir.Node:
    value = typed(lower(place, scope), ir.INT, place, scope, "an extent is an int")
    if value is None:
        return scope.room.nodes.const(1)
    if isinstance(value, ir.Const) and value.value < 0:
        scope.error("wrong-extent", f"an extent cannot be {value.value}", place)
    for part in ir.postorder(value):
        length = isinstance(part, ir.Var) and (
            part.name.startswith("size:") or part.name in ("n_q", "n_k", "heads", "kv_heads")
        )
        if isinstance(part, ir.Load) or (isinstance(part, ir.Var) and not length):
            text = "an extent is a constant expression or a length"
            hint = "write a number, a parameter, a fresh name or `len(...)`"
            scope.error("not-constant", text, place, hint=hint)
            break
        if isinstance(part, ir.Param) and not scope.is_constant(part):
            text = f"an extent cannot depend on the dynamic parameter `{part.name}`"
            scope.error("not-constant", text, place)
            break
    return value


def _is_fresh(name: str, scope: Scope) -> bool:
    taken = (RESERVED, scope.names, scope.file.names, scope.later)
    return not any(name in names for names in taken)


def _check_segment(segment: syntax.Segment, taken: dict[str, syntax.Node], scope: Scope) -> None:
    name = segment.name
    if name is None:
        return
    if name in RESERVED or name in ("item", "query", "key"):
        scope.error("reserved-name", f"`{name}` cannot name a segment", segment)
    if name in taken or name in scope.names:
        earlier = scope.names.get(name)
        first = taken[name].span if name in taken else earlier.span if earlier else None
        labels = [Label(first, "first here")] if first else []
        scope.error("duplicate-name", f"`{name}` is defined twice", segment, labels=labels)
    taken[name] = segment


def _check_line(space: syntax.Space, scope: Scope) -> None:
    """Refuse a space of one word, so that a word that is spelt wrong changes no mask."""
    segment = space.segments[0]
    if len(space.segments) > 1 or segment.layout is not None or segment.name is None:
        return
    meant = scope.near(("cross", "grid", "packed", "start"), segment.name)
    hint = _ONE_WORD.get(segment.name) or meant or f"write `{segment.name}(n)` or `grid(y, x)`"
    text = f"`{segment.name}` is no space, and a segment says how long it is"
    scope.error("unknown-space", text, segment, hint=hint)


_ONE_WORD = {
    **dict.fromkeys(("align", "start"), "write `space align start`"),
    "end": "this is how it is without a `space` statement",
    "packed": "write `space packed grid(y, x)`",
}


def _check_shared(
    node: syntax.SpaceStatement, parts: dict[str, tuple[Part, ...]], scope: Scope
) -> None:
    for own in parts["query"]:
        for other in parts["key"]:
            if own.name is None or own.name != other.name:
                continue
            lengths = own.length, other.length
            if (
                all(isinstance(length, ir.Const) for length in lengths)
                and own.length != other.length
            ):
                text = f"segment `{own.name}` has different lengths on the two sides"
                scope.error("wrong-extent", text, node.key or node)


def _only_part_spans(parts: tuple[Part, ...], whole: ir.Node) -> tuple[Part, ...]:
    """A nameless line fills its side; everything else keeps its own length."""
    if len(parts) == 1 and parts[0].name is None and not parts[0].axes:
        return (replace(parts[0], length=whole, axes=(("x", whole),)),)
    return parts


def _axis_names(space: syntax.Space | None) -> list[str]:
    if space is None:
        return []
    grids = [s.layout for s in space.segments if isinstance(s.layout, syntax.Grid)]
    return [axis.name for grid in grids for axis in grid.axes]


def _derives(space: syntax.Space, other: str) -> bool:
    names = (node.name for node in descendants(space) if isinstance(node, syntax.Name))
    return other in names


def _entries(names: _Names) -> dict[str, Entry]:
    return {name: Entry(Size(node)) for name, node in names.sizes.items()}
