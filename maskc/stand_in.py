"""Values that nobody gave: plausible parameters and inputs, so that any pattern can be drawn."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from maskc import ir, points


def large_sizes(pattern: ir.Pattern, n: int, given: Container[str]) -> dict[str, int]:
    """Defaults of scalar int parameters that are above n, but for those in `given`."""
    return {
        p.name: p.default
        for p in pattern.params
        if p.axes is None and type(p.default) is int and p.default > n and p.name not in given
    }


def shrunk(pattern: ir.Pattern, n: int, given: Container[str], told: list[str]) -> dict[str, int]:
    """Values for the defaults above an eighth of n, divided by one power of two until they fit.

    Args:
        pattern: the checked pattern.
        n: tokens of the picture.
        given: parameters to leave alone.
        told: gets one sentence for each.

    """
    most = max(n // 8, 1)
    large = large_sizes(pattern, most, given)
    rules = {scalar.name: scalar.rules for scalar in pattern.params}
    known = {scalar.name: scalar.default for scalar in pattern.params}
    factor = 1
    while large and max(large.values()) // factor > most:
        factor *= 2
    values = {}
    for name, value in large.items():
        by = factor
        while by > 1 and not _allowed(rules[name], {**known, name: max(value // by, 1)}):
            by //= 2
        values[name] = max(value // by, 1)
        told.append(f"{name} = {values[name]}, shrunk from {value}")
    return values


def parameter(scalar: ir.Scalar, shape: list[int] | None, known: Mapping[str, Any]) -> Any:
    """A value within a parameter's rules, simple ones first, or None where none was found.

    Args:
        scalar: the parameter.
        shape: lengths of a table's axes, None for a scalar.
        known: scalar parameters before it.

    """
    if scalar.type is ir.BOOL:
        if not shape:
            return False
        *outer, inner = shape
        value: Any = tuple(i % 2 == 0 for i in range(inner))
        for length in reversed(outer):
            value = tuple([value] * length)
        return value
    pool = [8, 4, 1, 0, *range(16, 2, -1), *(1 << i for i in range(5, 31)), *range(-1, -9, -1)]
    for candidate in [float(x) for x in pool] if scalar.type is ir.FLOAT else pool:
        named = {**known, scalar.name: candidate}
        if _allowed(scalar.rules, named):
            return candidate
    return None


def tensor(wanted: ir.Tensor, shape: Sequence[int], document: int) -> tuple[Any, str]:
    """A plausible input and the sentence that tells of it."""
    along_tokens = bool(wanted.axes) and wanted.axes[-1] in ("q", "k", "token")
    n = shape[-1] if shape else 1
    if wanted.type is ir.BOOL:
        row: list[Any] = [i < n - n // 8 for i in range(n)]
        told = f"{wanted.name}: true but for the last eighth"
    elif wanted.type is ir.FLOAT:
        row = [0.0] * n
        told = f"{wanted.name}: zeros"
    elif along_tokens:
        row = _documents(n, document)
        told = f"{wanted.name}: {row[-1] + 1 if row else 0} documents of about {document} tokens"
    else:
        row = [max(document, 1)] * n
        told = f"{wanted.name}: {max(document, 1)} everywhere"
    return (spread(row, shape[:-1]) if shape else row[0]), f"{told}, made up"


def spread(row: list[Any], outer: Sequence[int]) -> Any:
    """One row repeated over outer axes of these lengths."""
    value: Any = row
    for length in reversed(outer):
        value = [value] * length
    return value


def _documents(n: int, mean: int) -> list[int]:
    """Numbers of documents of 1/2, 3/2, 3/4 and 5/4 of the mean length, one after another."""
    row: list[int] = []
    while len(row) < n:
        number = row[-1] + 1 if row else 0
        row += [number] * max(1, mean * (2, 6, 3, 5)[number % 4] // 4)
    return row[:n]


def _allowed(rules: Sequence[tuple[ir.Node, str]], values: Mapping[str, Any]) -> bool:
    return all(points.evaluate(rule, values) for rule, _ in rules)
