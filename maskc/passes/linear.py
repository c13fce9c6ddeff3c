"""Sums of multiples: `linear` reads a node as one, `normalise` writes every sum in one way.

`q + 3 - k - 1` becomes `q - k + 2`: the difference of the positions stays one node (`q - k`), so
that all that depends on it alone can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maskc import ir
from maskc.ir import Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.substitute import remade

MOST_TERMS = 32
"""Longer sums are left as they are."""

Q, K = Var("q"), Var("k")


@dataclass(frozen=True, slots=True)
class Linear:
    """The sum of `coefficient * node` over `terms`, plus `constant`; no coefficient is 0."""

    terms: tuple[tuple[Node, int], ...]
    constant: int

    def plus(self, other: Linear, factor: int = 1) -> Linear:
        """The sum of both, the other one `factor` times."""
        terms = dict(self.terms)
        for node, coefficient in other.terms:
            terms[node] = terms.get(node, 0) + factor * coefficient
        kept = tuple((node, n) for node, n in terms.items() if n)
        return Linear(kept, self.constant + factor * other.constant)

    def times(self, factor: int) -> Linear:
        """The sum, multiplied."""
        return Linear((), 0).plus(self, factor)


def linear(*roots: Node) -> dict[Node, Linear]:
    """Every int node below the roots as a sum of multiples of nodes that are no sums."""
    sums: dict[Node, Linear] = {}
    for node in ir.postorder(*roots):
        if ir.type_of(node) is ir.INT:
            sums[node] = _sum(node, sums) or Linear(((node, 1),), 0)
    return sums


def _sum(node: Node, sums: dict[Node, Linear]) -> Linear | None:
    if isinstance(node, Const):
        return Linear((), int(node.value))
    if not isinstance(node, Op):
        return None
    parts = [sums[a] for a in node.args if a in sums]
    total: Linear | None = None
    if node.name == "add":
        total = _added(parts)
    elif node.name == "sub":
        total = parts[0].plus(parts[1], -1)
    elif node.name == "neg":
        total = parts[0].times(-1)
    elif node.name == "mul":
        varying = [p for p in parts if p.terms]
        if len(varying) <= 1:
            factor = 1
            for part in parts:
                factor *= part.constant if not part.terms else 1
            total = (varying[0] if varying else Linear((), 1)).times(factor)
    if total is None or len(total.terms) > MOST_TERMS:
        return None
    numbers = (total.constant, *(n for _, n in total.terms))
    return total if all(abs(n) < c.WIDEST for n in numbers) else None


def _added(parts: Sequence[Linear]) -> Linear:
    """The sum of all parts in one walk; a term that vanishes and comes back stands last."""
    terms: dict[Node, int] = {}
    for part in parts:
        for node, n in part.terms:
            terms[node] = terms.get(node, 0) + n
            if not terms[node]:
                del terms[node]
    return Linear(tuple(terms.items()), sum(part.constant for part in parts))


def written(total: Linear) -> Node:
    """The sum as a node, in one way: `q - k` first, then what is added, then what is taken away."""
    terms = dict(total.terms)
    added: list[Node] = []
    taken: list[Node] = []
    if terms.get(Q) and terms.get(Q) == -terms.get(K, 0):
        factor = terms.pop(Q)
        del terms[K]
        difference = c.sub(Q, K) if factor > 0 else c.sub(K, Q)
        added.append(c.mul(difference, Const(abs(factor))))
    for node, factor in terms.items():
        (added if factor > 0 else taken).append(c.mul(node, Const(abs(factor))))
    if total.constant > 0 or not (added or total.constant):
        added.append(Const(total.constant))
    elif total.constant < 0 and added:
        taken.append(Const(-total.constant))
    result = c.add(*added) if added else Const(total.constant)
    for node in taken:
        result = c.sub(result, node)
    return result


def normalise(*roots: Node) -> tuple[Node, ...]:
    """The roots with every sum written in one way."""
    sums = linear(*roots)
    new: dict[Node, Node] = {}
    for node in ir.postorder(*roots):
        total = sums.get(node)
        if total is None or isinstance(node, Const) or total.terms == ((node, 1),):
            parts = tuple(new[child] for child in ir.children(node))
            made = remade(node, parts)
            new[node] = node if made == node else made
        else:
            terms: dict[Node, int] = {}
            for term, n in total.terms:
                terms[new[term]] = terms.get(new[term], 0) + n
            kept = tuple((term, n) for term, n in terms.items() if n)
            new[node] = written(Linear(kept, total.constant))
    return tuple(new[root] for root in roots)
