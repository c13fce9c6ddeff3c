"""Total arithmetic on exact values: scalars or arrays that broadcast over [B, H, Nq, Nk].

An int is a Python int or a numpy array of Python ints (dtype object), a bool is a Python bool or
a numpy bool array, a float is a Python float or a float64 torch tensor (so that a score has a
derivative).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

Value = Any


def integers(values: Any) -> np.ndarray:
    """The same entries as exact Python ints in an object array."""
    array = np.asarray(values)
    exact = np.empty(array.shape, dtype=object)
    exact.ravel()[:] = [int(x) for x in array.ravel().tolist()]
    return exact


def kind(value: Value) -> str:
    """`int`, `bool` or `float`."""
    if isinstance(value, torch.Tensor | float):
        return "float"
    if isinstance(value, bool | np.bool_):
        return "bool"
    if isinstance(value, np.ndarray):
        return "bool" if value.dtype == np.bool_ else "int"
    assert isinstance(value, int), f"{value!r} is no value of the language"
    return "int"


def to_float(value: Value) -> Value:
    """An int or float as a float."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value.astype(np.float64)))
    return value if isinstance(value, torch.Tensor) else float(value)


def truth(value: Value) -> Value:
    """The result of a comparison as a bool or a numpy bool array."""
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().astype(bool)
    return np.asarray(value).astype(bool) if isinstance(value, np.ndarray) else bool(value)


def pointwise(function: Any, *arguments: Value) -> Value:
    """`function` of Python ints, applied entry by entry."""
    if not any(isinstance(a, np.ndarray) for a in arguments):
        return function(*arguments)
    return np.frompyfunc(function, len(arguments), 1)(*arguments)


def choose(condition: Value, yes: Value, no: Value) -> Value:
    """`yes` where `condition`, else `no`."""
    if isinstance(condition, bool | np.bool_):
        return yes if condition else no
    if kind(yes) == "float" or kind(no) == "float":
        yes, no = to_float(yes), to_float(no)
        return torch.where(
            torch.from_numpy(np.ascontiguousarray(condition)),
            torch.as_tensor(yes, dtype=torch.float64),
            torch.as_tensor(no, dtype=torch.float64),
        )
    if kind(yes) == "bool":
        return np.where(condition, yes, no)
    return pointwise(lambda c, a, b: a if c else b, condition, yes, no)


def arithmetic(operator: str, a: Value, b: Value) -> Value:
    """One of `+ - * // % << >>`."""
    if kind(a) == "float" or kind(b) == "float":
        a, b = to_float(a), to_float(b)
        if operator == "/":
            return a / b
        return {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}[operator]()
    return pointwise(INTEGER[operator], a, b)


def compare(operator: str, a: Value, b: Value) -> Value:
    """One of `== != < <= > >=`."""
    if kind(a) == "float" or kind(b) == "float":
        a, b = to_float(a), to_float(b)
    return truth(COMPARE[operator](a, b))


def both(a: Value, b: Value) -> Value:
    """A and b."""
    return truth(np.logical_and(a, b))


def either(a: Value, b: Value) -> Value:
    """A or b."""
    return truth(np.logical_or(a, b))


def differ(a: Value, b: Value) -> Value:
    """A xor b."""
    return truth(np.logical_xor(a, b))


def negate(a: Value) -> Value:
    """Not a."""
    return truth(np.logical_not(a))


def mix(x: int) -> int:
    """The mixing function of `hash` on 32 unsigned bits."""
    x ^= x >> 16
    x = x * 0x85EBCA6B % 2**32
    x ^= x >> 13
    x = x * 0xC2B2AE35 % 2**32
    return x ^ (x >> 16)


def hash_of(seed: int, *arguments: int) -> int:
    """`hash(seed, a, ...)`."""
    h = mix((seed % 2**32) ^ 0x9E3779B9)
    for a in arguments:
        h = mix((h * 0x9E3779B1 + a % 2**32) % 2**32)
    return h


def alibi(head: int, heads: int) -> float:
    """The slope of one head (ALiBi): a geometric series, interleaved for odd counts."""

    def series(n: int) -> list[float]:
        return [2 ** (-8 * (i + 1) / n) for i in range(n)]

    power = 2 ** int(math.log2(heads))
    return (series(power) + series(2 * power)[0::2])[head]


INTEGER = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b if b != 0 else 0,
    "%": lambda a, b: a % b if b != 0 else 0,
    "<<": lambda a, b: a * 2**b if 0 <= b <= 62 else 0,
    ">>": lambda a, b: a // 2**b if 0 <= b <= 62 else 0,
}

COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}

LOGIC = {"&": both, "\\": lambda a, b: both(a, negate(b)), "^": differ, "|": either}

INTEGER_FUNCTIONS = {
    "abs": abs,
    "sign": lambda x: 1 if x > 0 else -1 if x < 0 else 0,
    "cdiv": lambda a, b: -((-a) // b) if b != 0 else 0,
    "min": min,
    "max": max,
    "clamp": lambda x, low, high: min(max(x, low), high),
    "log2": lambda x: len(bin(x)) - 3 if x > 0 else -1,
    "pow2": lambda x: 2**x if 0 <= x <= 62 else 0,
    "popcount": lambda x: bin(x % 2**64).count("1"),
    "low_bit": lambda x: x & -x,
    "bit_and": lambda a, b: a & b,
    "bit_or": lambda a, b: a | b,
    "bit_xor": lambda a, b: a ^ b,
    "hash": hash_of,
}
"""Built-ins from ints to an int."""


def float_function(name: str, arguments: list[Value]) -> Value:
    """Built-ins of `score`, and `abs min max clamp` of floats."""
    xs = [torch.as_tensor(to_float(a), dtype=torch.float64) for a in arguments]
    match name:
        case "exp" | "log" | "tanh" | "sigmoid" | "abs" | "sign":
            return getattr(torch, name)(xs[0])
        case "softcap":
            return xs[1] * torch.tanh(xs[0] / xs[1])
        case "min" | "max":
            result = xs[0]
            for x in xs[1:]:
                result = torch.minimum(result, x) if name == "min" else torch.maximum(result, x)
            return result
        case "clamp":
            return torch.minimum(torch.maximum(xs[0], xs[1]), xs[2])
    raise AssertionError(f"{name} takes no floats")
