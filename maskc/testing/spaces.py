"""Drawn index spaces, each with what a mask may say of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

from maskc.syntax import Axis, Expression, Grid, In, Name, Number, Segment, Space, SpaceStatement
from maskc.testing.choices import Draw, binary, call, members, pick


@dataclass(frozen=True, slots=True)
class Guarded:
    """What exists only where `guard` holds: axes of both sides, and ints."""

    guard: Expression
    axes: tuple[str, ...]
    coordinates: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """A space and what stands in it.

    `statement` is None for the default line. `axes` exist on both sides at every pair, and so do
    the ints `coordinates`; `parts` exist behind their guards; `tests` are bools, such as
    `q in text`. `one_sequence`: queries and keys are positions of one sequence.
    """

    statement: SpaceStatement | None = None
    axes: tuple[str, ...] = ("x",)
    coordinates: tuple[Expression, ...] = ()
    parts: tuple[Guarded, ...] = ()
    tests: tuple[Expression, ...] = ()
    one_sequence: bool = True


LINE = Ground()


def ground(draw: Draw, features: Collection[str], sizes: Sequence[str]) -> Ground:
    """A space.

    Args:
        draw: of Hypothesis.
        features: "cross" and "spaces" allow more than a line.
        sizes: names of constants >= 1, that an extent may be.

    """
    kinds = [lambda: LINE, lambda: Ground(SpaceStatement("one", align_start=True))]
    if "cross" in features:
        crossed = SpaceStatement("cross")
        kinds.append(lambda: Ground(crossed, axes=(), one_sequence=False))
    if "spaces" in features:
        kinds += [
            lambda: _grid(draw, sizes),
            lambda: _grid(draw, sizes),
            lambda: _segments(draw, sizes),
            lambda: _two_grids(draw),
            lambda: _pooled(draw),
            lambda: _packed(draw),
        ]
    return pick(draw, kinds)


def ints_of(axes: Sequence[str]) -> tuple[Expression, ...]:
    """Coordinates of both sides, and extents."""
    coordinates = (members(side, axis) for axis in axes for side in "qk")
    return (*coordinates, *(call("len", Name(axis)) for axis in axes))


def _grid(draw: Draw, sizes: Sequence[str]) -> Ground:
    names = draw(st.sampled_from([("y", "x"), ("t", "y", "x"), ("y",)]))
    grid = Grid(tuple(Axis(name, _extent(draw, sizes)) for name in names))
    space = Space((Segment(None, grid),))
    statement = SpaceStatement("one", align_start=draw(st.booleans()), query=space)
    return Ground(statement, names, ints_of(names))


def _segments(draw: Draw, sizes: Sequence[str]) -> Ground:
    """`text(n) ++ image: grid(y, x)`, and `++ extra(2)`."""
    text = Segment("text", draw(st.sampled_from([Name("n"), Number(3)])))
    image = Segment("image", Grid((Axis("y", _extent(draw, sizes)), Axis("x"))))
    order = [text, image] if draw(st.booleans()) else [image, text]
    if draw(st.booleans()):
        order.append(Segment("extra", draw(st.sampled_from([Number(2), Name("m"), None]))))
    statement = SpaceStatement("one", query=Space(tuple(order)))
    names = [segment.name or "" for segment in order]
    tests = tuple(In(Name(side), Name(name)) for side in "qk" for name in names)
    both = binary(In(Name("q"), Name("image")), "&", In(Name("k"), Name("image")))
    parts = (
        Guarded(both, ("y", "x"), ints_of(("y", "x"))),
        Guarded(In(Name("k"), Name("text")), (), (members("k", "text"),)),
        Guarded(In(Name("q"), Name("image")), (), (members("q", "image", "y"),)),
    )
    return Ground(statement, (), (call("len", Name("text")),), parts, tests)


def _two_grids(draw: Draw) -> Ground:
    """A grid for each side; the second may derive from the first."""

    def derived(axis: str) -> Expression:
        return call("cdiv", call("len", members("query", axis)), Number(2))

    own = (Axis("y"), Axis("x"))
    keys = draw(st.sampled_from([own, (Axis("y", derived("y")), Axis("x", derived("x")))]))
    sides = [Space((Segment(None, Grid(axes)),)) for axes in (own, keys)]
    coordinates = tuple(members(side, axis) for side in "qk" for axis in "yx")
    return Ground(_two(*sides), ("y", "x"), coordinates, one_sequence=False)


def _pooled(draw: Draw) -> Ground:
    """Queries of one segment, keys of that and another: `query: own, key: own ++ pool(m)`."""
    length = draw(st.sampled_from([None, Name("n")]))
    other = draw(st.sampled_from([Segment("pool", Name("m")), Segment("pool", Number(3))]))
    own = Segment("own", length)
    keys = (own, other) if draw(st.booleans()) else (other, own)
    parts = (
        Guarded(In(Name("k"), Name("own")), (), (members("k", "own"),)),
        Guarded(In(Name("k"), Name("pool")), (), (members("k", "pool"),)),
    )
    tests = (In(Name("k"), Name("pool")), In(Name("k"), Name("own")))
    coordinates = (members("q", "own"), call("len", Name("pool")))
    statement = _two(Space((own,)), Space(keys))
    return Ground(statement, (), coordinates, parts, tests, one_sequence=False)


def _packed(draw: Draw) -> Ground:
    extent = draw(st.sampled_from([None, None, Number(3)]))
    grid = Grid((Axis("y"), Axis("x", extent)), packed=True)
    space = Space((Segment(None, grid),))
    statement = SpaceStatement("one", align_start=draw(st.booleans()), query=space)
    items = tuple(members(side, "item") for side in "qk")
    return Ground(statement, ("y", "x"), (*ints_of(("y", "x")), *items))


def _two(query: Space, key: Space) -> SpaceStatement:
    kind: Literal["two"] = "two"
    return SpaceStatement(kind, query=query, key=key)


def _extent(draw: Draw, sizes: Sequence[str]) -> Expression | None:
    fixed = [None, None, Number(3), Number(1), *[Name(name) for name in sizes]]
    return draw(st.sampled_from(fixed))
