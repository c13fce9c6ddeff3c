"""The language's total operations on Python ints and on torch tensors alike.

A mask's text uses plain operators where they mean the same; these functions are the rest.
"""

from __future__ import annotations

import math
from typing import Any

import torch

Value = Any
"""An int, bool or float, or a tensor of int64, bool or a floating type."""

MASK32 = 0xFFFFFFFF


def least(a: Value, *others: Value) -> Value:
    """The minimum of all values, elementwise."""
    for b in others:
        if not isinstance(a, torch.Tensor):
            a, b = b, a
        if not isinstance(a, torch.Tensor):
            a = min(a, b)
        else:
            a = torch.minimum(a, b) if isinstance(b, torch.Tensor) else a.clamp(max=b)
    return a


def greatest(a: Value, *others: Value) -> Value:
    """The maximum of all values, elementwise."""
    for b in others:
        if not isinstance(a, torch.Tensor):
            a, b = b, a
        if not isinstance(a, torch.Tensor):
            a = max(a, b)
        else:
            a = torch.maximum(a, b) if isinstance(b, torch.Tensor) else a.clamp(min=b)
    return a


def sign_of(x: Value) -> Value:
    """-1, 0 or 1."""
    return x.sign() if isinstance(x, torch.Tensor) else (x > 0) - (x < 0)


def floor_div(a: Value, b: Value) -> Value:
    """The floor of a / b; 0 where b is 0."""
    if isinstance(b, torch.Tensor):
        return choose(b == 0, 0, a // torch.where(b == 0, 1, b))
    return a >> b.bit_length() - 1 if _is_shift(a, b) else a // b if b else a * 0


def floor_mod(a: Value, b: Value) -> Value:
    """The remainder of a by b with the sign of b; 0 where b is 0."""
    if isinstance(b, torch.Tensor):
        return choose(b == 0, 0, a % torch.where(b == 0, 1, b))
    return a & b - 1 if _is_shift(a, b) else a % b if b else a * 0


def _is_shift(a: Value, b: int) -> bool:
    """Whether a is ints and b a power of two: torch divides ints one at a time."""
    return b > 0 and not b & b - 1 and isinstance(a, torch.Tensor) and a.dtype is torch.int64


def shift_left(a: Value, b: Value) -> Value:
    """The product of a and 2**b; 0 where b is not in 0..62."""
    return a * power_of_two(b)


def shift_right(a: Value, b: Value) -> Value:
    """The floor of a / 2**b; 0 where b is not in 0..62."""
    if not isinstance(b, torch.Tensor):
        return a >> b if 0 <= b <= 62 else a * 0
    return torch.where((b >= 0) & (b <= 62), a >> b.clamp(0, 62), 0)


def power_of_two(x: Value) -> Value:
    """The power 2**x; 0 where x is not in 0..62."""
    if not isinstance(x, torch.Tensor):
        return 1 << x if 0 <= x <= 62 else 0
    inside = (x >= 0) & (x <= 62)
    return torch.where(inside, torch.bitwise_left_shift(torch.ones_like(x), x.clamp(0, 62)), 0)


def log2_floor(x: Value) -> Value:
    """The floor of the logarithm to base 2; -1 where x <= 0."""
    if not isinstance(x, torch.Tensor):
        return x.bit_length() - 1 if x > 0 else -1
    x = x.clamp(min=0)
    # Without the bits that follow a one, 2**a <= x < 1.5 * 2**a: neither rounding reaches an int.
    logarithm = (x & ~(x >> 1)).to(torch.float32).log2()
    return (logarithm + 0.2).floor().clamp(min=-1).to(torch.int64)


def is_power_of_two(x: Value) -> Value:
    """Whether x is 1, 2, 4, ..."""
    return (x > 0) & ((x & (x - 1)) == 0)


def count_bits(x: Value) -> Value:
    """The number of ones of the 64 bits of x."""
    if not isinstance(x, torch.Tensor):
        return (x & (2**64 - 1)).bit_count()
    top = (x < 0).to(torch.int64)
    x = x & 0x7FFFFFFFFFFFFFFF
    x = x - ((x >> 1) & 0x5555555555555555)
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333)
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0F
    return ((x * 0x0101010101010101) >> 56) + top


def hash32(seed: Value, *args: Value) -> Value:
    """The language's hash: an int in 0..2**32."""
    h = _mix((seed & MASK32) ^ 0x9E3779B9)
    for a in args:
        h = _mix((h * 0x9E3779B1 + (a & MASK32)) & MASK32)
    return h


def _mix(x: Value) -> Value:
    x = x ^ (x >> 16)
    x = (x * 0x85EBCA6B) & MASK32
    x = x ^ (x >> 13)
    x = (x * 0xC2B2AE35) & MASK32
    return x ^ (x >> 16)


def choose(condition: Value, a: Value, b: Value, like: torch.Tensor | None = None) -> Value:
    """The value of a where the condition holds, else of b; floats have the type of `like`."""
    if isinstance(condition, torch.Tensor):
        if like is not None and not isinstance(a, torch.Tensor):
            a = torch.full((), a, dtype=like.dtype, device=like.device)
        return torch.where(condition, a, b)
    return a if condition else b


def load(tensor: torch.Tensor, *indices: Value) -> torch.Tensor:
    """Entries of a tensor at indices that broadcast; 0 where one of them is out of range."""
    place = [torch.as_tensor(i, dtype=torch.int64, device=tensor.device) for i in indices]
    inside = None
    for i, size in zip(place, tensor.shape, strict=True):
        here = (i >= 0) & (i < size)
        inside = here if inside is None else inside & here
    if inside is None:
        return tensor
    if not tensor.numel():
        return torch.zeros(inside.shape, dtype=tensor.dtype, device=tensor.device)
    entry = tensor[tuple(i.clamp(0, size - 1) for i, size in zip(place, tensor.shape, strict=True))]
    return torch.where(inside, entry, torch.zeros((), dtype=tensor.dtype, device=tensor.device))


def least_entry(tensor: torch.Tensor) -> int:
    """The least entry of a whole int tensor, or 0."""
    return min(0, int(tensor.min())) if tensor.numel() else 0


def greatest_entry(tensor: torch.Tensor) -> int:
    """The greatest entry of a whole int tensor, or 0."""
    return max(0, int(tensor.max())) if tensor.numel() else 0


def along(x: Value, corner: torch.Tensor) -> torch.Tensor:
    """The value as an int64 tensor of the shape of `corner`."""
    return torch.as_tensor(x, dtype=torch.int64, device=corner.device).expand(corner.shape)


def as_float(x: Value, like: torch.Tensor | None = None) -> Value:
    """An int as a float: float64, or the type of `like`."""
    if not isinstance(x, torch.Tensor):
        return float(x)
    return x.to(torch.float64 if like is None else like.dtype)


def divide(a: Value, b: Value) -> Value:
    """The quotient of floats; NaN where b is 0."""
    if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        return a / b if b else math.nan
    return choose(b == 0, math.nan, a / b) if isinstance(b, torch.Tensor) else a / (b or math.nan)


def exponential(x: Value) -> Value:
    """The power e**x."""
    return torch.exp(x) if isinstance(x, torch.Tensor) else _of_float(torch.exp, x)


def logarithm(x: Value) -> Value:
    """The natural logarithm: -inf at 0, NaN below."""
    return torch.log(x) if isinstance(x, torch.Tensor) else _of_float(torch.log, x)


def hyperbolic_tangent(x: Value) -> Value:
    """The hyperbolic tangent."""
    return torch.tanh(x) if isinstance(x, torch.Tensor) else math.tanh(x)


def logistic(x: Value) -> Value:
    """The sigmoid 1 / (1 + e**-x)."""
    return torch.sigmoid(x) if isinstance(x, torch.Tensor) else _of_float(torch.sigmoid, x)


def _of_float(function: Any, x: float) -> float:
    return function(torch.tensor(x, dtype=torch.float64)).item()


def slope_of_alibi(head: Value, heads: int) -> Value:
    """The slope of ALiBi (arXiv 2108.12409) for a head of `heads`, its rule for odd counts too."""
    below = 1 << (heads.bit_length() - 1)
    if not isinstance(head, torch.Tensor):
        if head < below:
            return 2.0 ** (-8.0 * (head + 1) / below)
        return 2.0 ** (-4.0 * (2 * (head - below) + 1) / below)
    head = head.to(torch.float64)
    power = torch.where(head < below, -8 * (head + 1), -4 * (2 * (head - below) + 1)) / below
    return torch.exp2(power)
