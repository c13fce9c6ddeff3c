"""How many t in a range have a residue in a range, in closed form: no table for `t % m == c`."""

from __future__ import annotations

from maskc.bounds.literals import Literals
from maskc.ir import Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.linear import Linear, written

T = Var("t")
ONE = Const(1)


def count_in(body: Node, low: Node, high: Node, literals: Literals) -> Node | None:
    """How many t in low..high (inclusive) meet `body`; None where it is no residue condition."""
    if not isinstance(body, Op) or body.name not in ("lt", "le", "eq", "ne"):
        return None
    a, b = body.args
    if not c.is_int(a):
        return None
    total = literals.sum_of(a).plus(literals.sum_of(b), -1)
    terms = {node: n for node, n in total.terms if "t" in literals.names(node)}
    if len(terms) != 1:
        return None
    ((residue, n),) = terms.items()
    if abs(n) != 1 or not isinstance(residue, Op) or residue.name != "mod":
        return None
    inside, size = residue.args
    if "t" in literals.names(size) or not literals.positive(size):
        return None
    moved = literals.sum_of(inside)
    factor = dict(moved.terms).get(T)
    shift = written(Linear(tuple(x for x in moved.terms if x[0] != T), moved.constant))
    if factor not in (1, -1) or "t" in literals.names(shift):
        return None
    if factor < 0:
        low, high = c.neg(high), c.neg(low)
    rest = Linear(tuple(x for x in total.terms if x[0] != residue), total.constant)
    value = written(rest.times(-1) if n > 0 else rest)
    first, last = c.add(low, shift), c.add(high, shift)
    if body.name in ("eq", "ne"):
        count = _equal(first, last, size, value, literals)
        return count if body.name == "eq" else c.sub(c.add(c.sub(high, low), ONE), count)
    if body.name == "lt":
        value = c.sub(value, ONE) if n > 0 else c.add(value, ONE)
    if n > 0:
        return _between(first, last, size, Const(0), value)
    return _between(first, last, size, value, c.sub(size, ONE))


def _equal(first: Node, last: Node, size: Node, value: Node, literals: Literals) -> Node:
    found = c.sub(
        c.floordiv(c.sub(last, value), size), c.floordiv(c.sub(c.sub(first, value), ONE), size)
    )
    if literals.at_least(value, 0) and literals.at_least(c.sub(size, value), 1):
        return found
    possible = c.both(c.le(Const(0), value), c.lt(value, size))
    return c.select(possible, found, Const(0))


def _between(first: Node, last: Node, size: Node, low: Node, high: Node) -> Node:
    low, high = c.greatest(low, Const(0)), c.least(high, c.sub(size, ONE))
    width = c.greatest(c.add(c.sub(high, low), ONE), Const(0))

    def up_to(x: Node) -> Node:
        return c.add(c.mul(c.floordiv(x, size), width), c.least(c.add(c.mod(x, size), ONE), width))

    return c.sub(up_to(c.sub(last, low)), up_to(c.sub(c.sub(first, low), ONE)))
