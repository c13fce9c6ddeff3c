"""Terms that are looked up: parts of a mask that depend on one form and that intervals blur.

`d % 3 == 0 & is_pow2(d // 3)` becomes one term of t = q - k; how many t of a range meet it is
counted once for each call (or in closed form, see `maskc.bounds.residue`), and is then exact.
"""

from __future__ import annotations

from collections.abc import Mapping

from maskc import ir
from maskc.analysis import MINUS_D, D, K, Q
from maskc.bounds.literals import SIDES
from maskc.bounds.rectangle import Rectangles
from maskc.ir import Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.substitute import substitute

MOST_TERMS = 16
"""Terms of one mask; each costs a table over all positions or differences."""

T = Var("t")


def tabulated(
    mask: Node, known: Mapping[str, tuple[int | None, int | None]]
) -> tuple[Node, Rectangles]:
    """The mask with its terms grouped, and a reader of rectangles that knows them."""
    plain = Rectangles(known)
    work = _Tabulation(plain)
    grouped = work(mask)
    return grouped, Rectangles(known, work.terms) if work.terms else plain


class _Tabulation:
    def __init__(self, plain: Rectangles) -> None:
        self.plain = plain
        self.terms: dict[Node, tuple[str, Node]] = {}

    def __call__(self, mask: Node) -> Node:
        """Regroup top-down through `and`, `or`, `not`; what is below other nodes stays."""
        order: list[Node] = []
        stack, seen = [mask], set()
        while stack:
            node = stack.pop()
            if node in seen:
                continue
            seen.add(node)
            order.append(node)
            if isinstance(node, Op) and node.name in _SKELETON and not self._is_term(node):
                stack.extend(reversed(node.args))
        new: dict[Node, Node] = {}
        for node in sorted(order, key=_Depth(order)):
            new[node] = self._regrouped(node, new)
        return new[mask]

    def _form(self, node: Node) -> str | None:
        found = self.plain.forms(node)
        return next(iter(found)) if len(found) == 1 else None

    def _is_term(self, node: Node) -> bool:
        """Whether the node is inexact, of one form, and not better looked up in parts."""
        if self._form(node) is None or self._exact(node):
            return False
        return not (isinstance(node, Op) and node.name in ("and", "not"))

    def _exact(self, node: Node) -> bool:
        return all(some == hit for some, hit in (self.plain.found(node, p) for p in (True, False)))

    def _regrouped(self, node: Node, new: dict[Node, Node]) -> Node:
        if self._is_term(node):
            return self._term(node)
        if not (isinstance(node, Op) and node.name in _SKELETON):
            return node
        if node.name == "not":
            same = new[node.args[0]] is node.args[0]
            return node if same else c.negate(new[node.args[0]])
        groups: dict[str, list[Node]] = {}
        for arg in node.args:
            form = self._form(arg)
            if form is not None and (node.name == "or" or not self._exact(arg)):
                groups.setdefault(form, []).append(arg)
        joined: list[Node] = []
        taken: set[Node] = set()
        for members in groups.values():
            if len(members) > 1 and not all(self._exact(m) for m in members):
                joined.append(self._term(Op(node.name, tuple(members))))
                taken.update(members)
        rest = [new.get(arg, arg) for arg in node.args if arg not in taken]
        if not joined and all(a is b for a, b in zip(rest, node.args, strict=True)):
            return node
        return (c.both if node.name == "and" else c.either)(*rest, *joined)

    def _term(self, node: Node) -> Node:
        form = self._form(node)
        assert form is not None, "a term has one form"
        if node in self.terms or len(self.terms) >= MOST_TERMS:
            return node
        replaced = {"q": {Q: T}, "k": {K: T}, "d": {D: T, MINUS_D: c.neg(T)}}[form]
        body = substitute(node, replaced)
        if not self.plain.names(body) & SIDES:
            self.terms[node] = (form, body)
        return node


_SKELETON = ("and", "or", "not")


class _Depth:
    """A sort key that puts nodes after those they are made of."""

    def __init__(self, nodes: list[Node]) -> None:
        order = {node: i for i, node in enumerate(ir.postorder(*nodes))}
        self._order = order

    def __call__(self, node: Node) -> int:
        return self._order[node]
