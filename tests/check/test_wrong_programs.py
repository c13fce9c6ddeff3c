"""Wrong programs and everything that is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from maskc import pipeline
from maskc.check import check
from maskc.diagnostics import MaskcError
from maskc.grammar.parse import parse, source

FOLDER = Path(__file__).parents[1] / "wrong_programs"
PROGRAMS = sorted(FOLDER.glob("*.attn"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_wrong_program_is_told_all_its_errors(path, golden):
    tree = parse(source(path.read_text(encoding="utf-8"), path.name))
    with pytest.raises(MaskcError) as told:
        check(tree, prelude=pipeline.prelude())
    places = [(d.line, d.column) for d in told.value.diagnostics]
    assert places == sorted(places)
    golden(path.with_suffix(".txt"), f"{told.value}\n")
