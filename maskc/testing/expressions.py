"""Typed generation of expressions: every tree drawn here is a valid one of its type.

Choices stand from simple to complex, and numbers near zero come first, so that Hypothesis shrinks
a failure to the shortest spec that shows it. `room`: the bits that an int may take.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from maskc.syntax import (
    Argument,
    At,
    Boolean,
    Call,
    Chain,
    Compare,
    Expression,
    If,
    In,
    Index,
    Match,
    MatchArm,
    Name,
    Number,
    Quantifier,
    Range,
    SetOf,
    Unary,
    Wildcard,
)
from maskc.testing.choices import (
    Choice,
    Draw,
    binary,
    call,
    names,
    number,
    often,
    pick,
    small,
    these,
)
from maskc.testing.operations import PLAIN, PREDICATES, WHOLE, Source, narrow, operation, operations
from maskc.testing.prelude_calls import prelude_call
from maskc.testing.sight import Sight

LENGTHS = ("q", "k", "head", "kv_head", "layer", "batch")
"""What any pattern may ask the `len` of."""


def size(draw: Draw, sight: Sight) -> Expression:
    """An int >= 1 that is constant for a call or a table entry."""
    literal = st.sampled_from([Number(n) for n in (3, 1, 2, 4, 5, 6, 7, 8, 9)])
    return pick(draw, [lambda: draw(literal), *names(sight.sizes)])


def constant(draw: Draw, sight: Sight) -> Expression:
    """An int that is constant for a call, of any sign."""
    return pick(draw, [lambda: small(draw, -4, 9), *names((*sight.sizes, *sight.numbers))])


def position(draw: Draw) -> Expression:
    """`q`, `k` or `q - k`."""
    q, k = Name("q"), Name("k")
    return draw(st.sampled_from([q, k, Chain((q, k), ("-",))]))


def varying(draw: Draw, sight: Sight, depth: int, room: int = PLAIN) -> Expression:
    """An int that depends on the pair or the slice, or is a length."""
    if depth == 0 or not often(draw):
        return narrow(pick(draw, _ints(draw, sight)), room)

    def inner(bits: int = room) -> Expression:
        return varying(draw, sight, depth - 1, bits)

    source = _source(draw, sight, depth)
    read = (*sight.documents, *sight.rows, *sight.columns, *sight.lists, *sight.tables)
    choices: list[Choice] = [
        lambda: If(((mask(draw, sight, depth - 1), inner()),), constant(draw, sight)),
        lambda: _match(draw, sight, depth - 1, inner),
        lambda: narrow(_quantifier(draw, sight, depth - 1, ("count",)), room),
        *[lambda n=n: narrow(Index(Name(n), (inner(WHOLE),)), room) for n in read],
    ]
    operators = operations(draw, room, source, built_in=False)
    built_in = operations(draw, room, source, built_in=True)
    groups = [group for group in (operators, built_in, operators, built_in, choices) if group]
    return pick(draw, draw(st.sampled_from(groups)))


def mask(draw: Draw, sight: Sight, depth: int) -> Expression:
    """A bool of any kind."""
    leaves: list[Choice] = [
        lambda: Name("causal"),
        lambda: prelude(draw, sight),
        lambda: prelude(draw, sight),
        lambda: comparison(draw, sight, 2),
        lambda: draw(st.sampled_from(CONSTANT_MASKS)),
        *names(sight.truths),
        *these(sight.ground.tests),
        *[lambda n=n: _measured(draw, sight, n) for n in sight.measures],
        *[lambda n=n: Index(Name(n), (Name("k"),)) for n in sight.flags],
    ]
    if depth == 0 or not often(draw):
        return pick(draw, leaves)

    def inner() -> Expression:
        return mask(draw, sight, depth - 1)

    choices: list[Choice] = [
        lambda: _logic(draw, sight, depth - 1),
        lambda: _logic(draw, sight, depth - 1),
        lambda: Unary("not", inner()),
        lambda: comparison(draw, sight, depth + 2),
        lambda: comparison(draw, sight, depth + 2),
        lambda: membership(draw, sight, depth),
        lambda: If(((inner(), inner()),), inner()) if draw(st.booleans()) else _else_if(inner),
        lambda: _match(draw, sight, depth - 1, inner),
        lambda: _quantifier(draw, sight, depth - 1, ("any", "all")),
        lambda: Compare((inner(), inner()), (draw(st.sampled_from(["==", "!="])),)),
        *[lambda n=n: operation(draw, n, WHOLE, _source(draw, sight, depth)) for n in PREDICATES],
        *[lambda n=n: Index(Name(n), (varying(draw, sight, depth, WHOLE),)) for n in sight.flags],
    ]
    if sight.functions:
        choices.append(
            lambda: call(draw(st.sampled_from(sight.functions)), varying(draw, sight, depth - 1))
        )
    if sight.ground.parts:
        choices += [lambda: _guarded(draw, sight, depth - 1)] * 3
    if "at" in sight.features:
        choices.append(lambda: _at(draw, sight, depth - 1))
    if "coarse" in sight.features:
        choices.append(lambda: _coarse(draw, sight, depth - 1))
    return pick(draw, choices)


CONSTANT_MASKS = (Name("everything"), Name("nothing"), Boolean(True), Boolean(False))


def comparison(draw: Draw, sight: Sight, depth: int) -> Expression:
    """One or two comparisons of ints in a chain."""
    operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    first = varying(draw, sight, depth, WHOLE)
    match draw(st.integers(0, 3)):
        case 0 | 1:
            operands = (first, constant(draw, sight))
        case 2:
            operands = (varying(draw, sight, 1), first)
        case _:
            operands = (constant(draw, sight), first, varying(draw, sight, max(depth - 1, 0)))
    return Compare(operands, tuple(draw(operators) for _ in operands[1:]))


def membership(draw: Draw, sight: Sight, depth: int) -> Expression:
    """`x in a..b`, `x in {..}`, `x in list`."""
    value = varying(draw, sight, depth, WHOLE)
    choices: list[Choice] = [
        lambda: Range(constant(draw, sight), constant(draw, sight)),
        lambda: Range(constant(draw, sight), varying(draw, sight, depth - 1)),
        lambda: Range(varying(draw, sight, depth - 1), varying(draw, sight, depth - 1)),
        lambda: SetOf(tuple(constant(draw, sight) for _ in range(draw(st.integers(1, 3))))),
        lambda: SetOf((varying(draw, sight, depth - 1), constant(draw, sight))),
        *names(sight.lists),
    ]
    return In(value, pick(draw, choices))


def prelude(draw: Draw, sight: Sight) -> Expression:
    """A call of a prelude function with arguments that its refinements allow."""
    axes = (*sight.ground.axes, *sight.axes)

    def argument(word: str) -> Expression:
        match word:
            case "length":
                longer: list[Choice] = [lambda: _computed_size(draw, sight)]
                return pick(draw, [lambda: size(draw, sight), *longer])
            case "reach":
                far: list[Choice] = [lambda: varying(draw, sight, 0)]
                return pick(draw, [lambda: constant(draw, sight), *far])
            case "document":
                return Name(draw(st.sampled_from(sight.documents)))
            case "axis":
                return Name(draw(st.sampled_from(axes)))
        return size(draw, sight)

    absent = ["document"] * (not sight.documents)
    absent += ["axis", "all axes"] * (not axes)
    return prelude_call(draw, absent, argument)


def _source(draw: Draw, sight: Sight, depth: int) -> Source:
    return Source(
        lambda bits: varying(draw, sight, depth - 1, bits),
        lambda bits: varying(draw, sight, 0 if often(draw) else min(depth - 1, 1), bits),
        lambda: constant(draw, sight),
        lambda: size(draw, sight),
    )


def _ints(draw: Draw, sight: Sight) -> list[Choice]:
    """Varying ints that are no operation."""
    sides = st.sampled_from([Name("q"), Name("k")])
    return [
        lambda: position(draw),
        lambda: position(draw),
        lambda: Name(draw(st.sampled_from(["head", "kv_head", "batch", "layer"]))),
        lambda: call("len", Name(draw(st.sampled_from(LENGTHS)))),
        *names(sight.varying),
        *these((*sight.ground.coordinates, *sight.coordinates)),
        *[lambda n=n: Index(Name(n), (draw(sides),)) for n in sight.documents],
        *[
            lambda n=n: Index(Name(n), (Chain((draw(sides), small(draw, 1, 3)), ("-",)),))
            for n in sight.documents
        ],
        *[lambda n=n: Index(Name(n), (Name("q"),)) for n in sight.rows],
        *[lambda n=n: Index(Name(n), (Name("k"),)) for n in sight.columns],
        *[lambda n=n: call("len", Name(n)) for n in sight.lists],
    ]


def _computed_size(draw: Draw, sight: Sight) -> Expression:
    length = Chain((call("len", Name("k")), Number(draw(st.integers(2, 4)))), ("//",))
    inner = draw(st.sampled_from(["length", "head", "read"]))
    if inner == "length":
        return call("max", Number(1), length)
    return call("max", Number(1), Name("head") if inner == "head" else varying(draw, sight, 0))


def _logic(draw: Draw, sight: Sight, depth: int) -> Expression:
    level = draw(st.sampled_from([("&",), ("|",), ("&", "\\"), ("^",)]))
    n = draw(st.integers(2, 3))
    operands = tuple(mask(draw, sight, depth) for _ in range(n))
    return Chain(operands, tuple(draw(st.sampled_from(level)) for _ in range(n - 1)))


def _else_if(inner: Choice) -> Expression:
    return If(((inner(), inner()), (inner(), inner())), inner())


def _match(draw: Draw, sight: Sight, depth: int, value: Choice) -> Expression:
    if draw(st.booleans()):
        n = draw(st.integers(2, 4))
        subject: Expression = binary(varying(draw, sight, depth, WHOLE), "%", Number(n))
        arms = (
            MatchArm(Range(Number(0), Number(n - 1)), value()),
            MatchArm(Number(n - 1), value()),
        )
        return Match(subject, arms)
    arms = ()
    for _ in range(draw(st.integers(1, 2))):
        patterns = [
            lambda: small(draw, 0, 4),
            lambda: Range(small(draw, 0, 2), small(draw, 2, 6)),
            lambda: SetOf((small(draw, 0, 2), small(draw, 3, 5))),
        ]
        arms = (*arms, MatchArm(pick(draw, patterns), value()))
    subject = Name("head") if draw(st.booleans()) else varying(draw, sight, depth, WHOLE)
    return Match(subject, (*arms, MatchArm(Wildcard(), value())))


def _quantifier(draw: Draw, sight: Sight, depth: int, kinds: tuple[str, ...]) -> Expression:
    if sight.loops == len(LOOP_VARIABLES):
        return mask(draw, sight, 0) if "any" in kinds else varying(draw, sight, 0)
    variable = LOOP_VARIABLES[sight.loops]
    low = draw(st.integers(-1, 2))
    spans: list[Choice] = [
        lambda: Range(number(low), number(low + draw(st.integers(0, 3)))),
        lambda: SetOf(tuple(constant(draw, sight) for _ in range(draw(st.integers(1, 3))))),
        *names(sight.lists),
        *[lambda n=n: Range(number(low), Name(n)) for n in sight.ends if not sight.loops],
    ]
    span = pick(draw, spans)
    inside = replace(sight.plus(varying=variable), loops=sight.loops + 1)
    body = mask(draw, inside, depth)
    return Quantifier(draw(st.sampled_from(kinds)), variable, span, body)


LOOP_VARIABLES = ("i", "j")


def _measured(draw: Draw, sight: Sight, name: str) -> Expression:
    """A comparison of floats."""

    def entry() -> Expression:
        return Index(Name(name), (Name("k") if often(draw) else varying(draw, sight, 1, WHOLE),))

    def plain() -> Expression:
        halves = lambda: number(draw(st.integers(-4, 4)) / 2)  # noqa: E731
        whole = lambda: number(draw(st.integers(-3, 3)))  # noqa: E731
        return pick(draw, [halves, whole, *names(sight.factors)])

    choices: list[Choice] = [
        entry,
        lambda: Chain((entry(), plain()), (draw(st.sampled_from("+-*")),)),
        lambda: Unary("-", entry()),
        lambda: call(draw(st.sampled_from(["abs", "sign"])), entry()),
        lambda: call(draw(st.sampled_from(["min", "max"])), entry(), plain()),
        lambda: call("clamp", entry(), number(-0.5), plain()),
        lambda: If(((mask(draw, sight, 0), entry()),), plain()),
    ]
    operator = draw(st.sampled_from(["<", ">=", "==", "!=", "<=", ">"]))
    return Compare((pick(draw, choices), plain()), (operator,))


def _guarded(draw: Draw, sight: Sight, depth: int) -> Expression:
    """A mask that speaks of a part of the space behind its guard."""
    part = draw(st.sampled_from(sight.ground.parts))
    inner = mask(draw, sight.within(part), depth)
    other: Choice = lambda: mask(draw, sight, 0)  # noqa: E731
    choices: list[Choice] = [
        lambda: binary(part.guard, "&", inner),
        lambda: If(((part.guard, inner),), other()),
        lambda: binary(Unary("not", part.guard), "|", inner),
    ]
    return pick(draw, choices)


def _at(draw: Draw, sight: Sight, depth: int) -> Expression:
    moves = draw(st.sampled_from([("q",), ("k",), ("q", "k")]))
    moved = tuple(Argument(side, varying(draw, sight, depth)) for side in moves)
    return At(moved, mask(draw, sight.elsewhere(), depth))


def _coarse(draw: Draw, sight: Sight, depth: int) -> Expression:
    inner = mask(draw, sight.elsewhere(), depth)
    rules: list[Expression] = [Name("any"), Name("all"), Name("center")]
    rule = draw(st.sampled_from([*rules, call("share", Number(60))]))
    if draw(st.booleans()):
        return Call(Name("coarse"), (Argument(None, inner), Argument(None, small(draw, 1, 4))))
    sides = {"q": small(draw, 1, 4), "k": small(draw, 1, 4), "rule": rule}
    return call("coarse", inner, **sides)
