"""What to write instead of what other languages write: cures for statements that stop half-way."""

from __future__ import annotations

from collections.abc import Sequence, Set

from maskc.grammar.tokens import Token

CONDITIONAL = "write `if c then a else b`"
SET = "a set is written in braces: `{1, 2}`"

LOOKALIKES = {
    **{"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{EM DASH}": "-", "\N{HYPHEN}": "-"},
    **{"\N{LESS-THAN OR EQUAL TO}": "<=", "\N{GREATER-THAN OR EQUAL TO}": ">="},
    **{"\N{NOT EQUAL TO}": "!=", "\N{MULTIPLICATION SIGN}": "*", "\N{DIVISION SIGN}": "//"},
    **{"\N{LOGICAL AND}": "&", "\N{LOGICAL OR}": "|", "\N{NOT SIGN}": "!", "\N{XOR}": "^"},
    **{"\N{INTERSECTION}": "&", "\N{UNION}": "|", "\N{SET MINUS}": "\\", "\N{ELEMENT OF}": "in"},
    **{"\N{RIGHTWARDS ARROW}": "=>", "\N{HORIZONTAL ELLIPSIS}": "..", "\N{FULLWIDTH COMMA}": ","},
    **{"\N{LEFT DOUBLE QUOTATION MARK}": '"', "\N{RIGHT DOUBLE QUOTATION MARK}": '"'},
    **{"\N{NO-BREAK SPACE}": " ", "\N{ZERO WIDTH SPACE}": " ", "\N{IDEOGRAPHIC SPACE}": " "},
}
"""Letters beyond ASCII by the sign that they stand for."""

STARTERS = {
    **dict.fromkeys(("import", "from", "include"), 'write `use "path/of/the/file.attn"`'),
    **dict.fromkeys(("fn", "func", "function"), "write `def name(n: int) = ...`"),
    **dict.fromkeys(("return", "yield", "lambda"), "write `mask` and the expression"),
    **dict.fromkeys(("var", "val", "auto"), "write `let name = ...`"),
    **dict.fromkeys(("for", "while"), "a mask is one expression: `any(i in low..high : M)`"),
    "if": "a choice is an expression: `mask if c then a else b`",
}
"""First words of other languages' statements, and what to write."""


def lookalike(text: str) -> str:
    r"""The cure for a letter that looks like a sign, or nothing.

    Example:
        >>> lookalike("\N{MINUS SIGN}")
        'write `-`'

    """
    sign = LOOKALIKES.get(text, "")
    return f"write `{sign}`" if sign.strip() else "write a plain space" if sign else ""


def habit(tokens: Sequence[Token], at: int, expected: Set[str]) -> str:
    """The cure where `tokens[at]` is another language's way of writing something, or nothing."""
    before, token, after = tokens[at - 1], tokens[at], tokens[min(at + 1, len(tokens) - 1)]
    kinds = before.kind, token.kind
    statement = tokens[0].kind
    match kinds:
        case ("MASK", "EQUAL" | "COLON"):
            return f"write `mask M`, without `{token.text}`"
        case (_, "STRING"):
            return "quotes stand only after `use`; names and words are written plainly"
        case (_, "NOT") if after.kind == "IN":
            return f"write `not {before.text} in ...`"
        case (_, "IF"):
            return CONDITIONAL
        case (_, "COLON") if "ARROW" in expected:
            return "write `=>`"
        case (_, "LSQB" | "COMMA") if _is_collection(tokens, at):
            return SET
        case (_, "LSQB") if before.kind != "NAME":
            return "a list is the default of a parameter: `name: int[] = [1, 2]`"
        case ("NAME", "COLON") if statement == "SPACE" and "EQUAL" in expected:
            return f"write `{before.text} = ...`"
        case ("RPAR", _) if _opener(tokens, at - 1) == "at":
            return "write `at(q = E, k = E) M`: the mask follows the parentheses"
    if "THEN" in expected or (token.kind == "_END" and "ELSE" in expected):
        return CONDITIONAL
    if _in_quantifier(tokens, at):
        return "write `any(i in low..high : M)`"
    if statement == "SPACE":
        return _of_space(tokens, at)
    if statement in ("PATTERN", "DEF", "CONST", "LET"):
        return _of_head(tokens, at)
    return ""


def _of_space(tokens: Sequence[Token], at: int) -> str:
    before, token = tokens[at - 1], tokens[at]
    if token.text == "end":
        return "this is how it is without `align`: leave both words out"
    if before.kind == "RPAR" and token.text in ("+", ","):
        return "segments are joined with `++`; two sides are `query: ..., key: ...`"
    if token.kind == "_END" and [t.text for t in tokens[1:3]] == ["query", ":"]:
        return "the keys have a side too: `query: ..., key: ...`"
    if before.text == "packed":
        return "write `space packed grid(y, x)`"
    if tokens[at - 2].kind == "LPAR" and token.kind in ("COMMA", "EQUAL"):
        return f"axes belong to a grid: `grid({before.text}, ...)`"
    if before.kind == "LPAR" and token.kind == "RPAR":
        return "a grid names its axes: `grid(y, x)`"
    return ""


def _of_head(tokens: Sequence[Token], at: int) -> str:
    before, token = tokens[at - 1], tokens[at]
    what = tokens[0].text
    if at == 2 and token.kind == "MINUS" and tokens[3].text.isidentifier():
        return f"names are joined with `_`: `{before.text}_{tokens[3].text}`"
    if at == 2 and token.kind in ("COLON", "_END", "ARROW"):
        body = "M" if what == "pattern" else "..."
        return f"write `{what} {before.text} = {body}`"
    if at == 2 and what == "const" and token.kind == "LPAR":
        return "a `const` has no parameters: write `def`"
    if token.kind == "EQUAL" and tokens[at - 2].text == "%":
        return f"a rule is a condition: `% {before.text} == 0`"
    if before.kind == "COMMA" and token.text in ("<", "<=", ">", ">=", "==", "!=", "%"):
        return "rules of one parameter are joined by `and`"
    if token.kind == "DYNAMIC":
        return "it belongs to the type: `name: dynamic int`"
    if before.text in ("int", "bool", "float") and token.kind == "NAME":
        return f"the name comes first: `{token.text}: {before.text}`"
    if before.text == "lambda":
        return "a mask is an expression of `q` and `k`: write it plainly"
    return ""


def _opener(tokens: Sequence[Token], close: int) -> str:
    """The word before the parenthesis that `tokens[close]` closes."""
    depth = 0
    for i in range(close, 0, -1):
        depth += {"RPAR": 1, "LPAR": -1}.get(tokens[i].kind, 0)
        if depth == 0:
            return tokens[i - 1].text
    return ""


def _is_collection(tokens: Sequence[Token], at: int) -> bool:
    """Whether the bracket at or around `tokens[at]` stands after `in`."""
    if tokens[at].kind == "LSQB":
        return tokens[at - 1].kind == "IN"
    depth = 0
    for i in range(at - 1, 0, -1):
        depth += {"RPAR": 1, "LPAR": -1}.get(tokens[i].kind, 0)
        if depth < 0:
            return tokens[i - 1].kind == "IN"
    return False


def _in_quantifier(tokens: Sequence[Token], at: int) -> bool:
    """Whether `tokens[at]` stands between a quantifier's parenthesis and its `:`."""
    for i in range(at - 1, 0, -1):
        if tokens[i].kind in ("COLON", "RPAR"):
            return False
        if tokens[i].kind == "LPAR":
            return tokens[i - 1].text in ("any", "all", "count")
    return False
