"""Characters, words and files: what is no text of the language is told with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maskc.diagnostics import Diagnostic, MaskcError
from maskc.grammar.lex import FOREIGN
from maskc.grammar.parse import MOST_BYTES, parse, read, source, tokens


def errors(text: str) -> tuple[Diagnostic, ...]:
    """The errors of a text; empty if it has none."""
    try:
        parse(source(text))
    except MaskcError as error:
        return error.diagnostics
    return ()


def refusal(path: Path) -> Diagnostic:
    """The one error of reading a file."""
    with pytest.raises(MaskcError) as caught:
        parse(read(path))
    (only,) = caught.value.diagnostics
    return only


HIDDEN = ["\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069"]
CONTROL = ["\x01", "\x0b", "\x0c", "\x1b", "\x7f", "\x85", "\x9f"]


@pytest.mark.parametrize("char", HIDDEN + CONTROL, ids=lambda char: f"U+{ord(char):04X}")
def test_hidden_characters_are_errors_in_code_and_comments(char: str) -> None:
    for text in (f"const a = 1 # {char}x\n", f"const a = 1{char}\n", f'use "a{char}"\n'):
        (error,) = errors(text)
        assert error.id == "control-character"
        place = text.index(char)
        assert (error.line, error.column, error.end_column) == (1, place + 1, place + 2)


def test_a_lone_carriage_return_is_no_line_end() -> None:
    (error,) = errors("const a = 1\rconst b = 2\r\n")
    assert (error.id, error.column, error.hint) == (
        "control-character",
        12,
        "end lines with LF or CR LF",
    )


def test_other_letters_stand_in_comments_only() -> None:
    assert errors("# größer 大 \u2028\n## café\nconst a = 1\n") == ()
    (error,) = errors("const größe = 1\n")
    assert (error.id, error.column) == ("unknown-character", 9)


def test_tabs_byte_order_mark_and_both_line_ends_are_fine() -> None:
    assert errors("\ufeffconst\ta = 1\r\nconst b = 2\r\n") == ()


def test_bytes_that_are_not_utf8_are_told_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "latin.attn"
    path.write_bytes("# ok é\n".encode() + b"const a = 1 # gr\xf6\xdf\n")
    with pytest.raises(MaskcError) as caught:
        parse(read(path))
    found = [(d.id, d.line, d.column) for d in caught.value.diagnostics]
    assert found == [("bad-utf8", 2, 17), ("bad-utf8", 2, 18)]
    assert "\ufffd\ufffd" in str(caught.value)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.attn")
    (tmp_path / "binary.attn").write_bytes(b"\x7fELF\0\0\x01")
    (tmp_path / "large.attn").write_bytes(b"#" * (MOST_BYTES + 1))
    ids = {
        "none.attn": "missing-file",
        ".": "cannot-read",
        "pipe.attn": "cannot-read",
        "x" * 300: "cannot-read",
        "nul\0": "cannot-read",
        "binary.attn": "not-text",
        "large.attn": "file-too-large",
    }
    for name, id in ids.items():
        error = refusal(tmp_path / name)
        assert (error.id, error.file) == (id, str(tmp_path / name))


def test_the_largest_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "full.attn"
    text = "const a = 1\n"
    path.write_text(text + "#" * (MOST_BYTES - len(text)), encoding="utf-8")
    assert len(parse(read(path)).declarations) == 1


def test_sizes_count_bytes_not_characters() -> None:
    with pytest.raises(MaskcError, match="file-too-large"):
        source("# " + "é" * (MOST_BYTES // 2))


def test_names_have_200_characters_at_most() -> None:
    assert errors(f"const {'a' * 200} = 1") == ()
    (error,) = errors(f"const {'a' * 201} = 1")
    assert (error.id, error.column, error.end_column) == ("name-too-long", 7, 208)


@pytest.mark.parametrize(
    ("number", "id"),
    [
        ("9223372036854775808", "number-too-large"),
        ("0" * 5000 + "9223372036854775808", "number-too-large"),
        ("8796093022208Mi", "number-too-large"),
        ("1e309", "number-too-large"),
        ("1.", "bad-number"),
        (".5", "bad-number"),
        ("0x10", "bad-number"),
        ("4Gi", "bad-number"),
        ("4__0", "bad-number"),
        ("4_", "bad-number"),
        ("1e", "bad-number"),
        ("1.5.2", "bad-number"),
        ("12abc", "bad-number"),
    ],
)
def test_wrong_numbers_are_underlined_whole(number: str, id: str) -> None:
    (error,) = errors(f"const a = {number} + 1")
    assert (error.id, error.column, error.end_column) == (id, 11, 11 + len(number))


@pytest.mark.parametrize("number", ["9223372036854775808", "9_223_372_036_854_775_808"])
def test_the_smallest_integer_is_a_literal_behind_its_minus(number: str) -> None:
    assert errors(f"const a = -{number}") == ()
    (error,) = errors(f"const a = --{number.replace('8', '9')}")
    assert error.id == "number-too-large"


def test_leading_zeros_make_no_number_too_large() -> None:
    assert errors("const a = " + "0" * 5000 + "1") == ()


@pytest.mark.parametrize("sign", [sign for sign in FOREIGN if not sign[0].isalpha()])
def test_signs_of_other_languages_get_their_cure(sign: str) -> None:
    (error, *_) = errors(f"pattern p = a {sign} b")
    assert (error.id, error.column, error.end_column) == ("foreign-operator", 15, 15 + len(sign))
    assert error.hint


def test_a_semicolon_says_so_and_both_sides_are_read() -> None:
    found = errors("pattern p {\n  let a = 1; let a b = 2; mask )\n}")
    assert [(d.id, d.column) for d in found] == [
        ("semicolon", 12),
        ("syntax", 20),
        ("semicolon", 25),
        ("stray-bracket", 32),
    ]


def test_tokens_are_listed_with_their_places() -> None:
    shown = [str(token) for token in tokens(source("pattern p =\n  any(i in 0..4 : i < q)\n"))]
    assert shown[:3] == ["1:1-8  PATTERN  pattern", "1:9-10  NAME  p", "1:11-12  EQUAL  ="]
    assert shown[3:9] == [
        "2:3-6  ANY  any",
        "2:6-7  LPAR  (",
        "2:7-8  NAME  i",
        "2:9-11  IN  in",
        "2:12-13  INT  0",
        "2:13-15  RANGE  ..",
    ]
    assert shown[-1] == "2:25-25  _END"
