"""What single conditions tell over a box: (some, hit, every), from the intervals of their parts.

`some`: not proved to hold nowhere. `hit`: proved to hold somewhere. `every`: proved everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

from maskc import ir
from maskc.bounds.ends import Interval, apart, ends_of_all, opposite
from maskc.bounds.interval import Intervals
from maskc.bounds.literals import Literals
from maskc.bounds.residue import count_in
from maskc.ir import FALSE, TRUE, Const, Node, Op
from maskc.passes import construct as c
from maskc.passes.linear import written

Reading = tuple[Node, Node, Node]

UNKNOWN: Reading = (TRUE, FALSE, FALSE)


def read(node: Node, positive: bool, reader: Intervals, literals: Literals) -> Reading:
    """Read a comparison, `is_pow2` or a bool tensor entry, or its negation."""
    if isinstance(node, Op) and node.name in ir.COMPARISONS:
        a, b = node.args
        if not c.is_int(a):
            return _floats(node, positive, reader)
        if node.name in ("eq", "ne"):
            equal = positive == (node.name == "eq")
            return _equal(a, b, equal, reader, literals)
        if not positive:
            a, b = b, a
        strict = positive == (node.name == "lt")
        return _below(reader(a), reader(b), c.lt if strict else c.le)
    if isinstance(node, Op) and node.name == "is_pow2":
        return _power(reader(node.args[0]), positive)
    if isinstance(node, ir.Load):
        return _entry(node, positive, reader)
    return UNKNOWN


def in_range(x: Interval, low: Node | None, high: Node | None) -> Reading:
    """Read `low <= x <= high`; None is no bound."""
    some = c.both(
        TRUE if low is None or x.high is None else c.le(low, x.high),
        TRUE if high is None or x.low is None else c.le(x.low, high),
        TRUE if low is None or high is None else c.le(low, high),
    )
    every = c.both(*(_within(end, low, high) for end in (x.low, x.high)))
    taken = c.both(x.ends, x.filled)
    if taken == TRUE or (x.ends == TRUE and (low is None or high is None)):
        return some, some, every
    if low is None or high is None:
        return some, c.either(c.both(x.ends, some), every), every
    ends = c.both(x.ends, c.either(*(_within(end, low, high) for end in (x.low, x.high))))
    return some, c.either(c.both(taken, some), ends, every), every


def _within(end: Node | None, low: Node | None, high: Node | None) -> Node:
    if end is None:
        return FALSE
    above = TRUE if low is None else c.le(low, end)
    return c.both(above, TRUE if high is None else c.le(end, high))


def tallied(t: Interval, body: Node, positive: bool, literals: Literals) -> Reading:
    """Read a term of one variable over its exact range, by counting where it holds."""
    assert t.low is not None and t.high is not None, "a box has both ends"
    count = count_in(body, t.low, t.high, literals)
    if count is None:
        count = ir.Tally(body, t.low, t.high)
    size = c.add(c.sub(t.high, t.low), Const(1))
    if positive:
        some = c.lt(Const(0), count)
        return some, some, c.eq(count, size)
    some = c.lt(count, size)
    return some, some, c.eq(count, Const(0))


def folded(node: ir.Fold, exists: bool, body: Reading) -> Reading:
    """Read a quantifier from the reading of its body (or of the body's negation)."""

    def over(part: Node, kind: str) -> Node:
        if kind == "all":
            return c.negate(over(c.negate(part), "any"))
        if part == FALSE:
            return part
        return ir.Fold(kind, node.variable, node.low, node.high, part)

    some, hit, every = body
    if exists:
        return over(some, "any"), over(hit, "any"), over(every, "any")
    every = over(every, "all")
    return over(some, "all"), every, every


def _below(a: Interval, b: Interval, compare: Callable[[Node, Node], Node]) -> Reading:
    some = TRUE if a.low is None or b.high is None else compare(a.low, b.high)
    every = FALSE if a.high is None or b.low is None else compare(a.high, b.low)
    joint = ends_of_all(a, opposite(b))
    if joint == TRUE:
        return some, some, every
    return some, c.either(c.both(joint, some), every), every


def _equal(a: Node, b: Node, equal: bool, reader: Intervals, literals: Literals) -> Reading:
    x, y = reader(a), reader(b)
    if not apart(x, y):
        difference = written(literals.sum_of(a).plus(literals.sum_of(b), -1))
        d = reader(difference)
        some, hit, every = in_range(d, Const(0), Const(0))
        return (some, hit, every) if equal else _differ(some, hit, every, d.ends)
    if x.bounded is None or y.bounded is None:
        return UNKNOWN
    (x_low, x_high), (y_low, y_high) = x.bounded, y.bounded
    some = c.both(c.le(x_low, y_high), c.le(y_low, x_high))
    every = c.both(c.eq(x_low, x_high), c.eq(y_low, y_high), c.eq(x_low, y_low))
    if not equal:
        return _differ(some, every, every, c.both(x.ends, y.ends))
    full = c.both(x.ends, y.ends, x.filled, y.filled, some)
    if full == some:
        return some, some, every
    meets = [
        c.both(one.filled, _within(end, one.low, one.high))
        for one, other in ((x, y), (y, x))
        for end in ((other.low,) if other.value is not None else (other.low, other.high))
    ]
    if TRUE not in (x.filled, y.filled):
        meets += [c.eq(e, f) for e in x.bounded for f in y.bounded]
    hit = c.either(full, c.both(x.ends, y.ends, c.either(*meets)))
    return some, hit if c.both(x.ends, y.ends) == TRUE else c.either(hit, every), every


def _differ(some: Node, hit: Node, every: Node, ends: Node) -> Reading:
    """The reading of `a != b` from that of `a == b`."""
    differs = c.negate(every)
    never = c.negate(some)
    return differs, differs if ends == TRUE else c.either(c.both(ends, differs), never), never


def _power(x: Interval, positive: bool) -> Reading:
    if x.low is None or x.high is None:
        return UNKNOWN
    greatest = c.operation("pow2", (c.operation("log2", (x.high,)),))
    some = c.both(c.lt(Const(0), x.high), c.le(x.low, greatest))
    single = c.both(c.eq(x.low, x.high), c.operation("is_pow2", (x.low,)))
    every = c.either(single, c.both(c.lt(Const(0), x.low), c.le(x.high, Const(2))))
    exact = c.both(x.ends, x.filled)
    if positive:
        at_end = c.either(*(c.operation("is_pow2", (end,)) for end in (x.low, x.high)))
        hit = some if exact == TRUE else c.either(c.both(exact, some), c.both(x.ends, at_end))
        return some, hit, every
    differs, never = c.negate(every), c.negate(some)
    return differs, differs if exact == TRUE else c.either(c.both(exact, differs), never), never


def _entry(node: ir.Load, positive: bool, reader: Intervals) -> Reading:
    x = reader(node)
    if x.bounded is None:
        return UNKNOWN
    every, some = x.bounded
    if not positive:
        every, some = c.negate(some), c.negate(every)
    return some, some if x.ends == TRUE else c.either(c.both(x.ends, some), every), every


def _floats(node: Op, positive: bool, reader: Intervals) -> Reading:
    """Compare floats: NaN compares false, so only what is proved of both ends is used."""
    a, b = (reader(arg) for arg in node.args)
    if a.bounded is None or b.bounded is None:
        return UNKNOWN
    (a_low, a_high), (b_low, b_high) = a.bounded, b.bounded
    if node.name in ("eq", "ne"):
        differ = c.either(Op("lt", (a_high, b_low)), Op("lt", (b_high, a_low)))
        if positive == (node.name == "ne"):
            return TRUE, differ, differ
        return c.negate(differ), FALSE, FALSE
    opposite_of = {"lt": "le", "le": "lt"}[node.name]
    every: Node = Op(node.name, (a_high, b_low))
    never: Node = Op(opposite_of, (b_high, a_low))
    if not positive:
        every, never = never, every
    return c.negate(never), every, every
