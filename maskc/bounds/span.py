"""How large the integers of a call can grow."""

from __future__ import annotations

from collections.abc import Iterable

from maskc import ir
from maskc.analysis import K, Q, dependence
from maskc.bounds.ends import Interval, side
from maskc.bounds.interval import Intervals
from maskc.ir import FALSE, TRUE, Const, Node, Op, Var
from maskc.passes import construct as c

GROWING = ("add", "sub", "mul", "shl", "pow2", "popcount", "hash", "bit_or", "bit_xor", "bit_and")
"""Operations whose value can be larger than each of their arguments."""

LARGE = Const(2**62)
"""From here on a value may be too large for 64 bits."""

COUNTS = frozenset({"q0", "q1", "k0", "k1", *ir.UNIFORM})
"""Positions and lengths, which are far below LARGE."""

UNBOUNDED = Const(2**63)
"""Stands for a part whose size is not known: no back end holds it."""

WIDEST = 2**63 - 1
"""As large as a literal counts: -2^63 fits in 64 bits though 2^63 does not."""


def span(*roots: Node, reading: Iterable[Node] = ()) -> Node:
    """The greatest absolute value that any int part takes in a call, as an int expression.

    It is over the corners `q0 q1 k0 k1` (inclusive) of the whole call, over lengths, scalar
    parameters and the extremes of whole tensors (`least:NAME`, `greatest:NAME`). The rectangle
    `reading` of the same mask counts only where it is too large for 64 bits: it is never read in
    fewer, and its values can be larger than the mask's.
    """
    sizes, others = _sizes(roots), _sizes(tuple(reading))
    size = c.greatest(Const(1), *sizes)
    rest = [x for x in others if x not in sizes and not _is_count(x)]
    if not rest:
        return size
    other = c.greatest(*rest)
    return c.greatest(size, c.select(c.le(LARGE, other), other, Const(0)))


def _is_count(node: Node) -> bool:
    """Whether the node is a sum of positions, lengths and small constants: far below LARGE."""
    return all(
        part.name in COUNTS
        if isinstance(part, Var)
        else abs(part.value) < 2**32
        if isinstance(part, Const)
        else isinstance(part, Op) and part.name in ("add", "sub", "neg", "abs", "min", "max")
        for part in ir.postorder(node)
    )


def _sizes(roots: tuple[Node, ...]) -> dict[Node, None]:
    """The absolute values of the ends of every int part that can be larger than its own parts."""
    sizes: dict[Node, None] = {}
    reader = _reader(roots)
    reduced = _reduced_hashes(roots)
    for node in ir.postorder(*roots):
        if node in reduced:
            continue
        if ir.type_of(node) is not ir.INT:
            continue
        if isinstance(node, Op) and node.name not in GROWING:
            continue
        if isinstance(node, Const):
            sizes[Const(min(abs(int(node.value)), WIDEST))] = None
            continue
        part = reader(node)
        if part.low is None or part.high is None:
            return {UNBOUNDED: None}
        for end in (part.low, part.high):
            sizes[c.operation("abs", (end,))] = None
    return sizes


def _reduced_hashes(roots: Iterable[Node]) -> set[Node]:
    """Hashes that only their remainders are used of: back ends keep those in 32 unsigned bits."""
    reduced: set[Node] = set()
    used: set[Node] = set()
    for node in ir.postorder(*roots):
        for i, part in enumerate(ir.children(node)):
            remainder = isinstance(node, Op) and node.name == "mod" and i == 0
            (reduced if remainder else used).add(part)
    return {node for node in reduced - used if isinstance(node, Op) and node.name == "hash"}


def _reader(roots: Iterable[Node]) -> Intervals:
    box: dict[Node, Interval] = {
        Q: side("q", Var("q0"), Var("q1")),
        K: side("k", Var("k0"), Var("k1")),
    }
    for name, count in (("batch", "batches"), ("head", "heads"), ("kv_head", "kv_heads")):
        box[Var(name)] = side(name, Const(0), c.sub(Var(count), Const(1)))
    low, high = c.sub(Var("q0"), Var("k1")), c.sub(Var("q1"), Var("k0"))
    box[Var("t")] = side(
        "t", c.least(low, Var("q0"), Var("k0")), c.greatest(high, Var("k1"), Var("q1"))
    )
    for name in ("q0", "q1"):
        box[Var(name)] = side(name, Var("q0"), Var("q1"))
    for name in ("k0", "k1"):
        box[Var(name)] = side(name, Var("k0"), Var("k1"))
    folds = [node for node in ir.postorder(*roots) if isinstance(node, ir.Fold)]
    names = dependence()
    for fold in reversed(folds):
        plain = Intervals(box, lambda node: (FALSE, TRUE), names, whole=True)
        low, high = plain(fold.low).low, plain(fold.high).high
        before = box.get(Var(fold.variable))
        high = None if high is None else c.sub(high, Const(1))
        if before is not None:
            low = None if low is None or before.low is None else c.least(low, before.low)
            high = None if high is None or before.high is None else c.greatest(high, before.high)
        box[Var(fold.variable)] = side(fold.variable, low, high)
    return Intervals(box, lambda node: (FALSE, TRUE), names, whole=True)
