"""Expressions that hardly mean what they say are told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskc import pipeline
from maskc.check.doubts import doubts
from maskc.grammar.parse import parse, source
from maskc.source import Source

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "examples").rglob("*.attn")), ROOT / "maskc" / "prelude.attn"]


def told(text: str) -> list[tuple[str, int]]:
    """Ids and columns of the warnings."""
    return [(d.id, d.column) for d in doubts(parse(source(text)))]


@pytest.mark.parametrize("mask", ["k <= q", "q.y < k.y", "k - q < 4", "k in q..8", "k + 0 == q"])
def test_an_at_that_ends_before_what_it_replaces_is_told(mask):
    assert told(f"pattern p = at(q = k, k = q) {mask}") == [("early-at", 13)]
    assert told(f"pattern p = causal & at(q = k, k = q) {mask}") == [("early-at", 22)]


@pytest.mark.parametrize(
    "mask",
    [
        "at(q = k, k = q) (k <= q)",
        "(at(q = k, k = q) k) <= q",
        "at(q = q - 1) q < k",
        "at(q = q - 1) causal & k < q",
        "at(q = k, k = q) causal & k < q",
        "at(k = q - 1) doc[k] == doc[k]",
        "at(q = k, k = q) near == k",
    ],
)
def test_an_at_that_reaches_what_it_replaces_is_not_told(mask):
    assert told(f"pattern p = {mask}") == []


@pytest.mark.parametrize(
    ("share", "is_told"), [("101", True), ("-1", True), ("0", False), ("100", False), ("n", False)]
)
def test_a_share_that_no_tile_or_every_tile_has_is_told(share, is_told):
    warnings = told(f"pattern p = coarse(causal, 4, rule = share({share}))")
    assert warnings == [("share-range", 44)] * is_told


def test_checking_a_file_tells_them():
    file = Source("spec.attn", "pattern p = at(q = k, k = q) k <= q")
    (told,) = pipeline.warnings(file, pipeline.check(file))
    assert (told.id, told.severity) == ("early-at", "warning")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_own_files_leave_no_doubt(path):
    assert not told(path.read_text(encoding="utf-8"))
