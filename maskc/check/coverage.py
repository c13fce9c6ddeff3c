"""Proof that the arms of a `match` without `_` leave no value out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from maskc import ir
from maskc.check.intervals import Bounds
from maskc.check.nodes import Nodes

MOST_SYMBOLIC = 64
"""Arms whose ends are not constants that a proof looks at."""

Arm = tuple[ir.Node, ir.Node]
"""Low (inclusive) and high (exclusive) of the values an arm takes."""

_RANGES = {"head": "heads", "kv_head": "kv_heads", "layer": "n_layers", "batch": "batches"}


def gap(
    subject: ir.Node, arms: Sequence[Arm], bounds: Bounds, nodes: Nodes
) -> ir.Node | str | None:
    """The first value that is not proved covered, a word for it, or None where all are."""
    if ir.type_of(subject) is ir.BOOL:
        taken = {arm[0].value for arm in arms if isinstance(arm[0], ir.Const)}
        return None if taken >= {True, False} else ("false" if True in taken else "true")
    low, high = value_range(subject, bounds, nodes)
    if low is None:
        return "values below all arms"
    fixed = _merged([(a.value, b.value) for a, b in arms if _constants(a, b)])  # pyright: ignore
    symbolic = [arm for arm in arms if not _constants(*arm)][:MOST_SYMBOLIC]
    reached = low
    while high is None or not bounds.at_most(high, reached):
        further = _further(reached, fixed, symbolic, bounds, nodes)
        if further is None:
            return reached
        if not isinstance(further, ir.Const):
            symbolic = [arm for arm in symbolic if arm[1] != further]
        reached = further
    return None


def value_range(
    subject: ir.Node, bounds: Bounds, nodes: Nodes
) -> tuple[ir.Node | None, ir.Node | None]:
    """Low (inclusive) and high (exclusive) of an int expression, as nodes; None where unknown."""
    match subject:
        case ir.Var(name) if name in _RANGES:
            return nodes.const(0), nodes.keep(ir.Var(_RANGES[name]))
        case ir.Op("mod", (_, divisor)) if (bounds.of(divisor)[0] or 0) >= 1:
            return nodes.const(0), divisor
    low, high = bounds.of(subject)
    return (
        None if low is None else nodes.const(low),
        None if high is None else nodes.const(high + 1),
    )


def _further(
    reached: ir.Node,
    fixed: list[tuple[int, int]],
    symbolic: list[Arm],
    bounds: Bounds,
    nodes: Nodes,
) -> ir.Node | None:
    if isinstance(reached, ir.Const):
        i = bisect_right(fixed, (reached.value, float("inf"))) - 1  # pyright: ignore
        if i >= 0 and fixed[i][1] > reached.value:
            return nodes.const(fixed[i][1])
    for low, high in symbolic:
        if high != reached and bounds.at_most(low, reached) and bounds.at_most(reached, high):
            return high
    if not isinstance(reached, ir.Const):
        for low, high in fixed:
            start, end = nodes.const(low), nodes.const(high)
            ahead = bounds.at_most(reached, end) and not bounds.at_most(end, reached)
            if ahead and bounds.at_most(start, reached):
                return end
    return None


def _constants(*parts: ir.Node) -> bool:
    return all(isinstance(part, ir.Const) for part in parts)


def _merged(pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(pieces):
        if low >= high:
            continue
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged
