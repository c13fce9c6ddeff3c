"""How a layout is found and walked: the index map of its tiles and the side that is split first.

A tile is an index map, not necessarily neighbouring tokens. So far there is one map, `contiguous`;
residue classes and grid boxes are further kinds here, chosen by amplification (pairs computed /
pairs kept, which a layout's `explain` prints).
"""

from __future__ import annotations

from dataclasses import dataclass

from maskc import ir
from maskc.analysis import analyse


@dataclass(frozen=True, slots=True)
class Schedule:
    """The walk of one pattern's layout.

    Attributes:
        pattern: the pattern's name.
        kind: the index map of a tile: "contiguous", token = BQ * tile + row.
        tile: default (BQ, BK), in tokens.
        slices: which of `batch head kv_head` have a layout class of their own.
        split: the side of a rectangle that is halved first: "both", "q" or "k".
        forms: how many terms of the mask depend on `q`, `k`, `q - k` ("d") alone, on both, on none.

    """

    pattern: str
    kind: str
    tile: tuple[int, int]
    slices: tuple[str, ...]
    split: str
    forms: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """The schedule as lines of `name  value`."""
        forms = ", ".join(f"{count} in {form}" for form, count in self.forms)
        rows = {
            "kind": self.kind,
            "tile": f"{self.tile[0]} x {self.tile[1]} tokens",
            "classes by": ", ".join(self.slices) or "nothing: one for all slices",
            "split first": {"both": "both sides at once"}.get(self.split, self.split),
            "terms": forms or "none",
        }
        return f"schedule of {self.pattern}\n" + "\n".join(
            f"  {name:<12} {value}" for name, value in rows.items()
        )


def schedule(pattern: ir.Pattern) -> Schedule:
    """The schedule of a pattern."""
    found = analyse(pattern.mask)
    kinds = [kind for kind, _ in found.terms]
    return Schedule(
        pattern=pattern.name,
        kind="contiguous",
        tile=(128, 128),
        slices=found.slices,
        split=found.split,
        forms=tuple((kind, kinds.count(kind)) for kind in dict.fromkeys(kinds)),
    )
