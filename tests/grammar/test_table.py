"""The kept tables are those of the page."""

from __future__ import annotations

import json

from maskc.grammar.build import DEEPER, Builder
from maskc.grammar.table import KEPT, PAGE, computed, table
from maskc.grammar.words import SOFT


def test_the_kept_tables_are_what_lark_makes_of_the_page() -> None:
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(computed(PAGE.read_text(encoding="utf-8"))))


def test_every_rule_has_its_method_and_every_word_its_terminal() -> None:
    builds = {rule.build for rule in table().rules if rule.build}
    assert {name for name in builds if not hasattr(Builder, name)} == {
        *("conjunction", "disjunction", "exclusive", "product", "shift", "sum")
    }
    assert builds >= DEEPER
    assert set(SOFT) <= set(table().spellings.values())


def test_the_page_stays_a_page() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120 and max(map(len, lines)) <= 100
