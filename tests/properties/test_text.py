"""Trees survive printing, and printing survives parsing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from maskc.grammar.unparse import unparse
from maskc.testing import FEATURES, specs
from subjects import EXAMPLES, many, tree_of


@settings(max_examples=many(6))
@given(specs(FEATURES, depth=3))
def test_parsing_what_was_printed_gives_the_same_tree(tree):
    assert tree_of(unparse(tree)) == tree


@given(specs(FEATURES, depth=3))
def test_printing_is_idempotent(tree):
    text = unparse(tree)
    assert unparse(tree_of(text)) == text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_parsing_a_printed_example_gives_the_same_tree(path):
    tree = tree_of(path.read_text(encoding="utf-8"))
    assert tree_of(unparse(tree)) == tree
