"""The grammar for editors knows every word and sign of the language."""

from __future__ import annotations

import json
import re

import pytest

from maskc.grammar.table import PAGE, table

EDITOR = json.loads(PAGE.with_name("attn.tmLanguage.json").read_text(encoding="utf-8"))
BRACKETS = {"(", ")", "[", "]", "{", "}", ",", ":", "."}

AFTER = {
    **dict.fromkeys(("any", "all", "count", "at", "grid"), "("),
    **dict.fromkeys(("query", "key"), ":"),
    "align": " start",
    "packed": " grid(",
    "dynamic": " int",
}
"""What stands after a word where it means something."""


@pytest.mark.parametrize("word", sorted(set(table().spellings) - BRACKETS))
def test_editors_colour_every_word_and_sign(word: str) -> None:
    text = "align start" if word == "start" else word + AFTER.get(word, "")
    scopes = []
    for pattern in EDITOR["patterns"]:
        found = re.match(pattern["match"], text)
        if found and found.end() >= len(word) and "name" in pattern:
            scopes.append(pattern["name"])
    assert scopes and not scopes[0].startswith("entity")
