"""Printing: the text of a tree reads back as the tree, in one form."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from syntax_trees import expressions, files

from maskc import syntax as s
from maskc.diagnostics import MaskcError
from maskc.grammar.layout import WIDTH
from maskc.grammar.parse import parse, read, source
from maskc.grammar.unparse import unparse

ROOT = Path(__file__).parents[2]
SPECS = [ROOT / "maskc" / "prelude.attn", *sorted((ROOT / "examples").rglob("*.attn"))]


def expression(text: str) -> s.Expression:
    """The tree of one expression."""
    declaration = parse(source(f"const it = {text}")).declarations[0]
    assert isinstance(declaration, s.Const)
    return declaration.value


@given(files)
def test_a_printed_file_reads_back_as_its_tree(tree: s.File) -> None:
    assert parse(source(unparse(tree))) == tree


def test_words_that_name_parts_of_a_route_read_back() -> None:
    body = s.Quantifier("any", "i", s.Name("xs"), s.Name("i"))
    units = (("q", s.Unit("any", (s.In(s.Name("a"), s.SetOf(())),))), ("k", s.Unit("all")))
    options = (s.Argument("within", s.Quantifier("all", "j", s.Name("xs"), body)),)
    route = s.Route("r", "at", units, options)
    tree = s.File((s.Pattern("p", (), (route, s.Route("r", "at", (), options))),))
    assert parse(source(unparse(tree))) == tree


@given(files)
def test_printing_what_was_printed_changes_nothing(tree: s.File) -> None:
    text = unparse(tree)
    assert unparse(parse(source(text))) == text


@given(expressions)
def test_parentheses_stand_only_where_the_tree_needs_them(tree: s.Expression) -> None:
    text = unparse(s.Const("it", tree))
    for start, char in enumerate(text):
        if char != "(":
            continue
        depth, end = 0, start
        for end in range(start, len(text)):
            depth += (text[end] == "(") - (text[end] == ")")
            if depth == 0:
                break
        without = text[:start] + " " + text[start + 1 : end] + " " + text[end + 1 :]
        try:
            same = parse(source(without)).declarations[0] == s.Const("it", tree)
        except MaskcError:
            same = False
        inner = text[start + 1 : end].strip()
        assert not same or inner.startswith(("if", "match")) or _ends_open(inner), text


def _ends_open(inner: str) -> bool:
    return " if " in inner or "match " in inner


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_of_ours_reads_back(path: Path) -> None:
    tree = parse(read(path))
    text = unparse(tree)
    assert parse(source(text)) == tree
    assert max(map(len, text.split("\n"))) <= WIDTH


@pytest.mark.parametrize(
    "text",
    [
        "a - b - c",
        "a - (b - c)",
        "(a - b) - c",
        "-a",
        "--a",
        "-(a + b)",
        "a + -b",
        "a & b \\ c & d",
        "a & (b \\ c)",
        "not a & b",
        "not (a & b)",
        "not a == b",
        "(not a) == b",
        "(a == b) == c",
        "a == b == c",
        "x in 0..4",
        "x in 1 + 1 .. 2 * 3",
        "(x in 0..4) == true",
        "x in {1, 2} & y",
        "a & if b then c else d",
        "(if b then c else d) & a",
        "if a then b else if c then d else e",
        "if a then b else (if c then d else e)",
        "a & match h { 0 => b, _ => c }",
        "(match h { 0 => b, _ => c }) & a",
        "at(q = q + 1) f(x)[3].y",
        "(at(q = q + 1) f(x))[3]",
        "at(q = 1) at(k = 2) m",
        "any(i in 0..4 : q == i) | all(j in xs : j > k)",
        "count(i in {1, 2} : i > q) > 1",
        "(any)(x in {1})",
        "(at)(q = 1)",
        "any(x)",
        "f(a, n = 3)(b)",
        "q.image.y",
        "v.near(x, r = 3)",
        "1e-05",
        "4Ki",
        "4_096",
        "a << 1 >> 2",
        "(a << 1) + 2",
        "a ^ b | c ^ d",
        "(a | b) ^ c",
        "-9223372036854775807 - 1",
    ],
)
def test_the_canonical_form_stays(text: str) -> None:
    assert unparse(expression(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("(a)", "a"),
        ("((a + b)) * c", "(a + b) * c"),
        ("(a * b) + c", "a * b + c"),
        ("a and b or not c", "a & b | not c"),
        ("!a xor b", "not a ^ b"),
        ("x in {1,2,}", "x in {1, 2}"),
        ("f(a,)", "f(a)"),
        ("a -\n b", "a - b"),
        ("(x in y) & z", "x in y & z"),
    ],
)
def test_other_spellings_become_canonical(text: str, canonical: str) -> None:
    assert unparse(expression(text)) == canonical


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (s.Number(-5), "-5"),
        (s.Unary("-", s.Number(-5)), "--5"),
        (s.Member(s.Number(-5), "x"), "(-5).x"),
        (s.Chain((s.Number(-5), s.Number(-3)), ("*",)), "-5 * -3"),
        (s.Chain((s.Number(2), s.Number(-(2**63))), ("*",)), "2 * -9223372036854775808"),
        (s.Number(-0.5), "-0.5"),
        (s.Number(1e300), "1e+300"),
    ],
)
def test_built_numbers_are_printed_by_value(tree: s.Expression, text: str) -> None:
    assert unparse(tree) == text
    assert unparse(expression(text)) == text


def test_a_number_keeps_its_spelling_only_while_it_says_its_value() -> None:
    kept = expression("4Ki")
    assert isinstance(kept, s.Number) and kept.span
    assert unparse(kept) == "4Ki"
    assert unparse(s.Number(8192, span=kept.span)) == "8192"


def test_long_text_breaks_before_operators_and_inside_brackets() -> None:
    long, longer = "a" * 40, "b" * 50
    tree = expression(f"{long} & {longer} & f({long}, {longer}, {long})")
    assert unparse(s.Pattern("p", (), (s.Mask(tree),), True)) == (
        f"pattern p =\n"
        f"    {long}\n"
        f"    & {longer}\n"
        f"    & f(\n"
        f"        {long},\n"
        f"        {longer},\n"
        f"        {long},\n"
        f"    )"
    )


def test_long_lists_of_numbers_fill_their_lines() -> None:
    tree = s.Const("it", expression("x in {" + ", ".join(["1000"] * 60) + "}"))
    lines = unparse(tree).split("\n")
    assert len(lines) == 8 and max(map(len, lines)) <= WIDTH


def test_a_deep_tree_is_printed_without_recursion() -> None:
    tree: s.Expression = s.Name("a")
    for _ in range(5_000):
        tree = s.Unary("-", tree)
    assert unparse(tree) == "-" * 5_000 + "a"
