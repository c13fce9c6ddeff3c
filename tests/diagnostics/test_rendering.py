"""What users see of an error, to the letter."""

from __future__ import annotations

import pickle
import time

import pytest

from maskc.diagnostics import (
    MOST_KEPT,
    MOST_PRINTED,
    Diagnostic,
    Label,
    MaskcError,
    near_miss,
    render,
    to_json,
)
from maskc.source import Source, Span

TEXT = "# local\npattern local = causal &\n    mask casual & window(128, 0)\n\tx\n"
LOCAL = Source("examples/local.attn", TEXT)


def at(text: str, source: Source = LOCAL) -> Span:
    """The place of the first such text."""
    start = source.text.index(text)
    return Span(source, start, start + len(text))


UNKNOWN = Diagnostic(
    "unknown-name",
    "there is no mask named `casual`",
    at("casual"),
    "not defined here",
    "did you mean `causal`?",
)


def test_an_error_looks_as_the_style_page_says() -> None:
    assert render([UNKNOWN]) == (
        "error[unknown-name]: there is no mask named `casual`\n"
        " --> examples/local.attn:3:10\n"
        "  |\n"
        "3 |     mask casual & window(128, 0)\n"
        "  |          ^^^^^^ not defined here\n"
        "  |\n"
        "help: did you mean `causal`?"
    )


def test_a_second_place_is_shown_where_it_stands() -> None:
    label = Label(at("local ="), "first defined here")
    error = Diagnostic(
        "duplicate-name", "`x` is defined twice", at("x"), "again here", "", (label,)
    )
    assert render([error]) == (
        "error[duplicate-name]: `x` is defined twice\n"
        " --> examples/local.attn:4:2\n"
        "  |\n"
        "2 | pattern local = causal &\n"
        "  |         ------- first defined here\n"
        "3 |     mask casual & window(128, 0)\n"
        "4 |     x\n"
        "  |     ^ again here\n"
        "  |"
    )


def test_a_second_place_in_another_file_names_it() -> None:
    other = Source("lib.attn", "\n" * 99 + "def x = 1\n")
    error = Diagnostic(
        "clash", "`x` comes from two files", at("x"), "", "", (Label(at("def x", other), "here"),)
    )
    assert render([error]) == (
        "error[clash]: `x` comes from two files\n"
        "   --> examples/local.attn:4:2\n"
        "    |\n"
        "  4 |     x\n"
        "    |     ^\n"
        "    |\n"
        "   ::: lib.attn:100:1\n"
        "    |\n"
        "100 | def x = 1\n"
        "    | ----- here\n"
        "    |"
    )


def test_a_place_over_lines_shows_its_first_and_last() -> None:
    source = Source("a.attn", "mask (a\n  & b\n  & c\n  & d)\n")
    error = Diagnostic(
        "wrong-type", "this is no mask", at("(a\n  & b\n  & c\n  & d)", source), "int"
    )
    assert render([error]) == (
        "error[wrong-type]: this is no mask\n"
        " --> a.attn:1:6\n"
        "  |\n"
        "1 | mask (a\n"
        "  |      ^^\n"
        "...\n"
        "4 |   & d)\n"
        "  |   ^^^^ int\n"
        "  |"
    )


def test_wide_letters_and_tabs_are_underlined_where_they_stand() -> None:
    source = Source("a.attn", "ab\tc # 大 x\n")
    error = Diagnostic("e", "m", at("x", source))
    assert render([error]).split("\n")[3:5] == [
        "1 | ab  c # 大 x",
        "  |            ^",
    ]


def test_an_empty_place_gets_one_caret() -> None:
    source = Source("a.attn", "mask a &")
    error = Diagnostic("e", "m", Span(source, 8, 8))
    assert render([error]).split("\n")[3:5] == ["1 | mask a &", "  |         ^"]


def test_the_end_of_a_file_can_be_shown() -> None:
    for text in ("", "mask a\n"):
        error = Diagnostic("e", "m", Span(Source("a.attn", text), len(text), len(text)))
        assert "^" in render([error])


def test_of_a_long_line_the_part_around_the_error_is_shown() -> None:
    source = Source("a.attn", "a" * 5_000 + "b" + "c" * 5_000)
    shown = render([Diagnostic("e", "m", Span(source, 5_000, 5_001))])
    line, under = shown.split("\n")[3:5]
    assert len(line) < 140 and line[under.index("^")] == "b"


def test_a_message_without_place_names_the_file() -> None:
    error = Diagnostic("missing-file", "cannot read `x.attn`", None, file_name="x.attn")
    assert render([error]) == "error[missing-file]: cannot read `x.attn`\n --> x.attn"


def test_nothing_printed_can_steer_a_terminal() -> None:
    source = Source("a\x1b[2J.attn", "\x1b[31mmask \u202ex \udcff")
    shown = render([Diagnostic("e", "no `\x1b`", Span(source, 0, 3), "\x07", "\n")])
    shown.encode("utf-8")
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_colours_change_nothing_but_colours() -> None:
    import re

    coloured = render([UNKNOWN], colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render([UNKNOWN])


def test_the_first_hundred_are_printed_and_all_counted() -> None:
    many = [Diagnostic("e", f"number {i}", Span(LOCAL, i, i + 1)) for i in range(50)] * 30
    error = MaskcError(many, omitted=7)
    assert len(error.diagnostics) == MOST_KEPT and error.omitted == 507
    assert str(error).count("error[e]") == MOST_PRINTED
    assert str(error).endswith("\n\nerror: 1,507 errors; the first 100 are shown")


def test_errors_are_in_the_order_of_their_places() -> None:
    late, early = Diagnostic("b", "m", at("window")), Diagnostic("a", "m", at("local"))
    assert MaskcError([late, early]).diagnostics == (early, late)


def test_an_error_can_be_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(MaskcError([UNKNOWN], omitted=3)))
    assert (error.diagnostics, error.omitted) == ((UNKNOWN,), 3)


def test_a_diagnostic_as_data_has_the_keys_of_the_language_page() -> None:
    assert to_json(UNKNOWN) == {
        "id": "unknown-name",
        "file": "examples/local.attn",
        "line": 3,
        "column": 10,
        "end_line": 3,
        "end_column": 16,
        "message": "there is no mask named `casual`",
        "hint": "did you mean `causal`?",
    }


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("casual", "causal"),
        ("windw", "window"),
        ("window2", "window"),
        ("sinks", "sink"),
        ("dialted", "dilated"),
        ("colums", "columns"),
        ("zebra", None),
        ("w", None),
        ("", None),
    ],
)
def test_near_misses_are_those_a_person_would_mean(name: str, meant: str | None) -> None:
    names = ["causal", "window", "sink", "dilated", "columns", "prefix", "block", "tile"]
    assert near_miss(name, names) == meant


def test_a_thousand_near_misses_are_quick() -> None:
    names = [f"name_{i:05}" for i in range(5_000)] + ["x" * 200] * 5_000
    started = time.process_time()
    for i in range(1_000):
        near_miss(f"name_{i:05}x", names)
    assert time.process_time() - started < 2
