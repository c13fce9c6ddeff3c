"""Hypothesis strategies for every tree that the grammar can say, with a meaning or without."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from maskc import syntax as s
from maskc.grammar.build import RESERVED
from maskc.grammar.table import table
from maskc.grammar.words import SOFT

HARD_WORDS = {word for word, kind in table().spellings.items() if kind not in SOFT}

names = st.one_of(
    st.sampled_from(["a", "b", "any", "all", "count", "at", "grid", "key", "as", "dynamic", "_"]),
    st.from_regex(r"[a-z_][a-z0-9_]{0,12}", fullmatch=True),
).filter(lambda name: name not in HARD_WORDS and name not in RESERVED)

mask_names = st.one_of(names, st.sampled_from(sorted(RESERVED)))

numbers = st.one_of(
    st.integers(0, 2**63 - 1),
    st.integers(0, 9),
    st.floats(0, allow_nan=False, allow_infinity=False).map(abs),
).map(s.Number)

LEVELS = [("*", "//", "%"), ("+", "-"), ("<<", ">>"), ("&", "\\"), ("^",), ("|",)]
COMPARATORS = ["==", "!=", "<", "<=", ">", ">="]

leaves = st.one_of(numbers, st.booleans().map(s.Boolean), mask_names.map(s.Name))


def several(parts: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> Any:
    """A tuple of parts."""
    return st.lists(parts, min_size=least, max_size=most).map(tuple)


@st.composite
def chains(draw: Any, inner: Any) -> s.Chain:
    """Operators of one level."""
    signs = draw(several(st.sampled_from(draw(st.sampled_from(LEVELS))), 1))
    return s.Chain(tuple(draw(inner) for _ in range(len(signs) + 1)), signs)


@st.composite
def comparisons(draw: Any, inner: Any) -> s.Compare:
    """Chained comparisons."""
    signs = draw(several(st.sampled_from(COMPARATORS), 1, 2))
    return s.Compare(tuple(draw(inner) for _ in range(len(signs) + 1)), signs)


def collections(inner: Any) -> Any:
    """What may stand right of `in`."""
    ranges = st.builds(s.Range, inner, inner)
    return st.one_of(ranges, st.builds(s.SetOf, several(inner)), inner)


def arguments(inner: Any) -> Any:
    """Arguments of a call, by position or name."""
    return st.builds(s.Argument, st.one_of(st.none(), mask_names), inner)


def larger(inner: Any) -> Any:
    """Expressions made of smaller ones, one kind of node each."""
    arms = st.builds(s.MatchArm, st.one_of(collections(inner), st.just(s.Wildcard())), inner)
    named = st.builds(s.Argument, mask_names, inner)
    kinds = st.sampled_from(["any", "all", "count"])
    return st.one_of(
        chains(inner),
        comparisons(inner),
        st.builds(s.Unary, st.sampled_from(["-", "not"]), inner),
        st.builds(s.In, inner, collections(inner)),
        st.builds(s.Member, inner, names),
        st.builds(s.Index, inner, several(inner, 1)),
        st.builds(s.Call, inner, several(arguments(inner))),
        st.builds(s.If, several(st.tuples(inner, inner), 1, 2), inner),
        st.builds(s.Match, inner, several(arms, 1)),
        st.builds(s.Quantifier, kinds, names, collections(inner), inner),
        st.builds(s.At, several(named, 1, 2), inner),
    )


expressions = st.recursive(leaves, larger, max_leaves=12)

docs = st.one_of(
    st.just(""),
    st.lists(
        st.from_regex(r"([!-~][ -~]{0,20}[!-~])?", fullmatch=True), min_size=1, max_size=3
    ).map("\n".join),
)

entries = st.recursive(expressions, lambda inner: several(inner), max_leaves=4)


def types(dynamic: bool = True) -> Any:
    """Types of parameters and inputs."""
    axes = st.one_of(st.none(), several(expressions, 0, 2))
    kinds = st.sampled_from(["int", "bool", "float", "axis", "input"])
    return st.builds(s.TypeRef, kinds, st.booleans() if dynamic else st.just(False), axes)


@st.composite
def parameters(draw: Any) -> s.Parameter:
    """A parameter with its rules and default."""
    name = draw(names)
    own = s.Name(name)
    rules = []
    for _ in range(draw(st.integers(0, 2))):
        compared = draw(comparisons(expressions))
        divided = s.Chain((own, draw(expressions)), (draw(st.sampled_from(["%", "//", "*"])),))
        rule = draw(
            st.sampled_from(
                [
                    s.Compare((own, *compared.operands[1:]), compared.operators),
                    s.Compare((divided, *compared.operands[1:]), compared.operators),
                    s.In(own, draw(collections(expressions))),
                ]
            )
        )
        rules.append(s.Refinement(rule))
    default = draw(st.one_of(st.none(), expressions, several(entries)))
    return s.Parameter(name, draw(types()), tuple(rules), default, doc=draw(docs))


grids = st.builds(
    s.Grid,
    several(st.builds(s.Axis, names, st.one_of(st.none(), expressions)), 1),
    st.booleans(),
)

segment_names = names.filter(lambda name: name not in ("grid", "cross", "query", "key"))
"""`space cross`, `space query: ...` and `grid(n)` have meanings of their own."""

spaces = st.builds(
    s.Space,
    several(
        st.one_of(
            st.builds(s.Segment, st.one_of(st.none(), segment_names), grids),
            st.builds(s.Segment, segment_names, st.one_of(st.none(), expressions)),
        ),
        1,
    ),
)

space_statements = st.one_of(
    st.builds(s.SpaceStatement, st.just("one"), st.just(False), spaces, doc=docs),
    st.builds(s.SpaceStatement, st.just("one"), st.just(True), st.one_of(st.none(), spaces)),
    st.builds(s.SpaceStatement, st.just("cross"), doc=docs),
    st.builds(s.SpaceStatement, st.just("two"), st.just(False), spaces, spaces, doc=docs),
)

projections = st.builds(
    s.Call,
    names.map(s.Name),
    st.sampled_from(["Q", "K"]).map(lambda name: (s.Argument(None, s.Name(name)),)),
)

route_scores = st.one_of(
    st.none(),
    st.tuples(projections, projections).map(lambda two: s.RouteScore("dot", two)),
    st.builds(
        lambda name, given: s.RouteScore("call", (s.Call(s.Name(name), given),)),
        st.sampled_from(["bound", "last"]),
        several(arguments(expressions)),
    ),
    leaves.map(lambda leaf: s.RouteScore("expression", (leaf,))),
)

routes = st.builds(
    s.Route,
    names,
    names,
    several(st.tuples(mask_names, st.builds(s.Unit, names, several(expressions))), 0, 2),
    several(arguments(expressions)),
    route_scores,
    doc=docs,
)

statements = st.one_of(
    space_statements,
    routes,
    st.builds(s.Input, names, types(dynamic=False), doc=docs),
    st.builds(s.Let, names, several(parameters()), expressions, doc=docs),
    st.builds(s.Score, expressions, doc=docs),
    st.builds(s.SinkLogit, names, doc=docs),
    st.builds(s.SinkCount, expressions, doc=docs),
    st.builds(s.Mask, expressions, doc=docs),
)

paths = st.from_regex(r"[ !#-~]{0,12}", fullmatch=True)

declarations = st.one_of(
    st.builds(s.Use, paths, st.one_of(st.none(), names), doc=docs),
    st.builds(s.Const, names, expressions, doc=docs),
    st.builds(s.Def, names, several(parameters()), expressions, doc=docs),
    st.builds(s.Pattern, names, several(parameters()), several(statements), doc=docs),
    st.builds(
        lambda name, given, mask, doc: s.Pattern(name, given, (s.Mask(mask),), True, doc=doc),
        names,
        several(parameters()),
        expressions,
        docs,
    ),
)

files = st.builds(s.File, several(declarations), doc=docs)
