"""What a generated module reaches of the runtime: definitions verbatim, imports gathered once.

The runtime's top-level definitions and the functions that kernels share form one graph: a
definition points at those it uses. A module holds what its own text reaches there, so a part that
only some patterns want is named by their text (see `Spec`) and by nothing else.
"""

from __future__ import annotations

import ast
import symtable
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from maskc.codegen import splice

RUNTIME = Path(__file__).with_name("runtime")

PACKAGE = "maskc"

LAST = "attention"
"""The room of the public object, which uses all others but those that patterns name."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A top-level statement, its comments and docstring: its text, what it binds and reads."""

    text: str
    names: frozenset[str]
    uses: frozenset[str]


@dataclass(frozen=True, slots=True)
class Room:
    """A file: its title, the rooms it imports from, its other imports by name, its definitions."""

    stem: str
    title: str
    rooms: tuple[str, ...]
    imports: dict[str, str]
    definitions: tuple[Definition, ...]

    @property
    def names(self) -> frozenset[str]:
        """What the room defines."""
        return frozenset().union(*(each.names for each in self.definitions))

    @property
    def body(self) -> str:
        """Its definitions one after another, as far apart as they stand in the file."""
        return "\n".join(each.text for each in self.definitions).strip("\n")


def reached(text: str) -> frozenset[str]:
    """The names of the runtime and of its imports that a module's own text uses, or they use."""
    uses = _uses()
    left = [frozenset(_globals(symtable.symtable(text, "module", "exec"))) & uses.keys()]
    found: set[str] = set()
    while left:
        new = left.pop() - found
        found |= new
        left.extend(uses[name] for name in new)
    return frozenset(found)


def taken() -> frozenset[str]:
    """Every name that a module may hold beside its own."""
    return frozenset(_uses())


def rooms(names: frozenset[str]) -> tuple[Room, ...]:
    """The rooms with the definitions of these names alone, each after those it imports from."""
    chosen = (
        replace(room, definitions=tuple(d for d in room.definitions if d.names & names))
        for room in runtime()
    )
    return tuple(room for room in chosen if room.definitions)


@cache
def runtime() -> tuple[Room, ...]:
    """Every room of the runtime, each after those it imports from."""
    files = {path.stem: room(path) for path in sorted(RUNTIME.glob("[!_]*.py"))}
    found: dict[str, Room] = {}

    def put(stem: str) -> None:
        if stem not in found:
            for other in files[stem].rooms:
                put(other)
            found[stem] = files[stem]

    imported = {LAST}.union(*(each.rooms for each in files.values()))
    for stem in (*sorted(files.keys() - imported), LAST):
        put(stem)
    return tuple(found.values())


@cache
def room(path: Path) -> Room:
    """What the file at `path` holds.

    Imports of `__future__` are left out; how the docstring begins becomes the title.
    """
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    lines = source.splitlines()
    title = (ast.get_docstring(tree) or path.stem).splitlines()[0].partition(":")[0].rstrip(".")
    found = Room(path.stem, title, (), {}, ())
    spans: list[tuple[int, int]] = []
    others: dict[str, None] = {}
    end = 0
    for statement in tree.body:
        start, end = end, statement.end_lineno or statement.lineno
        if isinstance(statement, ast.Import | ast.ImportFrom):
            module = getattr(statement, "module", None) or ""
            if module.startswith(f"{PACKAGE}."):
                others[module.rpartition(".")[2]] = None
            elif module != "__future__":
                found.imports.update(_import_lines(statement))
        elif not isinstance(statement, ast.Expr):
            spans.append((start, end))
        elif spans:
            spans[-1] = (spans[-1][0], end)
    definitions = tuple(_definition("\n".join(lines[a:b])) for a, b in spans)
    return replace(found, rooms=tuple(others), definitions=definitions)


def import_lines(names: frozenset[str]) -> str:
    """The imports of these names: the standard library first, then torch."""
    lines = {line for name, line in _imports().items() if name in names}
    third_party = {line for line in lines if line.split()[1].split(".")[0] == "torch"}
    return "\n\n".join(
        "\n".join(_ordered(group)) for group in (lines - third_party, third_party) if group
    )


@cache
def _imports() -> dict[str, str]:
    """What the runtime imports from elsewhere: each name and a line that imports it."""
    return {name: line for room in runtime() for name, line in room.imports.items()}


@cache
def _uses() -> dict[str, frozenset[str]]:
    """What a module may use: each name with those that it uses itself."""
    shared = tuple(room(splice.TEMPLATES / f"{file}.py") for file in splice.SHARED)
    everything = [each for room in (*shared, *runtime()) for each in room.definitions]
    taken = Counter(name for each in everything for name in each.names)
    taken.update(list(_imports()))
    twice = sorted(name for name, count in taken.items() if count > 1)
    assert not twice, f"kernels and runtime share one module, so these names clash: {twice}"
    uses = {name: each.uses & taken.keys() for each in everything for name in each.names}
    return uses | dict.fromkeys(_imports(), frozenset[str]())


def _definition(text: str) -> Definition:
    table = symtable.symtable(text, "runtime", "exec")
    names = frozenset(
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    )
    return Definition(text, names, frozenset(_globals(table)) - names)


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global() or (table.get_type() == "module" and symbol.is_referenced()):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals(inner)


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


def _import_lines(statement: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Each bound name and a line that imports it alone."""
    before = f"from {statement.module} " if isinstance(statement, ast.ImportFrom) else ""
    for alias in statement.names:
        renamed = f" as {alias.asname}" if alias.asname else ""
        name = alias.asname or alias.name.split(".")[0]
        yield name, f"{before}import {alias.name}{renamed}"
