"""Checking a file that is wrong in places: what could be read is looked at too.

The statements that could not be read are left out, and with them every error that may follow from
their absence, so that one run tells all causes and no consequence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from maskc import syntax
from maskc.diagnostics import MOST_PRINTED, Diagnostic, MaskcError
from maskc.grammar.build import Builder
from maskc.grammar.errors import Errors
from maskc.grammar.lalr import Automaton
from maskc.grammar.lex import FOREIGN
from maskc.grammar.parse import Reading, attempt
from maskc.grammar.tokens import Role, Statement, Token
from maskc.source import Source

Result = TypeVar("Result")

HARMLESS = frozenset(["LET", "INPUT", "ROUTE", "MASK", "SCORE", "SINK_COUNT", "SINK_LOGIT"])
"""Statements of a pattern whose absence changes no more than a name."""

STAND_INS = {Role.OPENS: ("PATTERN", "NAME", "LBRACE"), Role.CLOSES: ("RBRACE", "_END")}

WORD = re.compile(r"\w+")


def checked(source: Source, check: Callable[[syntax.File], Result]) -> Result:
    """What `check` makes of the tree of a source.

    Raises:
        MaskcError: with the errors of its syntax and those that `check` finds in the rest.

    """
    reading = attempt(source)
    if reading.file is not None:
        return check(reading.file)
    found, omitted = reading.diagnostics(), reading.omitted()
    rest = _rest(reading) if len(found) <= MOST_PRINTED else None
    if rest is not None:
        try:
            check(rest.file)
        except MaskcError as error:
            found += [d for d in error.diagnostics if not rest.follows(d, found)]
            omitted += error.omitted
    raise MaskcError(found, omitted)


@dataclass(frozen=True, slots=True)
class _Rest:
    """The tree of the statements that could be read.

    `names`: what the others may have defined. `places`: stretches of the file, from first
    character to last, that nothing is known about.
    """

    source: Source
    file: syntax.File
    names: frozenset[str]
    places: tuple[tuple[int, int], ...]
    is_whole: bool

    def follows(self, found: Diagnostic, told: Sequence[Diagnostic]) -> bool:
        """Whether an error may come from what was left out, or was told in another way."""
        span = found.span
        if span is None or (found.id == "missing-mask" and not self.is_whole):
            return True
        if span.source is not self.source:
            return False
        own = [(d.span.start, d.span.end) for d in told if d.span is not None]
        if any(start <= span.end and span.start <= end for start, end in (*own, *self.places)):
            return True
        return not self.names.isdisjoint(WORD.findall(span.text))


def _rest(reading: Reading) -> _Rest | None:
    """What could be read of a wrong file, or None where too little is known."""
    lost = [statement for statement in reading.statements if id(statement) in reading.lost]
    if not reading.lexed.numbers_hold or any(s.tokens[0].kind == "USE" for s in lost):
        return None
    errors = Errors(reading.source)
    kept = list(_kept(reading.statements, reading.lost))
    file = Automaton(Builder(reading.lexed, errors), errors).run(kept)
    if file is None:
        return None
    names = {token.text for s in lost for token in s.tokens[:2] if token.kind == "NAME"}
    names |= {d.span.text for d in errors.diagnostics if d.id == "reserved-name" and d.span}
    places = tuple(_unknown(reading.statements, reading.lost, len(reading.source.text)))
    return _Rest(reading.source, file, frozenset(names), places, not lost)


def _kept(statements: Iterable[Statement], lost: frozenset[int]) -> Iterable[Statement]:
    for statement in statements:
        if id(statement) not in lost:
            yield Statement(statement.role, tuple(map(_known, statement.tokens)))
        elif statement.role in STAND_INS:
            at = statement.tokens[0].start
            tokens = (Token(kind, "", at) for kind in STAND_INS[statement.role])
            yield Statement(statement.role, tuple(tokens))


def _known(token: Token) -> Token:
    """A sign of another language as the one that it is read as."""
    known, _ = FOREIGN.get(token.text, (token.text, ""))
    return token._replace(text=known)


def _unknown(
    statements: Iterable[Statement], lost: frozenset[int], end: int
) -> Iterable[tuple[int, int]]:
    """The patterns whose space or parameters are among what was lost."""
    start, is_inside, is_unknown = 0, False, False
    for statement in statements:
        first = statement.tokens[0]
        if statement.role is Role.OPENS:
            start, is_inside, is_unknown = first.start, True, id(statement) in lost
        elif statement.role is Role.CLOSES:
            if is_unknown:
                yield start, first.end
            is_inside = is_unknown = False
        elif is_inside and id(statement) in lost and first.kind not in HARMLESS:
            is_unknown = True
    if is_unknown:
        yield start, end
