"""Words that mean something in one place only, and are names everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from maskc.grammar.errors import Errors
from maskc.grammar.tokens import Token

Place = Callable[[Sequence[Token], int], bool]


def settled(tokens: Sequence[Token], errors: Errors) -> Sequence[Token]:
    """The tokens of one statement with every soft word read as what it is there."""
    if not any(token.kind in SOFT for token in tokens):
        return tokens
    done = list(tokens)
    for i, token in enumerate(tokens):
        if token.kind not in SOFT or SOFT[token.kind](tokens, i):
            continue
        if token.kind == "PROJECTION":
            message = f"`{token.text}` is not a name: names are lowercase"
            hint = f"write `{token.text.lower()}`"
            errors.tell("uppercase-name", message, token.span(errors.source), hint=hint)
        done[i] = token._replace(kind="NAME")
    return done


def _kind(tokens: Sequence[Token], i: int) -> str:
    return tokens[i].kind if 0 <= i < len(tokens) else "_END"


def _is_word(tokens: Sequence[Token], i: int) -> bool:
    kind = _kind(tokens, i)
    return kind == "NAME" or (kind in SOFT and kind != "PROJECTION")


def _quantifies(tokens: Sequence[Token], i: int) -> bool:
    opens, holds = _kind(tokens, i + 1) == "LPAR", _kind(tokens, i + 3) == "IN"
    return opens and holds and _is_word(tokens, i + 2) and not _names_part(tokens, i)


def _replaces(tokens: Sequence[Token], i: int) -> bool:
    opens, gives = _kind(tokens, i + 1) == "LPAR", _kind(tokens, i + 3) == "EQUAL"
    return opens and gives and _is_word(tokens, i + 2) and not _names_part(tokens, i)


def _names_part(tokens: Sequence[Token], i: int) -> bool:
    """Whether a word names the selector of a route, or a unit in it (`q: all`)."""
    if tokens[0].kind != "ROUTE":
        return False
    after_side = _kind(tokens, i - 1) == "COLON" and _kind(tokens, i - 3) in ("COMMA", "LPAR")
    return i == 3 or after_side


def _in_space(tokens: Sequence[Token], i: int) -> bool:
    """Whether a word stands in a `space` statement, outside the expressions in it."""
    if tokens[0].kind != "SPACE" or _kind(tokens, i - 1) not in BEFORE_A_SEQUENCE:
        return False
    depth = 0
    for token in tokens[:i]:
        depth += (token.kind in OPENERS) - (token.kind in CLOSERS)
    return depth == 0


def _is_grid(tokens: Sequence[Token], i: int) -> bool:
    return _kind(tokens, i + 1) == "LPAR" and _in_space(tokens, i)


def _is_packed(tokens: Sequence[Token], i: int) -> bool:
    return _kind(tokens, i + 1) == "GRID" and _in_space(tokens, i)


def _is_side(tokens: Sequence[Token], i: int) -> bool:
    return _kind(tokens, i + 1) == "COLON" and _in_space(tokens, i)


def _is_cross(tokens: Sequence[Token], i: int) -> bool:
    named = _kind(tokens, i + 1) in ("LPAR", "COLON", "JOIN")
    return i == 1 and tokens[0].kind == "SPACE" and not named


def _is_align(tokens: Sequence[Token], i: int) -> bool:
    starts = [token.kind for token in tokens[:3]] == ["SPACE", "ALIGN", "START"]
    return starts and i in (1, 2)


OPENERS = frozenset({"LPAR", "LSQB", "LBRACE"})
CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})
BEFORE_A_SEQUENCE = frozenset({"SPACE", "START", "PACKED", "COLON", "JOIN", "COMMA"})

SOFT: dict[str, Place] = {
    "AS": lambda tokens, i: _kind(tokens, i - 1) == "STRING",
    "DYNAMIC": lambda tokens, i: _is_word(tokens, i + 1) or _kind(tokens, i + 1) == "INPUT",
    "ANY": _quantifies,
    "ALL": _quantifies,
    "COUNT": _quantifies,
    "AT": _replaces,
    "GRID": _is_grid,
    "PACKED": _is_packed,
    "QUERY": _is_side,
    "KEY": _is_side,
    "CROSS": _is_cross,
    "ALIGN": _is_align,
    "START": _is_align,
    "PROJECTION": lambda tokens, i: tokens[0].kind == "ROUTE",
}
"""For each soft word, where it means something."""
