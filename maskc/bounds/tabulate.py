"""Terms that are looked up: parts of a mask that depend on one form and that intervals blur.

`d % 3 == 0 & is_pow2(d // 3)` becomes one term of t = q - k; how many t of a range meet it is
counted once for each call (or in closed form, see `maskc.bounds.residue`), and is then exact.
"""

from __future__ import annotations

from collections.abc import Mapping

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
    for node in _conditions(mask, plain):
        form = _form(node, plain)
        if form is None or not _is_term(node, plain) or len(terms) >= MOST_TERMS:
            continue
        body = substitute(node, AS_T[form])
        if not plain.names(body) & SIDES:
            terms[node] = form, body
    return Rectangles(known, terms) if terms else plain


def _conditions(mask: Node, plain: Rectangles) -> list[Node]:
    """The mask and what its `and`, `or`, `not` join, what a term is made of left out."""
    found: dict[Node, None] = {}
    stack = [mask]
    while stack:
        node = stack.pop()
        if node in found:
            continue
        found[node] = None
        is_joined = isinstance(node, Op) and node.name in ("and", "or", "not")
        if is_joined and not _is_term(node, plain):
            stack.extend(reversed(node.args))
    return list(found)


def _form(node: Node, plain: Rectangles) -> str | None:
    found = plain.forms(node)
    return next(iter(found)) if len(found) == 1 else None


def _is_term(node: Node, plain: Rectangles) -> bool:
    """Whether the node is inexact, of one form, and not better looked up in parts."""
    if _form(node, plain) is None or _exact(node, plain):
        return False
    if isinstance(node, Op) and node.name == "and":
        return not any(_exact(part, plain) for part in node.args)
    return not (isinstance(node, Op) and node.name == "not")


def _exact(node: Node, plain: Rectangles) -> bool:
    return all(some == hit for some, hit in (plain.found(node, p) for p in (True, False)))
