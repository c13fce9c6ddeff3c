"""Replacing nodes: `substitute` puts others in their place and simplifies what changes above."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from maskc import ir
from maskc.ir import Node, Op
from maskc.passes import construct as c


def substitute(
    root: Node,
    replaced: Mapping[Node, Node],
    make: Callable[[Node, tuple[Node, ...]], Node] | None = None,
) -> Node:
    """The root with every node of `replaced` exchanged, the outermost first.

    `make` builds what changes above them; simplified, unless it is given.
    """
    make = make or remade
    new: dict[Node, Node] = dict(replaced)
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in new:
            continue
        parts = ir.children(node)
        if not ready:
            stack.append((node, True))
            stack.extend((part, False) for part in reversed(parts))
            continue
        changed = tuple(new[part] for part in parts)
        if all(a is b for a, b in zip(parts, changed, strict=True)):
            new[node] = node
        else:
            new[node] = make(node, changed)
    return new[root]


def remade(node: Node, parts: tuple[Node, ...]) -> Node:
    """The same kind of node over other parts, simplified."""
    return c.operation(node.name, parts) if isinstance(node, Op) else ir.rebuild(node, parts)
