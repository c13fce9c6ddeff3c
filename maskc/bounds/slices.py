"""What tells the slices of a mask apart: the values that batch and head enter it through."""

from __future__ import annotations

from maskc import ir
from maskc.analysis import dependence
from maskc.bounds.literals import SIDES
from maskc.ir import Node

SLICE = frozenset(ir.SLICE)
INSIDE = SIDES | {"t"}


def slice_keys(mask: Node) -> tuple[Node, ...]:
    """Nodes of no position, such that slices with equal values of all have equal masks.

    Example:
        >>> window = ir.Load("window", (ir.Var("head"),))
        >>> slice_keys(ir.Op("lt", (ir.Var("q"), window))) == (window,)
        True

    """
    names = dependence()
    keys: dict[Node, None] = {}
    stack, seen = [mask], set()
    while stack:
        node = stack.pop()
        found = names(node)
        if node in seen or not found & SLICE:
            continue
        seen.add(node)
        if found & INSIDE or any(name.startswith("loop:") for name in found):
            stack.extend(reversed(ir.children(node)))
        else:
            keys[node] = None
    return tuple(keys)
