"""The conditions that a mask is made of: ranges of a form, and everything else as facts.

A comparison of sums becomes a `Range`: `low <= form <= high` with bounds that no position changes.
So `causal & recent(w)` is one range of `q - k`, however it was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from maskc import ir
from maskc.analysis import D, K, Names, Q
from maskc.bounds.interval import Intervals
from maskc.ir import Const, Node, Op
from maskc.passes import construct as c
from maskc.passes.linear import Linear, linear, written


@dataclass(frozen=True, slots=True)
class Range:
    """`low <= form <= high`, inclusive; None is no bound. The bounds depend on no position."""

    form: Node
    low: Node | None
    high: Node | None


@dataclass(frozen=True, slots=True)
class Fact:
    """A bool node, or its negation."""

    node: Node
    positive: bool


Literal = Range | Fact
Cube = tuple[Literal, ...]
"""Literals that must all hold."""

NEVER: tuple[Cube, ...] = ()
ALWAYS: tuple[Cube, ...] = ((),)

SIDES = frozenset({"q", "k"})


class Literals:
    """A function from comparisons to alternatives of literals.

    `signs` bounds nodes over all calls, for what is provably positive.
    """

    def __init__(self, names: Names, signs: Intervals) -> None:
        self.names = names
        self.signs = signs
        self._sums: dict[Node, Linear] = {}
        self._forms: dict[frozenset[tuple[Node, int]], tuple[Node, int]] = {}
        for form, terms in ((Q, {(Q, 1)}), (K, {(K, 1)}), (D, {(Q, 1), (K, -1)})):
            self._remember(form, frozenset(terms))

    def __call__(self, node: Node, positive: bool) -> tuple[Cube, ...]:
        """Cubes of which one must hold; together they mean the node or its negation."""
        fact: tuple[Cube, ...] = ((Fact(node, positive),),)
        if not self._varies(node):
            return fact
        if not isinstance(node, Op) or node.name not in ir.COMPARISONS:
            return fact
        a, b = node.args
        if not c.is_int(a):
            return fact
        if node.name in ("eq", "ne"):
            return self._equal(a, b, positive == (node.name == "eq")) or fact
        if not positive:
            a, b = b, a
        strict = positive == (node.name == "lt")
        total = self.sum_of(a).plus(self.sum_of(b), -1)
        if strict:
            total = total.plus(Linear((), 1))
        found = self._at_most_zero(total)
        return fact if found is None else found

    def sum_of(self, node: Node) -> Linear:
        """The node as a sum of multiples."""
        if node not in self._sums:
            self._sums.update(linear(node))
        return self._sums[node]

    def positive(self, node: Node) -> bool:
        """Whether the node is at least 1 in every call."""
        return self.at_least(node, 1)

    def at_least(self, node: Node, bound: int) -> bool:
        """Whether the node is at least `bound` in every call."""
        return self.signs(written(self.sum_of(node))).at_least(bound)

    def _varies(self, node: Node) -> bool:
        return bool(self.names(node) & SIDES)

    def _parts(self, total: Linear) -> tuple[dict[Node, int], Node]:
        """Terms that positions change, and the rest as one node."""
        varying = {node: n for node, n in total.terms if self._varies(node)}
        rest = tuple((node, n) for node, n in total.terms if node not in varying)
        return varying, written(Linear(rest, total.constant))

    def _reads(self, terms: dict[Node, int]) -> bool:
        return any(name.startswith("tensor:") for node in terms for name in self.names(node))

    def _at_most_zero(self, total: Linear) -> tuple[Cube, ...] | None:
        varying, rest = self._parts(total)
        if not varying:
            return ((Fact(c.le(rest, Const(0)), True),),)
        bound = c.neg(rest)
        if len(varying) == 1:
            ((node, n),) = varying.items()
            found = self._unwrapped(node, n, bound)
            if found is not None:
                return found
        if self._reads(varying):
            return None
        form, factor = self._form(varying)
        limit = c.floordiv(bound, Const(abs(factor)))
        if factor > 0:
            return self._ranged(form, None, limit)
        return self._ranged(form, c.neg(limit), None)

    def _ranged(self, form: Node, low: Node | None, high: Node | None) -> tuple[Cube, ...]:
        """One half-open range, or what it comes to where the form is never negative."""
        if form == K and high is not None and self.at_least(c.neg(high), 1):
            return NEVER
        if form == K and low is not None and self.at_least(c.neg(low), 0):
            return ALWAYS
        return ((Range(form, low, high),),)

    def _unwrapped(self, node: Node, n: int, bound: Node) -> tuple[Cube, ...] | None:
        """`n * node <= bound` for an absolute value or a floor division, in terms of its inside."""
        if not isinstance(node, Op):
            return None
        limit = c.floordiv(bound, Const(abs(n)))
        if node.name == "abs":
            inside = self.sum_of(node.args[0])
            above = self._at_most_zero(inside.plus(self._moved(limit), -1))
            below = self._at_most_zero(inside.times(-1).plus(self._moved(limit), -1))
            if n > 0:
                return _product(above, below)
            low = c.neg(limit)
            above = self._at_most_zero(inside.times(-1).plus(self._moved(low)))
            below = self._at_most_zero(inside.plus(self._moved(low)))
            return None if above is None or below is None else (*above, *below)
        if node.name == "floordiv" and not self._varies(node.args[1]):
            inside, size = self.sum_of(node.args[0]), node.args[1]
            if not self.positive(size):
                return None
            if n > 0:
                top = c.sub(c.mul(c.add(limit, Const(1)), size), Const(1))
                return self._at_most_zero(inside.plus(self._moved(top), -1))
            bottom = c.mul(c.neg(limit), size)
            return self._at_most_zero(inside.times(-1).plus(self._moved(bottom)))
        return None

    def _moved(self, bound: Node) -> Linear:
        return self.sum_of(bound)

    def _equal(self, a: Node, b: Node, positive: bool) -> tuple[Cube, ...] | None:
        varying, rest = self._parts(self.sum_of(a).plus(self.sum_of(b), -1))
        if not varying:
            return ((Fact(c.eq(rest, Const(0)), positive),),)
        if len(varying) == 1:
            ((node, n),) = varying.items()
            if abs(n) == 1 and isinstance(node, Op) and node.name in ("abs", "floordiv"):
                value = c.neg(rest) if n > 0 else rest
                return self._equal_inside(node, value, positive)
        if not set(varying) <= {Q, K}:
            return None
        form, factor = self._form(varying)
        value = c.neg(rest) if factor > 0 else rest
        if abs(factor) > 1:
            size = Const(abs(factor))
            even = Fact(c.eq(c.mod(value, size), Const(0)), True)
            value = c.floordiv(value, size)
            return ((even, Range(form, value, value)),) if positive else None
        if positive:
            return ((Range(form, value, value),),)
        below, above = c.sub(value, Const(1)), c.add(value, Const(1))
        return (*self._ranged(form, None, below), *self._ranged(form, above, None))

    def _equal_inside(self, node: Op, value: Node, positive: bool) -> tuple[Cube, ...] | None:
        """`x // b == v` as a range of x; `abs` is left to the interval reading."""
        if node.name == "abs" or self._varies(node.args[1]) or not self.positive(node.args[1]):
            return None
        at_most, at_least = self(c.le(node, value), True), self(c.le(value, node), True)
        if positive:
            return _product(at_most, at_least)
        return (*self(c.le(node, value), False), *self(c.le(value, node), False))

    def _form(self, terms: dict[Node, int]) -> tuple[Node, int]:
        """The form of a sum and the factor in front of it; one form for a sum and its negative."""
        factor = gcd(*terms.values())
        key = frozenset((node, n // factor) for node, n in terms.items())
        if key not in self._forms:
            sign = -1 if sum(n for _, n in key) < 0 else 1
            ordered = tuple((node, sign * n // factor) for node, n in terms.items())
            self._remember(written(Linear(ordered, 0)), frozenset(ordered))
        form, sign = self._forms[key]
        return form, sign * factor

    def _remember(self, form: Node, key: frozenset[tuple[Node, int]]) -> None:
        self._forms[key] = (form, 1)
        self._forms[frozenset((node, -n) for node, n in key)] = (form, -1)


def _product(a: tuple[Cube, ...] | None, b: tuple[Cube, ...] | None) -> tuple[Cube, ...] | None:
    if a is None or b is None:
        return None
    return tuple((*x, *y) for x in a for y in b)
