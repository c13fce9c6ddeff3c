"""`Sight`: the names that a drawn expression may use."""

from __future__ import annotations

from dataclasses import dataclass, replace

from maskc.syntax import Expression
from maskc.testing.spaces import LINE, Ground, Guarded


@dataclass(frozen=True, slots=True)
class Sight:
    """The names that an expression may use.

    Each name stands with what it is worth: `numbers` are compile-time ints of any value, `sizes`
    those known to be >= 1 (tables included), `ends` sizes that may end a quantifier's range,
    `varying` ints that depend on the pair, `truths` bools, `factors` floats. `lists` are int lists,
    `tables` int tables over heads or layers, `documents` inputs indexed by a position on either
    side, `rows` and `columns` inputs indexed by `q` or by `k` alone, `flags` bool inputs along the
    keys, `measures` float inputs indexed by `k`, `functions` defs from one int to a bool.
    `features` are words of `maskc.testing.FEATURES`. `ground` is the space, `axes` and
    `coordinates` what exists of it behind guards that stand around. `loops`: how many variables of
    quantifiers are taken.
    """

    numbers: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    truths: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    features: frozenset[str] = frozenset()
    ground: Ground = LINE
    axes: tuple[str, ...] = ()
    coordinates: tuple[Expression, ...] = ()
    loops: int = 0

    def plus(self, **names: str) -> Sight:
        """The same with one more name in each of the given groups."""
        return replace(self, **{group: (*getattr(self, group), n) for group, n in names.items()})

    def within(self, part: Guarded) -> Sight:
        """The same behind the guard of a part of the space."""
        axes, coordinates = (*self.axes, *part.axes), (*self.coordinates, *part.coordinates)
        return replace(self, axes=axes, coordinates=coordinates)

    def elsewhere(self) -> Sight:
        """The same at other positions, where the guards around do not hold."""
        return replace(self, axes=(), coordinates=(), features=self.features - {"coarse"})


OUTSIDE = Sight(ground=Ground(axes=()))
"""What a def at the top of a file sees, for patterns of any space."""
