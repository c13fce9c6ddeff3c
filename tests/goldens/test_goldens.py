"""Every stage of every example, as it was when someone last looked.

`pytest tests/goldens --update-golden` rewrites the files beside this one; read the difference.
Of the `kernel` stage a golden holds what is the pattern's own: what else the module has is pasted
from `codegen/runtime/`, which `tests/packaging/test_paste.py` looks at.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maskc.pipeline import STAGES, emit
from subjects import EXAMPLES

HERE = Path(__file__).parent
OWN = ("Pattern ", "Kernels of ", "Public objects ")


def sections(module: str) -> dict[str, str]:
    """The parts of a generated module by title; the head, before the first title, under ""."""
    titles = re.findall(r"^# --- (.+?) ?-*$", module, re.M)
    return dict(zip(["", *titles], re.split(r"^# --- .+$", module, flags=re.M), strict=True))


def shown(stage: str, path: Path) -> str:
    """The text of a stage, without the sections that are pasted."""
    text = emit(stage, path, n=4096)
    if stage != "kernel":
        return text
    parts = sections(text)
    head = re.sub(r"(?s)from __future__.*(?=__all__)", "", parts.pop(""))
    own = [f"# --- {t}\n{part}" for t, part in parts.items() if f"{t} ".startswith(OWN)]
    return "".join([head, *own])


@pytest.mark.parametrize("stage", sorted(STAGES))
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_a_stage_is_as_it_was(path, stage, golden):
    golden(HERE / path.stem / f"{stage}.txt", shown(stage, path).rstrip() + "\n")


def test_there_are_ten_examples_and_more():
    assert len(EXAMPLES) >= 10


def test_no_golden_is_left_over():
    known = {path.stem for path in EXAMPLES}
    assert {p.name for p in HERE.iterdir() if p.is_dir() and p.name[0] != "_"} <= known
