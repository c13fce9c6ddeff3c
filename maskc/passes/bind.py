"""Loop variables by height: `bind` renames them so that no loop hides another one's variable.

The variable of a quantifier is named by how deep quantifiers nest in it, so equal quantifiers stay
equal, and a quantifier and those inside it differ.
"""

from __future__ import annotations

from maskc import ir
from maskc.ir import Node, Var
from maskc.passes.substitute import substitute

NAMES = ("i", "j")


def bind(*roots: Node) -> tuple[Node, ...]:
    """The roots, with loop variables renamed to `i`, `j`, `i2`, `i3`, ...

    The body of a Tally stays: it is text of its own.
    """
    if not any(isinstance(node, ir.Fold) for node in ir.postorder(*roots)):
        return roots
    new: dict[Node, Node] = {}
    height: dict[Node, int] = {}
    for node in ir.postorder(*roots):
        parts = ir.children(node)
        changed = tuple(new[part] for part in parts)
        height[node] = max((height[part] for part in parts), default=0)
        if isinstance(node, ir.Fold):
            name = loop_name(height[node])
            height[node] += 1
            low, high, body = changed
            if name != node.variable:
                body = substitute(body, {Var(node.variable): Var(name)}, ir.rebuild)
            new[node] = ir.Fold(node.kind, name, low, high, body)
        elif isinstance(node, ir.Tally):
            new[node] = ir.Tally(node.body, changed[0], changed[1])
        else:
            same = all(a is b for a, b in zip(parts, changed, strict=True))
            new[node] = node if same else ir.rebuild(node, changed)
    return tuple(new[root] for root in roots)


def loop_name(height: int) -> str:
    """The variable of a loop that has `height` loops nested in it."""
    return f"loop:{NAMES[height] if height < len(NAMES) else f'i{height}'}"
