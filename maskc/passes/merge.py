"""Bounds of one sum, merged: in `x >= 0 & x > 3 & x < 9` only the tightest are kept.

In `or` only the widest. Bounds are compared where they differ by a constant.
"""

from __future__ import annotations

from math import gcd

from maskc import ir
from maskc.ir import Node, Op
from maskc.passes import construct as c
from maskc.passes.linear import Linear, linear
from maskc.passes.substitute import remade


def merge(root: Node) -> Node:
    """The root, without comparisons that another one of the same `and` or `or` implies."""
    sums: dict[Node, Linear] = {}
    new: dict[Node, Node] = {}
    for node in ir.postorder(root):
        parts = ir.children(node)
        changed = tuple(new[part] for part in parts)
        same = all(a is b for a, b in zip(parts, changed, strict=True))
        made = node if same else remade(node, changed)
        new[node] = _merged(made, sums)
    return new[root]


def _merged(node: Node, sums: dict[Node, Linear]) -> Node:
    while isinstance(node, Op) and node.name in ("and", "or"):
        kept = _tightest(node, sums)
        if len(kept) == len(node.args):
            break
        node = (c.both if node.name == "and" else c.either)(*kept)
    return node


def _tightest(node: Op, sums: dict[Node, Linear]) -> tuple[Node, ...]:
    """The arguments that no other one makes idle; of equal ones the first."""
    best: dict[frozenset[tuple[Node, int]], tuple[int, Node]] = {}
    idle: set[Node] = set()
    for arg in dict.fromkeys(node.args):
        found = _bound(arg, sums)
        if found is None:
            continue
        form, limit = found
        if form not in best:
            best[form] = (limit, arg)
            continue
        before, other = best[form]
        tighter = limit < before if node.name == "and" else limit > before
        idle.add(other if tighter else arg)
        if tighter:
            best[form] = (limit, arg)
    return tuple(arg for arg in node.args if arg not in idle)


def _bound(node: Node, sums: dict[Node, Linear]) -> tuple[frozenset[tuple[Node, int]], int] | None:
    """A comparison as `form <= limit`; None for anything else."""
    if not isinstance(node, Op) or node.name not in ("lt", "le") or not c.is_int(node.args[0]):
        return None
    a, b = node.args
    for part in (a, b):
        if part not in sums:
            sums.update(linear(part))
    total = sums[a].plus(sums[b], -1)
    if not total.terms:
        return None
    limit = -total.constant - (node.name == "lt")
    factor = gcd(*(n for _, n in total.terms))
    return frozenset((term, n // factor) for term, n in total.terms), limit // factor


def is_merged(root: Node) -> bool:
    """Whether every `and` and `or` holds each form's bound once."""
    sums: dict[Node, Linear] = {}
    return all(
        len(_tightest(node, sums)) == len(node.args)
        for node in ir.postorder(root)
        if isinstance(node, Op) and node.name in ("and", "or")
    )
