"""Patterns that Python's `import` cannot name: no error, but seldom meant."""

from __future__ import annotations

from keyword import iskeyword

from maskc import syntax
from maskc.check.names import name_span
from maskc.diagnostics import Diagnostic


def keywords(file: syntax.File) -> tuple[Diagnostic, ...]:
    """A warning for each pattern whose name is a keyword of Python, in source order.

    Args:
        file: a tree without errors.

    """
    return tuple(
        _warning(node)
        for node in file.declarations
        if isinstance(node, syntax.Pattern) and iskeyword(node.name)
    )


def _warning(node: syntax.Pattern) -> Diagnostic:
    text = f"`{node.name}` is a keyword of Python, so no `import` can name this pattern"
    hint = f'rename it, or write `getattr(module, "{node.name}")`'
    place = name_span(node, node.name)
    return Diagnostic("keyword-name", text, place, hint=hint, severity="warning")
