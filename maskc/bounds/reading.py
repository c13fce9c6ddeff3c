"""The four answers over a rectangle, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maskc import ir
from maskc.analysis import K, Q
from maskc.bounds.interval import Intervals
from maskc.bounds.rectangle import signs
from maskc.bounds.tabulate import with_terms
from maskc.ir import Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.linear import normalise
from maskc.passes.substitute import substitute

MOST_WITNESSED = 150
"""Nodes of a mask whose corners are still read as points, where its bounds are not exact."""

Known = Mapping[str, tuple[int | None, int | None]]
"""Least and greatest value of scalar parameters in any call, by name; None is unbounded."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Four bools over a rectangle with corners `q0 q1 k0 k1`, inclusive.

    `every`: all pairs proved kept. `some`: not proved that all are dropped. `hit`: a kept pair
    proved to exist. `miss`: a dropped pair proved to exist.
    """

    every: Node
    some: Node
    hit: Node
    miss: Node

    @property
    def exact(self) -> bool:
        """Whether the four are known to be the whole truth."""
        return self.hit == self.some and self.miss == c.negate(self.every)

    @property
    def terms(self) -> tuple[Node, ...]:
        """The bodies of the terms that are looked up, each once, in order of their index."""
        roots = (self.every, self.some, self.hit, self.miss)
        tallies = (node.body for node in ir.postorder(*roots) if isinstance(node, ir.Tally))
        return tuple(dict.fromkeys(tallies))


def bounds(mask: Node, known: Known | None = None) -> Reading:
    """The rectangle reading of a mask.

    Example:
        >>> reading = bounds(Op("le", (K, Q)))
        >>> reading.exact
        True

    """
    known = known or {}
    (mask,) = normalise(mask)
    rectangles = with_terms(mask, known)
    some, hit = rectangles.found(mask)
    dropped, miss = rectangles.found(mask, positive=False)
    if hit != some or miss != dropped:
        kept = list(_corners(mask))
        hit = some if hit == some else c.either(hit, *kept)
        miss = dropped if miss == dropped else c.either(miss, *(c.negate(x) for x in kept))
    return Reading(c.negate(dropped), some, hit, miss)


def _corners(mask: Node) -> Iterable[Node]:
    nodes = list(ir.postorder(mask))
    if len(nodes) > MOST_WITNESSED or any(isinstance(node, ir.BINDERS) for node in nodes):
        return
    for q in ("q0", "q1"):
        for k in ("k0", "k1"):
            yield substitute(mask, {Q: Var(q), K: Var(k)})


def ranges_of(params: Iterable[ir.Scalar]) -> dict[str, tuple[int | None, int | None]]:
    """What the rules of scalar int parameters say of their least and greatest values."""
    known: dict[str, tuple[int | None, int | None]] = {}
    for param in params:
        if param.type is ir.INT and param.axes is None:
            low: int | None = None
            high: int | None = None
            for rule, _ in param.rules:
                for at_least, at_most in _rule_ranges(rule, param.name):
                    low = (
                        at_least if low is None else low if at_least is None else max(low, at_least)
                    )
                    high = (
                        at_most if high is None else high if at_most is None else min(high, at_most)
                    )
            known[param.name] = (low, high)
    return known


def _rule_ranges(rule: Node, name: str) -> Iterable[tuple[int | None, int | None]]:
    me = ir.Param(name)
    if not isinstance(rule, Op):
        return
    if rule.name == "and":
        for part in rule.args:
            yield from _rule_ranges(part, name)
    if rule.name in ("lt", "le"):
        step = 1 if rule.name == "lt" else 0
        a, b = rule.args
        if a == me and isinstance(b, Const) and isinstance(b.value, int):
            yield None, b.value - step
        if b == me and isinstance(a, Const) and isinstance(a.value, int):
            yield a.value + step, None
    if rule.name == "eq" and me in rule.args:
        (other,) = [a for a in rule.args if a != me] or [me]
        if isinstance(other, Const) and isinstance(other.value, int):
            yield other.value, other.value


def signs_of(params: Iterable[ir.Scalar]) -> Intervals:
    """Bounds of nodes over all calls of a pattern with these parameters."""
    return signs(ranges_of(params))
