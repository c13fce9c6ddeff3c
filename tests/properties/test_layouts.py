"""Layouts of drawn specs and of the examples: sound, exact, each kept pair once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from subjects import EXAMPLES, Case, cases, example_cases, share, tiles_of

BLOCKS = st.sampled_from([(4, 4), (1, 1), (3, 5), (8, 2), (16, 16)])


def transposed_tiles(runs, index: int, n_columns: int, n_rows: int) -> torch.Tensor:
    """uint8 [n_q_tiles, n_k_tiles] of one class, from the transposed form alone."""
    tiles = torch.zeros(n_rows, n_columns, dtype=torch.uint8)
    for value, start, pairs in (
        (1, runs.partial_start, runs.partial),
        (2, runs.full_start, runs.full),
    ):
        for column in range(n_columns):
            row = index * n_columns + column
            for first, last in pairs[start[row] : start[row + 1]].tolist():
                assert first < last, "a run is not empty"
                assert (tiles[first:last, column] == 0).all(), "a tile is in one run"
                tiles[first:last, column] = value
    return tiles


def check_layout(case: Case, block: tuple[int, int]) -> None:
    mask = case.mask()
    layout = case.pattern.layout(**case.call.lengths(), **case.call.arguments(), block=block)
    assert (layout.n_q, layout.n_k, layout.block) == (case.call.n_q, case.call.n_k, block)
    for b in range(case.call.batch):
        for h in range(case.call.heads):
            wanted = tiles_of(mask[b, h], block)
            assert torch.equal(layout.tiles(b, h), wanted), (b, h)
            index = layout.class_index(b, h)
            n_rows, n_columns = wanted.shape
            assert torch.equal(transposed_tiles(layout.columns, index, n_columns, n_rows), wanted)
    assert layout.kept_pairs == int(mask.sum())
    assert layout.n_classes <= case.call.batch * case.call.heads


@given(cases(), BLOCKS)
def test_tiles_are_full_partial_or_absent_as_their_pairs_say(case, block):
    check_layout(case, block)


def test_a_term_of_k_minus_q_is_looked_up_at_its_own_sign():
    odd = "hash(k) % 7 == 2 & not (hash(k) % 2 == 0 | k % 3 == 1)"
    pattern = maskc.loads(f"pattern p = causal & hash(k - q) % 4 == 0 | {odd}").p
    layout = pattern.layout(n_q=130, n_k=13, block=(16, 4))
    assert torch.equal(layout.tiles(0, 0), tiles_of(pattern.dense_mask(130, 13)[0, 0], (16, 4)))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(2))
@given(st.data())
def test_tiles_of_an_example_are_as_their_pairs_say(path, data):
    check_layout(data.draw(example_cases(path)), data.draw(BLOCKS))


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(2))
@given(st.data())
def test_slices_of_one_mask_share_a_class(path, data):
    case = data.draw(example_cases(path))
    mask = case.mask()
    layout = case.pattern.layout(**case.call.lengths(), **case.call.arguments(), block=(4, 4))
    slices = mask.flatten(0, 1)
    distinct = torch.unique(slices, dim=0).shape[0]
    assert layout.n_classes <= distinct
