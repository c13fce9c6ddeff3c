"""The names of a file: what it declares, what it uses, which definitions go round in a circle."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from maskc import syntax
from maskc.check.scope import Report
from maskc.check.values import FileNames, Global
from maskc.diagnostics import Label, MaskcError, shortened
from maskc.source import Span
from maskc.tree import children

if TYPE_CHECKING:
    import networkx as nx

MASK_VARIABLES = ("q", "k", "head", "kv_head", "layer", "batch")

RESERVED = (*MASK_VARIABLES, "len", "true", "false")
"""Names that nothing may be called."""

CALL_ARGUMENTS = (
    *("v", "n_q", "n_k", "scale", "batch", "heads", "kv_heads", "layer", "n_layers", "grid"),
    *("segments", "inputs", "routes", "block", "backend", "device", "return_lse", "lengths"),
)
"""Arguments of every generated function, which parameters and inputs may not be called."""

WORD = re.compile(r"\w+")

USE = re.compile(r'use\s*("[^"\n]*")(?:\s+as\s+(\w+))?')

MOST_USES = 200
"""Depth of files that use files."""

Read = Callable[[str], syntax.File]
"""From a path relative to the first file's folder to the syntax tree of the file there."""


def file_names(
    file: syntax.File,
    prelude: FileNames | None,
    read: Read | None,
    report: Report,
    is_prelude: bool = False,
) -> tuple[FileNames, list[FileNames]]:
    """The names of a file, and every file it uses (each once, itself last)."""
    opened: dict[str, FileNames] = {}
    name = file.span.source.name if file.span else ""
    opener = _Opener(prelude, read, report, opened)
    root = opener.open(file, ((posixpath.basename(name), None),), is_prelude)
    return root, [*opened.values(), root]


def cyclic(files: list[FileNames], report: Report) -> set[int]:
    """Ids of the declarations that refer to themselves, each circle told once."""
    edges: dict[int, list[Global]] = {}
    by_id: dict[int, Global] = {}
    for names in files:
        for target in names.declared:
            by_id[id(target.declaration)] = target
            edges[id(target.declaration)] = list(_references(target))
    if not any(edges.values()):
        return set()
    # Imported here: most files have no definitions that use others, and networkx is slow to load.
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(edges)
    graph.add_edges_from(
        (source, id(target.declaration))
        for source, targets in edges.items()
        for target in targets
        if id(target.declaration) in by_id
    )
    broken: set[int] = set()
    for group in nx.strongly_connected_components(graph):
        first = next(iter(group))
        if len(group) == 1 and not graph.has_edge(first, first):
            continue
        broken |= group
        _tell_circle(graph.subgraph(group), by_id, report)
    return broken


def check_name(name: str, what: str, span: Span | None, report: Report, argument: bool) -> None:
    """Tell that a name may not be defined, if so. `argument`: it becomes a keyword of the call."""
    if name in RESERVED:
        text = f"`{name}` is reserved and cannot name {what}"
        report.add("reserved-name", text, span, hint="choose another name")
    elif argument and name in CALL_ARGUMENTS:
        text = f"{what} cannot be called `{name}`: every generated function has this argument"
        report.add("reserved-name", text, span, hint=f"choose another name, such as `{name}_`")


Trail = tuple[tuple[str, "syntax.Use | None"], ...]
"""Files that are being opened: the key of each and the `use` that led to it."""


def name_span(node: syntax.Node, name: str) -> Span | None:
    """Where a declaration says its name, or the whole of it; of a `use` its alias or its path."""
    if node.span is None:
        return None
    if isinstance(node, syntax.Use):
        return _use_span(node)
    found = next((word for word in WORD.finditer(node.span.text) if word[0] == name), None)
    if found is None:
        return node.span
    start = node.span.start + found.start()
    return Span(node.span.source, start, start + len(name))


def _use_span(use: syntax.Use, path: bool = False) -> Span | None:
    """Where a `use` says its alias, or its path where it has none or the path is wanted."""
    if use.span is None:
        return None
    said, start = USE.match(use.span.text), use.span.start
    part = 1 if path or use.alias is None else 2
    if said is None or said[part] is None:
        return use.span
    return Span(use.span.source, start + said.start(part), start + said.end(part))


class _Opener:
    def __init__(
        self,
        prelude: FileNames | None,
        read: Read | None,
        report: Report,
        opened: dict[str, FileNames],
    ) -> None:
        self.prelude, self.read, self.report, self.opened = prelude, read, report, opened

    def open(self, file: syntax.File, trail: Trail, is_prelude: bool = False) -> FileNames:
        names = FileNames({}, self.prelude, is_prelude, {}, [])
        places: dict[str, syntax.Node] = {}
        for declaration in file.declarations:
            if isinstance(declaration, syntax.Use):
                self._use(declaration, names, places, trail)
        for declaration in file.declarations:
            if isinstance(declaration, syntax.Use):
                continue
            self._define(declaration, names, places)
        return names

    def _define(
        self,
        declaration: syntax.Const | syntax.Def | syntax.Pattern,
        names: FileNames,
        places: dict[str, syntax.Node],
    ) -> None:
        name = declaration.name
        what = {"Const": "a const", "Def": "a def", "Pattern": "a pattern"}
        check_name(
            name, what[type(declaration).__name__], name_span(declaration, name), self.report, False
        )
        target = Global(declaration, names)
        names.declared.append(target)
        if not self._clash(name, declaration, places):
            names.names[name] = target
            names.own[name] = target
            places[name] = declaration

    def _use(
        self,
        use: syntax.Use,
        names: FileNames,
        places: dict[str, syntax.Node],
        trail: Trail,
    ) -> None:
        place = _use_span(use, path=True)
        folder = posixpath.dirname(trail[-1][0])
        key = posixpath.normpath(posixpath.join(folder, use.path))
        circle = [i for i, (earlier, _) in enumerate(trail) if earlier == key]
        if circle:
            links = [_use_span(u, path=True) for _, u in trail[circle[0] + 1 :] if u is not None]
            labels = tuple(Label(span, "through this") for span in links if span)
            path = shortened(use.path)
            text = f"`{path}` uses this file again: files cannot use each other in a circle"
            self.report.add("use-cycle", text, place, labels=labels)
            self._lose(use, names, places)
            return
        if len(trail) >= MOST_USES:
            text = f"files use each other more than {MOST_USES} deep"
            self.report.add("too-deep", text, place)
            self._lose(use, names, places)
            return
        if key not in self.opened:
            file = self._file(use, key)
            if file is None:
                self._lose(use, names, places)
                return
            self.opened[key] = self.open(file, (*trail, (key, use)))
        other = self.opened[key]
        if use.alias is not None:
            check_name(use.alias, "an alias", name_span(use, use.alias), self.report, False)
            if not self._clash(use.alias, use, places):
                names.names[use.alias] = other
                places[use.alias] = use
            return
        for name, target in other.own.items():
            if name in names.names and names.names[name] is target:
                continue
            if not self._clash(name, use, places):
                names.names[name] = target
                places[name] = use

    def _lose(self, use: syntax.Use, names: FileNames, places: dict[str, syntax.Node]) -> None:
        """Note that nobody knows what a used file defines."""
        if use.alias is None:
            names.unread.add(use.path)
        elif not self._clash(use.alias, use, places):
            names.names[use.alias] = FileNames(unread={use.path})
            places[use.alias] = use

    def _file(self, use: syntax.Use, key: str) -> syntax.File | None:
        if self.read is None:
            text = f"`{shortened(use.path)}` cannot be read: this text has no folder to look in"
            self.report.add("missing-file", text, _use_span(use, path=True))
            return None
        try:
            return self.read(key)
        except MaskcError as error:
            for told in error.diagnostics:
                span = told.span if told.span is not None else _use_span(use, path=True)
                self.report.add(told.id, told.message, span, told.note, told.hint, told.labels)
        return None

    def _clash(self, name: str, place: syntax.Node, places: dict[str, syntax.Node]) -> bool:
        first = places.get(name)
        if first is None:
            return False
        place_span, first_span = name_span(place, name), name_span(first, name)
        labels = (Label(first_span, "first defined here"),) if first_span else ()
        hint = "rename one of them"
        uses = [use for use in (first, place) if isinstance(use, syntax.Use)]
        if any(use.alias is None for use in uses):
            hint = 'give the used file an alias: `use "..." as name`'
        elif uses:
            hint = "choose another alias"
        text = f"`{name}` is defined twice"
        self.report.add("duplicate-name", text, place_span, "again here", hint, labels)
        return True


def _references(target: Global) -> Iterator[Global]:
    seen: set[int] = set()
    for found in _targets(target):
        if id(found.declaration) not in seen:
            seen.add(id(found.declaration))
            yield found


def _targets(target: Global) -> Iterator[Global]:
    declaration = target.declaration
    hidden: set[str] = set()
    if isinstance(declaration, (syntax.Def, syntax.Pattern)):
        hidden |= {parameter.name for parameter in declaration.parameters}
    if isinstance(declaration, syntax.Pattern):
        named = (syntax.Input, syntax.Let, syntax.Route)
        hidden |= {s.name for s in declaration.statements if isinstance(s, named)}
    stack: list[tuple[syntax.Node, frozenset[str]]] = [(declaration, frozenset(hidden))]
    while stack:
        node, bound = stack.pop()
        match node:
            case syntax.Name(name):
                found = target.file.names.get(name)
                if name not in bound and isinstance(found, Global):
                    yield found
                continue
            case syntax.Member(syntax.Name(alias), name):
                other = target.file.names.get(alias)
                if alias not in bound and isinstance(other, FileNames) and name in other.own:
                    yield other.own[name]
                continue
            case syntax.Quantifier():
                stack.append((node.range, bound))
                stack.append((node.body, bound | {node.variable}))
                continue
            case syntax.Score():
                bound = bound | {"s"}
            case syntax.Let(parameters=parameters) if parameters:
                bound = bound | {parameter.name for parameter in parameters}
        stack.extend((part, bound) for part in children(node))


def _tell_circle(graph: nx.DiGraph[int], by_id: dict[int, Global], report: Report) -> None:
    import networkx as nx

    steps = [by_id[source].declaration for source, *_ in nx.find_cycle(graph)]
    starts = [step.span.start if step.span else 0 for step in steps]
    start = starts.index(min(starts))
    steps = steps[start:] + steps[:start]
    names = " -> ".join(f"`{step.name}`" for step in [*steps[:8], steps[0]])
    spans = [(step.name, name_span(step, step.name)) for step in steps[:8]]
    labels = tuple(Label(span, f"`{name}` is part of it") for name, span in spans[1:] if span)
    hint = "definitions are inlined, so none may reach itself"
    if len(steps) == 1:
        hint = "inside, the name means the definition itself; give it another name"
    report.add("cycle", f"definitions go round in a circle: {names}", spans[0][1], "", hint, labels)
