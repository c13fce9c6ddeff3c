"""Where along the keys a mask may change, for a range of queries: hints where to split.

`k // 64 == hash(seed, q // 64) % n` is kept in one block of keys, which an equation gives at
once and halving would take thirteen steps to find. A cut only tells where a rectangle is split:
what the parts hold is read, so a cut too many or too few costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from maskc import ir
from maskc.analysis import K, Q, atoms
from maskc.bounds.ends import Interval, side
from maskc.bounds.interval import Intervals
from maskc.bounds.literals import SIDES
from maskc.bounds.rectangle import Rectangles
from maskc.ir import FALSE, TRUE, Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.linear import Linear, normalise, written
from maskc.passes.substitute import substitute

LOOP = Var("loop:index")
ONE = Const(1)


@dataclass(frozen=True, slots=True)
class Cuts:
    """Keys where the mask may change over queries q0..q1, for each value of LOOP in low..high.

    `keys`: int nodes over `q0`, `q1` and LOOP. `low`, `high`: half-open, one value for a call.
    """

    keys: tuple[Node, ...]
    low: Node
    high: Node


def cuts(
    mask: Node, known: Mapping[str, tuple[int | None, int | None]] | None = None
) -> tuple[Cuts, ...]:
    """The cuts of a mask: those outside quantifiers, and those of each quantifier.

    Example:
        >>> (found,) = cuts(Op("eq", (K, Q)))
        >>> len(found.keys)
        2

    """
    (mask,) = normalise(mask)
    solver = _Solver(Rectangles(known or {}))
    plain: dict[Node, None] = {}
    found = []
    for atom in atoms(mask):
        if not isinstance(atom, ir.Fold):
            plain.update(dict.fromkeys(solver(atom)))
            continue
        body = substitute(atom.body, {Var(atom.variable): LOOP})
        inner = dict.fromkeys(key for part in atoms(body) for key in solver(part))
        if inner and not any(solver.varies(end) for end in (atom.low, atom.high)):
            found.append(Cuts(tuple(inner), atom.low, atom.high))
    return (*([Cuts(tuple(plain), Const(0), ONE)] if plain else []), *found)


def key_borders(mask: Node, rectangles: Rectangles) -> tuple[Node, ...]:
    """Keys, of one value for a call, where a condition on the key alone may change."""
    solver = _Solver(rectangles)
    alone = (atom for atom in atoms(mask) if "q" not in solver.names(atom))
    borders = dict.fromkeys(key for atom in alone for key in solver(atom))
    return tuple(key for key in borders if not solver.varies(key))


class _Solver:
    def __init__(self, rectangles: Rectangles) -> None:
        self.rectangles = rectangles
        self.names = rectangles.names
        box: dict[Node, Interval] = {Q: side("q", Var("q0"), Var("q1"))}
        self.reader = Intervals(box, lambda node: (FALSE, TRUE), self.names, signs=rectangles.signs)

    def __call__(self, atom: Node) -> Iterator[Node]:
        """The keys where a comparison changes over q0..q1; none where it is not solved."""
        if (
            not isinstance(atom, Op)
            or atom.name not in ir.COMPARISONS
            or not c.is_int(atom.args[0])
        ):
            return
        literals = self.rectangles.literals
        a, b = (literals.sum_of(arg) for arg in atom.args)
        total = a.plus(b, -1)
        if atom.name == "lt":
            total = total.plus(Linear((), 1))
        of_key = [(node, n) for node, n in total.terms if "k" in self.names(node)]
        if len(of_key) != 1 or abs(of_key[0][1]) != 1:
            return
        ((form, n),) = of_key
        size = self._size(form)
        if size is None:
            return
        rest = Linear(tuple(x for x in total.terms if x[0] != form), total.constant)
        value = self.reader(written(rest.times(-n)))
        low, high = value.low, value.high
        if low is None or high is None or self._looks_up(low) or self._looks_up(high):
            return
        if atom.name in ("eq", "ne"):
            steps = low, c.add(high, ONE)
        elif n > 0:
            steps = c.add(low, ONE), c.add(high, ONE)
        else:
            steps = low, high
        for step in steps:
            yield c.mul(step, size)

    def varies(self, node: Node) -> bool:
        """Whether the node is not one Python number for a call."""
        fixed = SIDES | {*ir.SLICE}
        return any(
            name in fixed or name.startswith(("loop:", "tensor:")) for name in self.names(node)
        )

    def _size(self, form: Node) -> Node | None:
        """How many keys share one value of the form, for `k` and `k // size`."""
        if form == K:
            return ONE
        if not isinstance(form, Op) or form.name != "floordiv" or form.args[0] != K:
            return None
        size = form.args[1]
        return None if self.varies(size) else size

    @staticmethod
    def _looks_up(node: Node) -> bool:
        return any(isinstance(x, (*ir.BINDERS, ir.Extreme)) for x in ir.postorder(node))
