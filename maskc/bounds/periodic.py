"""Where a mask repeats: rectangles in which it depends on residues of the positions alone.

`k % 128 >= 124` is mixed in every tile; reading each of a million tiles to see that is waste. Where
all other conditions are constant over a rectangle, tiles that are multiples of the period hold the
same mask, and one stands for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maskc import ir
from maskc.analysis import K, Q, atoms, dependence
from maskc.bounds.rectangle import Rectangles
from maskc.ir import Node, Op
from maskc.passes import construct as c
from maskc.passes.linear import linear, normalise

SIDES = frozenset({"q", "k"})
VARYING = SIDES | {"batch", "head", "kv_head", "t"}
"""What may not be in a modulus: it has one value for a whole call."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """How a mask repeats.

    `uniform`: a bool over the corners `q0 q1 k0 k1`: inside the rectangle the mask is proved to
    depend on the residues of q and k by the common multiple of `moduli` alone. `moduli`: int nodes
    of one value for a call, each once; 0 makes its residues constant.
    """

    uniform: Node
    moduli: tuple[Node, ...]


def repetition(
    mask: Node, known: Mapping[str, tuple[int | None, int | None]] | None = None
) -> Repetition | None:
    """How the mask repeats, or None where nothing in it is periodic.

    Example:
        >>> found = repetition(Op("eq", (Op("mod", (K, ir.Const(8))), ir.Const(0))))
        >>> found.moduli
        (Const(value=8),)

    """
    (mask,) = normalise(mask)
    periods = _Periods(mask)
    moduli: dict[Node, None] = {}
    others: list[Node] = []
    for atom in atoms(mask):
        found = periods(atom)
        if found is None:
            others.append(atom)
        else:
            moduli.update(dict.fromkeys(found))
    if not moduli:
        return None
    rectangles = Rectangles(known or {})
    constant = []
    for atom in others:
        some, _ = rectangles.found(atom)
        dropped, _ = rectangles.found(atom, positive=False)
        constant.append(c.either(c.negate(some), c.negate(dropped)))
    return Repetition(c.both(ir.TRUE, *constant), tuple(moduli))


class _Periods:
    """The moduli by which a node depends on positions; None where it depends otherwise."""

    def __init__(self, mask: Node) -> None:
        self.names = dependence()
        self._sums = linear(mask)
        self._known: dict[Node, frozenset[Node] | None] = {}
        for node in ir.postorder(mask):
            self._known[node] = self._of(node)

    def __call__(self, node: Node) -> tuple[Node, ...] | None:
        """The moduli in an order that does not change, or None."""
        found = self._known[node]
        return None if found is None else tuple(sorted(found, key=repr))

    def _of(self, node: Node) -> frozenset[Node] | None:
        if not self.names(node) & SIDES:
            return frozenset()
        if isinstance(node, Op) and node.name == "mod":
            inside, modulus = node.args
            of_sum = self._sums[inside].terms
            shifts = all(x in (Q, K) or not self.names(x) & SIDES for x, _ in of_sum)
            if shifts and self._is_of_call(modulus):
                return frozenset({modulus})
        parts = [self._known[child] for child in ir.children(node)]
        if not parts or isinstance(node, ir.BINDERS):
            return None
        found: frozenset[Node] = frozenset()
        for part in parts:
            if part is None:
                return None
            found |= part
        return found

    def _is_of_call(self, modulus: Node) -> bool:
        """Whether a modulus is made of numbers of the call: what a layer's table holds is data."""
        made_of = (ir.Const, ir.Var, ir.Param, Op)
        numbers = all(isinstance(node, made_of) for node in ir.postorder(modulus))
        return numbers and not self.names(modulus) & VARYING
