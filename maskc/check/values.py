"""What a name can stand for, apart from an IR node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Union

from maskc import ir, syntax
from maskc.source import Span


@dataclass(frozen=True, slots=True)
class Poison:
    """A value whose error was told already, or whose type only a call will tell; fits anywhere."""


POISON = Poison()


@dataclass(frozen=True, slots=True)
class AxisName:
    """An argument of type `axis`."""

    name: str


@dataclass(frozen=True, slots=True)
class Table:
    """A list (`axes` is ()) or table parameter, or an input; read by Load under `name`.

    `values` holds the entries where they are constant (a callee's default), else it is None.
    """

    name: str
    type: ir.Type
    axes: tuple[str | ir.Node, ...]
    kind: str
    values: Any = None


@dataclass(frozen=True, slots=True)
class Size:
    """The fresh name of an input's axis or of a segment's length: only `len(name)` reads it."""

    node: ir.Node


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A `let`, with the names that it sees and those that are defined only after it."""

    declaration: syntax.Let
    names: Names
    later: Mapping[str, Span | None]


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A `const`, `def` or `pattern`, with the file that it sees."""

    declaration: syntax.Const | syntax.Def | syntax.Pattern
    file: FileNames


@dataclass(frozen=True, slots=True, eq=False)
class FileNames:
    """The names of one file: its own declarations, those it uses, and its aliases.

    `is_prelude`: errors inside are told at the place that called. `declared`: all of its own
    declarations in order, those whose name was taken already included. `unread`: paths that
    could not be read and may define more of its names.
    """

    names: dict[str, Global | FileNames] = field(default_factory=dict)
    prelude: FileNames | None = None
    is_prelude: bool = False
    own: dict[str, Global] = field(default_factory=dict)
    declared: list[Global] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of a pattern or of a definition's parameters, with the place that defined it."""

    value: Value | Local | Size
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Names:
    """The names that a place sees: some of `base`, and what the places around it see.

    Statements add to one shared `base`, of which an earlier place sees the first `limit`, so that
    thousands of them cost no copies. A name is in it once.
    """

    around: Names | None = None
    base: dict[str, tuple[int, Entry]] = field(default_factory=dict)
    limit: int = 0

    def get(self, name: str) -> Entry | None:
        """What a name stands for, or None."""
        names: Names | None = self
        while names is not None:
            found = names.base.get(name)
            if found is not None and found[0] < names.limit:
                return found[1]
            names = names.around
        return None

    def __contains__(self, name: str) -> bool:
        """Whether a name is known."""
        return self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """All names, the innermost first."""
        names: Names | None = self
        while names is not None:
            yield from islice(names.base, names.limit)
            names = names.around

    def add(self, name: str, entry: Entry) -> Names:
        """These names and one more beside them."""
        if name in self.base or len(self.base) != self.limit:
            return self.inside(name, entry)
        self.base[name] = (self.limit, entry)
        return Names(self.around, self.base, self.limit + 1)

    def inside(self, name: str, entry: Entry) -> Names:
        """These names and one that hides the same name around it."""
        return Names(self, {name: (0, entry)}, 1)


Value = Union[ir.Node, AxisName, Table, Poison]  # noqa: UP007 (evaluated on Python 3.10)
"""What an expression can be; all of it hashable."""
