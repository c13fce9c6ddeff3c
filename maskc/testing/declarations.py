"""Drawn parameters, inputs, lets, scores and sinks: what stands around a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from maskc.check.builtins import SCORE_ONLY, SIGNATURES
from maskc.syntax import (
    Boolean,
    Compare,
    Expression,
    If,
    In,
    Index,
    Let,
    Name,
    Number,
    Parameter,
    Range,
    Refinement,
    SinkCount,
    TypeRef,
    Unary,
)
from maskc.testing import expressions
from maskc.testing.choices import Draw, binary, call, number, pick, small
from maskc.testing.sight import OUTSIDE, Sight

PARAMETER_KINDS = (*("size", "even", "any", "flag", "factor", "list", "table", "dynamic", "pace"),)

INPUT_KINDS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("doc", ("batch", "token"), "int", "documents"),
    ("label", ("token",), "int", "documents"),
    ("kind", ("batch", "head", "token"), "int", "documents"),
    ("level", ("k",), "int", "columns"),
    ("start", ("q",), "int", "rows"),
    ("live", ("batch", "k"), "bool", "flags"),
    ("shift", ("head",), "int", "varying"),
    ("jump", ("batch",), "int", "varying"),
    ("weight", ("batch", "k"), "float", "measures"),
)
"""Name, axes and type of each input that a mask may read, and its group in `Sight`."""

SCORE_INPUTS: dict[str, tuple[tuple[Expression, ...], Expression]] = {
    "gain": ((Name("head"),), Name("gain")),
    "bias": (
        (Number(9),),
        Index(Name("bias"), (binary(binary(Name("q"), "-", Name("k")), "+", Number(4)),)),
    ),
    "apart": (
        (Name("kv_head"), Name("reach")),
        Index(Name("apart"), (call("abs", binary(Name("q"), "-", Name("k"))),)),
    ),
    "height": ((Name("batch"), Name("q")), Index(Name("height"), (Name("q"),))),
    "depth": ((Name("k"),), Index(Name("depth"), (binary(Name("k"), "//", Number(2)),))),
    "deep": ((Name("layer"), Name("head")), Name("deep")),
}
"""Axes of each float input that a score may read, and the entry it reads for a pair."""

SINKS: tuple[tuple[str, ...], ...] = (("head",), ("batch", "kv_head"), ("layer", "head"))
"""Axes that the input of a `sink_logit` may have."""


def parameter(draw: Draw, kind: str) -> tuple[Parameter, tuple[str, ...]]:
    """A parameter and the groups of `Sight` it belongs to."""
    given = draw(st.booleans())

    def default(value: Expression | tuple[Expression, ...]) -> Any:
        return value if given else None

    def at_least(name: str, low: int) -> Refinement:
        return Refinement(Compare((Name(name), number(low)), (">=",)))

    n = draw(st.integers(1, 9))
    match kind:
        case "size":
            within = Refinement(In(Name("width"), Range(Number(1), Number(12))))
            rules = draw(st.sampled_from([at_least("width", 1), within]))
            return Parameter("width", TypeRef("int"), (rules,), default(Number(n))), (
                "sizes",
                "ends",
            )
        case "even":
            even = Compare((binary(Name("even"), "%", Number(2)), Number(0)), ("==",))
            rules = (at_least("even", 2), Refinement(even))
            return Parameter("even", TypeRef("int"), rules, default(Number(2 * n))), ("sizes",)
        case "any":
            return Parameter("offset", TypeRef("int"), (), default(number(n - 5))), ("numbers",)
        case "flag":
            flag = Boolean(draw(st.booleans()))
            return Parameter("flag", TypeRef("bool"), (), default(flag)), ("truths",)
        case "factor":
            rule = Refinement(Compare((Name("factor"), Number(0.0)), (">=",)))
            return Parameter("factor", TypeRef("float"), (rule,), default(Number(0.5))), (
                "factors",
            )
        case "list":
            entries = tuple(number(draw(st.integers(-2, 9))) for _ in range(n % 4))
            return Parameter("marks", TypeRef("int", axes=()), (), default(entries)), ("lists",)
        case "table":
            axis = draw(st.sampled_from(["head", "kv_head", "layer"]))
            type = TypeRef("int", axes=(Name(axis),))
            return Parameter("span", type, (at_least("span", 1),), default(Number(n))), (
                "sizes",
                "tables",
            )
        case "dynamic":
            type = TypeRef("int", dynamic=True)
            few = Refinement(In(Name("limit"), Range(Number(0), Number(10))))
            rule, *ends = draw(st.sampled_from([(at_least("limit", 0),), (few, "ends")]))
            return Parameter("limit", type, (rule,), default(Number(n))), ("varying", *ends)
        case "pace":
            type = TypeRef("float", dynamic=True)
            return Parameter("pace", type, (), default(Number(n / 2))), ("factors",)
    raise AssertionError(f"{kind} is no kind of parameter")


def of_argument(draw: Draw) -> Expression:
    """The body of a def of one int `a`, for patterns of any space."""
    return expressions.comparison(draw, OUTSIDE.plus(varying="a"), 2)


def let(draw: Draw, sight: Sight, i: int) -> tuple[Sight, Let]:
    """A let called `part{i}`, and the sight with it."""
    name = f"part{i}"
    kind = draw(st.sampled_from(["mask", "int", "function"]))
    if kind == "mask":
        return sight.plus(truths=name), Let(name, (), expressions.mask(draw, sight, 1))
    if kind == "int":
        return sight.plus(varying=name), Let(name, (), expressions.varying(draw, sight, 1))
    parameters = (Parameter("a", TypeRef("int")),)
    body = expressions.comparison(draw, sight.plus(varying="a"), 1)
    return sight.plus(functions=name), Let(name, parameters, body)


def score(draw: Draw, sight: Sight, learnt: Sequence[str]) -> Expression:
    """A logit made from `s`, smooth in it.

    Args:
        draw: of Hypothesis.
        sight: what conditions and ints may use.
        learnt: names of SCORE_INPUTS; each is read once.

    """
    s: Expression = Name("s")
    kinds = list(learnt)
    if not kinds or draw(st.booleans()):
        plain = st.sampled_from(["scale", *SCORE_ONLY, "head", "length", "int", "bool", "sign"])
        kinds += draw(st.lists(plain, min_size=1, max_size=2))
        kinds += draw(st.lists(st.sampled_from(sight.factors), max_size=1)) if sight.factors else []
    for kind in kinds:
        if kind == "scale":
            s = binary(s, "*", Number(draw(st.sampled_from([0.5, 1.5, 0.25]))))
        elif kind in SCORE_ONLY:
            s = _built_in(draw, kind, s)
        elif kind == "length":
            s = binary(s, "*", call("log", call("len", Name("k"))))
        elif kind == "head":
            low = Compare((Name("head"), Number(1)), ("<",))
            s = If(((low, s),), binary(s, "*", Number(0.5)))
        elif kind == "bool":
            s = If(((expressions.mask(draw, sight, 1), s),), binary(s, "-", Number(0.5)))
        elif kind == "int":
            few = call("clamp", expressions.varying(draw, sight, 1), number(-8), Number(8))
            s = binary(s, "+", binary(few, "*", Number(0.25)))
        elif kind == "sign":
            s = Unary("-", s)
        elif kind in SCORE_INPUTS:
            s = _with_learnt(draw, s, SCORE_INPUTS[kind][1])
        else:
            s = binary(s, "*", Name(kind))
    return s


def _built_in(draw: Draw, name: str, s: Expression) -> Expression:
    """A logit with a built-in in it."""
    if name == "alibi":
        return binary(s, "+", call(name, Name("head")))
    if name == "softcap":
        return call(name, s, Number(draw(st.sampled_from([2.0, 50.0]))))
    near_one = binary(call("sigmoid", s), "+", Number(0.5))
    more = [Number(2.0) for _ in SIGNATURES[name][1:]]
    return binary(s, "+", call(name, near_one, *more))


def _with_learnt(draw: Draw, s: Expression, entry: Expression) -> Expression:
    choices = [
        lambda: binary(s, "+", entry),
        lambda: binary(s, "*", entry),
        lambda: binary(s, "-", call("exp", entry)),
        lambda: binary(s, "*", call("sigmoid", entry)),
    ]
    return pick(draw, choices)


def sink_count(draw: Draw, sight: Sight) -> SinkCount:
    """A number of live padding keys, of `q`, the head and constants."""
    choices = [
        lambda: small(draw, 0, 5),
        lambda: binary(Name("q"), "%", small(draw, 1, 4)),
        lambda: binary(Name("head"), "+", small(draw, 0, 2)),
        lambda: binary(expressions.size(draw, sight), "-", Name("q")),
    ]
    return SinkCount(pick(draw, choices))
