"""Names that a file declares and nothing needs: no error, but seldom meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from maskc import ir, syntax
from maskc.check.names import name_span
from maskc.diagnostics import Diagnostic
from maskc.tree import children, descendants

if TYPE_CHECKING:
    import networkx as nx

NAMED = (
    syntax.Parameter,
    syntax.Input,
    syntax.Let,
    syntax.Route,
    syntax.Def,
    syntax.Const,
    syntax.Pattern,
)


def unused(file: syntax.File, patterns: Sequence[ir.Pattern] = ()) -> tuple[Diagnostic, ...]:
    """A warning for each name that nothing needs, in source order.

    Parameters, inputs, lets and routes are for the pattern or def that declares them. Patterns are
    for the caller; defs and consts may be for other files, unless they begin with an underscore.
    An input that only a called pattern declares too is needed: the two are one.

    Args:
        file: a tree without errors.
        patterns: what the file's patterns mean.

    """
    # Imported here: it is slow to load.
    import networkx as nx

    needs: nx.DiGraph[int] = nx.DiGraph()
    known: dict[int, syntax.Node] = {}
    needs.add_node(id(file))
    _declare(file, {}, needs, known)
    needs.add_edges_from((id(file), id(node)) for node in _read(file, patterns))
    needed = nx.descendants(needs, id(file))
    idle = [node for key, node in known.items() if key not in needed]
    return tuple(_warning(node) for node in sorted(idle, key=_place))


def _declare(
    owner: syntax.Node,
    scope: Mapping[str, syntax.Node],
    needs: nx.DiGraph[int],
    known: dict[int, syntax.Node],
) -> None:
    """Add what is declared in `owner`, and edges from each declaration to those that it needs."""
    named = [node for node in children(owner) if isinstance(node, NAMED)]
    inner = {**scope, **{node.name: node for node in named}}
    for node in named:
        known[id(node)] = node
        _declare(node, inner, needs, known)
        if isinstance(owner, syntax.File) and _is_for_others(node):
            needs.add_edge(id(owner), id(node))
    for part in children(owner):
        if not isinstance(part, NAMED):
            wanted = (inner[name] for name in _mentioned(part) if name in inner)
            needs.add_edges_from((id(owner), id(node)) for node in wanted)


def _mentioned(part: syntax.Node) -> Iterator[str]:
    for node in descendants(part):
        if isinstance(node, (syntax.Name, syntax.Member, syntax.SinkLogit)):
            yield node.name


def _read(file: syntax.File, patterns: Sequence[ir.Pattern]) -> Iterator[syntax.Input]:
    """The inputs that a pattern's meaning reads, by itself or through patterns that it calls."""
    declared = {d.name: d for d in file.declarations if isinstance(d, syntax.Pattern)}
    for pattern in patterns:
        read = {part.tensor for part in ir.postorder(pattern.mask) if isinstance(part, ir.Load)}
        for statement in declared[pattern.name].statements:
            if isinstance(statement, syntax.Input) and statement.name in read:
                yield statement


def _is_for_others(node: syntax.Node) -> bool:
    if isinstance(node, syntax.Pattern):
        return True
    return isinstance(node, (syntax.Def, syntax.Const)) and not node.name.startswith("_")


def _place(node: syntax.Node) -> int:
    return node.span.start if node.span else 0


def _warning(node: syntax.Node) -> Diagnostic:
    assert isinstance(node, NAMED), "only names are declared"
    kind = type(node).__name__.lower()
    text = f"{kind} `{node.name}` is declared and not used"
    return Diagnostic("unused-name", text, name_span(node, node.name), severity="warning")
