"""Hostile files are refused, quickly and in little memory, and honest large ones are read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax_trees import expressions

from maskc import syntax as s
from maskc.diagnostics import MOST_KEPT, MaskcError
from maskc.grammar.lex import FOREIGN, MOST_TOKENS
from maskc.grammar.parse import MOST_BYTES, parse, source
from maskc.grammar.table import table
from maskc.grammar.unparse import unparse

ROOT = Path(__file__).parents[2]

ROOM = MOST_BYTES - 40
HEAD = "pattern p = "

HOSTILE = {
    "parentheses": HEAD + "(" * ROOM,
    "matches": HEAD + "match a { b => " * 20_000,
    "ifs": HEAD + "if " * 120_000,
    "operands": HEAD + "1|" * (ROOM // 2) + "1",
    "letters": "é " * (ROOM // 3),
    "quotes": '"' * ROOM,
    "unknown statements": "pattern p {\n" + "maks\n" * 40_000 + "}",
    "a long name": f"const {'a' * ROOM} = 1",
    "many digits": f"const a = {'9' * ROOM}",
    "a long line": HEAD + "a b" + " " * ROOM,
    "spaces": "pattern p {\nspace " + "grid ++ " * 40_000 + "\n}",
}
MORE = {
    "nots": HEAD + "!" * 120_000 + "a",
    "calls": HEAD + "a" + "()" * 60_000,
    "indices": HEAD + "a" + "[a" * 60_000,
    "semicolons": ";" * ROOM,
    "closers": ")" * ROOM,
    "braces": "pattern p {\n" + "{" * ROOM,
    "closed parentheses": HEAD + "(" * 60_000 + "a" + ")" * 60_000,
    "brackets that do not pair": HEAD + "([" * 30_000 + ")" * 60_000,
    "minuses": HEAD + "-" * 120_000 + "a",
    "a chain with a wrong end": HEAD + "1|" * 60_000 + "= 1",
    "control characters": "\x01" * ROOM,
    "turned text": "\u202e" * (ROOM // 3),
    "misplaced statements": "mask\n" * 60_000,
    "empty declarations": "def\n" * 50_000,
    "routes": "pattern p {\n" + "route r = f(Q, align, start)\n" * 9_000 + "mask }",
}
"""Further texts of the same kinds: not for each edit."""


@pytest.mark.parametrize(
    "text",
    [
        *(pytest.param(text, id=name) for name, text in HOSTILE.items()),
        *(pytest.param(text, id=name, marks=pytest.mark.slow) for name, text in MORE.items()),
    ],
)
def test_a_hostile_file_is_refused_within_two_seconds(text: str) -> None:
    started = time.process_time()
    with pytest.raises(MaskcError) as caught:
        parse(source(text))
    shown = str(caught.value)
    assert time.process_time() - started < 2
    assert 1 <= len(caught.value.diagnostics) <= MOST_KEPT
    assert len(shown) < 100_000


def test_the_rest_of_many_errors_is_counted() -> None:
    with pytest.raises(MaskcError) as caught:
        parse(source("pattern p {\n" + "maks\n" * 30_000 + "}"))
    assert len(caught.value.diagnostics) == MOST_KEPT
    assert caught.value.omitted == 30_000 - MOST_KEPT
    assert "30,000 errors; the first 100 are shown" in str(caught.value)


WORDS = [*table().spellings, *FOREIGN, "a", "b", "1", "0.5", "1..", '"x"', "Q", "Window", "_"]
OTHERS = [
    "\n",
    "\n  ",
    " ",
    "\t",
    "# c",
    "## d\n",
    ";",
    '"',
    "é",
    "@",
    "match a {",
    "pattern p {\n",
]
PIECES = st.sampled_from(WORDS) | st.sampled_from(OTHERS)


@given(st.lists(PIECES, max_size=40).map(" ".join))
def test_any_text_is_read_or_refused_with_places_in_it(text: str) -> None:
    try:
        tree = parse(source(text))
    except MaskcError as error:
        assert error.diagnostics
        for diagnostic in error.diagnostics:
            assert diagnostic.span is not None
            assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)
        assert "error[" in str(error)
    else:
        assert parse(source(unparse(tree))) == tree


@given(expressions, st.data())
def test_a_text_with_a_piece_torn_out_is_read_or_refused(
    tree: s.Expression, data: st.DataObject
) -> None:
    text = unparse(s.Pattern("p", (), (s.Let("a", (), tree), s.Mask(tree))))
    start = data.draw(st.integers(0, len(text) - 1))
    torn = text[:start] + text[start + data.draw(st.integers(1, 6)) :]
    try:
        again = parse(source(torn))
    except MaskcError as error:
        assert str(error)
    else:
        assert parse(source(unparse(again))) == again


@pytest.mark.parametrize(
    ("opener", "closer", "n_fine"),
    [("(", ")", 200), ("-", "", 199), ("!", "", 199), ("not (", ")", 199), ("f(a + ", ")", 99)],
)
def test_trees_nest_200_levels_deep_and_no_deeper(opener: str, closer: str, n_fine: int) -> None:
    text = unparse(parse(source(HEAD + opener * n_fine + "a" + closer * n_fine)))
    assert unparse(parse(source(text))) == text
    with pytest.raises(MaskcError, match="too-deep"):
        parse(source(HEAD + opener * (n_fine + 1) + "a" + closer * (n_fine + 1)))


def test_chains_and_else_ifs_count_once() -> None:
    sums = "a + b * c - " * 1_000 + "d"
    conditions = "if a then b else " * 1_000 + "c"
    for text in (sums, conditions):
        tree = parse(source(f"const it = {text}"))
        assert parse(source(unparse(tree))) == tree


def test_a_file_of_many_declarations_is_read() -> None:
    n = MOST_TOKENS // 7
    file = parse(source("".join(f"def f{i}() = 0\n" for i in range(n))))
    assert len(file.declarations) == n
    assert isinstance(file.declarations[-1], s.Def)


def test_more_words_than_fit_are_refused_at_the_first_too_many() -> None:
    with pytest.raises(MaskcError) as caught:
        parse(source("a\n" * (MOST_TOKENS + 1)))
    (error,) = caught.value.diagnostics
    assert (error.id, error.line) == ("file-too-large", MOST_TOKENS + 1)
    assert f"more than {MOST_TOKENS:,} words and signs" in error.message
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert f"{MOST_TOKENS:,} words and signs" in " ".join(page.split())
