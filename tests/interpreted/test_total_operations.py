"""Operations of kernels are the language's, for every sign, at 0 and at the ends of 32 bits."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import triton
import triton.language as tl
from properties.test_total_operations import EDGES

from maskc import points
from maskc.codegen.templates import arithmetic


@triton.jit
def floor_div(a, b):
    return arithmetic.tile_floor_div(a, b, True)


@triton.jit
def floor_mod(a, b):
    return arithmetic.tile_floor_mod(a, b, True)


@triton.jit
def hashed(a, b):
    return arithmetic.tile_hash_next(arithmetic.tile_hash_start(a), b)


@triton.jit
def count_bits(a, b):
    return arithmetic.tile_count_bits(a)


@triton.jit
def log2_floor(a, b):
    return arithmetic.tile_log2_floor(a)


@triton.jit
def power_of_two(a, b):
    return arithmetic.tile_power_of_two(a)


FUNCTIONS = {
    "floordiv": floor_div,
    "mod": floor_mod,
    "shl": arithmetic.tile_shift_left,
    "shr": arithmetic.tile_shift_right,
    "hash": hashed,
    "popcount": count_bits,
    "log2": log2_floor,
    "pow2": power_of_two,
}
"""By their names; those of one int leave the second out."""


@triton.jit
def probe(a_ptr, b_ptr, out_ptr, N: tl.constexpr, FUNCTION: tl.constexpr):
    place = tl.arange(0, N)
    found = FUNCTION(tl.load(a_ptr + place), tl.load(b_ptr + place))
    tl.store(out_ptr + place, found.to(tl.int64))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_operation_is_that_of_the_language(name):
    n = 1 if name in ("popcount", "log2", "pow2") else 2
    pairs = [x for x in product(EDGES, repeat=2) if abs(points.apply(name, x[:n])) < 2**63]
    size = triton.next_power_of_2(len(pairs))
    pairs += [(1, 1)] * (size - len(pairs))
    a, b = (torch.tensor(column) for column in zip(*pairs, strict=True))
    out = torch.zeros(size, dtype=torch.int64)
    probe[(1,)](a, b, out, size, FUNCTIONS[name])
    assert out.tolist() == [points.apply(name, x[:n]) for x in pairs]
