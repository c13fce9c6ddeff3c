"""Pieces of tile rows against matrices of tiles: coarser, by columns, and off a pile."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc.codegen.runtime import runs
from maskc.codegen.runtime.pieces import coarser, merged_pieces, transposed
from maskc.codegen.runtime.runs import Pile
from subjects import many

CPU = torch.device("cpu")


def firsts(shape):
    """Numbers of the first slice: its keys fit in 32 bits, the last of them do not, none do."""
    return st.sampled_from([0, 2**31 // (shape[1] * (shape[2] + 1)), 2**31])


def pieces_of(chosen, first):
    """Pieces by rows of a bool matrix [slices, rows, columns], merged and in order."""
    n_rows, n_columns = chosen.shape[1:]
    s, r, c = chosen.nonzero(as_tuple=True)
    key = ((first + s) * n_rows + r) * (n_columns + 1) + c
    return merged_pieces([(key, torch.ones_like(key))], CPU)


def matrix_of(pieces, shape, first):
    """The bool matrix [slices, rows, columns] of pieces, held to be in order and not to touch."""
    n_slices, n_rows, n_columns = shape
    out = torch.zeros(n_slices * n_rows, n_columns + 1, dtype=torch.bool)
    end = -1
    start = first * n_rows * (n_columns + 1)
    for key, length in zip((pieces[0] - start).tolist(), pieces[1].tolist(), strict=True):
        assert end < key and length > 0
        end = key + length
        out.view(-1)[key:end] = True
    assert not out[:, n_columns].any(), "pieces end inside their row"
    return out[:, :n_columns].view(shape)


def by_columns(matrix):
    """The matrix as columns have it."""
    return matrix.transpose(1, 2)


@st.composite
def kinds(draw):
    """Tiles 0 absent, 1 mixed, 2 full, in runs: uint8 [slices, rows, columns]."""
    shape = [draw(st.integers(1, most)) for most in (3, 7, 12)]
    n = shape[0] * shape[1] * shape[2]
    runs_drawn = st.tuples(st.sampled_from([0, 1, 2, 2]), st.integers(1, 9))
    cells = [
        kind for kind, n_cells in draw(st.lists(runs_drawn, max_size=n)) for _ in range(n_cells)
    ]
    cells = (cells + [draw(st.sampled_from([0, 2]))] * n)[:n]
    return torch.tensor(cells, dtype=torch.uint8).view(shape)


@settings(max_examples=many(3))
@given(kinds(), st.integers(1, 4), st.integers(1, 4), st.data())
def test_coarser_tiles_are_full_where_all_parts_are_and_absent_where_none_is(
    fine, down, across, data
):
    n_slices, n_rows, n_columns = fine.shape
    first = data.draw(firsts(fine.shape))
    n_tiles = -(-n_rows // down), -(-n_columns // across)
    wanted = torch.zeros(n_slices, *n_tiles, dtype=torch.uint8)
    for r in range(n_tiles[0]):
        for c in range(n_tiles[1]):
            parts = fine[:, r * down : (r + 1) * down, c * across : (c + 1) * across].flatten(1)
            wanted[:, r, c] = (parts > 0).any(1).byte() + (parts == 2).all(1).byte()
    found = coarser(
        *(pieces_of(fine == kind, first) for kind in (1, 2)),
        *((down, across), n_tiles, (n_rows, n_columns)),
    )
    for kind, (by_row, by_column) in enumerate(found, 1):
        assert torch.equal(matrix_of(by_row, wanted.shape, first), wanted == kind)
        sides = (n_slices, n_tiles[1], n_tiles[0])
        assert torch.equal(matrix_of(by_column, sides, first), by_columns(wanted == kind))


@settings(max_examples=many(3))
@given(kinds(), st.data())
def test_pieces_by_columns_are_those_by_rows(tiles, data):
    n_slices, n_rows, n_columns = tiles.shape
    first = data.draw(firsts(tiles.shape))
    found = transposed(*pieces_of(tiles > 0, first), n_rows, n_columns)
    got = matrix_of(found, (n_slices, n_columns, n_rows), first)
    assert torch.equal(got, by_columns(tiles > 0))


@pytest.mark.parametrize("most", [1, 1 << 21], ids=["one way is dropped", "both ways are kept"])
@settings(max_examples=many(2))
@given(data=st.data())
def test_a_pile_gives_back_its_rectangles_both_ways(data, most):
    n_slices, n_rows, n_columns = (data.draw(st.integers(1, n)) for n in (3, 9, 14))
    pile, wanted = Pile(n_rows, n_columns, CPU), torch.zeros(n_slices, n_rows, n_columns).bool()
    first = data.draw(firsts(wanted.shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "MOST_PIECES", most)
        for _ in range(data.draw(st.integers(1, 4))):
            h, w = data.draw(st.sampled_from([1, 2, 4])), data.draw(st.sampled_from([1, 2, 4]))
            free = [
                (s, r, c)
                for s in range(n_slices)
                for r in range(0, n_rows, h)
                for c in range(0, n_columns, w)
                if not wanted[s, r : r + h, c : c + w].any()
            ]
            chosen = data.draw(st.lists(st.sampled_from(free), unique=True)) if free else []
            for s, r, c in chosen:
                wanted[s, r : r + h, c : c + w] = True
            s, r, c = torch.tensor(sorted(chosen), dtype=torch.int64).view(-1, 3).unbind(1)
            pile.add(first + s, r, c, h, w)
        by_row, by_column = pile.pieces()
    assert torch.equal(matrix_of(by_row, wanted.shape, first), wanted)
    got = matrix_of(by_column, (n_slices, n_columns, n_rows), first)
    assert torch.equal(got, by_columns(wanted))
