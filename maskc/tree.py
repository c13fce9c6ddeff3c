"""Walks over the syntax tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from maskc.syntax import Node


def children(node: Node) -> Iterator[Node]:
    """The nodes that a node is made of, in the order of its fields."""
    for name in field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes_in(value)


def descendants(node: Node) -> Iterator[Node]:
    """A node and all below it, each before what it is made of, without recursion."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(list(children(node))))


@cache
def field_names(kind: type[Node]) -> tuple[str, ...]:
    """What a kind of node holds, its span and documentation apart."""
    return tuple(f.name for f in fields(kind) if f.name not in ("span", "doc"))


def _nodes_in(values: tuple[Any, ...]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes_in(value)
