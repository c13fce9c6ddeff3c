"""Syntax tree to `.attn` text in the one form that `maskc fmt` writes.

Parentheses stand only where the tree needs them, so that `parse(unparse(tree)) == tree`. Nothing
recurses over the tree: each node's document is made after those of its children. Comments other
than `##` are no part of the tree; they come from `Comments`, and so do the empty lines that group
statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskc import syntax as s
from maskc.grammar.layout import HARD, SPACE, Document, Group, Indent, written
from maskc.grammar.pieces import (
    ANY,
    POSTFIX,
    SHIFT,
    UNARY,
    Piece,
    belong_together,
    documentation,
    listed,
)
from maskc.grammar.printer import Printer, above_it, beside_it
from maskc.grammar.remarks import NONE, Comments, Remarks
from maskc.tree import children

Row = tuple[bool, Document]
"""Whether an empty line stands above a line, and the line."""


def unparse(node: s.Node, comments: Comments | None = None) -> str:
    """The text of a tree or of a part of one, with its comments; a file ends in a line end.

    Example:
        >>> unparse(s.Chain((s.Name("a"), s.Chain((s.Name("b"), s.Name("c")), ("-",))), ("-",)))
        'a - (b - c)'

    """
    return written(document(node, comments))


def document(node: s.Node, comments: Comments | None = None) -> Document:
    """The text of a tree with the places where its lines may break."""
    pieces: dict[int, Piece] = {}
    stack = [(node, False)]
    while stack:
        part, ready = stack.pop()
        if id(part) in pieces:
            continue
        if ready:
            pieces[id(part)] = _Unparser(pieces, comments).piece(part)
        else:
            stack.append((part, True))
            stack.extend((child, False) for child in children(part))
    return pieces[id(node)].document


class _Unparser(Printer):
    """Makes the piece of any node: here those of spaces, declarations and statements."""

    # spaces

    def _axis(self, node: s.Axis) -> Piece:
        extent = "" if node.extent is None else (" = ", self._last(node.extent))
        return Piece((node.name, extent))

    def _grid(self, node: s.Grid) -> Piece:
        head = "packed grid(" if node.packed else "grid("
        return Piece(self._list(head, node.axes, ")"))

    def _segment(self, node: s.Segment) -> Piece:
        if node.layout is None:
            return Piece(node.name or "")
        if isinstance(node.layout, s.Grid):
            return Piece((f"{node.name}: " if node.name else "", self._last(node.layout)))
        layout = self._text(node.layout)
        return Piece((node.name, "(", layout, ")") if node.name else layout)

    def _space(self, node: s.Space) -> Piece:
        first, *rest = node.segments
        parts: list[Document] = []
        for i, segment in enumerate(rest):
            above, text = self._operand(segment, ANY, i == len(rest) - 1)
            parts.append((SPACE, above, "++ ", text))
        text = self._first(first) if rest else self._last(first)
        return Piece(Group((text, Indent(tuple(parts)))))

    def _spacestatement(self, node: s.SpaceStatement) -> Piece:
        if node.kind == "cross":
            return self._documented(node, "space cross")
        if node.kind == "two":
            assert node.query is not None and node.key is not None, "both sides have a space"
            query = ("space query: ", self._first(node.query), ",")
            above, key = self._operand(node.key, ANY, True)
            text = Group((query, Indent((SPACE, above, "key: ", key))))
            return self._documented(node, text)
        start = " align start" if node.align_start else ""
        sequence = (" ", self._last(node.query)) if node.query else ""
        return self._documented(node, (f"space{start}", sequence))

    # declarations and statements

    def _typeref(self, node: s.TypeRef) -> Piece:
        head = f"dynamic {node.name}" if node.dynamic else node.name
        if node.axes is None:
            return Piece(head)
        return Piece(self._list(f"{head}[", node.axes, "]"))

    def _refinement(self, node: s.Refinement) -> Piece:
        match node.rule:
            case s.Compare((s.Name(), *rest), operators):
                return Piece(self._rest(operators, rest))
            case s.Compare((s.Chain((s.Name(), divisor), (operator,)), *rest), operators):
                head = (f"{operator} ", self._text(divisor, UNARY, False), " ")
                return Piece((head, self._rest(operators, rest)))
            case s.In(s.Name(), collection):
                return Piece(("in ", self._text(collection, SHIFT, False)))
        raise AssertionError("a refinement is like `>= 1`, `% 16 == 0` or `in 0..4`")

    def _rest(self, operators: Sequence[str], operands: Sequence[s.Expression]) -> Document:
        pairs = zip(operators, operands, strict=True)
        parts = [(f"{operator} ", self._text(operand, SHIFT, False)) for operator, operand in pairs]
        return tuple(part if i == 0 else (" ", part) for i, part in enumerate(parts))

    def _parameter(self, node: s.Parameter) -> Piece:
        parts: list[Document] = [node.name]
        if node.type:
            parts.append((": ", self._text(node.type)))
        for i, refinement in enumerate(node.refinements):
            parts.append((" and " if i else " ", self._text(refinement)))
        if node.default is not None:
            parts.append((" = ", self._default(node.default)))
        return self._documented(node, tuple(parts))

    def _default(self, default: s.Expression | tuple[Any, ...]) -> Document:
        if isinstance(default, s.Node):
            return self._last(default)
        return self._list("[", default, "]", True)

    def _use(self, node: s.Use) -> Piece:
        assert '"' not in node.path, "a path in a spec holds no quote"
        alias = f" as {node.alias}" if node.alias else ""
        return self._documented(node, f'use "{node.path}"{alias}')

    def _const(self, node: s.Const) -> Piece:
        return self._documented(node, self._equals(f"const {node.name}", node.value))

    def _def(self, node: s.Def) -> Piece:
        return self._documented(node, self._equals(self._head("def", node), node.body))

    def _let(self, node: s.Let) -> Piece:
        return self._documented(node, self._equals(self._head("let", node), node.body))

    def _input(self, node: s.Input) -> Piece:
        return self._documented(node, (f"input {node.name}: ", self._text(node.type)))

    def _score(self, node: s.Score) -> Piece:
        return self._documented(node, ("score ", self._hanging(node.value)))

    def _sinklogit(self, node: s.SinkLogit) -> Piece:
        return self._documented(node, f"sink_logit {node.name}")

    def _sinkcount(self, node: s.SinkCount) -> Piece:
        return self._documented(node, ("sink_count ", self._hanging(node.value)))

    def _mask(self, node: s.Mask) -> Piece:
        return self._documented(node, ("mask ", self._hanging(node.value)))

    def _unit(self, node: s.Unit) -> Piece:
        if not node.arguments:
            return Piece(node.name)
        return Piece(self._list(f"{node.name}(", node.arguments, ")"))

    def _routescore(self, node: s.RouteScore) -> Piece:
        if node.kind == "dot":
            left, right = (self._text(part, POSTFIX, False) for part in node.parts)
            return Piece((left, " . ", right))
        return Piece(self._text(node.parts[0]))

    def _route(self, node: s.Route) -> Piece:
        parts: list[Document] = []
        for side, unit in node.units:
            above, text = self._own_line(unit)
            parts.append((above, f"{side}: ", text))
        parts += [self._own_line(option) for option in node.options]
        if node.score:
            above, text = self._own_line(node.score)
            parts.append((above, "score = ", text))
        head = f"route {node.name} = {node.selector}("
        return self._documented(node, listed(head, parts, ")"))

    def _pattern(self, node: s.Pattern) -> Piece:
        head = self._head("pattern", node)
        if node.short:
            (mask,) = node.statements
            assert isinstance(mask, s.Mask) and not mask.doc, "`pattern p = M` holds one mask"
            return self._documented(node, self._equals(head, mask.value))
        own = self._remarks(node)
        rows = self._rows(node.statements) + [(r.apart, r.text) for r in own.inside]
        head = (head, " {", beside_it(own.opening))
        if not rows and not own.opening:
            return self._documented(node, (head, "}"))
        lines = [((HARD, HARD) if apart and i else HARD, x) for i, (apart, x) in enumerate(rows)]
        return self._documented(node, (head, Indent(tuple(lines)), HARD, "}"))

    def _file(self, node: s.File) -> Piece:
        own = self._remarks(node)
        rows: list[Row] = [(r.apart, r.text) for r in own.above]
        if node.doc:
            rows.append((own.apart, documentation(node.doc)))
        rest = self._rows(node.declarations) + [(r.apart, r.text) for r in own.inside]
        if rows and rest:
            rest[0] = (True, rest[0][1])
        rows += rest
        return Piece(
            tuple((HARD if apart and i else "", x, HARD) for i, (apart, x) in enumerate(rows))
        )

    def _rows(self, nodes: Sequence[s.Declaration | s.Statement]) -> list[Row]:
        """The lines of a file or body, each with whether an empty line stands above it."""
        rows: list[Row] = []
        before: s.Declaration | s.Statement | None = None
        for node in nodes:
            piece = self.pieces[id(node)]
            own: list[Row] = [(r.apart, r.text) for r in piece.above]
            own.append((piece.apart, (piece.document, beside_it((*piece.tail, *piece.beside)))))
            parted = before is not None and not belong_together(before, node)
            if parted and not any(apart for apart, _ in own):
                own[0] = (True, own[0][1])
            rows += own + [(r.apart, r.text) for r in piece.below]
            before = node
        return rows

    def _remarks(self, node: s.Node) -> Remarks:
        return self.comments.of(node) if self.comments else NONE

    def _head(self, word: str, node: s.Def | s.Let | s.Pattern) -> Document:
        if not node.parameters:
            return f"{word} {node.name}"
        return (f"{word} {node.name}", self._list("(", node.parameters, ")"))

    def _equals(self, head: Document, body: s.Expression) -> Document:
        if isinstance(body, s.Match):
            return (head, " = ", self._last(body))
        return (head, " =", Group(Indent((SPACE, *self._own_line(body)))))

    def _documented(self, node: s.Documented, text: Document) -> Piece:
        """A piece with the documentation above it, and under that what has no place inside."""
        doc = documentation(node.doc) if node.doc else ()
        under = [*self._remarks(node).under, *self.loose]
        self.loose = []
        return Piece((doc, HARD if doc else "", above_it(under), text) if doc or under else text)
