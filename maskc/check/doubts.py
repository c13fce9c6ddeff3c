"""Expressions that hardly mean what they say: no error, but seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

from maskc import syntax
from maskc.diagnostics import Diagnostic
from maskc.tree import descendants

POSITIONS = ("q", "k")

LOGICAL = ("&", "\\", "^", "|")
"""Operators between masks, each of which may well have an `at` of its own."""


def doubts(file: syntax.File) -> tuple[Diagnostic, ...]:
    """A warning for each share that no tile, or every tile, has, and each `at` that ends early.

    Args:
        file: a tree without errors.

    """
    told: dict[int, Diagnostic] = {}
    for node in descendants(file):
        for place, diagnostic in (*_shares(node), *_early_ends(node)):
            told.setdefault(id(place), diagnostic)
    return tuple(sorted(told.values(), key=lambda d: d.span.start if d.span else 0))


Doubt = tuple[syntax.Node, Diagnostic]
"""A node and the warning of it."""


def _shares(node: syntax.Node) -> Iterator[Doubt]:
    match node:
        case syntax.Call(syntax.Name("coarse"), arguments):
            rules = [argument.value for argument in arguments if argument.name == "rule"]
        case _:
            return
    for rule in rules:
        match rule:
            case syntax.Call(syntax.Name("share"), (syntax.Argument(None, percent),)):
                yield from _share(percent)


def _share(percent: syntax.Expression) -> Iterator[Doubt]:
    match percent:
        case syntax.Number(value) if value > 100:
            said = f"no tile keeps {value} of 100 pairs, so this mask is never true"
        case syntax.Unary("-", syntax.Number(value)) if value > 0:
            said = "every tile keeps a negative share of its pairs, so this mask is always true"
        case _:
            return
    hint = "a share is in percent, from 0 to 100"
    yield (
        percent,
        Diagnostic("share-range", said, percent.span, hint=hint, severity="warning"),
    )


def _early_ends(node: syntax.Node) -> Iterator[Doubt]:
    """An `at` that ends before a position that it replaces, as in `at(q = k, k = q) k <= q`."""
    first, rest = node, []
    while isinstance(first, (syntax.Chain, syntax.Compare, syntax.In)):
        if isinstance(first, syntax.Chain) and first.operators[0] in LOGICAL:
            return
        if isinstance(first, syntax.In):
            first, others = first.value, (first.collection,)
        else:
            first, *others = first.operands
        rest += others
    if not isinstance(first, syntax.At) or (first.span and first.span.text.startswith("(")):
        return
    if not isinstance(first.body, (syntax.Name, syntax.Member, syntax.Index)):
        return
    reached = _positions(first.body)
    replaced = {replacement.name or "" for replacement in first.replacements}
    missed = sorted((replaced - reached) & {x for other in rest for x in _positions(other)})
    if reached and missed:
        text = f"this `at` ends before the `{missed[0]}` that it replaces"
        hint = "`at` takes one operand: put all that it is for in parentheses"
        yield first, Diagnostic("early-at", text, first.span, hint=hint, severity="warning")


def _positions(node: syntax.Node) -> set[str]:
    """Which of q and k an expression mentions itself."""
    names = {part.name for part in descendants(node) if isinstance(part, syntax.Name)}
    return names & set(POSITIONS)
