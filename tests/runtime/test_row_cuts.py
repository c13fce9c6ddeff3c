"""Rows split at the cuts that a spec gives: whatever the cuts, the layout is the mask's."""

from __future__ import annotations

import dataclasses

import handmade
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layout import call_of

from maskc.codegen.runtime.reader import Reader
from maskc.codegen.runtime.row_cuts import aligned, row_pieces
from maskc.codegen.runtime.subdivide import build_layout
from subjects import tiles_of


def drawn_cuts(q0, q1, index, call):
    """The ends of the block of keys that the first query's block draws."""
    block = handmade.drawn(q0, call)
    return block * 24, block * 24 + 24


def own_cuts(q0, q1, index, call):
    """The ends of the queries' own block, and one key for all rows."""
    return q0 // 24 * 24, q0 // 24 * 24 + 24, 40 * index


def wrong_cuts(q0, q1, index, call):
    """Keys that mean nothing, outside the call too."""
    return q0 * 7 - 300, q1 * 0 + 10**9, -5


def once(call):
    """One index."""
    return 0, 1


def thrice(call):
    """Three indices."""
    return 0, 3


def outline(q0, q1, k0, k1, call, tables):
    """The first half of the bounds."""
    return handmade.drawn_bounds(q0, q1, k0, k1, call, tables)[:2]


CUTS = [(drawn_cuts, once, own_cuts, once), (own_cuts, thrice), (wrong_cuts, thrice)]


@given(st.sampled_from(CUTS), st.integers(1, 900), st.integers(150, 900), st.booleans())
def test_tiles_are_those_of_the_mask_whatever_the_cuts(cuts, n_q, n_k, has_outline):
    spec = dataclasses.replace(handmade.DRAWN, cuts=cuts, outline=outline if has_outline else None)
    n_q = min(n_q, n_k)
    call = call_of(spec, n_q, n_k)
    mask = handmade.mask_of(spec, call)[0, 0]
    for block in ((24, 16), (48, 8)):
        layout = build_layout(spec, call, block)
        assert torch.equal(layout.tiles(), tiles_of(mask, block))
        assert layout.kept_pairs == int(mask.sum())


@pytest.mark.parametrize("cuts", CUTS)
def test_pieces_cover_each_row_once(cuts):
    spec = dataclasses.replace(handmade.DRAWN, cuts=cuts)
    reader = Reader(spec, call_of(spec, 480, 500), (24, 16))
    r = torch.arange(20)
    q0 = r * 24 + 20
    first, last = row_pieces(reader, (0, 32), torch.zeros_like(r), q0, q0 + 23)
    covered = torch.zeros(20, 32, dtype=torch.int64)
    for at, (starts, ends) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for a, b in zip(starts, ends, strict=True):
            assert a <= b
            covered[at, a:b] += 1
    assert (covered == 1).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 63), st.integers(0, 64)), min_size=1))
def test_aligned_pieces_cover_each_run_once(runs):
    first = torch.tensor([min(run) for run in runs])
    last = torch.tensor([max(run) for run in runs])
    row = torch.arange(len(runs))
    covered = torch.zeros(len(runs), 64, dtype=torch.int64)
    for _, rows, starts, width in aligned(row * 0, row, first, last, 32):
        assert width & (width - 1) == 0 and width <= 32
        for at, start in zip(rows.tolist(), starts.tolist(), strict=True):
            assert start % width == 0
            covered[at, start : start + width] += 1
    wanted = (torch.arange(64) >= first[:, None]) & (torch.arange(64) < last[:, None])
    assert torch.equal(covered, wanted.long())
