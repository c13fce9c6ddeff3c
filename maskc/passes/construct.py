"""Operations that simplify where they stand: one step of constant folding and algebra each.

Each function returns a node with the value of the operation it is named after (`every value of
every variable`, floats apart from the sign of zero), so that whatever is built through them is
already small. `maskc.passes.simplify` is the same over a whole tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from maskc import ir, points
from maskc.ir import FALSE, TRUE, Const, Node, Op

WIDEST = 2**63
"""Constants at or beyond this magnitude are left unfolded: no back end could hold them."""

MOST_ABSORBED = 24
"""Operands of `and` and `or` among which those that others make idle are looked for."""

MOST_FLAT = 256
"""Operands up to which nested `and`, `or`, `add`, `min`, `max` become one node."""

MOST_FACTORS = 16
"""Factors up to which nested products become one: what products share is written once."""


def operation(name: str, args: tuple[Node, ...]) -> Node:
    """`Op(name, args)`, or a simpler node with the same value."""
    if all(isinstance(a, Const) for a in args):
        folded = _fold(name, args)
        if folded is not None:
            return folded
    simpler = _SIMPLER.get(name)
    return Op(name, args) if simpler is None else simpler(args)


def add(*args: Node) -> Node:
    """The sum of any number of ints or floats."""
    return operation("add", args) if len(args) != 1 else args[0]


def sub(a: Node, b: Node) -> Node:
    """The difference a - b."""
    return operation("sub", (a, b))


def mul(*args: Node) -> Node:
    """The product of any number of ints or floats."""
    return operation("mul", args) if len(args) != 1 else args[0]


def neg(a: Node) -> Node:
    """The negative of a."""
    return operation("neg", (a,))


def least(*args: Node) -> Node:
    """The minimum."""
    return operation("min", args) if len(args) != 1 else args[0]


def greatest(*args: Node) -> Node:
    """The maximum."""
    return operation("max", args) if len(args) != 1 else args[0]


def floordiv(a: Node, b: Node) -> Node:
    """The floor of a / b; 0 where b is 0."""
    return operation("floordiv", (a, b))


def mod(a: Node, b: Node) -> Node:
    """The remainder with the sign of b; 0 where b is 0."""
    return operation("mod", (a, b))


def lt(a: Node, b: Node) -> Node:
    """Whether a < b."""
    return operation("lt", (a, b))


def le(a: Node, b: Node) -> Node:
    """Whether a <= b."""
    return operation("le", (a, b))


def eq(a: Node, b: Node) -> Node:
    """Whether a == b."""
    return operation("eq", (a, b))


def both(*args: Node) -> Node:
    """Whether all are true; true of none."""
    return _junction("and", args)


def either(*args: Node) -> Node:
    """Whether any is true; false of none."""
    return _junction("or", args)


def negate(a: Node) -> Node:
    """Whether a is false."""
    return operation("not", (a,))


def select(condition: Node, a: Node, b: Node) -> Node:
    """The value of a where the condition holds, else of b."""
    return operation("select", (condition, a, b))


def is_int(node: Node) -> bool:
    """Whether the node's value is an exact integer."""
    return ir.type_of(node) is ir.INT


def _fold(name: str, args: tuple[Node, ...]) -> Node | None:
    values = [a.value for a in args if isinstance(a, Const)]
    value = points.apply(name, values)
    if isinstance(value, float):
        return Const(value) if math.isfinite(value) else None
    return Const(value) if isinstance(value, bool) or abs(value) < WIDEST else None


def _flat(name: str, args: tuple[Node, ...], most: int = MOST_FLAT) -> list[Node]:
    flat: list[Node] = []
    for arg in args:
        if isinstance(arg, Op) and arg.name == name and len(arg.args) <= most:
            flat.extend(arg.args)
        else:
            flat.append(arg)
    return flat if len(flat) <= most else list(args)


def _add(args: tuple[Node, ...]) -> Node:
    if not is_int(args[0]):
        return Op("add", args)
    flat = []
    for arg in _flat("add", args):
        if isinstance(arg, Op) and arg.name == "sub" and isinstance(arg.args[1], Const):
            flat += [arg.args[0], Const(-arg.args[1].value)]
        else:
            flat.append(arg)
    terms = [a for a in flat if not isinstance(a, Const)]
    constant = sum(a.value for a in flat if isinstance(a, Const))
    if abs(constant) >= WIDEST:
        return Op("add", args)
    if len(terms) == 2 and constant == 0:
        for one, other in (terms, terms[::-1]):
            if isinstance(other, Op) and other.name == "neg":
                return sub(one, other.args[0])
    if constant < 0 and terms:
        return sub(add(*terms), Const(-constant))
    if constant or not terms:
        terms.append(Const(constant))
    return Op("add", tuple(terms)) if len(terms) > 1 else terms[0]


def _sub(args: tuple[Node, ...]) -> Node:
    a, b = args
    if not is_int(a):
        return Op("sub", args)
    if a == b:
        return Const(0)
    if isinstance(b, Const):
        if b.value <= 0:
            return a if b.value == 0 else add(a, Const(-b.value))
        if isinstance(a, Op) and a.name in ("add", "sub"):
            *rest, last = a.args
            if isinstance(last, Const):
                constant = last.value if a.name == "add" else -last.value
                return add(*rest, Const(constant - b.value))
    if isinstance(a, Const) and a.value == 0:
        return neg(b)
    if isinstance(b, Op) and b.name == "neg":
        return add(a, b.args[0])
    return Op("sub", args)


def _mul(args: tuple[Node, ...]) -> Node:
    if not is_int(args[0]):
        return Op("mul", args)
    flat = _flat("mul", args, MOST_FACTORS)
    factors: list[Node] = [a for a in flat if not isinstance(a, Const)]
    constant = math.prod(a.value for a in flat if isinstance(a, Const))
    if constant == 0:
        return Const(0)
    if abs(constant) >= WIDEST:
        return Op("mul", args)
    if constant == -1 and factors:
        return neg(mul(*factors))
    if constant != 1 or not factors:
        factors.append(Const(constant))
    return Op("mul", tuple(factors)) if len(factors) > 1 else factors[0]


def _neg(args: tuple[Node, ...]) -> Node:
    (a,) = args
    if isinstance(a, Op) and is_int(a):
        if a.name == "neg":
            return a.args[0]
        if a.name == "sub":
            return sub(a.args[1], a.args[0])
    return Op("neg", args)


def _extreme(name: str, pick: Callable[..., int]) -> Callable[[tuple[Node, ...]], Node]:
    def simpler(args: tuple[Node, ...]) -> Node:
        if not is_int(args[0]):
            return Op(name, args)
        flat = list(dict.fromkeys(_flat(name, args)))
        constants = [a.value for a in flat if isinstance(a, Const)]
        terms: list[Node] = [a for a in flat if not isinstance(a, Const)]
        if constants:
            terms.append(Const(pick(constants)))
        return Op(name, tuple(terms)) if len(terms) > 1 else terms[0]

    return simpler


def _floordiv(args: tuple[Node, ...]) -> Node:
    a, b = args
    if isinstance(b, Const) and b.value in (0, 1):
        return a if b.value else Const(0)
    return Const(0) if a == Const(0) else Op("floordiv", args)


def _mod(args: tuple[Node, ...]) -> Node:
    a, b = args
    if isinstance(b, Const) and b.value in (-1, 0, 1):
        return Const(0)
    return Const(0) if a == Const(0) else Op("mod", args)


def _compare(name: str, when_same: bool) -> Callable[[tuple[Node, ...]], Node]:
    def simpler(args: tuple[Node, ...]) -> Node:
        a, b = args
        if ir.type_of(a) is ir.FLOAT:
            return Op(name, args)
        if a == b:
            return Const(when_same)
        if name in ("eq", "ne") and ir.type_of(a) is ir.BOOL:
            for one, other in ((a, b), (b, a)):
                if isinstance(other, Const):
                    return one if other.value == (name == "eq") else negate(one)
        if isinstance(b, Const) and isinstance(a, Op) and a.name == "sub":
            return _moved(name, a, b) or Op(name, args)
        if isinstance(b, Op) and b.name == "sub":
            if a == Const(0):
                return operation(name, b.args[::-1])
            if (name, a) in (("le", Const(1)), ("lt", Const(-1))):
                return operation("lt" if name == "le" else "le", b.args[::-1])
            if isinstance(a, Const) and isinstance(b.args[1], Const):
                total = a.value + b.args[1].value
                if abs(total) < WIDEST:
                    return operation(name, (Const(total), b.args[0]))
            if name == "le" and b.args[1] == Const(1):
                return operation("lt", (a, b.args[0]))
        if name == "le" and isinstance(a, Op) and a.name == "add" and a.args[-1] == Const(1):
            return operation("lt", (add(*a.args[:-1]), b))
        return Op(name, args)

    return simpler


def _moved(name: str, a: Op, b: Const) -> Node | None:
    """Compare x - c with a constant as x with the sum, and x - y with 0 as x with y."""
    x, y = a.args
    if isinstance(y, Const) and abs(b.value + y.value) < WIDEST:
        return operation(name, (x, Const(b.value + y.value)))
    if (name, b.value) in (("le", -1), ("lt", 1)):
        return operation("lt" if name == "le" else "le", (x, y))
    return operation(name, (x, y)) if b.value == 0 else None


def _junction(name: str, args: tuple[Node, ...]) -> Node:
    neutral, absorbing = (TRUE, FALSE) if name == "and" else (FALSE, TRUE)
    flat = dict.fromkeys(a for a in _flat(name, args) if a != neutral)
    if absorbing in flat:
        return absorbing
    for a in flat:
        if isinstance(a, Op) and a.name == "not" and a.args[0] in flat:
            return absorbing
    terms = tuple(flat) if len(flat) > MOST_ABSORBED else _absorbed(name, tuple(flat))
    return Op(name, terms) if len(terms) > 1 else terms[0] if terms else neutral


def _absorbed(name: str, terms: tuple[Node, ...]) -> tuple[Node, ...]:
    """The terms without those that another one makes idle: `a | a & b` is `a`."""
    inner = "or" if name == "and" else "and"
    parts = [
        frozenset(a.args) if isinstance(a, Op) and a.name == inner else frozenset((a,))
        for a in terms
    ]
    return tuple(
        a for a, own in zip(terms, parts, strict=True) if not any(other < own for other in parts)
    )


def _not(args: tuple[Node, ...]) -> Node:
    (a,) = args
    if isinstance(a, Op):
        if a.name == "not":
            return a.args[0]
        if a.name in ("eq", "ne") and ir.type_of(a.args[0]) is not ir.FLOAT:
            return Op("ne" if a.name == "eq" else "eq", a.args)
        if a.name in ("lt", "le") and is_int(a.args[0]):
            return Op("le" if a.name == "lt" else "lt", a.args[::-1])
    return Op("not", args)


def _xor(args: tuple[Node, ...]) -> Node:
    a, b = args
    if a == b:
        return FALSE
    for one, other in ((a, b), (b, a)):
        if isinstance(other, Const):
            return negate(one) if other.value else one
    return Op("xor", args)


def _select(args: tuple[Node, ...]) -> Node:
    condition, a, b = args
    if isinstance(condition, Const):
        return a if condition.value else b
    if a == b:
        return a
    if ir.type_of(a) is ir.BOOL and isinstance(a, Const):
        return either(condition, b) if a.value else both(negate(condition), b)
    if ir.type_of(a) is ir.BOOL and isinstance(b, Const):
        return either(negate(condition), a) if b.value else both(condition, a)
    return Op("select", args)


_SIMPLER: dict[str, Callable[[tuple[Node, ...]], Node]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "neg": _neg,
    "min": _extreme("min", min),
    "max": _extreme("max", max),
    "floordiv": _floordiv,
    "mod": _mod,
    "lt": _compare("lt", False),
    "le": _compare("le", True),
    "eq": _compare("eq", True),
    "ne": _compare("ne", False),
    "and": lambda args: _junction("and", args),
    "or": lambda args: _junction("or", args),
    "not": _not,
    "xor": _xor,
    "select": _select,
}
