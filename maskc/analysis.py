"""What the mask depends on: names, forms (`q - k` only, one side only) and what cannot be bounded.

A *form* is how positions enter a node: "q", "k" or "d" (only through `q - k`). The layout and the
scheduler ask these questions; `maskc compile --emit schedule` prints the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from maskc import ir
from maskc.ir import Node, Op, Var

Q, K = Var("q"), Var("k")
D = Op("sub", (Q, K))
MINUS_D = Op("sub", (K, Q))

FORM = {Q: "q", K: "k", D: "d"}
"""The nodes that a form is read from."""


class Names:
    """A function from nodes to sets of names, found bottom-up and remembered.

    `own(node)` gives a node's own names, or None where they are the union of its children's; the
    variable that a Fold or Tally binds is left out. `tensors`: tensors are named too.
    """

    def __init__(self, own: Callable[[Node], frozenset[str] | None], tensors: bool = False) -> None:
        self._own = own
        self._tensors = tensors
        self._known: dict[Node, frozenset[str]] = {}

    def __call__(self, root: Node) -> frozenset[str]:
        """The names below a node."""
        found = self._known.get(root)
        if found is not None:
            return found
        for node in unknown(root, self._known):
            own = self._own(node)
            if own is None:
                own = frozenset().union(*(self._known[part] for part in ir.children(node)))
                if isinstance(node, ir.BINDERS):
                    *rest, body = ir.children(node)
                    own = frozenset().union(*(self._known[part] for part in rest))
                    bound = node.variable if isinstance(node, ir.Fold) else "t"
                    own |= self._known[body] - {bound}
                if self._tensors and isinstance(node, ir.Load | ir.Extreme):
                    own |= {f"tensor:{node.tensor}"}
            self._known[node] = own
        return self._known[root]


def unknown(root: Node, known: dict[Node, object] | dict) -> Iterator[Node]:
    """The nodes below a root that are not in `known` yet, children first.

    The caller must put each node into `known` before it asks for the next.
    """
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in known:
            continue
        if ready:
            yield node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(ir.children(node)))


def frontier(root: Node, inside: Callable[[Node], bool]) -> Iterator[Node]:
    """The first nodes on each way down that are not `inside`, each once, from left to right."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if inside(node):
            stack.extend(reversed(ir.children(node)))
        else:
            yield node


def atoms(mask: Node) -> Iterator[Node]:
    """The conditions that a mask is put together from, each once."""
    return frontier(mask, _joins_masks)


def dependence() -> Names:
    """A function from a node to the names it depends on.

    Variables by name, parameters as `param:NAME`, tensors as `tensor:NAME`.
    """

    def own(node: Node) -> frozenset[str] | None:
        if isinstance(node, ir.Var):
            return frozenset({node.name})
        return frozenset({f"param:{node.name}"}) if isinstance(node, ir.Param) else None

    return Names(own, tensors=True)


def forms() -> Names:
    """A function from a node to the forms in which positions enter it, out of "q", "k" and "d"."""

    def own(node: Node) -> frozenset[str] | None:
        if node in FORM:
            return frozenset({FORM[node]})
        if node == MINUS_D:
            return frozenset({"d"})
        return frozenset() if isinstance(node, ir.Var) else None

    return Names(own)


def depends_on(node: Node) -> frozenset[str]:
    """The names that a node's value depends on.

    Example:
        >>> sorted(depends_on(Op("lt", (D, ir.Param("window")))))
        ['k', 'param:window', 'q']

    """
    return dependence()(node)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one mask depends on.

    `slices`: which of `batch head kv_head` tell its slices apart (a GQA `kv_head` counts as such).
    `uniform`: call lengths, `layer` and the like. `params`, `tensors`: what it reads, by name.
    `terms`: its conjuncts and disjuncts by form: "q", "k", "d", "both" or "none".
    `opaque`: sides whose position enters a hash or an index under both sides' mixing, so that a
    rectangle is only readable once that side is narrow. `split`: the side that the layout should
    halve first: "both", "q" or "k".
    """

    slices: tuple[str, ...]
    uniform: tuple[str, ...]
    params: tuple[str, ...]
    tensors: tuple[str, ...]
    terms: tuple[tuple[str, Node], ...]
    opaque: frozenset[str]
    split: str


OPAQUE = frozenset({"hash", "popcount", "bit_and", "bit_or", "bit_xor"})
"""Operations whose value over a range of arguments has no useful bounds."""


def analyse(mask: Node) -> Analysis:
    """The dependence of a mask on everything that it reads."""
    names, form = dependence(), forms()
    used = names(mask)
    opaque = frozenset(opaque_sides(mask))
    terms = []
    for term in frontier(mask, _joins_terms):
        found = form(term)
        kind = "none" if not found else next(iter(found)) if len(found) == 1 else "both"
        terms.append((kind, term))
    return Analysis(
        slices=tuple(name for name in ir.SLICE if name in used),
        uniform=tuple(name for name in ir.UNIFORM if name in used),
        params=tuple(sorted(n.removeprefix("param:") for n in used if n.startswith("param:"))),
        tensors=tuple(sorted(n.removeprefix("tensor:") for n in used if n.startswith("tensor:"))),
        terms=tuple(terms),
        opaque=opaque,
        split=next(iter(opaque)) if len(opaque) == 1 else "both",
    )


def opaque_sides(mask: Node) -> set[str]:
    """The sides whose positions reach an operation that has no useful bounds."""
    sides = set()
    for node in ir.postorder(mask):
        inside: tuple[Node, ...] = ()
        if isinstance(node, Op) and node.name in OPAQUE:
            inside = node.args
        elif isinstance(node, ir.Load):
            inside = node.indices[:-1]
        below = set(ir.postorder(*inside))
        sides |= {FORM[side] for side in (Q, K) if side in below}
    return sides


def pair_reads(*roots: Node) -> tuple[ir.Load, ...]:
    """The loads below the roots whose index depends on both positions, each once.

    Example:
        >>> bias = ir.Load("bias", (Q, K), ir.FLOAT)
        >>> pair_reads(Op("add", (bias, ir.Load("slope", (Var("head"),), ir.FLOAT)))) == (bias,)
        True

    """
    names = dependence()
    loads = (node for node in ir.postorder(*roots) if isinstance(node, ir.Load))
    return tuple(load for load in loads if names(load) >= set(ir.POSITIONS))


def _joins_masks(node: Node) -> bool:
    return isinstance(node, Op) and all(ir.type_of(part) is ir.BOOL for part in node.args)


def _joins_terms(node: Node) -> bool:
    return isinstance(node, Op) and node.name in ("and", "or")
