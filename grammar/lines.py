"""Tokens to statements: where a line ends a statement, and which bracket closes which.

A line goes on while `(`, `[` or the braces of a `match` or a set are open, after an operator, and
before one. Every operator counts, signs and words, prefix ones included: no statement starts with
`-`, `not`, `!`, `if` or `match`, so a line that does can only belong to the one above. A line
break before `{` is free, and one after `,` or `:` too. A word that starts statements always starts
one when it is first on its line, so that an error ends with its statement.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maskc.diagnostics import Label
from maskc.grammar.errors import Errors
from maskc.grammar.tokens import DEEPEST, Role, Statement, Token

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
SIGN = {"RPAR": ")", "RSQB": "]", "RBRACE": "}"}

PAIRED = frozenset({*CLOSER, *SIGN, "EQUAL", "WRONG"})
"""Terminals that need a look wherever they stand."""

OPERATORS = frozenset(
    [
        "OR",
        "XOR",
        "AND",
        "WITHOUT",
        "NOT",
        "COMPARATOR",
        "SHIFT",
        "PLUS",
        "MINUS",
        "PRODUCT",
        "IN",
        "ARROW",
        "RANGE",
        "JOIN",
        "EQUAL",
        "IF",
        "THEN",
        "ELSE",
        "MATCH",
        "COLON",
        "DOT",
        "COMMA",
    ]
)

DECLARATIONS = frozenset({"USE", "CONST", "DEF", "PATTERN"})

STATEMENTS = frozenset(
    {"SPACE", "INPUT", "LET", "ROUTE", "SCORE", "SINK_LOGIT", "SINK_COUNT", "MASK"}
)


def statements(tokens: Sequence[Token], errors: Errors) -> Iterator[Statement]:
    """The statements of a file, from top to bottom; brackets that do not pair go to `errors`."""
    lines = _Lines(tokens, errors)
    for i, token in enumerate(tokens):
        if token.first or token.kind in PAIRED or not lines.current:
            yield from lines.read(i, token)
        else:
            lines.current.append(token)
    yield from lines.finish()


class _Lines:
    def __init__(self, tokens: Sequence[Token], errors: Errors) -> None:
        self.tokens, self.errors = tokens, errors
        self.current: list[Token] = []
        self.open: list[Token] = []
        self.n_open = dict.fromkeys(SIGN, 0)
        self.body: Token | None = None
        self.role = Role.WHOLE
        self.broken = False
        self.has_equal = False

    def read(self, i: int, token: Token) -> Iterator[Statement]:
        """Take the next token; the statements that it ends."""
        if token.first and self.current:
            starts = self._starts(i, token)
            if starts and self.open:
                self._left_open()
            if starts or (not self.open and not self._goes_on(token)):
                yield self._ended()
        if self.body and not self.current and token.kind in DECLARATIONS and self._at_margin(token):
            yield from self._body_left_open(token)
        kind = token.kind
        if kind in CLOSER:
            self.current.append(token)
            if self._opens_body(token):
                self.role, self.body = Role.OPENS, token
                yield self._ended()
            else:
                self.open.append(token)
                self.n_open[CLOSER[kind]] += 1
                if len(self.open) == DEEPEST + 1:
                    self._too_deep(token)
            return
        if kind in SIGN:
            yield from self._close(token)
            return
        if kind == "EQUAL" and not self.open:
            self.has_equal = True
        elif kind == "WRONG":
            self.broken = True
        self.current.append(token)

    def finish(self) -> Iterator[Statement]:
        """The statement that the end of the file ends."""
        if self.open:
            self._unclosed(self.current[-1].end)
        if self.current:
            yield self._ended()
        if self.body:
            yield from self._body_left_open(None)

    def _ended(self) -> Statement:
        tokens = self.current
        if self.role is not Role.OPENS:
            tokens.append(Token("_END", "", tokens[-1].end if tokens else 0))
        statement = Statement(self.role, tuple(tokens), self.broken)
        self.current, self.open, self.role = [], [], Role.WHOLE
        self.n_open = dict.fromkeys(SIGN, 0)
        self.broken = self.has_equal = False
        return statement

    def _pop(self) -> str:
        """Forget the innermost open bracket; what would have closed it."""
        closer = CLOSER[self.open.pop().kind]
        self.n_open[closer] -= 1
        return closer

    def _starts(self, i: int, token: Token) -> bool:
        if token.kind not in DECLARATIONS and token.kind not in STATEMENTS:
            return False
        if not self.open:
            return True
        after = self.tokens[i + 1].kind if i + 1 < len(self.tokens) else "_END"
        if token.kind == "SCORE":
            return after != "EQUAL"
        return token.kind != "INPUT" or after == "NAME"

    def _goes_on(self, token: Token) -> bool:
        if token.kind == "LBRACE":
            return True
        if self.current[-1].kind == "COMMA":
            return token.kind != "RBRACE"
        return self.current[-1].kind in OPERATORS or token.kind in OPERATORS

    def _opens_body(self, token: Token) -> bool:
        return not self.open and self._may_open_body(token)

    def _may_open_body(self, token: Token) -> bool:
        if token.kind != "LBRACE" or self.body or self.has_equal:
            return False
        head = self.current[0].kind
        return head not in STATEMENTS and head != "LBRACE" and self.role is Role.WHOLE

    def _close(self, token: Token) -> Iterator[Statement]:
        if self.open and CLOSER[self.open[-1].kind] == token.kind:
            self._pop()
            self.current.append(token)
        elif self.n_open[token.kind]:
            self._mismatched(token)
            while self._pop() != token.kind:
                pass
            self.current.append(token)
        elif token.kind == "RBRACE" and self.body:
            if self.open:
                self._mismatched(token)
            if self.current:
                yield self._ended()
            self.body, self.role = None, Role.CLOSES
            self.current = [token]
        else:
            message = f"this `{token.text}` closes nothing"
            self.errors.tell("stray-bracket", message, token.span(self.errors.source))
            self.broken = True
            if not self.current:
                self.current = [token]

    def _too_deep(self, token: Token) -> None:
        message = f"brackets nest more than {DEEPEST} levels deep"
        hint = "give parts names with `let` or `def`"
        self.errors.tell("too-deep", message, token.span(self.errors.source), hint=hint)
        self.broken = True

    def _mismatched(self, token: Token) -> None:
        opener = self.open[-1]
        message = f"`{token.text}` comes before the `{opener.text}` is closed"
        wanted = SIGN[CLOSER[opener.kind]]
        label = Label(opener.span(self.errors.source), "opened here")
        span = token.span(self.errors.source)
        self.errors.tell("unclosed-bracket", message, span, f"expected `{wanted}`", "", (label,))
        self.broken = True

    def _unclosed(self, end: int) -> None:
        opener = self.open[-1]
        wanted = SIGN[CLOSER[opener.kind]]
        label = Label(opener.span(self.errors.source), "opened here")
        message = f"the `{opener.text}` is not closed"
        span = self.errors.span(end, end)
        self.errors.tell("unclosed-bracket", message, span, f"expected `{wanted}`", "", (label,))
        self.broken = True

    def _left_open(self) -> None:
        """A statement starts where a bracket is open; a brace before it meant to open the body."""
        last, end = self.open[-1], self.current[-1].end
        if last is self.current[-1] and len(self.open) > 1 and not self.body:
            self._pop()
            if self._may_open_body(last):
                self.role, self.body, end = Role.OPENS, last, last.start
        self._unclosed(end)

    def _body_left_open(self, token: Token | None) -> Iterator[Statement]:
        assert self.body, "only an open body can be left open"
        end = len(self.errors.source.text) if token is None else token.start
        end = len(self.errors.source.text[:end].rstrip())
        self.open = [self.body]
        self._unclosed(end)
        self.body, self.role = None, Role.CLOSES
        self.current = [Token("RBRACE", "", end)]
        yield self._ended()

    def _at_margin(self, token: Token) -> bool:
        return token.start == 0 or self.errors.source.text[token.start - 1] == "\n"
