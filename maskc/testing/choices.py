"""Choices that trees are drawn with: the simple one first, so that Hypothesis shrinks to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from maskc.syntax import Argument, Call, Chain, Expression, Member, Name, Number, Unary

Draw = Callable[[st.SearchStrategy[Any]], Any]

Choice = Callable[[], Any]
"""Something that may be drawn, and is not yet."""


def pick(draw: Draw, choices: Sequence[Choice]) -> Any:
    """What one of the choices gives."""
    return choices[draw(st.integers(0, len(choices) - 1))]()


def often(draw: Draw) -> bool:
    """True three times of four; shrinks to False."""
    return draw(st.booleans()) or draw(st.booleans())


def rarely(draw: Draw) -> bool:
    """True one time of four; shrinks to False."""
    return draw(st.booleans()) and draw(st.booleans())


def number(value: int | float) -> Expression:
    """A number of any sign as the parser would read it."""
    return Number(value) if value >= 0 else Unary("-", Number(-value))


def small(draw: Draw, low: int = 0, high: int = 9) -> Expression:
    """A constant in low..high (inclusive)."""
    return number(draw(st.integers(low, high)))


def names(words: Sequence[str]) -> list[Choice]:
    """A choice for each name."""
    return [lambda n=n: Name(n) for n in words]


def these(expressions: Sequence[Expression]) -> list[Choice]:
    """A choice for each expression."""
    return [lambda e=e: e for e in expressions]


def call(name: str, *values: Expression, **named: Expression) -> Call:
    """`name(values, named = ...)`."""
    positional = tuple(Argument(None, value) for value in values)
    return Call(Name(name), positional + tuple(Argument(n, v) for n, v in named.items()))


def binary(left: Expression, operator: str, right: Expression) -> Chain:
    """`left operator right`."""
    return Chain((left, right), (operator,))


def members(side: str, *path: str) -> Expression:
    """`q.y`, `k.image.y`."""
    found: Expression = Name(side)
    for name in path:
        found = Member(found, name)
    return found
