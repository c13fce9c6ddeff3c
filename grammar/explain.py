"""What to say where the automaton stops: one sentence on the token that cannot stand there."""

from __future__ import annotations

from collections.abc import Sequence, Set

from maskc.diagnostics import near_miss
from maskc.grammar.errors import Errors
from maskc.grammar.habits import STARTERS, habit
from maskc.grammar.lines import DECLARATIONS, OPERATORS, STATEMENTS
from maskc.grammar.table import table
from maskc.grammar.tokens import Token
from maskc.grammar.words import SOFT

OPERANDS = frozenset(
    [
        "NAME",
        "PROJECTION",
        "INT",
        "FLOAT",
        "TRUE",
        "FALSE",
        "LPAR",
        "IF",
        "MATCH",
        "NOT",
        "ANY",
        "ALL",
        "COUNT",
        "AT",
    ]
)
"""What an expression may start with."""

ORDER = [
    "NAME",
    "EQUAL",
    "COLON",
    "LPAR",
    "LBRACE",
    "LSQB",
    "COMMA",
    "RPAR",
    "RSQB",
    "RBRACE",
    "IN",
    "THEN",
    "ELSE",
    "ARROW",
    "STRING",
    "START",
    "KEY",
    "GRID",
    "_END",
]
"""What is worth naming as expected, the most telling first."""


def explain(tokens: Sequence[Token], at: int, expected: Set[str], errors: Errors) -> None:
    """Tell the error that `tokens[at]`, of one statement, stands where only `expected` may."""
    token = tokens[at]
    wants_operand = "INT" in expected
    if at == 0:
        _statement(token, tokens, "PATTERN" in expected, errors)
    elif token.kind == "_END":
        _ends_early(tokens, wants_operand, expected, errors)
    elif "NAME" in expected and not wants_operand and _is_reserved(token):
        message = f"`{token.text}` is a word of attn and cannot be a name"
        _tell(errors, "reserved-name", token, message, habit(tokens, at, expected))
    elif wants_operand:
        _no_operand(tokens, at, expected, errors)
    elif "PLUS" in expected:
        _no_operator(tokens, at, expected, errors)
    else:
        _other(tokens, at, expected, errors)


def _statement(token: Token, tokens: Sequence[Token], outside: bool, errors: Errors) -> None:
    text = token.text
    if outside and token.kind in STATEMENTS:
        hint = "write `pattern name { ... }` around it"
        _tell(errors, "misplaced", token, f"`{text}` stands outside a pattern", hint)
    elif not outside and token.kind in DECLARATIONS:
        hint = {"DEF": "write `let`", "CONST": "write `let`"}.get(token.kind, "")
        hint = hint or "is the `}` of the pattern above missing?"
        _tell(errors, "misplaced", token, f"`{text}` stands inside a pattern", hint)
    else:
        what, starters = ("declaration", DECLARATIONS) if outside else ("statement", STATEMENTS)
        spellings = table().spellings.items()
        words = [word for word, kind in spellings if kind in starters]
        anywhere = [word for word, kind in spellings if kind in DECLARATIONS | STATEMENTS]
        meant = near_miss(text, anywhere)
        hint = (
            f"did you mean `{meant}`?"
            if meant
            else f"a {what} starts with {_either(sorted(words))}"
        )
        if token.kind == "NAME" and tokens[1].kind == "EQUAL":
            hint = f"write `{'const' if outside else 'let'} {text} = ...`"
        elif text in STARTERS:
            hint = STARTERS[text]
        elif not meant and not outside and _is_expression(tokens):
            hint = f"write `mask {_cut(text)} ...`"
        _tell(errors, "unknown-statement", token, f"`{text}` does not start a {what}", hint)


def _is_expression(tokens: Sequence[Token]) -> bool:
    return tokens[0].kind in OPERANDS and tokens[1].kind in OPERATORS | {"LPAR", "_END"}


def _ends_early(
    tokens: Sequence[Token], wants_operand: bool, expected: Set[str], errors: Errors
) -> None:
    last, hint = tokens[-2], habit(tokens, len(tokens) - 1, expected)
    span = errors.span(last.end, last.end)
    if wants_operand:
        heads = tokens[0].kind in ("PATTERN", "MASK") and last.kind in ("EQUAL", "MASK")
        what = "the mask" if heads else "an expression"
        message = f"{what} is missing after `{last.text}`"
        if last.kind in ("MASK", "SCORE", "SINK_COUNT"):
            hint = f"it starts on the line of `{last.text}`, or in parentheses"
        errors.tell("missing-expression", message, span, hint=hint)
    else:
        errors.tell("syntax", f"{_names(expected)} is missing after `{last.text}`", span, "", hint)


def _no_operand(tokens: Sequence[Token], at: int, expected: Set[str], errors: Errors) -> None:
    token, before = tokens[at], tokens[at - 1]
    if token.kind == "NOT":
        hint = "write `(not ...)`"
        message = f"`not` is looser than `{before.text}`, so it stands in parentheses here"
        _tell(errors, "loose-not", token, message, hint)
    elif token.kind == "LBRACE":
        hint = "a set stands only after `in` and in `match`"
        _tell(errors, "misplaced-set", token, f"a set cannot stand after `{before.text}`", hint)
    elif token.kind == "COMPARATOR" and before.text in ("=", "!", "<", ">"):
        _tell(errors, "syntax", token, f"`{before.text} {token.text}` is not an operator")
    elif _is_reserved(token):
        message = f"`{token.text}` is a word of attn, not a value"
        _tell(errors, "reserved-name", token, message, habit(tokens, at, expected))
    else:
        message = f"an expression is missing before `{token.text}`"
        _tell(errors, "missing-expression", token, message, habit(tokens, at, expected))


def _no_operator(tokens: Sequence[Token], at: int, expected: Set[str], errors: Errors) -> None:
    token = tokens[at]
    kind, text = token.kind, token.text
    if kind in STATEMENTS | DECLARATIONS and "_END" in expected:
        _tell(errors, "syntax", token, f"a new line is missing before `{text}`")
    elif kind == "EQUAL":
        _tell(
            errors, "equal-sign", token, "`=` gives a name its value; `==` compares", "write `==`"
        )
    elif kind == "ARROW":
        _tell(errors, "syntax", token, "`=>` stands only in `match`", "write `>=` to compare")
    elif kind in ("IN", "COMPARATOR"):
        hint = "put one of them in parentheses, or join them with `and`"
        _tell(
            errors, "chained-in", token, f"`{text}` cannot follow an `in`: it does not chain", hint
        )
    elif kind == "RANGE":
        hint = "write `x in low..high`"
        _tell(
            errors, "misplaced-range", token, "a range stands only after `in` and in `match`", hint
        )
    elif kind in ("THEN", "ELSE"):
        hint = "write `if c then a else b`"
        _tell(errors, "syntax", token, f"this `{text}` has no `if` before it", hint)
    elif "COMMA" in expected and [t.kind for t in tokens[at + 1 : at + 2]] == ["ARROW"]:
        _tell(errors, "syntax", token, f"a comma is missing before `{text}`")
    elif kind in OPERANDS or kind in SOFT:
        _two_operands(tokens, at, expected, errors)
    else:
        _other(tokens, at, expected, errors)


def _two_operands(tokens: Sequence[Token], at: int, expected: Set[str], errors: Errors) -> None:
    token, before = tokens[at], tokens[at - 1]
    operators = [w for w, k in table().spellings.items() if w.isalpha() and k in expected]
    meant = near_miss(token.text, operators) if token.kind == "NAME" else None
    hint = f"did you mean `{meant}`?" if meant else habit(tokens, at, expected)
    if token.text == "elif":
        hint = "write `else if`"
    if not hint and before.kind == "INT" and token.kind == "NAME":
        hint = "write `*` to multiply"
    message = f"an operator is missing between `{_cut(before.text)}` and `{_cut(token.text)}`"
    if token.first:
        message = f"an operator is missing before `{_cut(token.text)}`"
    _tell(errors, "missing-operator", token, message, hint)


def _other(tokens: Sequence[Token], at: int, expected: Set[str], errors: Errors) -> None:
    token, before = tokens[at], tokens[at - 1]
    hint = habit(tokens, at, expected)
    if before.kind == "RBRACE" and set(expected) == {"_END"}:
        _tell(errors, "syntax", token, "a new line is missing after `}`")
        return
    if tokens[0].kind in ("PATTERN", "DEF", "LET") and token.kind in ("COMMA", "RPAR", "EQUAL"):
        if before.kind == "NAME" and "COLON" in expected:
            hint = f"give it a type: `{before.text}: int`"
    elif tokens[0].kind == "USE" and at == 1:
        hint = 'write `use "path/of/the/file.attn"`'
    elif token.kind == "LBRACE" and tokens[0].kind in ("DEF", "LET", "CONST"):
        hint = "only a pattern has a body; write `= expression`"
    message = f"expected {_names(expected)} after `{_cut(before.text)}`, found `{_cut(token.text)}`"
    _tell(errors, "syntax", token, message, hint)


def _is_reserved(token: Token) -> bool:
    return table().spellings.get(token.text) == token.kind and token.text.isidentifier()


def _names(expected: Set[str]) -> str:
    """Up to four things that would be right, as words; not those that any value may go on with."""
    shown = {kind: word for word, kind in reversed(table().spellings.items())}
    shown |= {"NAME": "a name", "_END": "a new line", "STRING": "a path in quotes"}
    telling = [kind for kind in ORDER if kind in expected]
    if "PLUS" in expected:
        telling = [kind for kind in telling if kind not in ("LPAR", "LSQB", "IN")]
    words = [shown[kind] for kind in telling or sorted(expected)][:4]
    quoted = [word if " " in word else f"`{word}`" for word in words]
    return _either(quoted, quoted=False)


def _either(words: Sequence[str], quoted: bool = True) -> str:
    shown = [f"`{word}`" for word in words] if quoted else list(words)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _tell(errors: Errors, id: str, token: Token, message: str, hint: str = "") -> None:
    errors.tell(id, message, token.span(errors.source), hint=hint)
