"""Terms that are looked up: parts of a mask that depend on one form and that intervals blur.

`d % 3 == 0 & is_pow2(d // 3)` becomes one term of t = q - k; how many t of a range meet it is
counted once for each call (or in closed form, see `maskc.bounds.residue`), and is then exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maskc.analysis import MINUS_D, D, K, Q
from maskc.bounds.literals import SIDES
from maskc.bounds.rectangle import Rectangles
from maskc.ir import Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.substitute import substitute

MOST_TERMS = 16
"""Terms of one mask; each costs a table over all positions or differences."""

T = Var("t")

AS_T: Mapping[str, Mapping[Node, Node]] = {
    "q": {Q: T},
    "k": {K: T},
    "d": {D: T, MINUS_D: c.neg(T)},
}
"""What t stands for in a term of each form."""


def with_terms(mask: Node, known: Mapping[str, tuple[int | None, int | None]]) -> Rectangles:
    """A reader of rectangles that looks up the terms of the mask."""
    plain = Rectangles(known)
    terms: dict[Node, tuple[str, Node]] = {}
    for node in _candidates(mask, plain):
        form = next(iter(plain.forms(node)))
        body = substitute(node, AS_T[form])
        if not plain.names(body) & SIDES:
            terms[node] = form, body
        if len(terms) == MOST_TERMS:
            break
    return Rectangles(known, terms) if terms else plain


def _candidates(mask: Node, plain: Rectangles) -> Iterator[Node]:
    """The terms of the mask, and of what its `and`, `or`, `not` join."""
    stack, seen = [mask], set[Node]()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if _is_term(node, plain):
            yield node
        elif isinstance(node, Op) and node.name in ("and", "or", "not"):
            stack.extend(reversed(node.args))


def _is_term(node: Node, plain: Rectangles) -> bool:
    """Whether the node is inexact, of one form, and not better looked up in parts."""
    if len(plain.forms(node)) != 1 or _exact(node, plain):
        return False
    if isinstance(node, Op) and node.name == "and":
        return not any(_exact(part, plain) for part in node.args)
    return not (isinstance(node, Op) and node.name == "not")


def _exact(node: Node, plain: Rectangles) -> bool:
    return all(some == hit for some, hit in (plain.found(node, p) for p in (True, False)))
