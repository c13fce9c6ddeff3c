"""Boxes of positions, and difference constraints on them: bounds of q, of k and of q - k."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from maskc.bounds.literals import Range
from maskc.ir import Node, Var
from maskc.passes import construct as c


@dataclass(frozen=True, slots=True)
class Box:
    """Ranges of the positions, inclusive, and of `q - k` where it is narrower than they imply."""

    q: tuple[Node, Node]
    k: tuple[Node, Node]
    d: tuple[Node, Node] | None = None


WHOLE = Box((Var("q0"), Var("q1")), (Var("k0"), Var("k1")))


@dataclass
class Limits:
    """Lower and upper bounds of one form, all inclusive."""

    lows: list[Node] = field(default_factory=list)
    highs: list[Node] = field(default_factory=list)

    def add(self, literal: Range) -> None:
        """Bound it once more."""
        for bounds, bound in ((self.lows, literal.low), (self.highs, literal.high)):
            if bound is not None and bound not in bounds:
                bounds.append(bound)

    def merged(self, form: Node) -> Range:
        """All bounds as one range."""
        return Range(
            form,
            c.greatest(*self.lows) if self.lows else None,
            c.least(*self.highs) if self.highs else None,
        )


class System:
    """Difference constraints: bounds of q, of k and of q - k over a box, decided exactly."""

    def __init__(self, q: Limits | None, k: Limits | None, d: Limits | None, box: Box) -> None:
        q, k, d = q or Limits(), k or Limits(), d or Limits()
        self.q_low, self.q_high = [box.q[0], *q.lows], [box.q[1], *q.highs]
        self.k_low, self.k_high = [box.k[0], *k.lows], [box.k[1], *k.highs]
        self.d_low, self.d_high = list(d.lows), list(d.highs)
        self.box = box

    def possible(self) -> list[Node]:
        """Conditions that hold just when some pair of the box meets all bounds."""
        for lows, highs in ((self.q_low, self.q_high), (self.k_low, self.k_high)):
            assert lows and highs, "a box has both ends"
        pairs = [
            *list(product(self.q_low, self.q_high))[1:],
            *list(product(self.k_low, self.k_high))[1:],
            *product(self.d_low, self.d_high),
        ]
        conditions = [c.le(low, high) for low, high in pairs]
        for low, (q, k) in product(self.d_low, product(self.q_high, self.k_low)):
            conditions.append(c.le(low, c.sub(q, k)))
        for high, (q, k) in product(self.d_high, product(self.q_low, self.k_high)):
            conditions.append(c.le(c.sub(q, k), high))
        return conditions

    def surely(self) -> list[Node]:
        """Conditions that hold just when all pairs of the box meet all bounds."""
        (q0, q1), (k0, k1) = self.box.q, self.box.k
        return [
            *(c.le(low, q0) for low in self.q_low[1:]),
            *(c.le(q1, high) for high in self.q_high[1:]),
            *(c.le(low, k0) for low in self.k_low[1:]),
            *(c.le(k1, high) for high in self.k_high[1:]),
            *(c.le(low, c.sub(q0, k1)) for low in self.d_low),
            *(c.le(c.sub(q1, k0), high) for high in self.d_high),
        ]

    def tight(self, form: str) -> Box:
        """A box whose range of one form is exactly what the bounds leave of it.

        Empty ranges have low > high; `possible` says so.
        """
        q0, q1 = c.greatest(*self.q_low), c.least(*self.q_high)
        k0, k1 = c.greatest(*self.k_low), c.least(*self.k_high)
        if form == "q":
            low = [c.add(k0, low) for low in self.d_low]
            high = [c.add(k1, high) for high in self.d_high]
            return Box((c.greatest(q0, *low), c.least(q1, *high)), (k0, k1))
        if form == "k":
            low = [c.sub(q0, high) for high in self.d_high]
            high = [c.sub(q1, low) for low in self.d_low]
            return Box((q0, q1), (c.greatest(k0, *low), c.least(k1, *high)))
        d = (c.greatest(c.sub(q0, k1), *self.d_low), c.least(c.sub(q1, k0), *self.d_high))
        return Box((q0, q1), (k0, k1), d)
