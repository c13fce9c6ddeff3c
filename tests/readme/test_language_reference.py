"""The language reference names what the compiler knows: its words, built-ins and limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maskc import ir, pipeline
from maskc.check import builtins, loops, names, nodes, spaces, tiles
from maskc.grammar import lex
from maskc.grammar.parse import MOST_BYTES
from maskc.grammar.table import table
from maskc.grammar.tokens import DEEPEST
from maskc.grammar.words import SOFT

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")


def between(start: str, end: str) -> str:
    """The part of the page from one text to the next place of another."""
    return PAGE.split(start, 1)[1].split(end, 1)[0]


def test_every_word_that_is_taken_is_named_and_no_other():
    told = set(re.findall(r"`(\w+)`", between("These are\ntaken:", "All other words")))
    spelt = table().spellings.items()
    hard = {word for word, kind in spelt if word.isidentifier() and kind not in SOFT}
    arguments = set(names.CALL_ARGUMENTS)
    assert told == {*hard, *names.RESERVED, *arguments, "s", "item", "query", "key"}


def test_every_built_in_is_named():
    called = set(re.findall(r"`(\w+)\(", between("**Built-ins.**", "```")))
    assert called >= builtins.SIGNATURES.keys()


def test_every_rule_of_coarse_has_its_row():
    rows = re.findall(r"^\| `(\w+)", between("| `rule =`", "\n\n"), re.MULTILINE)
    assert tuple(rows) == tiles.RULES


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ("a file", [2, MOST_BYTES.bit_length() - 1, lex.MOST_TOKENS]),
        ("a name", [lex.LONGEST_NAME]),
        ("brackets and expressions", [DEEPEST]),
        ("brackets and expressions", [names.MOST_USES]),
        ("a pattern with all names", [nodes.MOST_NODES, nodes.MOST_DEPTH]),
        ("the patterns of a file", [nodes.MOST_OF_FILE]),
        ("rounds of a quantifier", [nodes.MOST_ITERATIONS, loops.MOST_DYNAMIC]),
        ("quantifiers in each other", [nodes.MOST_LOOPS]),
        ("axes of a grid", [spaces.MOST_AXES]),
    ],
)
def test_limits_are_those_of_the_compiler(row: str, limits: list[int]):
    told = between(f"| {row}", "\n").split(" | ")[1]
    assert [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", told)] == limits


def test_values_of_hash_are_what_the_compiler_draws():
    told = re.findall(r"`hash\(([-\d, ]+)\)`(?: is)? (\d+)", " ".join(PAGE.split()))
    assert len(told) == 3
    for arguments, value in told:
        (pattern,) = pipeline.check_text(f"pattern p = hash({arguments}) == {value}")
        assert pattern.mask == ir.Const(True)
