"""The LALR(1) automaton: statements in, the file's tree out, every statement's first error told.

It walks the tables of `table.py`. Two things make it fast enough for files of a megabyte: a chain
of unit rules (`name`, through all levels of operators, up to `expression`) is one step once it
has been taken, and nothing recurses. After an error it goes on with the next statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from maskc import syntax
from maskc.grammar.build import DEEPER, Builder
from maskc.grammar.errors import Errors
from maskc.grammar.explain import explain
from maskc.grammar.lex import FOREIGN
from maskc.grammar.table import Rule, table
from maskc.grammar.tokens import DEEPEST, Role, Statement, Token
from maskc.grammar.words import settled
from maskc.source import Span

Entry = tuple[int, Any, int, int, int]
"""One place of the stack: state, value read there, its first and last offset, its tree's depth."""


class TooDeep(Exception):
    """A tree that nests deeper than DEEPEST."""

    def __init__(self, span: Span) -> None:
        self.span = span


class Automaton:
    """One run over one file."""

    def __init__(self, builder: Builder, errors: Errors) -> None:
        self.errors = errors
        self.tables = table()
        self.lost: list[Statement] = []
        self.leaps: dict[tuple[int, int, str], int] = {}
        self.stack: list[Entry] = [(self.tables.start, None, 0, 0, 0)]
        self.builds = [r.build and getattr(builder, r.build) for r in self.tables.rules]

    def run(self, statements: Iterable[Statement]) -> syntax.File | None:
        """The tree, or None where an error was told; `lost` has what could not be read."""
        for statement in statements:
            before = list(self.stack)
            if statement.broken or not self._read(statement, before):
                self.lost.append(statement)
                self.stack = before
                self._pretend(statement)
        end = Token("$END", "", len(self.errors.source.text))
        if self.lost or self._feed((end,)) is not None:
            return None
        return self.stack[-1][1]

    def _read(self, statement: Statement, before: Sequence[Entry]) -> bool:
        tokens = settled(statement.tokens, self.errors)
        try:
            stopped = self._feed(tokens)
        except TooDeep as error:
            message = f"this nests more than {DEEPEST} levels deep"
            hint = "give parts of it names with `let` or `def`"
            self.errors.tell("too-deep", message, error.span, hint=hint)
            return False
        if stopped is None:
            return True
        if self.errors.full:
            self.errors.omitted += 1
        elif tokens[stopped].text not in FOREIGN:
            explain(tokens, stopped, self._expected(before, tokens[:stopped]), self.errors)
        return False

    def _expected(self, before: Sequence[Entry], tokens: Sequence[Token]) -> frozenset[str]:
        """The terminals that may follow these tokens of a statement."""
        states = [entry[0] for entry in before]
        for token in tokens:
            self._shifts(states, token.kind)
        row = self.tables.actions[states[-1]]
        return frozenset(kind for kind in row if self._shifts(list(states), kind))

    def _shifts(self, states: list[int], kind: str) -> bool:
        """Whether a terminal may come next; `states` are then those after it."""
        while True:
            action = self.tables.actions[states[-1]].get(kind)
            if action is None:
                return False
            if action >= 0:
                states.append(action)
                return True
            rule = self.tables.rules[~action]
            if rule.size:
                del states[-rule.size :]
            if rule.origin == "file":
                return True
            states.append(self.tables.gotos[states[-1]][rule.origin])

    def _pretend(self, statement: Statement) -> None:
        """Go on as if a statement with an error had been a right one of its kind."""
        at = statement.tokens[0].start
        stand_in: dict[Role, str] = {
            Role.WHOLE: "",
            Role.OPENS: "PATTERN NAME LBRACE",
            Role.CLOSES: "RBRACE _END",
        }
        self._feed([Token(kind, "", at) for kind in stand_in[statement.role].split()])

    def _feed(self, tokens: Sequence[Token]) -> int | None:
        """The index of the first token that cannot stand where it does."""
        stack, leaps = self.stack, self.leaps
        actions, rules = self.tables.actions, self.tables.rules
        for i, token in enumerate(tokens):
            kind = token.kind
            while True:
                top = stack[-1]
                action = actions[top[0]].get(kind)
                if action is None:
                    return i
                if action >= 0:
                    start = token.start
                    stack.append((action, token, start, start + len(token.text), 0))
                    break
                rule = rules[~action]
                if rule.unit:
                    key = (stack[-2][0], top[0], kind)
                    state = leaps.get(key)
                    if state is None:
                        state = self._leap(key)
                    stack[-1] = (state, *top[1:])
                elif kind == "$END" and rule.origin == "file":
                    self._reduce(rule, self.builds[~action], token.start)
                    break
                else:
                    self._reduce(rule, self.builds[~action], token.start)
        return None

    def _leap(self, key: tuple[int, int, str]) -> int:
        below, state, kind = key
        while True:
            action = self.tables.actions[state].get(kind)
            if action is None or action >= 0 or not self.tables.rules[~action].unit:
                break
            state = self.tables.gotos[below][self.tables.rules[~action].origin]
        self.leaps[key] = state
        return state

    def _reduce(self, rule: Rule, build: Any, at: int) -> None:
        stack = self.stack
        if rule.size:
            taken = stack[-rule.size :]
            del stack[-rule.size :]
            start, end, depth = taken[0][2], taken[-1][3], max([e[4] for e in taken])
        else:
            taken, start, end, depth = [], at, at, 0
        # A helper's list is used once, so the list of a left-recursive one may grow in place.
        grows = build is None and rule.parts and rule.parts[0] == -1
        values: list[Any] = taken[0][1] if grows else []
        for part in rule.parts[1:] if grows else rule.parts:
            if part is None:
                values.append(None)
            elif part >= 0:
                values.append(taken[part][1])
            else:
                values.extend(taken[~part][1])
        value: Any = values
        if build is not None:
            span = Span(self.errors.source, start, end)
            if rule.build in DEEPER:
                depth += 1
                if depth > DEEPEST:
                    raise TooDeep(span)
            value = build(span, *values)
        state = self.tables.gotos[stack[-1][0]][rule.origin]
        stack.append((state, value, start, end, depth))
