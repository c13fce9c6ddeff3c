"""Every function of the prelude keeps the pairs of its formula (language.md section 6)."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from check.pointwise import checked, errors, mask
from maskc import pipeline, syntax
from maskc.check import check
from maskc.points import evaluate, hash32

SHAPES = [(7, 7), (3, 9), (9, 4), (1, 6), (6, 1)]


@dataclass(frozen=True)
class Grid:
    """Coordinates of a position on a grid, row-major."""

    extents: dict[str, int]

    def at(self, position: int, axis: str) -> int:
        """The coordinate of a position on one axis."""
        names = list(self.extents)
        for name in names[names.index(axis) + 1 :]:
            position //= self.extents[name]
        return position if axis == names[0] else position % self.extents[axis]


@dataclass(frozen=True)
class Pair:
    """One pair of positions and what its call fixes."""

    q: int
    k: int
    n_k: int
    head: int = 0
    grid: Grid = field(default_factory=lambda: Grid({}))

    @property
    def d(self) -> int:
        """How far the key lies behind the query."""
        return self.q - self.k

    def c(self, axis: str) -> tuple[int, int]:
        """The coordinates of query and key on one axis."""
        return self.grid.at(self.q, axis), self.grid.at(self.k, axis)


def is_power(d: int, base: int) -> bool:
    return d in [base**i for i in range(64)]


LINE: list[tuple[str, Callable[[Pair], bool]]] = [
    ("causal", lambda p: p.k <= p.q),
    ("recent(3)", lambda p: 0 <= p.d < 3),
    ("recent(0)", lambda p: False),
    ("window(2)", lambda p: -2 <= p.d <= 2),
    ("window(2, 0)", lambda p: 0 <= p.d <= 2),
    ("window(-1, 3)", lambda p: -3 <= p.d <= -1),
    ("sink(2)", lambda p: p.k < 2),
    ("global(2)", lambda p: p.q < 2 or p.k < 2),
    ("prefix(3)", lambda p: p.k < 3 or p.k <= p.q),
    ("block(3)", lambda p: p.q // 3 == p.k // 3),
    ("block_causal(3)", lambda p: p.k // 3 <= p.q // 3),
    ("block_window(2, 1)", lambda p: 0 <= p.q // 2 - p.k // 2 <= 1),
    ("block_window(2, 1, 2)", lambda p: -2 <= p.q // 2 - p.k // 2 <= 1),
    ("block_window(2, -1, 2)", lambda p: -2 <= p.q // 2 - p.k // 2 <= -1),
    ("dilated(2, 3)", lambda p: abs(p.d) < 6 and p.d % 3 == 0),
    ("strided(3)", lambda p: p.d % 3 == 0),
    ("columns(3)", lambda p: p.k % 3 == 2),
    ("columns(3, 0)", lambda p: p.k % 3 == 0),
    ("columns(1)", lambda p: True),
    ("fixed(4)", lambda p: p.q // 4 == p.k // 4 or p.k % 4 >= 3),
    ("fixed(4, 2)", lambda p: p.q // 4 == p.k // 4 or p.k % 4 >= 2),
    ("powers", lambda p: p.d == 0 or is_power(p.d, 2)),
    ("powers()", lambda p: p.d == 0 or is_power(p.d, 2)),
    ("powers(3)", lambda p: p.d == 0 or is_power(p.d, 3)),
    ("powers(6)", lambda p: p.d == 0 or is_power(p.d, 6)),
    ("random(3)", lambda p: hash32(0, p.head, p.q, p.k) % 3 == 0),
    ("random(2, seed = 7)", lambda p: hash32(7, p.head, p.q, p.k) % 2 == 0),
    (
        "random_blocks(2, 2)",
        lambda p: p.k // 2 in [hash32(0, p.head, p.q // 2, i) % -(-p.n_k // 2) for i in range(2)],
    ),
    ("random_blocks(2, 0)", lambda p: False),
    ("same(x)", lambda p: p.q == p.k),
    ("near(x, 2)", lambda p: abs(p.d) <= 2),
    ("disk(2)", lambda p: p.d * p.d <= 4),
    ("everything", lambda p: True),
    ("nothing", lambda p: False),
]


@pytest.mark.parametrize(("text", "formula"), LINE, ids=[text for text, _ in LINE])
def test_a_function_of_the_line_keeps_its_formula(text, formula):
    (pattern,) = checked(f"pattern p = {text}")
    for (n_q, n_k), head in itertools.product(SHAPES, (0, 3)):
        rows = range(n_k - n_q, n_k)
        wanted = [[formula(Pair(q, k, n_k, head)) for k in range(n_k)] for q in rows]
        got = mask(pattern, n_q, n_k, head=head, heads=4)
        assert np.array_equal(got, wanted), (n_q, n_k, head)


def test_powers_finds_every_power_of_a_far_distance():
    (pattern,) = checked("pattern p(base: int >= 2 = 3) = powers(base)")
    for base in (2, 3, 7, 10, 2**31):
        for d in (1, base, base**2, base**2 + 1, base**2 - 1, 2**62, 3**39, 3**39 - 1, 7**22):
            if d < 2**63:
                kept = evaluate(pattern.mask, {"q": d, "k": 0, "base": base})
                assert kept == is_power(d, base), (base, d)


def wrap(a: int, b: int, length: int) -> int:
    return min((a - b) % length, (b - a) % length)


def in_neighborhood(c: tuple[int, int], length: int, kernel: int, dilation: int) -> bool:
    q, k = c
    if q % dilation != k % dilation:
        return False
    of_class = len(range(q % dilation, length, dilation))
    first = min(max(q // dilation - kernel // 2, 0), max(of_class - kernel, 0))
    return first <= k // dilation < first + min(kernel, of_class)


def both_sides(c: tuple[int, int], shift: int) -> bool:
    return (c[0] >= shift) == (c[1] >= shift)


def rolled(c: tuple[int, int], length: int, w: int, shift: int) -> bool:
    return (c[0] - shift) % length // w == (c[1] - shift) % length // w


GRID: list[tuple[str, Callable[[Any, int], bool]]] = [
    ("same(a)", lambda c, n: c[0] == c[1]),
    ("near(a, 1)", lambda c, n: abs(c[0] - c[1]) <= 1),
    ("near(a, 9)", lambda c, n: True),
    ("near_wrap(a, 1)", lambda c, n: wrap(*c, n) <= 1),
    ("neighborhood(a, 3)", lambda c, n: in_neighborhood(c, n, 3, 1)),
    ("neighborhood(a, 4)", lambda c, n: in_neighborhood(c, n, 4, 1)),
    ("neighborhood(a, 3, 2)", lambda c, n: in_neighborhood(c, n, 3, 2)),
    ("neighborhood(a, 2, dilation = 3)", lambda c, n: in_neighborhood(c, n, 2, 3)),
    ("neighborhood(a, 50)", lambda c, n: True),
    ("tile(a, 2)", lambda c, n: c[0] // 2 == c[1] // 2),
    ("tile(a, 3, 1)", lambda c, n: (c[0] - 1) // 3 == (c[1] - 1) // 3),
    ("tile_wrap(a, 2)", lambda c, n: rolled(c, n, 2, 0)),
    ("tile_wrap(a, 2, 1)", lambda c, n: rolled(c, n, 2, 1)),
    ("tile_swin(a, 2, 1)", lambda c, n: rolled(c, n, 2, 1) and both_sides(c, 1)),
    ("halo(a, 2, 1)", lambda c, n: 2 * (c[0] // 2) - 1 <= c[1] < 2 * (c[0] // 2) + 3),
    ("residue(a, 2)", lambda c, n: c[0] % 2 == c[1] % 2),
]


@pytest.mark.parametrize(("text", "formula"), GRID, ids=[text for text, _ in GRID])
@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_function_of_an_axis_keeps_its_formula(text, formula, axis):
    text = text.replace("a,", f"{axis},").replace("a)", f"{axis})")
    for extents in ({"y": 3, "x": 5}, {"y": 4, "x": 2}, {"t": 2, "y": 1, "x": 4}):
        space = ", ".join(extents)
        (pattern,) = checked(f"pattern p {{\n space grid({space})\n mask {text}\n}}")
        grid = Grid(extents)
        n = math.prod(extents.values())
        wanted = [
            [formula((grid.at(q, axis), grid.at(k, axis)), extents[axis]) for k in range(n)]
            for q in range(n)
        ]
        sizes = {f"size:{name}": size for name, size in extents.items()}
        assert np.array_equal(mask(pattern, n, **sizes), wanted), extents


@pytest.mark.parametrize("r", [0, 1, 2])
def test_a_disk_measures_along_all_axes(r):
    (pattern,) = checked(f"pattern p {{\n space grid(t = 2, y = 3, x)\n mask disk({r})\n}}")
    grid = Grid({"t": 2, "y": 3, "x": 3})
    apart = [
        [sum((grid.at(q, a) - grid.at(k, a)) ** 2 for a in grid.extents) for k in range(18)]
        for q in range(18)
    ]
    assert np.array_equal(mask(pattern, 18, **{"size:x": 3}), np.array(apart) <= r * r)


def test_document_compares_an_input_on_both_sides():
    (pattern,) = checked(
        "pattern p {\n input doc: int[batch, token]\n mask causal & document(doc)\n}"
    )
    doc = [[9, 9, 9], [1, 1, 2]]
    got = mask(pattern, 3, tensors={"doc": doc}, batch=1)
    assert got.tolist() == [[True, False, False], [True, True, False], [False, False, True]]


WRONG = [
    *("block(0)", "block_causal(0)", "block_window(0, 1)", "dilated(1, 0)", "dilated(-1, 1)"),
    *("strided(0)", "columns(0)", "columns(4, 4)", "columns(4, -1)", "fixed(0)", "fixed(4, -1)"),
    *("powers(1)", "random(0)", "random(2, -1)", "random_blocks(0, 1)", "random_blocks(4, -1)"),
    *("recent(-1)", "sink(-1)", "global(-1)", "prefix(-1)", "near(x, -1)", "near_wrap(x, -1)"),
    *("neighborhood(x, 0)", "neighborhood(x, 3, 0)", "tile(x, 0)", "tile(x, 2, -1)"),
    *("tile_wrap(x, 0)", "tile_swin(x, 0, 1)", "halo(x, 0, 1)", "halo(x, 1, -1)", "residue(x, 0)"),
    "disk(-1)",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_size_that_a_refinement_excludes_is_refused(text):
    found = errors(f"pattern p = {text}")
    assert [d.id for d in found] == ["broken-refinement"]
    assert found[0].file == "spec.attn"


FUNCTIONS = [
    declaration
    for declaration in pipeline.prelude().declarations
    if isinstance(declaration, syntax.Def) and not declaration.name.startswith("_")
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda d: d.name)
def test_every_function_says_what_it_keeps_and_how_many(function):
    assert re.search(r"\bsees?\b", function.doc)
    assert re.search(r"\bAlso: ", function.doc)


def test_the_prelude_stands_by_itself():
    assert check(pipeline.prelude()) == ()


def test_the_prelude_holds_every_function_of_the_language():
    wanted = {text.split("(")[0] for text, _ in (*LINE, *GRID)} - {"everything", "nothing"}
    assert {d.name for d in FUNCTIONS} >= wanted | {"document", "disk"}
