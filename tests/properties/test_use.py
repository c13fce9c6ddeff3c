"""A spec says the same when its definitions, and its pattern, stand in another file."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import syntax
from maskc.check import check
from maskc.grammar.unparse import unparse
from maskc.passes import run
from maskc.pipeline import prelude
from maskc.syntax import Argument, Call, File, Mask, Member, Name, Pattern, Use
from maskc.testing import FEATURES, specs
from maskc.testing.trees import NAME
from subjects import many, tree_of

LIBRARY = "parts/library.attn"

ALONE = FEATURES - {"score", "sinks", "learnt"}
"""What a pattern that another one calls may have."""


def calling(tree: File, alias: str | None) -> File:
    """A file with one pattern, which calls that of `tree` with its own parameters."""

    def theirs(name: str) -> syntax.Expression:
        return Name(name) if alias is None else Member(Name(alias), name)

    *_, called = tree.declarations
    assert isinstance(called, Pattern)
    spaces = [s for s in called.statements if isinstance(s, syntax.SpaceStatement)]
    constants = {d.name for d in tree.declarations if isinstance(d, syntax.Const)}
    arguments = tuple(Argument(p.name, Name(p.name)) for p in called.parameters)
    mask = Call(theirs(NAME), arguments) if arguments else theirs(NAME)
    own = Pattern(
        "outer",
        called.parameters,
        (*(_renamed(space, constants, theirs) for space in spaces), Mask(mask)),
    )
    return File((Use(LIBRARY, alias), own))


def _renamed(space, constants, theirs):
    """The space statement with constants of the other file as this one calls them."""

    def side(x: syntax.Space | None) -> syntax.Space | None:
        return x and replace(x, segments=tuple(map(segment, x.segments)))

    def segment(x: syntax.Segment) -> syntax.Segment:
        if not isinstance(x.layout, syntax.Grid):
            return x
        axes = tuple(replace(axis, extent=extent(axis.extent)) for axis in x.layout.axes)
        return replace(x, layout=replace(x.layout, axes=axes))

    def extent(x: syntax.Expression | None) -> syntax.Expression | None:
        return theirs(x.name) if isinstance(x, Name) and x.name in constants else x

    return replace(space, query=side(space.query), key=side(space.key))


@settings(max_examples=many(2))
@given(specs(ALONE), st.sampled_from([None, "v"]))
def test_a_pattern_of_another_file_is_the_same_pattern(tree, alias):
    (alone,) = check(tree, prelude=prelude())
    library = tree_of(unparse(tree))
    read = {LIBRARY: library}.__getitem__
    (outer,) = check(tree_of(unparse(calling(tree, alias))), prelude=prelude(), read=read)
    assert outer.space == alone.space
    assert {t.name for t in outer.inputs} <= {t.name for t in alone.inputs}
    assert run(outer).mask == run(alone).mask


@settings(max_examples=many(1))
@given(specs())
def test_definitions_of_another_file_are_the_same_definitions(tree):
    *parts, pattern = tree.declarations
    (alone,) = check(tree, prelude=prelude())
    read = {LIBRARY: File(tuple(parts))}.__getitem__
    (apart,) = check(File((Use(LIBRARY), pattern)), prelude=prelude(), read=read)
    assert run(apart) == run(alone)
