"""The points reading: the value of an expression at given positions, in exact Python integers.

This is the meaning of the language. It is slow and plain on purpose: constant folding, the
compiler's own pictures and the tests of every other reading stand on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from maskc import ir

MASK32 = 0xFFFFFFFF

_ZERO = {ir.INT: 0, ir.BOOL: False, ir.FLOAT: 0.0}


def evaluate(
    node: ir.Node,
    values: Mapping[str, Any],
    tensors: Mapping[str, Any] | None = None,
) -> Any:
    """The value of `node`.

    Args:
        node: any expression.
        values: the value of every variable and scalar parameter by name.
        tensors: nested sequences by name, for Load.

    Example:
        >>> evaluate(ir.Op("floordiv", (ir.Const(-7), ir.Const(2))), {})
        -4

    """
    tensors = tensors or {}
    known: dict[ir.Node, Any] = {}
    for part in ir.postorder(node) if not _has_fold(node) else (node,):
        _value(part, values, tensors, known)
    return known[node]


def apply(name: str, args: Sequence[Any]) -> Any:
    """The value of one operation of `ir.OPS` on Python values."""
    return OPERATIONS[name](*args)


def _has_fold(node: ir.Node) -> bool:
    return any(isinstance(part, ir.BINDERS) for part in ir.postorder(node))


def _value(
    node: ir.Node, values: Mapping[str, Any], tensors: Mapping[str, Any], known: dict[ir.Node, Any]
) -> Any:
    """The value, which joins `known`: shared parts are read once for each turn of a loop."""
    if node not in known:
        known[node] = _made(node, values, tensors, known)
    return known[node]


def _made(
    node: ir.Node, values: Mapping[str, Any], tensors: Mapping[str, Any], known: dict[ir.Node, Any]
) -> Any:
    match node:
        case ir.Const():
            return node.value
        case ir.Var() | ir.Param():
            return values[node.name]
        case ir.Load():
            index = [_value(i, values, tensors, known) for i in node.indices]
            return _entry(tensors[node.tensor], index, node.type)
        case ir.Op():
            return apply(node.name, [_value(a, values, tensors, known) for a in node.args])
        case ir.Fold():
            low = _value(node.low, values, tensors, known)
            high = _value(node.high, values, tensors, known)
            hits = (
                _value(node.body, {**values, node.variable: i}, tensors, {})
                for i in range(low, high)
            )
            return {"any": any, "all": all, "count": sum}[node.kind](hits)
        case ir.Tally():
            low = _value(node.low, values, tensors, known)
            high = _value(node.high, values, tensors, known)
            return sum(
                _value(node.body, {**values, "t": t}, tensors, {}) for t in range(low, high + 1)
            )
        case ir.Extreme():
            *prefix, low, high = (_value(i, values, tensors, known) for i in ir.children(node))
            if node.until:
                n = len(node.prefix)
                ends = list(zip((*prefix[:n], low), (*prefix[n:], high), strict=True))
                return _of_rows(tensors[node.tensor], ends, node.kind, node.type)
            inside = range(max(low, -1), min(high, _longest(tensors[node.tensor])) + 1)
            entries = [_entry(tensors[node.tensor], [*prefix, i], node.type) for i in inside]
            return (min if node.kind == "min" else max)(entries or [_ZERO[node.type]])
    raise AssertionError(f"{node!r} is not an IR node")


def _entry(tensor: Any, index: Sequence[int], type: ir.Type) -> Any:
    for i in index:
        if not 0 <= i < len(tensor):
            return _ZERO[type]
        tensor = tensor[i]
    return tensor


def _of_rows(tensor: Any, ends: Sequence[tuple[int, int]], kind: str, type: ir.Type) -> Any:
    """The extreme of the rows between leading indices, and of 0 where an index is outside."""
    rows: list[tuple[tuple[int, ...], Any]] = [((), tensor)]
    for _ in ends[:-1]:
        rows = [((*at, i), part) for at, row in rows for i, part in enumerate(row)]
    sizes = [1 + max(index) for index in zip(*(at for at, _ in rows), strict=True)]
    sizes.append(len(rows[0][1]) if rows else 0)
    outside = len(sizes) < len(ends) or any(
        low < 0 or high >= size for (low, high), size in zip(ends, sizes, strict=True)
    )
    first, last = (
        tuple(min(max(end[i], 0), size - 1) for end, size in zip(ends[:-1], sizes, strict=False))
        for i in range(2)
    )
    entries = [entry for at, row in rows if first <= at <= last for entry in row]
    entries += [_ZERO[type]] if outside or not entries else []
    return (min if kind == "min" else max)(entries)


def _longest(tensor: Any) -> int:
    if not isinstance(tensor, Sequence):
        return 0
    return max([len(tensor), *(_longest(part) for part in tensor)])


def hash32(seed: int, *args: int) -> int:
    """The language's hash, an int in 0..2^32 (language.md section 4).

    Example:
        >>> hash32(7, 3, 5)
        1853999445

    """
    h = _mix((seed & MASK32) ^ 0x9E3779B9)
    for a in args:
        h = _mix((h * 0x9E3779B1 + (a & MASK32)) & MASK32)
    return h


def _mix(x: int) -> int:
    x ^= x >> 16
    x = (x * 0x85EBCA6B) & MASK32
    x ^= x >> 13
    x = (x * 0xC2B2AE35) & MASK32
    return x ^ (x >> 16)


def alibi_slope(head: int, heads: int) -> float:
    """Slope of ALiBi (arXiv 2108.12409) for one head of `heads`, its rule for odd counts included.

    For a power of two the slopes are 2^(-8 (h + 1) / heads); else the first ones are those of the
    power of two below, and the rest every second one of the power above.
    """
    below = 1 << (heads.bit_length() - 1)
    if head < below:
        return 2.0 ** (-8.0 * (head + 1) / below)
    return 2.0 ** (-4.0 * (2 * (head - below) + 1) / below)


def _float(function: Callable[[float], float], overflow: float) -> Callable[[float], float]:
    def total(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return overflow

    return total


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda *xs: sum(xs[1:], xs[0]),
    "sub": lambda a, b: a - b,
    "mul": lambda *xs: math.prod(xs),
    "neg": lambda a: -a,
    "min": min,
    "max": max,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "floordiv": lambda a, b: a // b if b else 0,
    "mod": lambda a, b: a % b if b else 0,
    "shl": lambda a, b: a << b if 0 <= b <= 62 else 0,
    "shr": lambda a, b: a >> b if 0 <= b <= 62 else 0,
    "log2": lambda a: a.bit_length() - 1 if a > 0 else -1,
    "is_pow2": lambda a: a > 0 and a & (a - 1) == 0,
    "pow2": lambda a: 1 << a if 0 <= a <= 62 else 0,
    "popcount": lambda a: (a & (2**64 - 1)).bit_count(),
    "bit_and": lambda a, b: a & b,
    "bit_or": lambda a, b: a | b,
    "bit_xor": lambda a, b: a ^ b,
    "hash": hash32,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda *xs: all(xs),
    "or": lambda *xs: any(xs),
    "xor": lambda a, b: a != b,
    "not": lambda a: not a,
    "select": lambda c, a, b: a if c else b,
    "to_float": float,
    "div": lambda a, b: a / b if b else math.nan,
    "exp": _float(math.exp, math.inf),
    "log": _log,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)),
    "alibi_slope": alibi_slope,
}
