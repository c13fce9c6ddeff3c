"""What is known of a node's value is not carried over to what is made of it."""

from __future__ import annotations

import pytest
import torch

import maskc

SIZE, BLOCK = 256, 32

MASKS = (
    "k // 32 == (hash(0, q // 32) * 3) % 7",
    "k // 32 == (-hash(0, q // 32)) % 7",
    "k // 32 == log2(hash(0, q // 32)) % 7",
    "k // 32 == (popcount(q // 32) * 3) % 5",
    "k // 32 == ((hash(0, q // 32) % 7) * 3) % 5",
    "k // 32 == (popcount(q // 32) * popcount(q // 32)) % 5",
    "k // 32 == (popcount(q // 32) << 1) % 3",
    "q - 8 * k * 100 == 5",
    "q - 8 * pow2(min(k, 20)) == 5",
    "causal & (q - 8 * k * 100) % 1000 == 5",
    "abs(-(k // 32)) == 2",
    "abs(-(k // 3)) <= q // 3",
    "abs(-(k // 32)) % 3 == 1",
    "abs(-(q % 7)) * (k % 5) == 6",
    "bit_and(-(k // 3), 5) == 5",
    "q // -(1 + k // 3) == -4",
)


@pytest.fixture(scope="module")
def patterns():
    return vars(maskc.loads("\n".join(f"pattern p{i} = {mask}" for i, mask in enumerate(MASKS))))


@pytest.mark.parametrize("i", range(len(MASKS)), ids=MASKS)
def test_layouts_are_exact(patterns, i):
    pattern = patterns[f"p{i}"]
    pairs = pattern.dense_mask(SIZE)[0, 0]
    n = SIZE // BLOCK
    tiles = pairs.view(n, BLOCK, n, BLOCK).permute(0, 2, 1, 3).flatten(2)
    wanted = tiles.any(-1).int() + tiles.all(-1).int()
    assert torch.equal(pattern.layout(SIZE, block=BLOCK).tiles().int(), wanted)
