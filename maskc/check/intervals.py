"""Bounds of int expressions that hold for every call: what coverage and loop limits rest on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from maskc import ir
from maskc.check.nodes import linear

Interval = tuple["int | None", "int | None"]
"""Least and greatest value, both inclusive; None where unknown."""

ANY: Interval = (None, None)

_COUNTS = ("heads", "kv_heads", "n_layers", "batches")
_AT_LEAST_ZERO = ("head", "kv_head", "layer", "batch", "n_q", "n_k")


class Bounds:
    """Intervals of nodes, given the intervals of scalar parameters and loop variables by name."""

    def __init__(self, known: Mapping[str, Interval]) -> None:
        self.known = known
        self.found: dict[ir.Node, Interval] = {}

    def of(self, node: ir.Node) -> Interval:
        """The interval of an int node."""
        if node not in self.found:
            for part in ir.postorder(node):
                if part not in self.found:
                    self.found[part] = self._interval(part)
        return self.found[node]

    def at_most(self, a: ir.Node, b: ir.Node) -> bool:
        """Whether a <= b is proved for every call."""
        terms_a, constant_a = linear(a)
        terms_b, constant_b = linear(b)
        least = constant_b - constant_a
        for term in terms_a.keys() | terms_b.keys():
            times = terms_b.get(term, 0) - terms_a.get(term, 0)
            if times == 0:
                continue
            low, high = self.of(term)
            bound = low if times > 0 else high
            if bound is None:
                return False
            least += times * bound
        return least >= 0

    def _interval(self, node: ir.Node) -> Interval:
        match node:
            case ir.Const(value):
                return (int(value), int(value)) if ir.type_of(node) is ir.INT else ANY
            case ir.Var(name) | ir.Param(name):
                if name in self.known:
                    return self.known[name]
                if name in _COUNTS:
                    return 1, None
                return (0, None) if name in _AT_LEAST_ZERO or name.startswith("size:") else ANY
            case ir.Fold("count", _, low, high):
                (least, _), (_, most) = self.found[low], self.found[high]
                return 0, None if least is None or most is None else max(most - least, 0)
            case ir.Op(name, args) if ir.type_of(node) is ir.INT:
                return _operation(name, [self.found[arg] for arg in args])
        return ANY


def from_rules(name: str, rules: Iterable[ir.Node]) -> Interval:
    """The interval that refinements `rules` leave to the parameter `name`."""
    low: int | None = None
    high: int | None = None
    stack = list(rules)
    while stack:
        match stack.pop():
            case ir.Op("and", args):
                stack.extend(args)
            case ir.Op("lt" | "le" as op, (ir.Const(value), ir.Param(n))) if n == name:
                least = int(value) + (op == "lt")
                low = least if low is None else max(low, least)
            case ir.Op("lt" | "le" as op, (ir.Param(n), ir.Const(value))) if n == name:
                most = int(value) - (op == "lt")
                high = most if high is None else min(high, most)
            case ir.Op("eq", (ir.Param(n), ir.Const(value))) if n == name:
                low = high = int(value)
            case ir.Op("or", args):
                parts = [from_rules(name, (arg,)) for arg in args]
                low, high = _union([*parts, (low, high)] if low is not None else parts)
    return low, high


def _operation(name: str, args: list[Interval]) -> Interval:
    match name:
        case "add":
            return _added([low for low, _ in args]), _added([high for _, high in args])
        case "sub":
            (a, b), (c, d) = args
            return _added([a, _neg(d)]), _added([b, _neg(c)])
        case "neg":
            return _neg(args[0][1]), _neg(args[0][0])
        case "mul":
            result = args[0]
            for other in args[1:]:
                result = _product(result, other)
            return result
        case "min":
            highs = [high for _, high in args if high is not None]
            lows = [low for low, _ in args]
            return _least(lows), min(highs, default=None)
        case "max":
            lows = [low for low, _ in args if low is not None]
            highs = [high for _, high in args]
            return max(lows, default=None), _greatest(highs)
        case "abs":
            low, high = args[0]
            if low is not None and low >= 0:
                return low, high
            return 0, None if low is None or high is None else max(-low, high)
        case "sign":
            return -1, 1
        case "mod":
            low, high = args[1]
            if low is not None and low >= 0:
                return 0, None if high is None else max(high - 1, 0)
            return ANY
        case "floordiv":
            return _quotient(*args)
        case "shr":
            low, _ = args[0]
            return (0, args[0][1]) if low is not None and low >= 0 else ANY
        case "log2":
            return -1, 62
        case "popcount":
            return 0, 64
        case "pow2":
            return 0, 2**62
        case "hash":
            return 0, 2**32 - 1
        case "bit_and":
            highs = [high for low, high in args if low is not None and low >= 0]
            if any(high is not None for high in highs):
                return 0, min(high for high in highs if high is not None)
            return (0, None) if highs else ANY
        case "select":
            return _union(args[1:])
    return ANY


def _quotient(value: Interval, divisor: Interval) -> Interval:
    (low, high), (least, most) = value, divisor
    if least is None or least < 0:
        return ANY
    if low is not None and low >= 0:
        return (0 if least == 0 or most is None else low // most), (
            None if high is None else high // max(least, 1)
        )
    if least == most and least > 0:
        return (None if low is None else low // least), (None if high is None else high // least)
    return ANY


def _product(a: Interval, b: Interval) -> Interval:
    if None not in a and None not in b:
        corners = [x * y for x in a for y in b if x is not None and y is not None]
        return min(corners), max(corners)
    if a[0] is not None and a[0] >= 0 and b[0] is not None and b[0] >= 0:
        return a[0] * b[0], None
    return ANY


def _union(parts: list[Interval]) -> Interval:
    return _least([low for low, _ in parts]), _greatest([high for _, high in parts])


def _added(values: list[int | None]) -> int | None:
    return None if None in values else sum(value for value in values if value is not None)


def _neg(value: int | None) -> int | None:
    return None if value is None else -value


def _least(values: list[int | None]) -> int | None:
    return None if None in values else min(value for value in values if value is not None)


def _greatest(values: list[int | None]) -> int | None:
    return None if None in values else max(value for value in values if value is not None)
