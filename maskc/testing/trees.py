"""Typed generation of whole specs: declarations, parameters, inputs, lets, a mask, a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from hypothesis import assume
from hypothesis import strategies as st

from maskc.check import check
from maskc.diagnostics import MaskcError
from maskc.pipeline import prelude
from maskc.syntax import (
    Const,
    Declaration,
    Def,
    Expression,
    File,
    Input,
    Mask,
    Name,
    Number,
    Parameter,
    Pattern,
    Score,
    SinkLogit,
    Statement,
    TypeRef,
)
from maskc.testing import declarations, expressions
from maskc.testing.choices import Draw, rarely
from maskc.testing.declarations import INPUT_KINDS, PARAMETER_KINDS, SCORE_INPUTS, SINKS
from maskc.testing.sight import Sight
from maskc.testing.spaces import ground

FEATURES = frozenset({"at", "coarse", "score", "learnt", "sinks", "cross", "spaces"})
"""What `specs(features=...)` may draw beyond the core of one-axis masks.

`learnt`: float inputs, in scores and in masks. `cross`: two unrelated lines. `spaces`: grids,
segments, a space for each side, packed grids.
"""

NAME = "generated"
"""The name of the pattern in every drawn spec."""


@st.composite
def specs(  # noqa: D417 (Hypothesis gives `draw`)
    draw: Draw, features: Iterable[str] = FEATURES, depth: int = 2
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
    stated: list[Declaration] = []
    if rarely(draw):
        stated.append(Const("page", Number(draw(st.integers(1, 9)))))
        sight = sight.plus(sizes="page", ends="page")
    parameters: list[Parameter] = []
    for kind in draw(st.lists(st.sampled_from(PARAMETER_KINDS), max_size=3, unique=True)):
        parameter, groups = declarations.parameter(draw, kind)
        parameters.append(parameter)
        sight = sight.plus(**dict.fromkeys(groups, parameter.name))
    extents = [name for name in sight.sizes if name in ("page", "width")]
    sight = replace(sight, ground=ground(draw, sight.features, extents))
    statements: list[Statement] = []
    if sight.ground.statement is not None:
        statements.append(sight.ground.statement)
    for name, axes, type, group in _inputs(draw, sight):
        statements.append(_input(name, type, [Name(axis) for axis in axes]))
        sight = sight.plus(**{group: name})
    if rarely(draw):
        body = declarations.of_argument(draw)
        stated.append(Def("close", (Parameter("a", TypeRef("int")),), body))
        sight = sight.plus(functions="close")
    inside = replace(sight, features=sight.features - {"coarse"})
    for i in range(draw(st.integers(0, 2))):
        inside, let = declarations.let(draw, inside, i)
        statements.append(let)
    sight = replace(inside, features=sight.features)
    if "score" in sight.features and draw(st.booleans()):
        statements += _score(draw, sight)
    if "sinks" in sight.features:
        statements += _sinks(draw, sight)
    body = expressions.mask(draw, sight, depth)
    short = not statements and draw(st.booleans())
    statements.append(Mask(body))
    pattern = Pattern(NAME, tuple(parameters), tuple(statements), short=short)
    tree = File((*stated, pattern))
    assume(not is_undefined(tree))
    return tree


def is_undefined(tree: File) -> bool:
    """Whether a part is a constant, `k - k` say, where that constant is an error."""
    try:
        check(tree, prelude=prelude())
    except MaskcError as error:
        return all(found.id == "undefined-constant" for found in error.diagnostics)
    return False


def _inputs(draw: Draw, sight: Sight) -> list[tuple[str, tuple[str, ...], str, str]]:
    kinds = [
        kind
        for kind in INPUT_KINDS
        if (sight.ground.one_sequence or "token" not in kind[1])
        and ("learnt" in sight.features or kind[2] != "float")
    ]
    return draw(st.lists(st.sampled_from(kinds), max_size=2, unique=True))


def _input(name: str, type: str, axes: Sequence[Expression]) -> Input:
    return Input(name, TypeRef(type, axes=tuple(axes)))


def _score(draw: Draw, sight: Sight) -> list[Statement]:
    learnt: list[str] = []
    if "learnt" in sight.features:
        learnt = draw(st.lists(st.sampled_from(list(SCORE_INPUTS)), max_size=2, unique=True))
    inputs = [_input(name, "float", SCORE_INPUTS[name][0]) for name in learnt]
    return [*inputs, Score(declarations.score(draw, sight, learnt))]


def _sinks(draw: Draw, sight: Sight) -> list[Statement]:
    found: list[Statement] = []
    if rarely(draw):
        axes = draw(st.sampled_from(SINKS))
        found += [_input("rest", "float", [Name(a) for a in axes]), SinkLogit("rest")]
    if rarely(draw):
        found.append(declarations.sink_count(draw, sight))
    return found
