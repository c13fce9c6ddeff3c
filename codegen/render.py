"""From expressions to straight-line text: what is shared gets a name, parentheses are few.

The text of one target language is a `Target` (`render_torch`, `render_triton`, `render_ir`); this
room knows which nodes become locals, in what order, and how loops nest.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from maskc import ir
from maskc.analysis import D, Names, dependence, frontier
from maskc.ir import Node
from maskc.passes.bind import bind

LONGEST = 64
"""Characters of an expression that stays inline; longer parts become locals."""

LONGEST_ROOT = 84
"""Characters of a whole result that needs no local."""

OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, ATOM = 5, 6, 7, 8, 9, 10, 11, 13
COMPARE, NOT, WORD_AND, WORD_OR, CHOICE = 4, 3, 2, 1, 0
"""How tightly Python's operators bind."""

SYMBOLS = {
    "add": ("+", SUM),
    "sub": ("-", SUM),
    "mul": ("*", PRODUCT),
    "floordiv": ("//", PRODUCT),
    "mod": ("%", PRODUCT),
    "shl": ("<<", SHIFT),
    "shr": (">>", SHIFT),
    "bit_and": ("&", AND),
    "bit_xor": ("^", XOR),
    "bit_or": ("|", OR),
    "lt": ("<", COMPARE),
    "le": ("<=", COMPARE),
    "eq": ("==", COMPARE),
    "ne": ("!=", COMPARE),
    "and": ("&", AND),
    "or": ("|", OR),
    "xor": ("^", XOR),
}

ASSOCIATIVE = ("add", "mul", "min", "max", "and", "or")


@dataclass(frozen=True, slots=True)
class Text:
    """An expression's text and how tightly its outermost operator binds."""

    text: str
    level: int = ATOM

    def at(self, level: int) -> str:
        """The text, in parentheses where it binds less tightly than `level`."""
        return self.text if self.level >= level else f"({self.text})"


class Target(Protocol):
    """How one language writes nodes.

    `binding` stands before the name of a new local. `fuses`: one loop may hold several folds.
    """

    binding: str
    fuses: bool

    def leaf(self, node: Node) -> Text:
        """A constant, variable or parameter."""
        ...

    def compound(self, node: Node, parts: Sequence[Text]) -> Text:
        """An operation, read or range over the texts of its parts."""
        ...

    def loop(self, fold: ir.Fold, result: str, low: str, high: str) -> tuple[str, tuple[str, ...]]:
        """The statement that starts a fold's result, and the first lines of its loop."""
        ...

    def step(self, fold: ir.Fold, result: str, body: Text) -> str:
        """The statement that joins the body's value to the result."""
        ...


class Identifiers:
    """Names for one function's locals, none of them taken twice."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*keyword.kwlist, *keyword.softkwlist, "__debug__", *taken}

    def name(self, wanted: str) -> str:
        """The wanted name, with underscores behind it where it is taken."""
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", wanted), f"{wanted!r} is no name"
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted

    def numbered(self, prefix: str) -> str:
        """The first free name of `prefix0`, `prefix1`, ..."""
        number = 0
        while f"{prefix}{number}" in self.taken:
            number += 1
        return self.name(f"{prefix}{number}")


class Body:
    """The statements of one function's body, and the text of every node written so far."""

    def __init__(self, target: Target, identifiers: Identifiers, local: str = "t") -> None:
        """Write for `target`; locals are numbered after `local`."""
        self.target = target
        self.local = local
        self.identifiers = identifiers
        self.lines: list[str] = []
        self.names: Names = dependence()
        self._wanted: dict[Node, str] = {}
        self._next = 0

    def write(self, *roots: Node, results: Sequence[str] = ()) -> list[Text]:
        """The texts of the roots, after statements for what they share.

        `results` are names for the roots: each root is assigned to its own.
        """
        bound = bind(*roots)
        texts: dict[Node, Text] = {}
        self._wanted = {}
        for root, name in zip(bound, results, strict=bool(results)):
            self._wanted.setdefault(root, name)
        self._block(bound, texts, "", frozenset())
        for root, name in zip(bound, results, strict=bool(results)):
            if texts[root].text != name:
                self.lines.append(f"{name} = {texts[root].text}")
        return [texts[root] for root in bound]

    def _block(
        self, roots: Sequence[Node], texts: dict[Node, Text], indent: str, loops: frozenset[str]
    ) -> None:
        order = list(self._outside_loops(roots, texts, loops))
        uses: dict[Node, int] = {}
        for node in order:
            kept = 2 if isinstance(node, ir.Fold) else 1
            for part in self._read_by(node, loops):
                uses[part] = uses.get(part, 0) + kept
        for root in roots:
            uses[root] = uses.get(root, 0) + 1
        for stage in self._stages(order, loops):
            for node in stage:
                if not isinstance(node, ir.Fold):
                    texts[node] = self._text(node, texts, indent, uses[node], node in roots)
            ranges: dict[tuple[Node, Node, str, Node | None], list[ir.Fold]] = {}
            for node in stage:
                if isinstance(node, ir.Fold):
                    only = None if self.target.fuses else node
                    key = (node.low, node.high, node.variable, only)
                    ranges.setdefault(key, []).append(node)
            for folds in ranges.values():
                self._folds(folds, texts, indent, loops)

    def _stages(self, order: Sequence[Node], loops: frozenset[str]) -> list[list[Node]]:
        """The nodes in the same order, by how many folds they stand on: a loop can hold several."""
        stage_of: dict[Node, int] = {}
        stages: list[list[Node]] = []
        for node in order:
            below = [p for p in self._read_by(node, loops) if p in stage_of]
            stage = max((stage_of[p] + isinstance(p, ir.Fold) for p in below), default=0)
            stage_of[node] = stage
            while len(stages) <= stage:
                stages.append([])
            stages[stage].append(node)
        return stages

    def _text(
        self, node: Node, texts: Mapping[Node, Text], indent: str, uses: int, is_root: bool
    ) -> Text:
        parts = ir.children(node)[:2] if isinstance(node, ir.Tally) else ir.children(node)
        if not parts:
            return self.target.leaf(node)
        text = self._composed(node, [texts[part] for part in parts], indent)
        wanted = None if indent else self._wanted.get(node)
        if wanted is not None and (uses > 1 or is_root):
            self.lines.append(f"{wanted} = {text.text}")
            return Text(wanted)
        if uses > 1 or len(text.text) > (LONGEST_ROOT if is_root else LONGEST):
            return self._local(node, text, indent)
        return text

    def _read_by(self, node: Node, loops: frozenset[str]) -> tuple[Node, ...]:
        if isinstance(node, ir.Fold):
            return (node.low, node.high, *self._invariants(node, loops))
        return ir.children(node)[:2] if isinstance(node, ir.Tally) else ir.children(node)

    def _outside_loops(
        self, roots: Sequence[Node], texts: Mapping[Node, Text], loops: frozenset[str]
    ) -> Iterable[Node]:
        """The nodes to write before the roots, in order; of loops only what stays outside."""
        seen: set[Node] = set()
        stack = [(root, False) for root in reversed(roots)]
        while stack:
            node, ready = stack.pop()
            if node in seen or node in texts:
                continue
            if ready:
                seen.add(node)
                yield node
            else:
                stack.append((node, True))
                stack.extend((part, False) for part in reversed(self._read_by(node, loops)))

    def _invariants(self, fold: ir.Fold, loops: frozenset[str]) -> list[Node]:
        """The largest parts of a fold's body that only the loops around it change."""

        def varies(node: Node) -> bool:
            return not {name for name in self.names(node) if name.startswith("loop:")} <= loops

        return [node for node in frontier(fold.body, varies) if ir.children(node)]

    def _folds(
        self,
        folds: Sequence[ir.Fold],
        texts: dict[Node, Text],
        indent: str,
        loops: frozenset[str],
    ) -> None:
        """Folds over one range, in one loop."""
        heads, results = [], []
        for fold in folds:
            result = self.identifiers.numbered(f"{self.local[:-1]}{fold.kind}_")
            low, high = texts[fold.low].text, texts[fold.high].text
            start, head = self.target.loop(fold, result, low, high)
            self.lines += [indent + start] if start else []
            heads.append(head)
            results.append(result)
        self.lines += [indent + line for line in heads[0]]
        inner = dict(texts)
        bodies = [fold.body for fold in folds]
        self._block(bodies, inner, indent + "    ", loops | {folds[0].variable})
        for fold, result in zip(folds, results, strict=True):
            step = self.target.step(fold, result, inner[fold.body])
            self.lines.append(f"{indent}    {step}")
            texts[fold] = Text(result)

    def _composed(self, node: Node, parts: list[Text], indent: str) -> Text:
        while sum(len(part.text) + 3 for part in parts) > LONGEST:
            longest = max(range(len(parts)), key=lambda i: len(parts[i].text))
            if len(parts[longest].text) > 8:
                parts[longest] = self._assigned(parts[longest], indent)
            elif isinstance(node, ir.Op) and node.name in ASSOCIATIVE and len(parts) > 4:
                first = self.target.compound(replaced_args(node, 4), parts[:4])
                parts[:4] = [self._assigned(first, indent)]
                node = replaced_args(node, len(parts))
            else:
                break
        return self.target.compound(node, parts)

    def _local(self, node: Node, text: Text, indent: str) -> Text:
        difference = f"{self.local[:-1]}d"
        if node == D and difference not in self.identifiers.taken:
            name = self.identifiers.name(difference)
            self.lines.append(f"{indent}{self.target.binding}{name} = {text.text}")
            return Text(name)
        return self._assigned(text, indent)

    def _assigned(self, text: Text, indent: str) -> Text:
        while f"{self.local}{self._next}" in self.identifiers.taken:
            self._next += 1
        name = self.identifiers.name(f"{self.local}{self._next}")
        self.lines.append(f"{indent}{self.target.binding}{name} = {text.text}")
        return Text(name)


def replaced_args(node: ir.Op, n: int) -> ir.Op:
    """The operation over n of its arguments, for the text of a part of a long chain."""
    args = node.args[:n] if len(node.args) >= n else (*node.args, *node.args)[:n]
    return replace(node, args=args)


def infix(symbol: str, level: int, parts: Sequence[Text], loose: bool = False) -> Text:
    """The parts joined by an operator; `loose` where it does not associate with itself."""
    first = parts[0].at(level + 1 if loose else level)
    rest = (part.at(level + 1) for part in parts[1:])
    return Text(f" {symbol} ".join([first, *rest]), level)


def call(name: str, parts: Sequence[Text]) -> Text:
    """A function call."""
    return Text(f"{name}({', '.join(part.text for part in parts)})")
