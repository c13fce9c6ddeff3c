"""Kernels count in 64 bits where 32 are too few: positions, rows of inputs, entries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import triton
import triton.language as tl

import maskc
from maskc.codegen.templates import arithmetic

ROW, SIZE, INDEX = 70_000, 70_000, 5
ENTRY = ROW * SIZE + INDEX
"""Past 32 bits, with or without a sign."""


@pytest.mark.parametrize("near", ["(q - k) * w <= 8 * w", "(k - q) * w >= -8 * w"])
def test_a_mask_that_needs_64_bits_has_them(near):
    pattern = maskc.loads(f"pattern p(w: dynamic int = 1) = causal & {near}").p
    x = torch.randn(3, 1, 1, 20, 16, generator=torch.Generator().manual_seed(0))
    narrow, wide = (pattern(*x, w=w, backend="triton") for w in (1, 300_000_000))
    assert torch.equal(narrow, wide)
    assert torch.allclose(wide, pattern(*x, w=1, backend="dense"), atol=1e-6)


@triton.jit
def probe(entries_ptr, row_ptr, out_ptr, row, size, i):
    tl.store(row_ptr, arithmetic.tile_row(row, size, i))
    tl.store(out_ptr, arithmetic.tile_load(entries_ptr, row, size, i))


def test_entries_past_32_bits_are_found():
    entries = torch.from_numpy(np.zeros(ENTRY + 1, np.int8))
    entries[ENTRY] = 7
    row, out = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.int8)
    probe[(1,)](entries, row, out, ROW, SIZE, INDEX)
    assert (row.item(), out.item()) == (ENTRY, 7)
