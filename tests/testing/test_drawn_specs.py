"""Drawn specs say everything that the language can say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from maskc import syntax
from maskc.check.builtins import SCORE_ONLY, SIGNATURES
from maskc.grammar.pieces import LEVELS
from maskc.pipeline import prelude
from maskc.testing import specs
from maskc.testing.declarations import INPUT_KINDS, SCORE_INPUTS, score
from maskc.testing.expressions import mask
from maskc.testing.operations import SPECIAL
from maskc.testing.sight import Sight
from maskc.testing.spaces import Ground
from maskc.tree import children, descendants

INTS = {name for name in SIGNATURES if name not in (*SCORE_ONLY, *SPECIAL)}
COMPARISONS = {"==", "!=", "<", "<=", ">", ">="}
OPERATIONS = INTS | {sign for sign in LEVELS if sign not in "&|^\\"} | {"-x"}
PRELUDE = {
    d.name
    for d in prelude().declarations
    if isinstance(d, syntax.Def) and not d.name.startswith("_")
}
IN_MASKS = {
    *{kind.__name__ for kind in get_args(syntax.Expression)} - {"Member"},
    *{kind.__name__ for kind in (syntax.Range, syntax.SetOf, syntax.Wildcard)},
    *(OPERATIONS | COMPARISONS | PRELUDE | {*LEVELS} | {"not", "any", "all", "count"}),
    *("coarse", "center", "share", "len", "q", "k", "head", "kv_head", "layer", "batch"),
    *{f"{name} of an operation" for name in OPERATIONS},
    *{f"{name} in an operation" for name in OPERATIONS - {"is_pow2"}},
}
"""What a mask of a rich pattern may hold."""

AROUND = {
    *{kind.__name__ for kind in get_args(syntax.Statement)} - {"Route"},
    *{kind.__name__ for kind in get_args(syntax.Declaration)} - {"Use"},
    *("Member", "align start", "cross", "two", "grid", "packed", "segments"),
    *("list", "table", "dynamic", "bool", "float"),
}
"""What else a spec may hold."""


def words_of(node: syntax.Node) -> Iterator[str]:
    """What one node is an example of."""
    yield type(node).__name__
    match node:
        case syntax.Chain() | syntax.Compare():
            yield from node.operators
        case syntax.Unary():
            yield "-x" if node.operator == "-" else node.operator
        case syntax.Name() | syntax.Input():
            yield node.name
        case syntax.Quantifier():
            yield node.kind
        case syntax.SpaceStatement():
            yield node.kind
            yield "align start" if node.align_start else "align end"
        case syntax.Grid():
            yield "packed" if node.packed else "grid"
        case syntax.Space() if len(node.segments) > 1:
            yield "segments"
        case syntax.TypeRef():
            yield node.name
            yield "dynamic" if node.dynamic else "given"
        case syntax.Parameter() if node.type and node.type.axes is not None:
            yield "table" if node.type.axes else "list"


def operations_of(node: syntax.Node) -> set[str]:
    """The operations on ints that one node is."""
    if isinstance(node, syntax.Call) and isinstance(node.function, syntax.Name):
        return {node.function.name} & OPERATIONS
    return (
        {*words_of(node)} & OPERATIONS if isinstance(node, syntax.Chain | syntax.Unary) else set()
    )


def seen_in(root: syntax.Node) -> Iterator[str]:
    """What a tree is an example of."""
    for node in descendants(root):
        yield from words_of(node)
        for part in children(node):
            part = part.value if isinstance(part, syntax.Argument) else part
            if operations_of(node) and operations_of(part):
                yield from (f"{name} of an operation" for name in operations_of(node))
                yield from (f"{name} in an operation" for name in operations_of(part))


def not_drawn(wanted: set[str], strategy: st.SearchStrategy[Any], examples: int) -> set[str]:
    """What none of so many examples holds."""
    missing = set(wanted)

    @settings(max_examples=examples, database=None, phases=[Phase.generate])
    @given(strategy)
    def look(tree):
        missing.difference_update(seen_in(tree))

    look()
    return missing


@st.composite
def rich_masks(draw: Callable[..., Any]) -> syntax.Expression:
    """Masks of a pattern with a grid and something of every kind in sight."""
    sight = Sight(
        **{"numbers": ("offset",), "sizes": ("width",), "lists": ("marks",), "tables": ("span",)},
        **{"documents": ("doc",), "flags": ("live",), "measures": ("weight",)},
        features=frozenset({"at", "coarse"}),
        ground=Ground(axes=("y", "x")),
    )
    return mask(draw, sight, 3)


@pytest.mark.slow
def test_masks_hold_every_operator_built_in_and_prelude_function():
    assert not_drawn(IN_MASKS, rich_masks(), 1500) == set()


def test_scores_hold_every_built_in():
    scores = st.composite(lambda draw: score(draw, Sight(), ()))()
    assert not_drawn({*SCORE_ONLY}, scores, 200) == set()


@pytest.mark.slow
def test_specs_hold_every_statement_and_kind_of_space():
    inputs = {name for name, *_ in INPUT_KINDS} | {*SCORE_INPUTS}
    assert not_drawn(AROUND | inputs, specs(), 300) == set()
