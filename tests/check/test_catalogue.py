"""Every error has a program that shows it and a mended one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from check.pointwise import checked, errors
from maskc.check.catalogue import MISTAKES

OF_FILES = {"too-deep", "missing-file"}
"""What the parser tells too; explained in `maskc.mistakes`."""

ROOM = Path(__file__).parents[2] / "maskc" / "check"


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=lambda m: m.id)
def test_the_wrong_program_has_exactly_this_error(mistake):
    assert {d.id for d in errors(mistake.wrong, mistake.files)} == {mistake.id}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=lambda m: m.id)
def test_the_right_program_compiles(mistake):
    assert len(checked(mistake.right, mistake.files)) >= 1


def test_every_id_that_the_checker_tells_is_in_the_catalogue():
    text = "\n".join(p.read_text() for p in ROOM.glob("*.py") if p.name != "catalogue.py")
    told = set(re.findall(r"(?:error|add)\(\s*\"([a-z][a-z0-9-]+)\"", text))
    assert told - OF_FILES == set(MISTAKES)
