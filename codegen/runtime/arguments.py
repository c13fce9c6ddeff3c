"""Checks of what a caller gives: every mistake is named before any work starts."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import torch

CALL_ARGUMENTS = (
    *("q", "k", "v", "n_q", "n_k", "scale", "batch", "heads", "kv_heads", "layer", "n_layers"),
    *("grid", "segments", "inputs", "routes", "block", "backend", "device", "return_lse"),
)
FLOAT_DTYPES = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
INT_DTYPES = tuple(
    getattr(torch, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)
)
MOST_TOKENS = 2**31 - 1
MOST_INT = 2**63 - 1
MOST_SLICES = 2**26


def check_qkv(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> None:
    """Nothing, where q, k and v fit together; else an error that names tensor, axis and wanted.

    Args:
        q: [batch, heads, n_q, head_dim], any strides.
        k: [batch, kv_heads, n_k, head_dim]; heads is a multiple of kv_heads.
        v: [batch, kv_heads, n_k, value_dim].

    Raises:
        TypeError: for what is no tensor, or has a wrong or differing dtype.
        ValueError: for wrong ranks, sizes, devices and mixed modes of autograd.

    """
    for name, x in (("q", q), ("k", k), ("v", v)):
        checked_tensor(name, x)
        if x.ndim != 4:
            raise ValueError(
                f"{name} has {x.ndim} axes {list(x.shape)}; wanted 4: [batch, heads, tokens, dim]"
            )
        if x.dtype not in FLOAT_DTYPES:
            raise TypeError(
                f"{name} has dtype {x.dtype}; wanted bfloat16, float16, float32 or float64"
            )
    for name, x in (("k", k), ("v", v)):
        if x.dtype != q.dtype:
            raise TypeError(f"{name} has dtype {x.dtype}; q has {q.dtype}: they must be equal")
        if x.device != q.device:
            raise ValueError(f"{name} is on {x.device}; q is on {q.device}: they must be equal")
        if x.shape[0] != q.shape[0]:
            raise ValueError(f"{name} has batch {x.shape[0]}; q has {q.shape[0]}")
    for name, x in (("q", q), ("k", k), ("v", v)):
        if x.shape[1] == 0:
            raise ValueError(f"{name} has 0 heads; wanted at least 1")
        if x.shape[3] == 0:
            raise ValueError(f"{name} has head dim 0; wanted at least 1")
        if x.shape[2] > MOST_TOKENS:
            raise ValueError(f"{name} has {x.shape[2]} tokens; wanted at most {MOST_TOKENS}")
    learns = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v))
    for name, x in (("q", q), ("k", k), ("v", v)):
        if learns and x.is_inference():
            raise ValueError(
                f"{name} was made in inference mode, and a gradient is wanted; wanted its clone()"
            )
    if q.shape[1] % k.shape[1]:
        raise ValueError(
            f"k has {k.shape[1]} heads; q has {q.shape[1]}: q heads must be a multiple of k heads"
        )
    if v.shape[1] != k.shape[1]:
        raise ValueError(f"v has {v.shape[1]} heads; k has {k.shape[1]}: they must be equal")
    if v.shape[2] != k.shape[2]:
        raise ValueError(f"v has {v.shape[2]} tokens; k has {k.shape[2]}: they must be equal")
    if k.shape[3] != q.shape[3]:
        raise ValueError(f"k has head dim {k.shape[3]}; q has {q.shape[3]}: they must be equal")


def checked_scale(scale: Any, head_dim: int) -> float:
    """The factor on q . k: `scale`, or 1 / sqrt(head_dim) where it is None."""
    if scale is None:
        return 1.0 / math.sqrt(head_dim)
    number = checked_float("scale", scale)
    if not math.isfinite(number):
        raise ValueError(f"scale is {number}; wanted a finite number")
    return number


def checked_count(name: str, value: Any, least: int = 0, most: int = MOST_TOKENS) -> int:
    """`value` as an int, checked to lie in least..most (inclusive)."""
    number = checked_int(name, value)
    if number < least:
        raise ValueError(f"{name} is {number}; wanted at least {least}")
    if number > most:
        raise ValueError(f"{name} is {number}; wanted at most {most}")
    return number


def checked_block(block: Any) -> tuple[int, int]:
    """A tile size (BQ, BK) from a pair or from one int for both sides."""
    if is_sequence(block):
        if len(block) != 2:
            raise ValueError(f"block has {len(block)} entries; wanted 2: (queries, keys)")
        sides = tuple(block)
    else:
        sides = (block, block)
    q, k = (checked_count("block", side, 1, 2**20) for side in sides)
    return q, k


def checked_tensor(name: str, value: Any) -> torch.Tensor:
    """`value`, checked to be a tensor of plain memory."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} is a {type(value).__name__}; wanted a tensor")
    if value.is_nested or value.layout != torch.strided:
        raise TypeError(f"{name} is a nested or sparse tensor; wanted a strided one")
    if value.is_quantized:
        raise TypeError(f"{name} is a quantized tensor; wanted its dequantize()")
    return value


def readable(name: str, value: Any) -> Any:
    """`value`, checked to have entries that can be read, where it is a tensor."""
    if isinstance(value, torch.Tensor):
        checked_tensor(name, value)
        if value.is_meta:
            raise ValueError(f"{name} is on meta; wanted a tensor with values")
        if value.requires_grad:
            raise TypeError(f"{name} requires a gradient, and none reaches it; wanted no gradient")
    return value


def as_lists(name: str, value: Any) -> Any:
    """Tensors and arrays as lists, those of no axis as plain numbers."""
    return value.tolist() if hasattr(readable(name, value), "tolist") else value


def is_sequence(value: Any) -> bool:
    """Whether this is a list or the like, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def checked_bool(name: str, value: Any) -> bool:
    """`value` as a bool: Python's own, or a single one of torch or numpy."""
    number = as_lists(name, value)
    if not isinstance(number, bool):
        raise TypeError(f"{name} is {shown(value)}; wanted True or False")
    return number


def checked_float(name: str, value: Any) -> float:
    """`value` as a float; bools and texts are refused."""
    number = as_lists(name, value)
    if isinstance(number, (bool, str, bytes)) or not hasattr(number, "__float__"):
        raise TypeError(f"{name} is {shown(value)}; wanted a number")
    try:
        return float(number)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{name} is {shown(value)}; wanted a number") from None


def checked_int(name: str, value: Any) -> int:
    """`value` as an int of 64 bits; bools and floats are refused."""
    number = as_lists(name, value)
    try:
        if isinstance(number, bool):
            raise TypeError
        number = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} is {shown(value)}; wanted an int") from None
    if not -MOST_INT - 1 <= number <= MOST_INT:
        raise ValueError(f"{name} is {number}; wanted at most 64 bits")
    return number


def shown(value: Any) -> str:
    """A short picture of a value for a message."""
    text = repr(value).replace("\n", " ")
    text = text if len(text) <= 60 else text[:57] + "..."
    return f"{text} ({type(value).__name__})"
