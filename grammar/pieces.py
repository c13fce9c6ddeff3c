"""What `unparse` makes of a node, and the forms that several kinds of node share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maskc import syntax
from maskc.grammar.layout import HARD, SOFT, SPACE, Document, Fill, Group, IfBroken, Indent
from maskc.grammar.lex import value
from maskc.grammar.remarks import Remark

ANY, OR, XOR, AND, NOT, COMPARE, SHIFT, SUM, PRODUCT, UNARY, OPERAND, POSTFIX, ATOM = range(13)
"""How tightly text holds together: what stands where a level is wanted is at least as tight."""

LEVELS = {
    **dict.fromkeys(("|",), OR),
    **dict.fromkeys(("^",), XOR),
    **dict.fromkeys(("&", "\\"), AND),
    **dict.fromkeys(("<<", ">>"), SHIFT),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "//", "%"), PRODUCT),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """The document of a node and how it may be used.

    Attributes:
        document: its text.
        level: how tight it is.
        open: whether it ends in an `if` or `match` without parentheses, and so must come last.
        above, beside, below, apart: the comments that are still to be placed, as in `Remarks`.
        tail, foot: those beside and below its last part; parentheses around it enclose them.

    """

    document: Document
    level: int = ATOM
    open: bool = False
    above: tuple[Remark, ...] = ()
    tail: tuple[str, ...] = ()
    foot: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    below: tuple[Remark, ...] = ()
    apart: bool = False


def listed(
    opener: str,
    parts: Sequence[Document],
    closer: str,
    filled: bool = False,
    below: Document = (),
) -> Document:
    """Parts between brackets: on one line, else one a line with a comma after the last.

    Args:
        opener: what opens the list, such as `f(`.
        parts: the entries.
        closer: what closes it.
        filled: whether broken lines hold as many parts as fit.
        below: lines between the last entry and `closer`.

    """
    if not parts:
        return opener + closer
    if filled:
        inside: Document = Fill((*((part, ",") for part in parts[:-1]), parts[-1]))
    else:
        inside = separated(parts)
    return Group((opener, Indent((SOFT, inside, IfBroken(","), below)), SOFT, closer))


def separated(parts: Sequence[Document]) -> Document:
    """Parts with commas between them, each on its own line where they do not fit on one."""
    if not parts:
        return ""
    return (parts[0], *((",", SPACE, part) for part in parts[1:]))


def documentation(doc: str) -> Document:
    """The lines of a `##` comment, a line end between two."""
    first, *rest = (f"## {line}".rstrip() for line in doc.split("\n"))
    return (first, *((HARD, line) for line in rest))


def as_written(number: syntax.Number) -> str | None:
    """The characters a number was read from (`4Ki`, `4_096`), where they still say its value."""
    text = number.span.text if number.span else ""
    if not re.fullmatch(r"[0-9][0-9_]*(Ki|Mi)?|[0-9][0-9_.]*([eE][+-]?[0-9]+)?", text):
        return None
    said = value(text)
    return text if type(said) is type(number.value) and said == number.value else None


def are_numbers(values: Sequence[Any]) -> bool:
    """Whether a list holds literals only, of which many may stand on a line."""
    return all(
        isinstance(v, syntax.Number)
        or (isinstance(v, syntax.Unary) and isinstance(v.operand, syntax.Number))
        for v in values
    )


def looks_special(call: syntax.Call) -> bool:
    """Whether a plain call would be read as a quantifier or an `at`."""
    assert isinstance(call.function, syntax.Name), "only a name can be read as a word"
    if not call.arguments:
        return False
    first = call.arguments[0]
    if call.function.name == "at":
        return first.name is not None
    leftmost: Any = first.value
    is_in = False
    while isinstance(leftmost, (syntax.Chain, syntax.Compare, syntax.In)):
        is_in = isinstance(leftmost, syntax.In)
        match leftmost:
            case syntax.In(inner):
                leftmost = inner
            case syntax.Chain((inner, *_)) | syntax.Compare((inner, *_)):
                leftmost = inner
    is_word = call.function.name in ("any", "all", "count")
    return is_word and is_in and first.name is None and isinstance(leftmost, syntax.Name)


def belong_together(
    before: syntax.Declaration | syntax.Statement, after: syntax.Declaration | syntax.Statement
) -> bool:
    """Whether no empty line need stand between two declarations or statements."""
    if isinstance(after, syntax.Statement):
        return True
    if after.doc or type(before) is not type(after):
        return False
    return isinstance(after, (syntax.Use, syntax.Const))
