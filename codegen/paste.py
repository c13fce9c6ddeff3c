"""Runtime files as they go into a generated module: bodies verbatim, imports gathered once."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

RUNTIME = Path(__file__).with_name("runtime")

PACKAGE = "maskc"


@dataclass(frozen=True, slots=True)
class Pasted:
    """A file's import lines, the names it defines at the top level, its text without imports."""

    stem: str
    title: str
    imports: tuple[str, ...]
    names: frozenset[str]
    body: str


@cache
def pasted(path: Path) -> Pasted:
    """What of the file at `path` goes into a module.

    Imports of this package and of `__future__` are left out: the module holds what they name. The
    first line of the file's docstring becomes its title; the rest of the docstring stays a comment
    of the compiler's own source.
    """
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    dropped: set[int] = set()
    imports: list[str] = []
    names: set[str] = set()
    for position, statement in enumerate(tree.body):
        is_docstring = position == 0 and ast.get_docstring(tree) is not None
        is_import = isinstance(statement, (ast.Import, ast.ImportFrom))
        if is_docstring or is_import:
            dropped.update(range(statement.lineno - 1, statement.end_lineno or statement.lineno))
        if is_import:
            imports.extend(_import_lines(statement))
        names.update(_bound(statement))
    body = "\n".join(line for i, line in enumerate(lines) if i not in dropped)
    title = (ast.get_docstring(tree) or path.stem).splitlines()[0].rstrip(".")
    return Pasted(path.stem, title, tuple(imports), frozenset(names), body.strip("\n"))


@cache
def runtime() -> tuple[Pasted, ...]:
    """Every runtime file, each after those it imports from."""
    needs = {
        path.stem: set(re.findall(r"^from maskc\.codegen\.runtime\.(\w+)", path.read_text(), re.M))
        for path in sorted(RUNTIME.glob("*.py"))
        if path.stem != "__init__"
    }
    pieces = tuple(
        pasted(RUNTIME / f"{name}.py") for name in TopologicalSorter(needs).static_order()
    )
    twice = [name for name, n in Counter(n for p in pieces for n in p.names).items() if n > 1]
    assert not twice, f"runtime files share one module, so these names clash: {sorted(twice)}"
    return pieces


def merged_imports(pieces: Iterable[Pasted]) -> str:
    """The import lines of all pieces, once each: standard library first, then torch and triton."""
    lines = {line for piece in pieces for line in piece.imports}
    third_party = {line for line in lines if line.split()[1].split(".")[0] in ("torch", "triton")}
    return "\n\n".join(
        "\n".join(_ordered(group)) for group in (lines - third_party, third_party) if group
    )


def _ordered(lines: set[str]) -> list[str]:
    """`import x` before `from x import y`, `y` of one module on one line, by name."""
    plain = sorted(line for line in lines if line.startswith("import"))
    members: dict[str, set[str]] = {}
    for line in lines - set(plain):
        _, module, _, name = line.split(" ", 3)
        members.setdefault(module, set()).add(name)
    return plain + [
        f"from {module} import {', '.join(sorted(members[module]))}" for module in sorted(members)
    ]


def _import_lines(statement: ast.Import | ast.ImportFrom) -> list[str]:
    def aliased(alias: ast.alias) -> str:
        return f"{alias.name} as {alias.asname}" if alias.asname else alias.name

    if isinstance(statement, ast.Import):
        return [f"import {aliased(alias)}" for alias in statement.names]
    module = statement.module or ""
    if statement.level or module == "__future__" or module.split(".")[0] == PACKAGE:
        return []
    return [f"from {module} import {aliased(alias)}" for alias in statement.names]


def _bound(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()
