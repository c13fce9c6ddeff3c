"""The formatter: one form, the same tree, every comment, and nothing left to do the second time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntax_trees import files

from maskc import syntax as s
from maskc.diagnostics import MaskcError
from maskc.grammar.errors import Errors
from maskc.grammar.format import formatted
from maskc.grammar.lex import lex
from maskc.grammar.parse import parse, source
from maskc.grammar.unparse import unparse
from maskc.testing import specs
from subjects import slow

EVERYTHING = """\
## About the file.

use "vision.attn" as v
const page = 16
## Near on both axes.
def near2(a: axis, r: int >= 0 and < 9 = [1, 2]) =
    abs(q.a - k.a) <= r & (causal | not sink(4) ^ k in {0, 2, len(k) - 1})
pattern p(
    ## How many.
    n: int >= 16 and % 16 == 0 = 64, w: int[head] in 1..64 = 8,
) {
    space text(n) ++ image: grid(y = cdiv(len(q), 2), x)
    input doc: int[batch, token]
    let near = if q in text then (if k == 0 then causal else nothing) else if q == 1 then k < 4
        else doc[q] == doc[k, 1] & (-(q + k) * 3 < 7 | q.image.y in 0..4)
    route far = topk(q: blocks(64), k: blocks(64), n = 16, score = mean(Q) . mean(K), per = head)
    score softcap(s, 50.0) + at(q = q - 1, k = 0) near
    mask match head { 0..4 => near, {6, 7} => any(i in 0..4 : i < q - k), _ => routed(far)(1) }
}
pattern short(a: int = 4) = recent(a) & match layer { 0 => causal, _ => window(a, 2)[3] }
"""
"""A comment may stand between any two words of it where a line may end."""


def words(text: str) -> list[int]:
    """Where the words of a text start."""
    made = source(text)
    return [token.start for token in lex(made, Errors(made)).tokens]


def comments(text: str) -> list[str]:
    """What the comments of a text say, sorted, without their signs."""
    made = source(text)
    found = lex(made, Errors(made)).comments
    return sorted(comment.text.lstrip("#").strip() for comment in found)


def reads(text: str) -> s.File | None:
    """The tree of a text, if it has one."""
    try:
        return parse(source(text))
    except MaskcError:
        return None


def hold(text: str) -> str:
    """Format a text, and hold the result to every promise."""
    made = formatted(source(text))
    assert parse(source(made)) == parse(source(text))
    assert comments(made) == comments(text)
    assert formatted(source(made)) == made, f"{text}\n--- once\n{made}"
    assert "\n\n\n" not in made
    assert not re.search(r"[ \t]$", made, re.MULTILINE)
    assert made == "" or (made.endswith("\n") and not made.endswith("\n\n"))
    return made


def inserted(text: str, places: list[tuple[int, str]]) -> str:
    """A text with comments put in, each with the line end after it; wrong ones are left out."""
    plain = reads(text)
    for place, comment in sorted(places, reverse=True):
        longer = text[:place] + comment + "\n" + text[place:]
        if reads(longer) == plain:
            text = longer
    return text


KINDS = ["\n# alone {}", "  # beside {}", "\n\n    # apart {}\n", "\n### all {}", "  ## beside {}"]


@pytest.mark.parametrize(
    "kind", [KINDS[0], *slow(KINDS[1:])], ids=["alone", "beside", "apart", "banner", "doc"]
)
def test_comments_between_any_two_words_are_kept(kind: str) -> None:
    places, n_put = [*words(EVERYTHING), len(EVERYTHING)], 0
    for first in range(7):
        put = [(place, kind.format(place)) for place in places[first::7]]
        n_put += len(comments(hold(inserted(EVERYTHING, put)))) - len(comments(EVERYTHING))
    assert n_put > 150


SIGNS = st.sampled_from(["#", "# ", "#\t", "##", "## ", "###"])
LINES = st.sampled_from(["", " ", "\n", "\n\n", "\n\n\n    "])
SAYINGS = st.from_regex(r"[!-~][ -~é]{0,8}", fullmatch=True).map(lambda text: text.lstrip("#"))


@st.composite
def commented(draw: Any, texts: Any) -> str:
    """A text with comments at some of the places where they may stand."""
    text = draw(texts)
    starts = [0, *words(text), len(text)]
    remark = st.builds(lambda *parts: "".join(parts), LINES, SIGNS, SAYINGS)
    places = draw(st.lists(st.tuples(st.sampled_from(starts), remark), max_size=6))
    return inserted(text, places)


@given(commented(files.map(unparse)))
def test_every_comment_of_a_drawn_file_survives(text: str) -> None:
    hold(text)


@given(commented(specs().map(unparse)))
def test_every_comment_of_a_drawn_spec_survives(text: str) -> None:
    hold(text)


@given(commented(st.just(EVERYTHING)))
def test_several_comments_survive_together(text: str) -> None:
    hold(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("pattern p { # why\n mask a\n}", "pattern p {  # why\n    mask a\n}\n"),
        ("pattern p { # why\n # and\n mask a\n}", "pattern p {  # why\n    # and\n    mask a\n}\n"),
        ("pattern p { ## why\n mask a\n}", "pattern p {  # why\n    mask a\n}\n"),
        ("pattern p { # alone\n}", "pattern p {  # alone\n}\n"),
        (
            "pattern p( # why\n a: int) {\n mask b\n}",
            "pattern p(\n    # why\n    a: int,\n) {\n    mask b\n}\n",
        ),
        (
            "pattern p { # one\n let a = # two\n b\n mask a\n}",
            "pattern p {  # one\n    let a =\n        # two\n        b\n    mask a\n}\n",
        ),
        (
            "pattern p {\n mask match h { # why\n 0 => a }\n}",
            "pattern p {\n    mask match h {\n        # why\n        0 => a,\n    }\n}\n",
        ),
    ],
)
def test_a_comment_behind_a_brace_stays_with_what_it_opens(text: str, wanted: str) -> None:
    assert hold(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "pattern p {\n mask if # c\n a then b else d\n}",
            "    # c\n    mask if a then b else d\n}\n",
        ),
        ("pattern p = a & if # c\n b then c else d", "    a\n    # c\n    & if b then c else d\n"),
        (
            "pattern p = f(x = if # c\n a then b else d)",
            "        # c\n        x = if a then b else d,\n",
        ),
        ("pattern p = any(i in if # c\n a then b else d : e)", "    # c\n    any(i in if a then b"),
        ("pattern p = match h { 0 => if # c\n a then b else d }", "    # c\n    0 => if a then b"),
        ("pattern p = (if # c\n a then b else d)[3]", "    # c\n    (if a then b else d)[3]\n"),
    ],
)
def test_a_comment_behind_an_if_stands_above_it(text: str, wanted: str) -> None:
    assert wanted in hold(text)


@pytest.mark.parametrize("body", ["recent(4)", "recent((4))", "t[q, k]", "any(i in 0..4 : k == i)"])
def test_a_comment_behind_closed_brackets_stays_outside(body: str) -> None:
    plain = hold(f"pattern p = {body}").removeprefix("pattern p = ")
    assert hold(f"pattern p = ({body}\n# c\n)") == f"pattern p =\n    # c\n    {plain}"


@pytest.mark.parametrize("operator", ["&", "|", "^", "\\", "+", "<", "in", ""])
def test_a_comment_behind_a_bracket_that_a_comment_broke_has_its_own_line(operator: str) -> None:
    text = f"pattern p = f(a, 7  # one\n) {operator}  # two\n {operator and 'b'}"
    assert "    )  #" not in hold(text)


PAIRS = st.sampled_from(["  # {}", "\n# {}", "\n\n# {}"]).map(lambda kind: kind.format("why"))
OWN_STATEMENTS = [
    unparse(declaration)
    for path in sorted((Path(__file__).parents[2] / "examples").rglob("*.attn"))
    for declaration in parse(source(path.read_text(encoding="utf-8"))).declarations
]


@given(st.data())
def test_two_comments_close_together_in_any_example_are_kept(data: Any) -> None:
    text = data.draw(st.sampled_from(OWN_STATEMENTS))
    places = [*words(text), len(text)]
    first = data.draw(st.integers(0, len(places) - 1))
    second = min(first + data.draw(st.integers(1, 5)), len(places) - 1)
    put = [(places[i], data.draw(PAIRS)) for i in sorted({first, second})]
    hold(inserted(text, put))
