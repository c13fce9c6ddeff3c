"""One interval: the values that a node takes over a box, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from maskc.ir import FALSE, TRUE, Const, Node
from maskc.passes import construct as c

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Interval:
    """The values of a node over a box; None is an end that is not known.

    `varying`: the box variables it depends on. `rising`, `falling`: those it never decreases
    (increases) in. `ends`, `filled`: bools, when both ends (every int between) are really taken.
    `least`: a value that it is never below, in any call. `value`: of an operation without useful
    bounds, its value where `ends` holds, and only there are low and high more than its whole range.
    `step`: of a multiple, the size of its factor and whether what it multiplies is filled.
    """

    low: Node | None
    high: Node | None
    varying: frozenset[str] = NONE
    rising: frozenset[str] = NONE
    falling: frozenset[str] = NONE
    ends: Node = TRUE
    filled: Node = TRUE
    least: int | None = None
    value: Node | None = None
    step: tuple[Node, Node] | None = None

    @property
    def bounded(self) -> tuple[Node, Node] | None:
        """Both ends, where both are known."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def one(self) -> Node:
        """Whether low == high is known."""
        if not self.varying:
            return TRUE
        return FALSE if self.low is None or self.high is None else c.eq(self.low, self.high)

    def at_least(self, bound: int) -> bool:
        """Whether no value is ever below the bound."""
        if isinstance(self.low, Const) and self.low.value >= bound:
            return True
        return self.least is not None and self.least >= bound


def side(name: str, low: Node | None, high: Node | None) -> Interval:
    """A variable of the box, from low to high."""
    own = frozenset({name})
    known = Const(low is not None and high is not None)
    return Interval(low, high, own, own, NONE, known, known)


def apart(*parts: Interval) -> bool:
    """Whether no two parts depend on one position, so that their values combine freely."""
    return not any(a.varying & b.varying for a, b in combinations(parts, 2))


def together(*parts: Interval) -> bool:
    """Whether all parts can take their low ends at one pair, and their high ends at one pair."""
    for a, b in combinations(parts, 2):
        for name in a.varying & b.varying:
            both_rise = name in a.rising and name in b.rising
            both_fall = name in a.falling and name in b.falling
            if not (both_rise or both_fall):
                return False
    return True


def ends_of_all(*parts: Interval) -> Node:
    """Whether one pair is known where all parts take their low ends, and one for the high ends."""
    if together(*parts):
        return c.both(*(part.ends for part in parts))
    return one_varies(*((part, part.ends) for part in parts))


def one_varies(*parts: tuple[Interval, Node]) -> Node:
    """Whether all parts but one are single values, and the condition beside that one holds."""
    ways = []
    for i, (_, holds) in enumerate(parts):
        ways.append(c.both(holds, *(part.one for j, (part, _) in enumerate(parts) if j != i)))
    return c.either(*ways)


def changed(a: Interval, **parts: Any) -> Interval:
    """The interval of another node of the same variables: what was known of its value is not."""
    return replace(a, **{"least": None, "value": None, "step": None, **parts})


def narrowed(a: Interval, low: Node | None, high: Node | None) -> Interval:
    """The interval of those values that are in a range; taken where every value is."""
    if a.low is not None and low is not None:
        low = c.greatest(a.low, low)
    if a.high is not None and high is not None:
        high = c.least(a.high, high)
    low, high = a.low if low is None else low, a.high if high is None else high
    exists = FALSE if low is None or high is None else c.le(low, high)
    taken = c.both(a.ends, a.filled, exists)
    return changed(a, low=low, high=high, rising=NONE, falling=NONE, ends=taken, filled=taken)


def opposite(a: Interval) -> Interval:
    """The interval of -x, and the trends of anything that falls where x rises."""
    low = None if a.high is None else c.neg(a.high)
    high = None if a.low is None else c.neg(a.low)
    return changed(a, low=low, high=high, rising=a.falling, falling=a.rising, step=a.step)


def moves(name: str, way: str, *parts: Interval) -> bool:
    """Whether every part moves one `way` ("rising" or "falling") in a variable, or not at all."""
    return all(name not in part.varying or name in getattr(part, way) for part in parts)


def trends(parts: list[Interval]) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """The variables of a monotone combination of parts, those it rises in, those it falls in."""
    varying = NONE.union(*(part.varying for part in parts))
    rising = frozenset(v for v in varying if moves(v, "rising", *parts))
    return varying, rising, frozenset(v for v in varying if moves(v, "falling", *parts))
