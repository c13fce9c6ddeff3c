"""Syntax tree to `.attn` text in the one form that `maskc fmt` writes.

Parentheses stand only where the tree needs them, so that `parse(unparse(tree)) == tree`. Nothing
recurses over the tree: each node's document is made after those of its children. Comments other
than `##` are no part of the tree; a formatter that keeps them can weave them in where `_pattern`
and `_file` join statements and declarations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskc import syntax as s
from maskc.grammar.layout import HARD, SOFT, SPACE, Document, Group, IfBroken, Indent, written
from maskc.grammar.pieces import (
    ANY,
    ATOM,
    COMPARE,
    LEVELS,
    NOT,
    OPERAND,
    POSTFIX,
    SHIFT,
    UNARY,
    Piece,
    are_numbers,
    as_written,
    belong_together,
    documentation,
    listed,
    looks_special,
    separated,
)


def unparse(node: s.Node) -> str:
    """The text of a tree or of a part of one; a file ends in a line end.

    Example:
        >>> unparse(s.Chain((s.Name("a"), s.Chain((s.Name("b"), s.Name("c")), ("-",))), ("-",)))
        'a - (b - c)'

    """
    return written(document(node))


def document(node: s.Node) -> Document:
    """The text of a tree with the places where its lines may break."""
    pieces: dict[int, Piece] = {}
    stack = [(node, False)]
    while stack:
        part, ready = stack.pop()
        if id(part) in pieces:
            continue
        if ready:
            pieces[id(part)] = _Maker(pieces).piece(part)
        else:
            stack.append((part, True))
            stack.extend((child, False) for child in s.children(part))
    return pieces[id(node)].document


class _Maker:
    """Makes the piece of a node from those of its children."""

    def __init__(self, pieces: dict[int, Piece]) -> None:
        self.pieces = pieces

    def piece(self, node: s.Node) -> Piece:
        return getattr(self, f"_{type(node).__name__.lower()}")(node)

    def _text(self, node: Any, level: int = ANY, last: bool = True) -> Document:
        """The document of a child where `level` is wanted; in parentheses where it needs them."""
        piece = self.pieces[id(node)]
        if piece.level >= level and (last or not piece.open):
            return piece.document
        return Group(("(", Indent((SOFT, piece.document)), SOFT, ")"))

    def _level(self, node: s.Node) -> int:
        return self.pieces[id(node)].level

    def _is_open(self, node: Any, level: int) -> bool:
        """Whether a last child that was put in by `_text(node, level)` leaves its parent open."""
        piece = self.pieces[id(node)]
        return piece.open and piece.level >= level

    # expressions

    def _number(self, node: s.Number) -> Piece:
        number = node.value
        assert abs(number) != float("inf") and number == number, "a literal is a finite number"
        negative = str(number).startswith("-")
        return Piece(as_written(node) or str(number), UNARY if negative else ATOM)

    def _boolean(self, node: s.Boolean) -> Piece:
        return Piece("true" if node.value else "false")

    def _name(self, node: s.Name) -> Piece:
        return Piece(node.name)

    def _member(self, node: s.Member) -> Piece:
        return Piece((self._text(node.value, POSTFIX, False), ".", node.name), POSTFIX)

    def _index(self, node: s.Index) -> Piece:
        indices = listed("[", [self._text(i) for i in node.indices], "]")
        return Piece((self._text(node.value, POSTFIX, False), indices), POSTFIX)

    def _call(self, node: s.Call) -> Piece:
        function = self._text(node.function, POSTFIX, False)
        if isinstance(node.function, s.Name) and looks_special(node):
            function = ("(", function, ")")
        arguments = listed("(", [self._text(a) for a in node.arguments], ")")
        return Piece((function, arguments), POSTFIX)

    def _argument(self, node: s.Argument) -> Piece:
        return Piece((f"{node.name} = " if node.name else "", self._text(node.value)))

    def _unary(self, node: s.Unary) -> Piece:
        sign, level = ("-", UNARY) if node.operator == "-" else ("not ", NOT)
        is_open = self._is_open(node.operand, level)
        return Piece((sign, self._text(node.operand, level)), level, is_open)

    def _chain(self, node: s.Chain) -> Piece:
        (level,) = {LEVELS[operator] for operator in node.operators}
        return self._joined(node, level)

    def _compare(self, node: s.Compare) -> Piece:
        return self._joined(node, COMPARE)

    def _joined(self, node: s.Chain | s.Compare, level: int) -> Piece:
        tighter = SHIFT if level == COMPARE else level + 1
        first, *rest = node.operands
        parts: list[Document] = [self._text(first, tighter, False)]
        for i, (operator, operand) in enumerate(zip(node.operators, rest, strict=True)):
            is_last = i == len(rest) - 1
            text = self._text(operand, tighter, is_last)
            if isinstance(operand, (s.Chain, s.Compare)) and self._level(operand) >= tighter:
                text = Indent(text)
            parts.append((SPACE, operator, " ", text))
        return Piece(Group(tuple(parts)), level, self._is_open(rest[-1], tighter))

    def _in(self, node: s.In) -> Piece:
        left = self._text(node.value, SHIFT, False)
        right, is_open = self._text(node.collection, SHIFT), self._is_open(node.collection, SHIFT)
        return Piece(Group((left, SPACE, "in ", right)), COMPARE, is_open)

    def _range(self, node: s.Range) -> Piece:
        low, high = (self._text(end, SHIFT, False) for end in (node.low, node.high))
        return Piece((low, "..", high))

    def _setof(self, node: s.SetOf) -> Piece:
        elements = [self._text(element) for element in node.elements]
        return Piece(listed("{", elements, "}", are_numbers(node.elements)))

    def _if(self, node: s.If) -> Piece:
        parts: list[Document] = []
        for i, (condition, result) in enumerate(node.arms):
            parts += ["else if " if i else "if ", self._text(condition, ANY, False), SPACE]
            parts += ["then ", self._text(result, ANY, False), SPACE]
        nested = isinstance(node.otherwise, s.If)
        parts += ["else ", self._text(node.otherwise, ANY, not nested)]
        return Piece(Group(tuple(parts)), UNARY, True)

    def _wildcard(self, node: s.Wildcard) -> Piece:
        return Piece("_")

    def _matcharm(self, node: s.MatchArm) -> Piece:
        pattern = self._text(node.pattern, SHIFT, False)
        if isinstance(node.pattern, s.Name) and node.pattern.name == "_":
            pattern = "(_)"
        return Piece((pattern, " => ", self._hanging(node.value)))

    def _match(self, node: s.Match) -> Piece:
        arms = separated([self._text(arm) for arm in node.arms])
        head = ("match ", self._text(node.subject, ANY, False), " {")
        return Piece(Group((head, Indent((SPACE, arms)), IfBroken(","), SPACE, "}")), ATOM, True)

    def _quantifier(self, node: s.Quantifier) -> Piece:
        head = (f"{node.variable} in ", self._text(node.range, SHIFT), " :")
        inside = (SOFT, head, SPACE, self._text(node.body))
        return Piece(Group((f"{node.kind}(", Indent(inside), SOFT, ")")), POSTFIX)

    def _at(self, node: s.At) -> Piece:
        replacements = listed("(", [self._text(r) for r in node.replacements], ")")
        body, is_open = self._text(node.body, OPERAND), self._is_open(node.body, OPERAND)
        return Piece(("at", replacements, " ", body), OPERAND, is_open)

    # spaces

    def _axis(self, node: s.Axis) -> Piece:
        extent = "" if node.extent is None else (" = ", self._text(node.extent))
        return Piece((node.name, extent))

    def _grid(self, node: s.Grid) -> Piece:
        head = "packed grid(" if node.packed else "grid("
        return Piece(listed(head, [self._text(axis) for axis in node.axes], ")"))

    def _segment(self, node: s.Segment) -> Piece:
        if node.layout is None:
            return Piece(node.name or "")
        layout = self._text(node.layout)
        if isinstance(node.layout, s.Grid):
            return Piece((f"{node.name}: " if node.name else "", layout))
        return Piece((node.name, "(", layout, ")") if node.name else layout)

    def _space(self, node: s.Space) -> Piece:
        first, *rest = (self._text(segment) for segment in node.segments)
        return Piece(Group((first, Indent(tuple((SPACE, "++ ", part) for part in rest)))))

    def _spacestatement(self, node: s.SpaceStatement) -> Piece:
        if node.kind == "cross":
            return self._documented(node, "space cross")
        if node.kind == "two":
            query = ("space query: ", self._text(node.query))
            return self._documented(node, (query, ", ", "key: ", self._text(node.key)))
        start = " align start" if node.align_start else ""
        sequence = (" ", self._text(node.query)) if node.query else ""
        return self._documented(node, (f"space{start}", sequence))

    # declarations and statements

    def _typeref(self, node: s.TypeRef) -> Piece:
        head = f"dynamic {node.name}" if node.dynamic else node.name
        if node.axes is None:
            return Piece(head)
        return Piece(listed(f"{head}[", [self._text(axis) for axis in node.axes], "]"))

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
            return self._text(default)
        return listed("[", [self._default(e) for e in default], "]", are_numbers(default))

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
        return Piece(listed(f"{node.name}(", [self._text(a) for a in node.arguments], ")"))

    def _routescore(self, node: s.RouteScore) -> Piece:
        if node.kind == "dot":
            left, right = (self._text(part, POSTFIX, False) for part in node.parts)
            return Piece((left, " . ", right))
        return Piece(self._text(node.parts[0]))

    def _route(self, node: s.Route) -> Piece:
        parts: list[Document] = [(f"{side}: ", self._text(unit)) for side, unit in node.units]
        parts += [self._text(option) for option in node.options]
        if node.score:
            parts.append(("score = ", self._text(node.score)))
        head = f"route {node.name} = {node.selector}("
        return self._documented(node, listed(head, parts, ")"))

    def _pattern(self, node: s.Pattern) -> Piece:
        head = self._head("pattern", node)
        if node.short:
            (mask,) = node.statements
            assert isinstance(mask, s.Mask) and not mask.doc, "`pattern p = M` holds one mask"
            return self._documented(node, self._equals(head, mask.value))
        if not node.statements:
            return self._documented(node, (head, " {}"))
        statements = tuple((HARD, self._text(statement)) for statement in node.statements)
        return self._documented(node, (head, " {", Indent(statements), HARD, "}"))

    def _file(self, node: s.File) -> Piece:
        parts: list[Document] = []
        if node.doc:
            parts += [documentation(node.doc), HARD if node.declarations else ""]
        before: s.Declaration | None = None
        for declaration in node.declarations:
            if before is not None and not belong_together(before, declaration):
                parts.append(HARD)
            parts += [self._text(declaration), HARD]
            before = declaration
        return Piece(tuple(parts))

    def _head(self, word: str, node: s.Def | s.Let | s.Pattern) -> Document:
        if not node.parameters:
            return f"{word} {node.name}"
        return (f"{word} {node.name}", listed("(", [self._text(p) for p in node.parameters], ")"))

    def _equals(self, head: Document, body: s.Expression) -> Document:
        if isinstance(body, s.Match):
            return (head, " = ", self._text(body))
        return (head, " =", Group(Indent((SPACE, self._text(body)))))

    def _hanging(self, body: s.Expression) -> Document:
        """A body whose later lines stand further right; those of a `match` have their own step."""
        return self._text(body) if isinstance(body, s.Match) else Indent(self._text(body))

    def _documented(self, node: s.Documented, text: Document) -> Piece:
        return Piece((documentation(node.doc), text) if node.doc else text)
