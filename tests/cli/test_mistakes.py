"""Each error that `maskc explain-error` explains is what its wrong program gives."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskc import MaskcError, pipeline
from maskc.check import catalogue
from maskc.check.catalogue import Mistake
from maskc.mistakes import MISTAKES
from subjects import slow

ROOT = Path(__file__).parents[2]
TOLD_IN = [*(ROOT / "grammar").glob("*.py"), *(ROOT / "maskc" / "check").glob("*.py")]
NO_IDS = {"utf-8", "1e-3"}


def named(has: Callable[[Mistake], str]) -> list[Any]:
    """Names of those that have a program; `check/test_catalogue.py` has fast tests of most."""
    names = [name for name, mistake in MISTAKES.items() if has(mistake)]
    told = [name for name in names if name in catalogue.MISTAKES]
    return [*(name for name in names if name not in told), *slow(told)]


def ids_of(text: str, folder: Path, files: dict[str, str]) -> list[str]:
    """The ids of the errors of a program that stands in a folder of its own."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "p.attn").write_text(text, encoding="utf-8")
    try:
        pipeline.compile_file(folder / "p.attn", folder / "build")
    except MaskcError as error:
        return [diagnostic.id for diagnostic in error.diagnostics]
    return []


@pytest.mark.parametrize("name", named(lambda mistake: mistake.wrong))
def test_the_wrong_program_has_the_error(name, tmp_path):
    mistake = MISTAKES[name]
    assert name in ids_of(mistake.wrong, tmp_path, dict(mistake.files))


@pytest.mark.parametrize("name", named(lambda mistake: mistake.right))
def test_the_right_program_has_none(name, tmp_path):
    mistake = MISTAKES[name]
    assert ids_of(mistake.right, tmp_path, dict(mistake.files)) == []


def test_every_id_in_the_code_is_explained():
    told = {
        id
        for file in TOLD_IN
        for id in re.findall(r"\"([a-z]+(?:-[a-z0-9]+)+)\"", file.read_text(encoding="utf-8"))
    }
    assert told - NO_IDS - set(MISTAKES) == set()
