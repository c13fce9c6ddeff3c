"""The language's total operations on Triton ints, where an operator does not mean the same.

Ints are int32 or int64 scalars, tensors or constants. Triton's `//` and `%` truncate on tensors;
the language's floor, and are 0 where the divisor is.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def tile_floor_div(a, b, SIGNED: tl.constexpr):
    """The floor of a / b; 0 where b is 0. SIGNED: a or b may be negative."""
    divisor = tl.where(b == 0, 1, b)
    quotient = a // divisor
    if SIGNED:
        rest = a - quotient * divisor
        quotient = tl.where((rest != 0) & ((rest < 0) != (divisor < 0)), quotient - 1, quotient)
    return tl.where(b == 0, 0, quotient)


@triton.jit
def tile_floor_mod(a, b, SIGNED: tl.constexpr):
    """The remainder of a by b with the sign of b; 0 where b is 0. SIGNED: as in tile_floor_div."""
    divisor = tl.where(b == 0, 1, b)
    rest = a % divisor
    if SIGNED:
        rest = tl.where((rest != 0) & ((rest < 0) != (divisor < 0)), rest + divisor, rest)
    return tl.where(b == 0, 0, rest)


@triton.jit
def tile_power_of_two(x):
    """The power 2**x, int64; 0 where x is not in 0..62."""
    inside = (x >= 0) & (x <= 62)
    return tl.where(
        inside, tl.full([], 1, tl.int64) << tl.cast(tl.where(inside, x, 0), tl.int64), 0
    )


@triton.jit
def tile_shift_left(a, b):
    """The product of a and 2**b, int64; 0 where b is not in 0..62."""
    return a * tile_power_of_two(b)


@triton.jit
def tile_shift_right(a, b):
    """The floor of a / 2**b, int64; 0 where b is not in 0..62."""
    inside = (b >= 0) & (b <= 62)
    shifted = tl.cast(a, tl.int64) >> tl.cast(tl.where(inside, b, 0), tl.int64)
    return tl.where(inside, shifted, 0)


@triton.jit
def tile_truth_of(x):
    """One bool as it is: Triton's interpreter takes it for a float if floats were compared."""
    return tl.where(x, 1, 0) != 0


@triton.jit
def tile_sign_of(x):
    """-1, 0 or 1, int32."""
    return (x > 0).to(tl.int32) - (x < 0).to(tl.int32)


@triton.jit
def tile_count_bits(x):
    """The number of ones of the 64 bits of x, int32."""
    x = tl.cast(x, tl.int64).to(tl.uint64, bitcast=True)
    x = x - ((x >> 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    x = x + (x >> 8)
    x = x + (x >> 16)
    x = x + (x >> 32)
    return (x & 0x7F).to(tl.int32)


@triton.jit
def tile_log2_floor(x):
    """The floor of the logarithm to base 2, int32; -1 where x <= 0."""
    x = tl.cast(x, tl.int64)
    x = tl.where(x > 0, x, 0)
    x = x | (x >> 1)
    x = x | (x >> 2)
    x = x | (x >> 4)
    x = x | (x >> 8)
    x = x | (x >> 16)
    x = x | (x >> 32)
    return tile_count_bits(x) - 1


@triton.jit
def tile_is_power_of_two(x):
    """Whether x is 1, 2, 4, ..."""
    return (x > 0) & ((x & (x - 1)) == 0)


@triton.jit
def tile_hash_mix(x):
    """One round of the language's hash, uint32."""
    x = x ^ (x >> 16)
    x = x * 0x85EBCA6B
    x = x ^ (x >> 13)
    x = x * 0xC2B2AE35
    return x ^ (x >> 16)


@triton.jit
def tile_hash_start(seed):
    """The hash of a seed alone, uint32."""
    return tile_hash_mix(tile_low_bits(seed) ^ 0x9E3779B9)


@triton.jit
def tile_hash_next(h, x):
    """The hash h continued by one argument, uint32."""
    return tile_hash_mix(h * 0x9E3779B1 + tile_low_bits(x))


@triton.jit
def tile_low_bits(x):
    """The low 32 bits of an int, uint32."""
    return (tl.cast(x, tl.int64) & 0xFFFFFFFF).to(tl.uint32)


@triton.jit
def tile_hash_mod(h, b, DTYPE: tl.constexpr, SIGNED: tl.constexpr):
    """The remainder of a hash by b with the sign of b, of dtype DTYPE; 0 where b is 0.

    SIGNED: b may be negative. In 32 bits, the compiler drops what is for larger b.
    """
    b = tl.cast(b, tl.int64)
    size = tl.abs(b) if SIGNED else b
    small = h % tile_low_bits(tl.where((size == 0) | (size > 0xFFFFFFFF), 1, size))
    rest = tl.where(size > 0xFFFFFFFF, h, small).to(tl.int64)
    if SIGNED:
        rest = tl.where((b < 0) & (rest != 0), rest + b, rest)
    return rest.to(DTYPE)


@triton.jit
def tile_row(row, size, i):
    """The flat row of index i below row `row`, int64; -1 where one of them is out of range."""
    inside = (row >= 0) & (i >= 0) & (i < tl.cast(size, tl.int64))
    return tl.where(inside, tl.cast(row, tl.int64) * size + i, -1)


@triton.jit
def tile_load(ptr, row, size, i):
    """Entry i of a row of `size` entries; 0 where row or i is out of range."""
    inside = (i >= 0) & (i < tl.where(row >= 0, size, 0))
    return tl.load(ptr + tl.cast(row, tl.int64) * size + i, mask=inside, other=0)


@triton.jit
def tile_divide(a, b):
    """The quotient of floats; NaN where b is 0."""
    return tl.where(b == 0, float("nan"), a / tl.where(b == 0, 1.0, b))


@triton.jit
def tile_hyperbolic_tangent(x):
    """The hyperbolic tangent, fp32: its series near 0, where 1 - e**-2x has few digits left."""
    x = tl.cast(x, tl.float32)
    small = tl.exp(-2.0 * tl.abs(x))
    size = (1.0 - small) / (1.0 + small)
    z = x * x
    series = x + x * z * (-1 / 3 + z * (2 / 15 + z * (-17 / 315 + z * (62 / 2835))))
    return tl.where(z < 0.0625, series, tl.where(x < 0, -size, size))


@triton.jit
def tile_logistic(x):
    """The sigmoid 1 / (1 + e**-x), fp32."""
    x = tl.cast(x, tl.float32)
    small = tl.exp(-tl.abs(x))
    return tl.where(x < 0, small, 1.0) / (1.0 + small)


@triton.jit
def tile_slope_of_alibi(head, heads):
    """The slope of ALiBi (arXiv 2108.12409) for a head of `heads`, fp32."""
    below = tl.cast(tile_power_of_two(tile_log2_floor(heads)), tl.float32)
    h = tl.cast(head, tl.float32)
    power = tl.where(h < below, -8.0 * (h + 1.0), -4.0 * (2.0 * (h - below) + 1.0))
    return tl.exp2(power / below)
