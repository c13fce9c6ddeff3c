"""Passes: from a pattern to a pattern of the same meaning, one file each.

Every pass works on nodes; `run` applies `PASSES` in order to all of a pattern's expressions.
Common subexpressions need no pass: equal nodes are one node to every reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from maskc.ir import Node, Pattern
from maskc.passes.bind import bind
from maskc.passes.linear import normalise
from maskc.passes.merge import is_merged, merge
from maskc.passes.simplify import is_simple, simplify


@dataclass(frozen=True, slots=True)
class Pass:
    """A named pass: what it does to a node, and what must hold of every node it returns."""

    name: str
    apply: Callable[[Node], Node]
    leaves: Callable[[Node], bool]


def _normalised(node: Node) -> Node:
    return normalise(node)[0]


def _bound(node: Node) -> Node:
    return bind(node)[0]


PASSES = (
    Pass("bind", _bound, lambda node: _bound(node) == node),
    Pass("simplify", simplify, is_simple),
    Pass("linear", _normalised, lambda node: True),
    Pass("merge", merge, is_merged),
)


def run(pattern: Pattern) -> Pattern:
    """The pattern after all passes."""
    for each in PASSES:
        mask = each.apply(pattern.mask)
        assert each.leaves(mask), f"pass {each.name} broke what it must leave"
        score = None if pattern.score is None else each.apply(pattern.score)
        count = None if pattern.sink_count is None else each.apply(pattern.sink_count)
        pattern = replace(pattern, mask=mask, score=score, sink_count=count)
    return pattern
