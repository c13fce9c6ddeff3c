"""Constant folding and algebra over a whole tree: each node is made again from simple parts."""

from __future__ import annotations

from maskc import ir
from maskc.ir import FALSE, Const, Node, Op
from maskc.passes import construct as c
from maskc.passes.substitute import remade


def simplify(root: Node) -> Node:
    """A node of the same value, with constants folded and neutral parts gone."""
    new: dict[Node, Node] = {}
    for node in ir.postorder(root):
        parts = tuple(new[part] for part in ir.children(node))
        new[node] = _fold(node, parts) if isinstance(node, ir.Fold) else _kept(node, parts)
    return new[root]


def _kept(node: Node, parts: tuple[Node, ...]) -> Node:
    """The same object where nothing changes, so that what is shared stays shared."""
    made = remade(node, parts)
    return node if made == node else made


def _fold(node: ir.Fold, parts: tuple[Node, ...]) -> Node:
    low, high, body = parts
    if isinstance(low, Const) and isinstance(high, Const) and low.value >= high.value:
        return Const(0) if node.kind == "count" else Const(node.kind == "all")
    if node.kind == "count":
        return Const(0) if body == FALSE else _kept(node, parts)
    if body == Const(node.kind == "all"):
        return body
    if body == Const(node.kind == "any"):
        some = c.lt(low, high)
        return some if node.kind == "any" else c.negate(some)
    return _kept(node, parts)


def is_simple(root: Node) -> bool:
    """Whether no operation is left that stands on constants alone and could be folded."""
    return all(
        c.operation(node.name, node.args) == node
        for node in ir.postorder(root)
        if isinstance(node, Op) and all(isinstance(arg, Const) for arg in node.args)
    )
