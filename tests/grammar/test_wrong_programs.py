"""Wrong programs: which error is told, where, and what else of the file is still read."""

from __future__ import annotations

import pytest

from maskc.diagnostics import Diagnostic, MaskcError
from maskc.grammar.parse import parse, source


def errors(text: str) -> tuple[Diagnostic, ...]:
    """The errors of a wrong text."""
    with pytest.raises(MaskcError) as caught:
        parse(source(text))
    return caught.value.diagnostics


@pytest.mark.parametrize(
    ("wrong", "id", "underlined", "words"),
    [
        ("mask a = b", "equal-sign", "=", "`==`"),
        ("mask a b", "missing-operator", "b", "between `a` and `b`"),
        ("mask causal adn b", "missing-operator", "adn", "did you mean `and`"),
        ("mask 4 heads", "missing-operator", "heads", "`*`"),
        ("mask a &", "missing-expression", "", "after `&`"),
        ("mask", "missing-expression", "", "the mask is missing"),
        ("let a =", "missing-expression", "", "after `=`"),
        ("mask (a | )", "missing-expression", ")", "before `)`"),
        ("mask f(a,,b)", "missing-expression", ",", "before `,`"),
        ("mask a == not b", "loose-not", "not", "parentheses"),
        ("mask a in b in c", "chained-in", "in", "chain"),
        ("mask a == b in c", "chained-in", "in", "chain"),
        ("let a = 1..4", "misplaced-range", "..", "in"),
        ("let a = {1, 2}", "misplaced-set", "{", "in"),
        ("mask if a then b elif c", "missing-operator", "elif", "else if"),
        ("mask a then b", "syntax", "then", "no `if`"),
        ("mask if a then b", "syntax", "", "`else`"),
        ("mask match h { 0 => a 1 => b }", "syntax", "1", "comma"),
        ("mask match h { 0 => a } & b", "bare-match", "match h { 0 => a }", "parentheses"),
        ("mask match h { 0 => a } * 2 + b", "bare-match", "match h { 0 => a }", "parentheses"),
        ("mask a => 3", "syntax", "=>", "`>=`"),
        ("let mask = 3", "reserved-name", "mask", "cannot be a name"),
        ("let head = 3", "reserved-name", "head", "reserved"),
        ("let f(q: int) = 3", "reserved-name", "q", "reserved"),
        ("mask any(len in 0..4 : a)", "reserved-name", "len", "reserved"),
        ("mask input + 1", "reserved-name", "input", "not a value"),
        ("input k: int", "reserved-name", "k", "reserved"),
        ("let Wide = 3", "uppercase-name", "Wide", "`wide`"),
        ("mask a & Q", "uppercase-name", "Q", "`q`"),
        ("masc a", "unknown-statement", "masc", "did you mean `mask`"),
        ("w = 3", "unknown-statement", "w", "`let w = ...`"),
        ("causal & a", "unknown-statement", "causal", "`mask causal ...`"),
        ("def f() = 3", "misplaced", "def", "`let`"),
        ("mask a mask b", "syntax", "mask", "new line"),
        ("let f(a) = 3", "syntax", ")", "`a: int`"),
        ("let f(a: int) { a }", "syntax", "{", "only a pattern has a body"),
        ("mask any(i in 0..4, a)", "syntax", ",", "`:`"),
        ("space grid()", "syntax", ")", "a name"),
        ("space query: a", "syntax", "", "`,`"),
        ("route r = topk(score = a, score = b)", "duplicate-score", "score = b", "one `score`"),
        ('mask "a"', "missing-expression", '"a"', "before"),
    ],
)
def test_a_wrong_statement_is_told_where_it_goes_wrong(
    wrong: str, id: str, underlined: str, words: str
) -> None:
    (error,) = errors(f"pattern p {{\n  {wrong}\n}}\n")
    assert error.span is not None
    assert (error.id, error.line, error.span.text) == (id, 2, underlined)
    assert words in f"{error.message} {error.hint}"
    assert not error.message.endswith(".") and error.message[0] in "`abcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("wrong", "id", "underlined", "words"),
    [
        ("patern p = a", "unknown-statement", "patern", "did you mean `pattern`"),
        ("page = 16", "unknown-statement", "page", "`const page = ...`"),
        ("mask a", "misplaced", "mask", "outside a pattern"),
        ("pattern p", "syntax", "", "missing after `p`"),
        ("pattern p =", "missing-expression", "", "the mask is missing after `=`"),
        ("pattern if = a", "reserved-name", "if", "cannot be a name"),
        ("use vision.attn", "syntax", "vision", "quotes"),
        ('use "vision.attn', "unclosed-string", '"', "not closed"),
        ('use "a" as', "syntax", "", "a name is missing after `as`"),
        ("const len = 3", "reserved-name", "len", "reserved"),
        ("pattern p { mask a } pattern r = b", "syntax", "pattern", "new line"),
        ("pattern p(a: int = ) = b", "missing-expression", ")", "before `)`"),
        ("pattern p(a: int and >= 3) = b", "syntax", "and", "expected"),
        ("}", "stray-bracket", "}", "closes nothing"),
        ("pattern p = a)", "stray-bracket", ")", "closes nothing"),
    ],
)
def test_a_wrong_declaration_is_told_where_it_goes_wrong(
    wrong: str, id: str, underlined: str, words: str
) -> None:
    (error,) = errors(f"{wrong}\nconst fine = 1\n")
    assert error.span is not None
    assert (error.id, error.line, error.span.text) == (id, 1, underlined)
    assert words in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("text", "place", "opener"),
    [
        ("pattern p = (a | b\nconst c = 1\n", (1, 19), (1, 13)),
        ("pattern p = f(a, [b\n", (1, 20), (1, 18)),
        ("pattern p {\n  mask f(a\n  score s\n}\n", (2, 11), (2, 9)),
        ("pattern p {\n  mask f(a]\n}\n", (3, 1), (2, 9)),
        ("pattern p {\n  mask a\nconst c = 1\n", (2, 9), (1, 11)),
        ("pattern p {\n  mask a\n", (2, 9), (1, 11)),
        ("pattern p = match h { 0 => (a }\n", (1, 31), (1, 28)),
        ("pattern p(a: int {\n  mask a\n}\n", (1, 18), (1, 10)),
    ],
)
def test_an_unclosed_bracket_is_shown_with_its_opener(
    text: str, place: tuple[int, int], opener: tuple[int, int]
) -> None:
    found = [error for error in errors(text) if error.id == "unclosed-bracket"]
    (error,) = found
    (label,) = error.labels
    assert (error.line, error.column) == place
    assert label.span.source.place(label.span.start) == opener


def test_every_error_of_a_file_is_told_in_order() -> None:
    text = (
        "const a = \n"
        "def b(x: int) = x ++ 1\n"
        "pattern c {\n"
        "  lte e = 2\n"
        "  let d = (1\n"
        "  mask f g\n"
        "}\n"
        "pattern Wrong(h: int {\n"
        "  mask i j\n"
        "}\n"
        "const k = 1 = 2\n"
    )
    found = [(error.line, error.id) for error in errors(text)]
    assert found == [
        (1, "missing-expression"),
        (2, "syntax"),
        (4, "unknown-statement"),
        (5, "unclosed-bracket"),
        (6, "missing-operator"),
        (8, "uppercase-name"),
        (8, "unclosed-bracket"),
        (9, "missing-operator"),
        (11, "equal-sign"),
    ]


def test_words_that_call_for_lowercase_are_read_on() -> None:
    found = errors("pattern p = a AND b\npattern r = True | c d\n")
    shown = [(error.id, error.line, error.hint) for error in found]
    assert shown == [
        ("foreign-operator", 1, "write `and`"),
        ("foreign-operator", 2, "write `true`"),
        ("missing-operator", 2, ""),
    ]
