"""Typed generation of expressions: every tree drawn here is a valid one of its type.

Choices stand from simple to complex, and numbers near zero come first, so that Hypothesis shrinks
a failure to the shortest spec that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from maskc.testing.prelude_calls import prelude_call
from maskc.testing.spaces import LINE, Ground, Guarded


@dataclass(frozen=True, slots=True)
class Sight:
    """The names that an expression may use.

    Each name stands with what it is worth: `numbers` are compile-time ints of any value, `sizes`
    those known to be >= 1 (tables included), `varying` ints that depend on the pair, `truths`
    bools. `lists` are int lists, `documents` inputs indexed by a position on either side, `rows`
    and `columns` inputs indexed by `q` or by `k` alone, `flags` bool inputs along the keys,
    `measures` float inputs indexed by `k`, `functions` defs from one int to a bool. `features` are
    words of `maskc.testing.FEATURES`. `ground` is the space, `axes` and `coordinates` what exists
    of it behind guards that stand around.
    """

    numbers: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    truths: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
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


def varying(draw: Draw, sight: Sight, depth: int) -> Expression:
    """An int that depends on the pair or the head."""
    leaves: list[Choice] = [
        lambda: position(draw),
        lambda: Name("head"),
        *names(sight.varying),
        *these((*sight.ground.coordinates, *sight.coordinates)),
        *_reads(draw, sight),
    ]
    if depth == 0 or not often(draw):
        return pick(draw, leaves)

    def inner() -> Expression:
        return varying(draw, sight, depth - 1)

    choices: list[Choice] = [
        lambda: Chain((inner(), constant(draw, sight)), (draw(st.sampled_from("+-")),)),
        lambda: Chain((inner(), inner()), (draw(st.sampled_from("+-")),)),
        lambda: Chain((inner(), small(draw, 1, 5)), ("*",)),
        lambda: Chain((inner(), size(draw, sight)), (draw(st.sampled_from(["//", "%"])),)),
        lambda: Chain((inner(), Number(draw(st.integers(0, 3)))), (_shift(draw),)),
        lambda: Chain((inner(), position(draw)), (draw(st.sampled_from(["//", "%"])),)),
        lambda: Unary("-", inner()),
        lambda: call(
            draw(st.sampled_from(["abs", "sign", "log2", "popcount", "low_bit"])), inner()
        ),
        lambda: call(draw(st.sampled_from(["min", "max"])), inner(), constant(draw, sight)),
        lambda: call("cdiv", inner(), size(draw, sight)),
        lambda: call("clamp", inner(), small(draw, -3, 3), small(draw, 3, 9)),
        lambda: call("pow2", call("min", inner(), Number(9))),
        lambda: call(_bits(draw), inner(), small(draw, 0, 9)),
        lambda: Chain(
            (call("hash", small(draw), inner(), position(draw)), small(draw, 1, 7)), ("%",)
        ),
        lambda: If(((mask(draw, sight, depth - 1), inner()),), constant(draw, sight)),
        lambda: _match(draw, sight, depth - 1, lambda: varying(draw, sight, 0)),
        lambda: _quantifier(draw, sight, depth - 1, ("count",)),
    ]
    return pick(draw, choices)


def mask(draw: Draw, sight: Sight, depth: int) -> Expression:
    """A bool of any kind."""
    leaves: list[Choice] = [
        lambda: Name("causal"),
        lambda: prelude(draw, sight),
        lambda: prelude(draw, sight),
        lambda: comparison(draw, sight, min(depth, 1)),
        lambda: draw(st.sampled_from(CONSTANT_MASKS)),
        *names(sight.truths),
        *these(sight.ground.tests),
        *[lambda n=n: _measured(draw, n) for n in sight.measures],
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
        lambda: comparison(draw, sight, depth),
        lambda: membership(draw, sight, depth - 1),
        lambda: If(((inner(), inner()),), inner()) if draw(st.booleans()) else _else_if(inner),
        lambda: _match(draw, sight, depth - 1, inner),
        lambda: _quantifier(draw, sight, depth - 1, ("any", "all")),
        lambda: Compare((inner(), inner()), (draw(st.sampled_from(["==", "!="])),)),
        lambda: call("is_pow2", varying(draw, sight, depth - 1)),
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
    first = varying(draw, sight, depth)
    if draw(st.integers(0, 3)) < 3:
        return Compare((first, constant(draw, sight)), (draw(operators),))
    operands = (constant(draw, sight), first, varying(draw, sight, max(depth - 1, 0)))
    return Compare(operands, (draw(operators), draw(operators)))


def membership(draw: Draw, sight: Sight, depth: int) -> Expression:
    """`x in a..b`, `x in {..}`, `x in list`."""
    value = varying(draw, sight, depth)
    choices: list[Choice] = [
        lambda: Range(constant(draw, sight), constant(draw, sight)),
        lambda: Range(constant(draw, sight), varying(draw, sight, 0)),
        lambda: SetOf(tuple(constant(draw, sight) for _ in range(draw(st.integers(1, 3))))),
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


def _reads(draw: Draw, sight: Sight) -> list[Choice]:
    sides = st.sampled_from([Name("q"), Name("k")])
    return [
        *[lambda n=n: Index(Name(n), (draw(sides),)) for n in sight.documents],
        *[
            lambda n=n: Index(Name(n), (Chain((draw(sides), small(draw, 1, 3)), ("-",)),))
            for n in sight.documents
        ],
        *[lambda n=n: Index(Name(n), (Name("q"),)) for n in sight.rows],
        *[lambda n=n: Index(Name(n), (Name("k"),)) for n in sight.columns],
    ]


def _computed_size(draw: Draw, sight: Sight) -> Expression:
    length = Chain((call("len", Name("k")), Number(draw(st.integers(2, 4)))), ("//",))
    inner = draw(st.sampled_from(["length", "head", "read"]))
    if inner == "length":
        return call("max", Number(1), length)
    return call("max", Number(1), Name("head") if inner == "head" else varying(draw, sight, 0))


def _shift(draw: Draw) -> str:
    return draw(st.sampled_from([">>", "<<"]))


def _bits(draw: Draw) -> str:
    return draw(st.sampled_from(["bit_and", "bit_or", "bit_xor"]))


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
        subject: Expression = Chain((varying(draw, sight, depth), Number(n)), ("%",))
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
    subject = Name("head") if draw(st.booleans()) else varying(draw, sight, depth)
    return Match(subject, (*arms, MatchArm(Wildcard(), value())))


def _quantifier(draw: Draw, sight: Sight, depth: int, kinds: tuple[str, ...]) -> Expression:
    taken = [n for n in sight.varying if n in LOOP_VARIABLES]
    if len(taken) == len(LOOP_VARIABLES):
        return mask(draw, sight, 0) if "any" in kinds else varying(draw, sight, 0)
    variable = LOOP_VARIABLES[len(taken)]
    low = draw(st.integers(-1, 2))
    span = Range(number(low), number(low + draw(st.integers(0, 3))))
    body = mask(draw, sight.plus(varying=variable), depth)
    return Quantifier(draw(st.sampled_from(kinds)), variable, span, body)


LOOP_VARIABLES = ("i", "j")


def _measured(draw: Draw, name: str) -> Expression:
    operator = draw(st.sampled_from(["<", ">=", "=="]))
    entry = Index(Name(name), (Name("k"),))
    return Compare((entry, number(draw(st.integers(-2, 2)) / 2)), (operator,))


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
    return At(moved, mask(draw, sight.elsewhere(), 0))


def _coarse(draw: Draw, sight: Sight, depth: int) -> Expression:
    inner = mask(draw, sight.elsewhere(), depth)
    rules: list[Expression] = [Name("any"), Name("all"), Name("center")]
    rule = draw(st.sampled_from([*rules, call("share", Number(60))]))
    if draw(st.booleans()):
        return Call(Name("coarse"), (Argument(None, inner), Argument(None, small(draw, 1, 4))))
    sides = {"q": small(draw, 1, 4), "k": small(draw, 1, 4), "rule": rule}
    return call("coarse", inner, **sides)
