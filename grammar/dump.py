"""Syntax tree to one line a node, for `--emit ast` and for eyes."""

from __future__ import annotations

from typing import Any

from maskc import syntax
from maskc.tree import field_names

STEP = "  "


def dump(node: syntax.Node) -> str:
    """A tree, one node a line: the field it is in, its kind, its own values, and its place.

    Example:
        >>> print(dump(syntax.Unary("-", syntax.Name("d"))))
        Unary operator='-'
          operand: Name name='d'

    """
    lines: list[str] = []
    stack: list[tuple[int, str, Any]] = [(0, "", node)]
    while stack:
        depth, field, part = stack.pop()
        indent, label = STEP * depth, f"{field}: " if field else ""
        if isinstance(part, syntax.Node):
            own, below = _fields(part)
            lines.append(f"{indent}{label}{type(part).__name__}{own}{_place(part)}")
            stack.extend((depth + 1, name, value) for name, value in reversed(below))
        elif isinstance(part, tuple):
            lines.append(f"{indent}{field or '-'}:" if part else f"{indent}{field or '-'}: ()")
            stack.extend((depth + 1, "", value) for value in reversed(part))
        else:
            lines.append(f"{indent}{part!r}")
    return "\n".join(lines)


def _fields(node: syntax.Node) -> tuple[str, list[tuple[str, Any]]]:
    """The values of a node's own as text, and what has lines of its own."""
    own: list[str] = []
    below: list[tuple[str, Any]] = []
    for name in field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, syntax.Node) or (isinstance(value, tuple) and _holds_nodes(value)):
            below.append((name, value))
        elif isinstance(node, syntax.Boolean) or not (
            value is None or value is False or value == ()
        ):
            own.append(f" {name}={value!r}")
    doc = getattr(node, "doc", "")
    if doc:
        own.append(f" doc={doc!r}")
    return "".join(own), below


def _holds_nodes(values: tuple[Any, ...]) -> bool:
    return any(isinstance(v, (syntax.Node, tuple)) for v in values)


def _place(node: syntax.Node) -> str:
    if node.span is None:
        return ""
    line, column = node.span.source.place(node.span.start)
    end_line, end_column = node.span.source.place(node.span.end)
    return f"  {line}:{column}-{end_line}:{end_column}"
