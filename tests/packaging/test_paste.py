"""A module holds what it reaches of the runtime, word for word, and nothing else."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maskc.codegen import paste, splice
from maskc.pipeline import compile_file, compile_text
from subjects import EXAMPLES

pytestmark = pytest.mark.slow

PLAIN = compile_text("pattern p = causal")
PARTS = {
    "Where the tokens of a call stand": "space grid(y, x)\n mask causal",
    "A packed grid": "space packed grid(y, x)\n mask causal",
    "Ranges of tables": "input doc: int[token]\n mask doc[q] == doc[k]",
    "Sinks": "input sink: float[head]\n sink_logit sink\n mask causal",
}


def titles(module: str) -> list[str]:
    return re.findall(r"^# --- (.+?) -*$", module, re.MULTILINE)


@pytest.mark.parametrize("title", PARTS)
def test_a_part_is_there_exactly_where_a_pattern_wants_it(title):
    wanting = compile_text(f"pattern p {{\n {PARTS[title]}\n}}")
    assert title in titles(wanting)
    assert title not in titles(PLAIN)


def test_a_mask_that_only_counts_has_no_tables_of_extremes():
    counting = compile_text("pattern p = popcount(q - k) == 1")
    assert "tables=Tables," in counting and "class RangeTable" not in counting
    assert "tables=RangeTables," in compile_text(f"pattern p {{\n {PARTS['Ranges of tables']}\n}}")


def test_of_the_arithmetic_a_module_holds_what_it_uses():
    assert "def hash32" not in PLAIN and "def tile_hash" not in PLAIN
    hashed = compile_text("pattern p = hash(q, k) % 2 == 0")
    assert "def hash32" in hashed and "def tile_hash" in hashed
    assert "class PublicModule" not in PLAIN
    assert "class PublicModule" in compile_text("pattern len_ = causal\npattern torch = causal")


def definitions(text: str) -> dict[str, str]:
    """The source of each top-level definition by its first name."""
    # `ast.get_source_segment` splits the whole text for each.
    lines = text.splitlines()
    return {
        node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_what_is_pasted_is_pasted_word_for_word(path):
    source: dict[str, str] = {}
    for file in (*paste.RUNTIME.glob("*.py"), *splice.TEMPLATES.glob("*.py")):
        source |= definitions(file.read_text(encoding="utf-8"))
    written = definitions(compile_text(path.read_text(encoding="utf-8"), str(path)))
    pasted = written.keys() & source.keys()
    assert len(pasted) > 100
    assert {name for name in pasted if written[name] != source[name]} <= {"forward", "dq", "dkdv"}
    own = {name for name in written.keys() - pasted}
    assert all(name.startswith(path.stem[:5]) or "_" in name for name in own)


def test_nothing_in_a_module_is_unused_or_undefined(tmp_path):
    """By ruff's own account of names (F), and by looking for each definition's name."""
    for path in EXAMPLES:
        compile_file(path, tmp_path)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    for file in tmp_path.glob("*.py"):
        text = file.read_text(encoding="utf-8")
        words = re.findall(r"\w+", text)
        unused = [name for name in definitions(text) if words.count(name) < 2]
        assert unused == [], file.name


def test_a_module_imports_only_torch_triton_and_the_standard_library(tmp_path: Path):
    for path in EXAMPLES:
        tree = ast.parse(compile_file(path, tmp_path).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            tops = {name.split(".")[0] for name in names}
            assert tops <= {"torch", "triton"} | set(sys.stdlib_module_names)


def test_every_room_stands_after_those_it_imports_from():
    seen: set[str] = set()
    for room in paste.runtime():
        assert set(room.rooms) <= seen, room.stem
        seen.add(room.stem)
    assert seen == {path.stem for path in paste.RUNTIME.glob("[!_]*.py")}


def test_compiling_loads_nothing_heavy():
    """Half of a cold start was such imports."""
    code = (
        "import sys; from maskc.pipeline import compile_text; compile_text('pattern p = causal');"
        "print({'torch', 'triton', 'networkx', 'lark', 'rich', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
