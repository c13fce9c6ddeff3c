"""Interval arithmetic: the ends of an operation's value from those of its arguments.

What is exact, given that every range of the box is exact:

- `low`, `high` are taken by some pair where `ends` holds. Sums, differences and other monotone
  operations keep that where their parts either share no position or move the same way in it.
- Every int between is taken too where `filled` holds. Kept by sums of parts without a shared
  position, by floor division by one value, `abs`, `min`, `max`, `log2`.
- `x % b`: the range of x inside one period is moved; one that straddles is 0..b-1. Both exact where
  x is filled.
- Hashes, bit operations and `popcount` are exact where every argument is one value; else they
  have the whole range of the operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

from maskc.bounds.ends import (
    NONE,
    Interval,
    apart,
    changed,
    ends_of_all,
    one_varies,
    opposite,
    trends,
)
from maskc.ir import FALSE, Const, Node, Op
from maskc.passes import construct as c

ZERO, ONE = Const(0), Const(1)

Operation = Callable[[Op, list[Interval]], Interval]
"""The interval of an operation from those of its arguments."""


def of_all(pick: Callable[..., Node], ends: list[Node | None]) -> Node | None:
    """What `pick` makes of the ends; None where one of them is not known."""
    known = [end for end in ends if end is not None]
    return pick(*known) if len(known) == len(ends) else None


def _of_any(pick: Callable[..., Node], ends: list[Node | None]) -> Node | None:
    known = [end for end in ends if end is not None]
    return pick(*known) if known else None


def unbounded(
    varying: frozenset[str], low: Node | None = None, high: Node | None = None
) -> Interval:
    """An interval of which at most one end is known, and not to be taken."""
    return Interval(low, high, varying, ends=FALSE, filled=FALSE)


def _add(node: Op, parts: list[Interval]) -> Interval:
    lows, highs = [p.low for p in parts], [p.high for p in parts]
    low, high = of_all(c.add, lows), of_all(c.add, highs)
    return Interval(low, high, *trends(parts), ends_of_all(*parts), _sum_filled(parts))


def _sum_filled(parts: list[Interval]) -> Node:
    """Steps of one part must not outrun the width of the others; multiples come from `_mul`."""
    if apart(*parts):
        return c.both(*(p.filled for p in parts))
    return one_varies(*((p, p.filled) for p in parts))


def _sub(node: Op, parts: list[Interval]) -> Interval:
    a, b = parts
    whole = _add(node, [a, opposite(b)])
    if apart(a, b) and a.bounded and b.step and c.is_int(node):
        factor, filled = b.step
        low, high = a.bounded
        reach = c.both(filled, c.le(c.sub(factor, ONE), c.sub(high, low)))
        return changed(whole, filled=c.both(a.filled, c.either(b.filled, reach)))
    return whole


def _neg(node: Op, parts: list[Interval]) -> Interval:
    return opposite(parts[0])


def _mul(node: Op, parts: list[Interval]) -> Interval:
    if len(parts) == 2 and node.args[0] == node.args[1]:
        return _square(parts[0])
    return reduce(_product, parts)


def _square(a: Interval) -> Interval:
    size = _magnitude(a)
    if size.low is None or size.high is None:
        return unbounded(a.varying, ZERO)
    low, high = c.mul(size.low, size.low), c.mul(size.high, size.high)
    return changed(size, low=low, high=high, filled=size.one)


def _product(a: Interval, b: Interval) -> Interval:
    if not a.varying:
        a, b = b, a
    varying = a.varying | b.varying
    if b.varying or b.low is None:
        return _corners(a, b, varying)
    factor = b.low
    if isinstance(factor, Const) or b.at_least(0):
        is_unit = isinstance(factor, Const) and abs(factor.value) <= 1
        scaled = changed(
            a,
            low=None if a.low is None else c.mul(a.low, factor),
            high=None if a.high is None else c.mul(a.high, factor),
            filled=a.filled if is_unit else a.one,
            step=(c.operation("abs", (factor,)), a.filled),
        )
        if b.at_least(0) or (isinstance(factor, Const) and factor.value >= 0):
            return scaled
        return replace(scaled, low=scaled.high, high=scaled.low, rising=a.falling, falling=a.rising)
    return _corners(a, b, varying)


def _corners(a: Interval, b: Interval, varying: frozenset[str]) -> Interval:
    if a.bounded is None or b.bounded is None:
        return unbounded(varying, ZERO if a.at_least(0) and b.at_least(0) else None)
    products = list(dict.fromkeys(c.mul(x, y) for x in a.bounded for y in b.bounded))
    low, high = c.least(*products), c.greatest(*products)
    taken = c.both(a.ends, b.ends) if apart(a, b) else FALSE
    return Interval(low, high, varying, ends=taken, filled=c.both(taken, c.eq(low, high)))


def _extreme(pick: Callable[..., Node], low_known: bool) -> Operation:
    def read(node: Op, parts: list[Interval]) -> Interval:
        lows, highs = [p.low for p in parts], [p.high for p in parts]
        if low_known:
            low, high = _of_any(pick, lows), of_all(pick, highs)
        else:
            low, high = of_all(pick, lows), _of_any(pick, highs)
        ends = FALSE if None in lows or None in highs else ends_of_all(*parts)
        filled = c.both(*(p.filled for p in parts)) if apart(*parts) else FALSE
        return Interval(low, high, *trends(parts), ends, filled)

    return read


def _abs(node: Op, parts: list[Interval]) -> Interval:
    return _magnitude(parts[0])


def _magnitude(a: Interval) -> Interval:
    if a.at_least(0):
        return a
    if a.low is None or a.high is None:
        return unbounded(a.varying, ZERO)
    low = c.greatest(a.low, c.neg(a.high), ZERO)
    high = c.greatest(c.neg(a.low), a.high)
    aside = c.either(c.le(ZERO, a.low), c.le(a.high, ZERO), a.filled)
    return Interval(low, high, a.varying, ends=c.both(a.ends, aside), filled=a.filled)


def _monotone(name: str, filled: bool = True) -> Operation:
    def read(node: Op, parts: list[Interval]) -> Interval:
        (a,) = parts
        low, high = (None if end is None else c.operation(name, (end,)) for end in (a.low, a.high))
        return changed(a, low=low, high=high, filled=a.filled if filled else a.one)

    return read


def _floordiv(node: Op, parts: list[Interval]) -> Interval:
    a, b = parts
    if b.varying or b.low is None:
        return _or_by_one(_floordiv, node, parts, _varying_division(a, b))
    varying, rising, falling = trends([a, b])
    divisor = b.low
    low, high = (None if end is None else c.floordiv(end, divisor) for end in (a.low, a.high))
    if b.at_least(1):
        return Interval(low, high, varying, rising, falling, a.ends, a.filled)
    if low is None or high is None:
        return unbounded(varying)
    return Interval(
        c.least(low, high), c.greatest(low, high), varying, ends=a.ends, filled=a.filled
    )


def _varying_division(a: Interval, b: Interval) -> Interval:
    """Of a by something that positions change: at the corners where its sign is known.

    By 0 it is 0, which is a value of its own where the divisor may be 0.
    """
    varying = a.varying | b.varying
    if a.bounded is None:
        low = ZERO if b.at_least(0) and a.at_least(0) else None
        high = ZERO if b.at_least(0) and a.high == ZERO else None
        return unbounded(varying, low, high)
    low, high = a.bounded
    if b.bounded is None or not b.at_least(0):
        size = c.greatest(c.neg(low), high, ZERO)
        return Interval(c.neg(size), size, varying, ends=FALSE, filled=FALSE)
    divisors = tuple(dict.fromkeys(c.greatest(end, ONE) for end in b.bounded))
    least = c.least(*(c.floordiv(low, x) for x in divisors))
    most = c.greatest(*(c.floordiv(high, x) for x in divisors))
    if not b.at_least(1):
        positive = c.le(ONE, b.bounded[0])
        least = c.select(positive, least, c.least(least, ZERO))
        most = c.select(positive, most, c.greatest(most, ZERO))
    return unbounded(varying, least, most)


def _mod(node: Op, parts: list[Interval]) -> Interval:
    a, b = parts
    varying = a.varying | b.varying
    least = ZERO if b.at_least(0) else of_all(lambda end: c.least(c.add(end, ONE), ZERO), [b.low])
    most = of_all(lambda end: c.greatest(c.sub(end, ONE), ZERO), [b.high])
    if b.varying or b.low is None or least is None or most is None or a.bounded is None:
        if most is None and b.at_least(1) and a.at_least(0):
            most = a.high
        return _or_by_one(_mod, node, parts, unbounded(varying, least, most))
    low, high = a.bounded
    if a.value is not None:
        value = c.mod(a.value, b.low)
        low, high = c.select(a.ends, value, least), c.select(a.ends, value, most)
        return Interval(low, high, varying, ends=a.ends, filled=FALSE, value=value)
    same = c.eq(c.floordiv(low, b.low), c.floordiv(high, b.low))
    size = b.low if b.at_least(1) else c.operation("abs", (b.low,))
    long = c.le(c.sub(size, ONE), c.sub(high, low))
    return Interval(
        c.select(same, c.mod(low, b.low), least),
        c.select(same, c.mod(high, b.low), most),
        varying,
        ends=c.both(a.ends, c.either(a.filled, same)),
        filled=c.both(a.filled, c.either(same, long)),
    )


def _pow2(node: Op, parts: list[Interval]) -> Interval:
    (a,) = parts
    if a.low is None or a.high is None:
        return Interval(ZERO, Const(2**62), a.varying, ends=FALSE, filled=FALSE)
    inside = c.both(c.le(ZERO, a.low), c.le(a.high, Const(62)))
    low = c.select(inside, c.operation("pow2", (a.low,)), ZERO)
    high = c.operation("pow2", (c.least(a.high, Const(62)),))
    ends = c.both(a.ends, inside)
    filled = c.both(ends, c.eq(low, high))
    return Interval(low, high, a.varying, ends=ends, filled=filled, least=0)


def _shift(node: Op, parts: list[Interval]) -> Interval:
    """`a << b` is `a * pow2(b)`, `a >> b` is `a // pow2(b)`; both 0 where pow2 is."""
    a, b = parts
    if not b.varying and b.low is not None:
        power = c.operation("pow2", (b.low,))
        factor = Interval(power, power)
        return _product(a, factor) if node.name == "shl" else _floordiv(node, [a, factor])
    if node.name == "shl":
        return _product(a, _pow2(node, [b]))
    return _varying_shift(a, b)


def _varying_shift(a: Interval, b: Interval) -> Interval:
    """`a >> b`: it lies between a and 0 or -1, and moves one way in each where b >= 0."""
    varying = a.varying | b.varying
    if a.bounded is None or b.bounded is None:
        return unbounded(varying, ZERO if a.at_least(0) else None)
    inside = c.le(ZERO, b.bounded[0])
    corners = [
        [c.operation("shr", (end, by)) for by in dict.fromkeys(b.bounded)] for end in a.bounded
    ]
    low, high = c.least(*corners[0]), c.greatest(*corners[1])
    falls = not a.varying and a.at_least(0) and b.at_least(0)
    return Interval(
        c.select(inside, low, c.least(a.bounded[0], ZERO)),
        c.select(inside, high, c.greatest(a.bounded[1], ZERO)),
        varying,
        b.falling if falls else NONE,
        b.rising if falls else NONE,
        c.both(inside, a.ends, b.ends) if apart(a, b) else FALSE,
        FALSE,
    )


def _opaque(bound: Callable[[list[Interval]], tuple[Node | None, Node | None]]) -> Operation:
    """Exact where every argument is one value, else within `bound`."""

    def read(node: Op, parts: list[Interval]) -> Interval:
        varying = NONE.union(*(p.varying for p in parts))
        low, high = bound(parts)
        single = c.both(*(p.one for p in parts))
        lows = tuple(p.low for p in parts if p.low is not None)
        bounded = low is not None and high is not None and len(lows) == len(parts)
        if single == FALSE or not bounded or all(p.ends == FALSE for p in parts):
            return Interval(low, high, varying, ends=FALSE, filled=FALSE)
        assert low is not None, "both ends are known here"
        assert high is not None, "both ends are known here"
        exact = c.operation(node.name, lows)
        return Interval(
            c.select(single, exact, low),
            c.select(single, exact, high),
            varying,
            ends=single,
            filled=FALSE,
            value=exact,
        )

    return read


def _or_by_one(read: Operation, node: Op, parts: list[Interval], loose: Interval) -> Interval:
    """The reading by a divisor of one value where it is one, else the loose one."""
    a, b = parts
    if not b.varying or b.low is None or b.one == FALSE or loose.bounded is None:
        return loose
    fixed = read(node, [a, Interval(b.low, b.low, least=b.least)])
    if fixed.bounded is None:
        return loose
    low, high = (c.select(b.one, *both) for both in zip(fixed.bounded, loose.bounded, strict=True))
    single = a.one if a.value is None else a.ends
    return Interval(
        *(low, high, loose.varying),
        ends=c.both(b.one, c.either(fixed.ends, single)),
        filled=c.both(b.one, c.either(fixed.filled, single)),
    )


def _bits(parts: list[Interval]) -> tuple[Node | None, Node | None]:
    if any(p.bounded is None for p in parts):
        return None, None
    ends = [end for p in parts for end in p.bounded or ()]
    size = c.greatest(*(c.operation("abs", (end,)) for end in dict.fromkeys(ends)))
    top = c.add(c.mul(size, Const(2)), ONE)
    if all(p.at_least(0) for p in parts):
        return ZERO, top
    return c.neg(top), top


def _bit_and(parts: list[Interval]) -> tuple[Node | None, Node | None]:
    for p in parts:
        if p.at_least(0) and p.high is not None:
            return ZERO, p.high
    return _bits(parts)


def _to_float(node: Op, parts: list[Interval]) -> Interval:
    (a,) = parts
    low, high = (None if e is None else Op("to_float", (e,)) for e in (a.low, a.high))
    return changed(a, low=low, high=high, filled=FALSE)


def _masked(node: Op, parts: list[Interval]) -> Interval:
    """The last bits of a value are its remainder by a power of two."""
    for bits, rest in zip(node.args, reversed(parts), strict=True):
        power = int(bits.value) + 1 if isinstance(bits, Const) else 0
        if 0 < power < 2**62 and not power & (power - 1):
            return _mod(node, [rest, Interval(Const(power), Const(power))])
    return _opaque(_bit_and)(node, parts)


READ: dict[str, Operation] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "neg": _neg,
    "min": _extreme(c.least, low_known=False),
    "max": _extreme(c.greatest, low_known=True),
    "abs": _abs,
    "sign": _monotone("sign"),
    "log2": _monotone("log2"),
    "floordiv": _floordiv,
    "mod": _mod,
    "shl": _shift,
    "shr": _shift,
    "pow2": _pow2,
    "popcount": _opaque(lambda parts: (ZERO, Const(64))),
    "hash": _opaque(lambda parts: (ZERO, Const(2**32 - 1))),
    "bit_and": _masked,
    "bit_or": _opaque(_bits),
    "bit_xor": _opaque(_bits),
    "to_float": _to_float,
}
