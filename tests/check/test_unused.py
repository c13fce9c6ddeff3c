"""What is declared and not used is told, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from maskc import pipeline
from maskc.check.unused import unused
from maskc.cli import main
from maskc.grammar.parse import parse, source
from maskc.source import Source

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "examples").rglob("*.attn")), ROOT / "maskc" / "prelude.attn"]

IDLE = """
const _spare = 4
const shared = 3
const _step = 2
def _twice(x: int) = x * _step
def _again = _spare > 3
def near(x: int, y: int) = x < shared
pattern p(w: int = 3, u: int >= w = 4, t: int = 5) {
    space text(n) ++ image: grid(y, x = t)
    input doc: int[token]
    input extra: float[head]
    let z = 3
    let f(i: int, j: int) = i < _twice(q)
    let of(a: axis) = q.a
    sink_logit extra
    mask f(w, 3) & q in text & of(y) < 2
}
"""


def told(text: str) -> list[str]:
    return [f"{d.line}: {d.message}" for d in unused(parse(source(text, "spec.attn")))]


def test_what_nothing_needs_is_told():
    # `_again` needs `_spare`, but nothing needs `_again`.
    assert told(IDLE) == [
        "2: const `_spare` is declared and not used",
        "6: def `_again` is declared and not used",
        "7: parameter `y` is declared and not used",
        "8: parameter `u` is declared and not used",
        "10: input `doc` is declared and not used",
        "12: let `z` is declared and not used",
        "13: parameter `j` is declared and not used",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_own_files_use_what_they_declare(path):
    assert not told(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["", "## About nothing.\n"])
def test_a_file_without_declarations_has_nothing_unused(text):
    assert told(text) == []


def test_all_of_a_file_may_be_unused():
    assert told("def _a = causal") == ["1: def `_a` is declared and not used"]


CALLS = """
pattern base {
    input doc: int[token]
    mask document(doc)
}
pattern middle = base | sink(1)
pattern top {
    input doc: int[token]
    input other: int[token]
    mask causal & middle
}
pattern apart {
    input doc: int[token]
    mask causal
}
"""


def test_an_input_that_a_called_pattern_reads_is_used():
    file = Source("spec.attn", CALLS)
    lines = [f"{d.line}: {d.message}" for d in pipeline.warnings(file, pipeline.check(file))]
    assert lines == [
        "9: input `other` is declared and not used",
        "13: input `doc` is declared and not used",
    ]


def test_an_input_that_a_pattern_of_another_file_reads_is_used(tmp_path):
    (tmp_path / "a.attn").write_text(CALLS)
    file = tmp_path / "b.attn"
    file.write_text(
        'use "a.attn" as a\npattern p {\n    input doc: int[token]\n    mask a.middle\n}\n'
    )
    run = CliRunner().invoke(main, ["check", str(file)])
    assert (run.exit_code, run.stderr) == (0, "")
