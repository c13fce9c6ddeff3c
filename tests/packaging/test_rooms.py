"""Imports point down the table of rooms in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = {"maskc.grammar": ROOT / "grammar", "maskc.codegen": ROOT / "codegen"}

ROOMS: tuple[tuple[str, ...], ...] = (
    ("source", "diagnostics", "version"),
    ("syntax", "tree"),
    ("ir", "points"),
    ("analysis",),
    ("passes",),
    ("bounds",),
    ("schedule",),
    ("check",),
    ("grammar",),
    ("codegen",),
    ("setting", "words", "extents", "stand_in", "explain", "files", "extras"),
    ("pipeline", "modules"),
)
"""The rooms of the table, from the top; every other module of `maskc` stands below them."""


def files() -> Iterator[tuple[str, Path]]:
    """Every module's name and file."""
    places = {"maskc": ROOT / "maskc", **FOLDERS}
    for package, folder in places.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield ".".join((package, *(part for part in parts if part != "__init__"))), path


MODULES = dict(files())


def room(module: str) -> int:
    """Where in the table a module stands."""
    name = module.split(".")[1] if "." in module else module
    return next((i for i, names in enumerate(ROOMS) if name in names), len(ROOMS))


def imported(path: Path) -> Iterator[str]:
    """The modules of maskc that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else str(node.module) for name in whole)


def test_imports_point_down_the_table():
    listed = [name for name in MODULES if room(name) < len(ROOMS)]
    assert len(listed) > 100
    wrong = [(x, y) for x in listed for y in imported(MODULES[x]) if room(y) > room(x)]
    assert not wrong


def test_the_table_is_that_of_the_document():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| room | holds |")[1].split("\n\n")[0]
    cells = " ".join(line.split("|")[1] for line in table.splitlines()[2:])
    told = dict.fromkeys(re.findall(r"\w+", cells))
    wanted = [name for names in ROOMS for name in names if name != "version"]
    assert [name for name in told if name in wanted][: len(wanted)] == wanted
