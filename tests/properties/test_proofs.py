"""What is proved of rectangles holds for every rectangle there is."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from readings.test_torch_text import functions

from maskc import passes
from maskc.check import check
from maskc.codegen.runtime.call import Call, Spec
from maskc.codegen.runtime.tables import RangeTables
from maskc.pipeline import prelude
from maskc.syntax import (
    Axis,
    Compare,
    Expression,
    File,
    Grid,
    Mask,
    Name,
    Number,
    Pattern,
    Segment,
    Space,
    SpaceStatement,
)
from maskc.testing import Call as Drawn
from maskc.testing.choices import binary, pick, small
from maskc.testing.operations import WHOLE, Source, narrow, operations
from maskc.testing.spaces import ints_of
from maskc.testing.trees import NAME, is_undefined
from subjects import many, meaning_of

TOKENS = 14
"""Of a side: all rectangles, 11,000, are asked at once."""


class Sums:
    """Sums over rectangles of a bool matrix [rows, columns]."""

    def __init__(self, matrix: torch.Tensor) -> None:
        padded = torch.nn.functional.pad(matrix.long(), (1, 0, 1, 0))
        self.sums = padded.cumsum(0).cumsum(1)

    def over(self, q0, q1, k0, k1) -> torch.Tensor:
        """How many hold in rows q0..q1 and columns k0..k1, both inclusive."""
        upper = self.sums[q1 + 1, k1 + 1] - self.sums[q0, k1 + 1]
        return upper - self.sums[q1 + 1, k0] + self.sums[q0, k0]


def rectangles(n_q: int, n_k: int) -> tuple[torch.Tensor, ...]:
    """Rows q0, q1 and columns k0, k1, inclusive: int64 [n] each, all of a matrix."""
    rows, columns = (torch.triu_indices(n, n) for n in (n_q, n_k))
    pairs = torch.cartesian_prod(torch.arange(rows.shape[1]), torch.arange(columns.shape[1])).T
    return (*rows[:, pairs[0]], *columns[:, pairs[1]])


CORNERS = rectangles(TOKENS, TOKENS)


def nested(draw: Any, leaf: Expression, depth: int, room: int = WHOLE) -> Expression:
    """Operations one inside the other around a leaf; their other operands are simple."""
    if depth == 0:
        return narrow(leaf, room)
    simple = st.sampled_from([leaf, Name("q"), Name("k"), Name("head")])
    source = Source(
        lambda bits: nested(draw, leaf, depth - 1, bits),
        lambda bits: narrow(draw(simple), bits),
        lambda: small(draw, -4, 9),
        lambda: small(draw, 1, 5),
    )
    return pick(draw, operations(draw, room, source, draw(st.booleans())))


@st.composite
def arithmetic(draw: Any) -> File:
    """Comparisons of nested arithmetic, on a line or on a grid of 2 by 7."""
    axes = (Axis("y", Number(2)), Axis("x", Number(TOKENS // 2)))
    grid = SpaceStatement("one", query=Space((Segment(None, Grid(axes)),)))
    positions = [Name("q"), Name("k"), binary(Name("q"), "-", Name("k"))]
    on_grid = draw(st.booleans())
    leaves = st.sampled_from(list(ints_of(("y", "x"))) if on_grid else positions)
    left = nested(draw, draw(leaves), draw(st.integers(1, 4)))
    blocks = binary(draw(leaves), "//", small(draw, 1, 4))
    right = draw(st.sampled_from([small(draw, -4, 9), blocks]))
    mask = Compare((right, left), (draw(st.sampled_from(["==", "<", ">=", "!="])),))
    return File((Pattern(NAME, (), (*[grid] * on_grid, Mask(mask))),))


@settings(max_examples=many(1))
@given(arithmetic().filter(lambda tree: not is_undefined(tree)), st.integers(0, 1))
def test_proofs_of_arithmetic_hold_for_every_rectangle(tree, head):
    (pattern,) = (passes.run(each) for each in check(tree, prelude=prelude()))
    made = functions(pattern)
    slices = {"batch": 0, "head": head, "kv_head": 0}
    call = Call(
        **{"n_q": TOKENS, "n_k": TOKENS, "heads": 2, "kv_heads": 1, "batches": 1, "q_start": 0},
        **{"layer": 0, "n_layers": 1, "device": torch.device("cpu"), "params": {}, "tensors": {}},
        **{name: torch.tensor(at) for name, at in slices.items()},
    )
    terms = tuple(f for name, f in made.items() if name.startswith(f"{NAME}_term_"))
    spec = Spec(NAME, "", made[f"{NAME}_keep"], made[f"{NAME}_bounds"], terms=terms)
    drawn = Drawn(TOKENS, TOKENS, heads=2, kv_heads=1, layer=0, n_layers=1)
    mask = torch.from_numpy(meaning_of(tree, NAME, drawn).mask())[0, head]
    kept = Sums(mask).over(*CORNERS)
    q0, q1, k0, k1 = CORNERS
    area = (q1 - q0 + 1) * (k1 - k0 + 1)
    found = made[f"{NAME}_bounds"](*CORNERS, call, RangeTables(spec, call, call))
    every, some, hit, miss = (torch.as_tensor(x).expand(len(q0)) for x in found)
    assert (kept == area)[every].all()
    assert (kept == 0)[~some].all()
    assert (kept > 0)[hit].all()
    assert (kept < area)[miss].all()
