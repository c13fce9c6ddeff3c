"""Typed generation of whole specs: declarations, parameters, inputs, lets, a mask, a score."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from maskc.syntax import (
    Boolean,
    Chain,
    Compare,
    Const,
    Declaration,
    Def,
    Expression,
    File,
    If,
    In,
    Input,
    Let,
    Mask,
    Name,
    Number,
    Parameter,
    Pattern,
    Range,
    Refinement,
    Score,
    SpaceStatement,
    Statement,
    TypeRef,
)
from maskc.testing import expressions
from maskc.testing.expressions import Draw, Sight, number, rarely

FEATURES = frozenset({"at", "coarse", "score", "cross"})
"""What `specs(features=...)` may draw beyond the core of one-axis masks."""

NAME = "generated"
"""The name of the pattern in every drawn spec."""


@st.composite
def specs(  # noqa: D417 (Hypothesis gives `draw`)
    draw: Draw, features: Iterable[str] = ("score", "cross"), depth: int = 2
) -> File:
    """Syntax trees of valid specs, each with one pattern called `generated`.

    Args:
        features: words of FEATURES.
        depth: how deep the mask may nest.

    Example:
        >>> from hypothesis import given
        >>> from maskc.grammar import parse, unparse
        >>> @given(specs())
        ... def test_printing_keeps_the_tree(tree): ...

    """
    sight = Sight(features=frozenset(features))
    declarations: list[Declaration] = []
    if rarely(draw):
        declarations.append(Const("page", Number(draw(st.integers(1, 9)))))
        sight = sight.plus(sizes="page")
    parameters: list[Parameter] = []
    for kind in draw(st.lists(st.sampled_from(PARAMETER_KINDS), max_size=3, unique=True)):
        parameter, group = _parameter(draw, kind)
        parameters.append(parameter)
        if group:
            sight = sight.plus(**{group: parameter.name})
    statements: list[Statement] = []
    space = draw(st.sampled_from(["end", "end", "end", "start", "cross"]))
    if space == "start":
        statements.append(SpaceStatement("one", align_start=True))
    if space == "cross" and "cross" in sight.features:
        statements.append(SpaceStatement("cross"))
        sight = replace(sight, crossed=True)
    inputs = [kind for kind in INPUT_KINDS if space != "cross" or "token" not in kind[1]]
    for name, axes, type, group in draw(st.lists(st.sampled_from(inputs), max_size=2, unique=True)):
        statements.append(Input(name, TypeRef(type, axes=tuple(Name(a) for a in axes))))
        sight = sight.plus(**{group: name})
    if rarely(draw):
        body = _of_argument(draw)
        declarations.append(Def("close", (Parameter("a", TypeRef("int")),), body))
        sight = sight.plus(functions="close")
    for i in range(draw(st.integers(0, 2))):
        sight, let = _let(draw, sight, i)
        statements.append(let)
    if "score" in sight.features and draw(st.booleans()):
        factors = tuple(p.name for p in parameters if p.type and p.type.name == "float")
        statements.append(Score(_score(draw, factors)))
    body = expressions.mask(draw, sight, depth)
    short = not statements and draw(st.booleans())
    statements.append(Mask(body))
    pattern = Pattern(NAME, tuple(parameters), tuple(statements), short=short)
    return File((*declarations, pattern))


PARAMETER_KINDS = ("size", "even", "any", "flag", "factor", "list", "table", "dynamic")

INPUT_KINDS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    ("doc", ("batch", "token"), "int", "documents"),
    ("label", ("token",), "int", "documents"),
    ("kind", ("batch", "head", "token"), "int", "documents"),
    ("level", ("k",), "int", "columns"),
    ("start", ("q",), "int", "rows"),
    ("live", ("batch", "k"), "bool", "flags"),
    ("shift", ("head",), "int", "varying"),
    ("jump", ("batch",), "int", "varying"),
)
"""Name, axes and type of each input that a spec may declare, and its group in `Sight`."""


def _parameter(draw: Draw, kind: str) -> tuple[Parameter, str | None]:
    """A parameter and the group of `Sight` it belongs to."""
    given = draw(st.booleans())

    def default(value: Expression | tuple[Expression, ...]) -> Any:
        return value if given else None

    def at_least(name: str, low: int) -> Refinement:
        return Refinement(Compare((Name(name), number(low)), (">=",)))

    n = draw(st.integers(1, 9))
    match kind:
        case "size":
            rules = draw(
                st.sampled_from(
                    [
                        at_least("width", 1),
                        Refinement(In(Name("width"), Range(Number(1), Number(12)))),
                    ]
                )
            )
            return Parameter("width", TypeRef("int"), (rules,), default(Number(n))), "sizes"
        case "even":
            even = Compare((Chain((Name("even"), Number(2)), ("%",)), Number(0)), ("==",))
            rules = (at_least("even", 2), Refinement(even))
            return Parameter("even", TypeRef("int"), rules, default(Number(2 * n))), "sizes"
        case "any":
            return Parameter("offset", TypeRef("int"), (), default(number(n - 5))), "numbers"
        case "flag":
            flag = Boolean(draw(st.booleans()))
            return Parameter("flag", TypeRef("bool"), (), default(flag)), "truths"
        case "factor":
            rule = Refinement(Compare((Name("factor"), Number(0.0)), (">=",)))
            return Parameter("factor", TypeRef("float"), (rule,), default(Number(0.5))), None
        case "list":
            entries = tuple(number(draw(st.integers(-2, 9))) for _ in range(n % 4))
            return Parameter("marks", TypeRef("int", axes=()), (), default(entries)), "lists"
        case "table":
            axis = draw(st.sampled_from(["head", "kv_head", "layer"]))
            type = TypeRef("int", axes=(Name(axis),))
            return Parameter("span", type, (at_least("span", 1),), default(Number(n))), "sizes"
        case "dynamic":
            type = TypeRef("int", dynamic=True)
            return Parameter("limit", type, (at_least("limit", 0),), default(Number(n))), "varying"
    raise AssertionError(f"{kind} is no kind of parameter")


def _of_argument(draw: Draw) -> Expression:
    """The body of a def of one int `a`."""
    sight = Sight(varying=("a",))
    return expressions.comparison(draw, sight, 1)


def _let(draw: Draw, sight: Sight, i: int) -> tuple[Sight, Let]:
    name = f"part{i}"
    kind = draw(st.sampled_from(["mask", "int", "function"]))
    if kind == "mask":
        return sight.plus(truths=name), Let(name, (), expressions.mask(draw, sight, 1))
    if kind == "int":
        return sight.plus(varying=name), Let(name, (), expressions.varying(draw, sight, 1))
    parameters = (Parameter("a", TypeRef("int")),)
    body = expressions.comparison(draw, sight.plus(varying="a"), 1)
    return sight.plus(functions=name), Let(name, parameters, body)


def _score(draw: Draw, factors: tuple[str, ...]) -> Expression:
    """A logit made from `s`; `factors` are names of float parameters."""
    s: Expression = Name("s")
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from(["scale", "softcap", "alibi", "head", *factors]))
        if kind == "scale":
            s = Chain((s, Number(draw(st.sampled_from([0.5, 1.5, 0.25])))), ("*",))
        elif kind == "softcap":
            s = expressions.call("softcap", s, Number(draw(st.sampled_from([2.0, 50.0]))))
        elif kind == "alibi":
            s = Chain((s, expressions.call("alibi", Name("head"))), ("+",))
        elif kind == "head":
            s = If(
                ((Compare((Name("head"), Number(1)), ("<",)), s),), Chain((s, Number(0.5)), ("*",))
            )
        else:
            s = Chain((s, Name(kind)), ("*",))
    return s
