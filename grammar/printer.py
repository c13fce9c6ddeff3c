"""Expressions to documents, and how the comments at a node come into the text around it.

A comment needs a line end, which may not stand everywhere. A node in a place where lines may break
is put in with its comments; elsewhere they go on to what it is a part of, and end above the whole
statement at the latest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from maskc import syntax as s
from maskc.grammar.layout import (
    HARD,
    SOFT,
    SPACE,
    Beside,
    Document,
    Group,
    IfBroken,
    Indent,
)
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
    listed,
    looks_special,
    separated,
)
from maskc.grammar.remarks import Comments, Remark

_Taken = tuple[list[str], Document, Sequence[str], list[str]]
"""The comments above a child, its text, and the comments beside and below it."""


class Printer:
    """Makes the piece of one node from those of its children."""

    def __init__(self, pieces: dict[int, Piece], comments: Comments | None) -> None:
        self.pieces = pieces
        self.comments = comments
        self.loose: list[str] = []
        self.tail: list[str] = []
        self.foot: list[str] = []

    def piece(self, node: s.Node) -> Piece:
        """The piece, with the comments that have no place in it."""
        made = getattr(self, f"_{type(node).__name__.lower()}")(node)
        if self.comments is None:
            return made
        own = self.comments.of(node)
        return replace(
            made,
            above=(*own.above, *map(Remark, self.loose)),
            tail=tuple(self.tail),
            foot=tuple(self.foot),
            beside=tuple(own.beside),
            below=tuple(own.below),
            apart=own.apart,
        )

    # children, by what may stand around them

    def _text(self, node: Any, level: int = ANY, last: bool = True) -> Document:
        """A child around which no line may end: its comments go to its parent."""
        above, text, beside, below = self._taken(node, level, last)
        self.loose += [*above, *beside, *below]
        return text

    def _last(self, node: Any, level: int = ANY, last: bool = True) -> Document:
        """A child that ends its parent, so that what stands beside the one does so at the other."""
        above, text, beside, below = self._taken(node, level, last)
        self.loose += [*above, *below]
        self.tail += beside
        return text

    def _first(self, node: Any, level: int = ANY, last: bool = False) -> Document:
        """A child that starts its parent, before a place where a line may end."""
        above, text, beside, below = self._taken(node, level, last)
        self.loose += [*above, *below]
        return (text, beside_it(beside))

    def _own_line(
        self, node: Any, level: int = ANY, last: bool = True
    ) -> tuple[Document, Document]:
        """A child between two places where a line may end: the comments above it, and its text."""
        above, text, beside, below = self._taken(node, level, last)
        self.loose += below
        return above_it(above), (text, beside_it(beside))

    def _taken(self, node: Any, level: int = ANY, last: bool = True) -> _Taken:
        """A child where `level` is wanted, in parentheses where it needs them."""
        piece = self.pieces[id(node)]
        text, beside = piece.document, (*piece.tail, *piece.beside)
        above, below = ([remark.text for remark in part] for part in (piece.above, piece.below))
        if self._is_wrapped(node, level, last):
            inside = (SOFT, text, beside_it(piece.tail), below_it(piece.foot))
            return above, Group(("(", Indent(inside), SOFT, ")")), piece.beside, below
        return [*above, *piece.foot], text, beside, below

    def _is_wrapped(self, node: Any, level: int, last: bool) -> bool:
        piece = self.pieces[id(node)]
        if piece.level < level or (piece.open and not last):
            return True
        has_them = isinstance(node, s.If) and node.span and node.span.text[0] == "("
        return bool(level > ANY and has_them)

    def _is_open(self, node: Any, level: int) -> bool:
        """Whether a last child leaves its parent open."""
        return self.pieces[id(node)].open and not self._is_wrapped(node, level, True)

    def _list(
        self, opener: str, nodes: Sequence[Any], closer: str, filled: bool = False
    ) -> Document:
        """Children between brackets, each on its own line where one has a comment.

        Args:
            opener: what opens the list.
            nodes: its entries, which may be lists.
            closer: what closes it.
            filled: whether numbers without comments share lines.

        """
        filled = filled and are_numbers(nodes) and not any(map(self._is_commented, nodes))
        parts = [self._entry(node) for node in nodes]
        return listed(opener, parts, closer, filled, self._below(nodes))

    def _entry(self, node: Any) -> Document:
        if not isinstance(node, s.Node):
            return self._list("[", node, "]", True)
        above, text, beside, _ = self._taken(node)
        return (above_it(above), text, beside_it(beside))

    def _is_commented(self, node: s.Node) -> bool:
        piece = self.pieces[id(node)]
        return bool(piece.above or piece.tail or piece.beside or piece.below)

    def _below(self, nodes: Sequence[Any]) -> Document:
        """The comments between the last of several children and what closes them."""
        last = nodes[-1] if nodes else None
        below = self.pieces[id(last)].below if isinstance(last, s.Node) else ()
        return below_it(remark.text for remark in below)

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
        value = self._text(node.value, POSTFIX, False)
        return Piece((value, self._list("[", node.indices, "]")), POSTFIX)

    def _call(self, node: s.Call) -> Piece:
        function = self._text(node.function, POSTFIX, False)
        if isinstance(node.function, s.Name) and looks_special(node):
            function = ("(", function, ")")
        return Piece((function, self._list("(", node.arguments, ")")), POSTFIX)

    def _argument(self, node: s.Argument) -> Piece:
        return Piece((f"{node.name} = " if node.name else "", self._last(node.value)))

    def _unary(self, node: s.Unary) -> Piece:
        sign, level = ("-", UNARY) if node.operator == "-" else ("not ", NOT)
        is_open = self._is_open(node.operand, level)
        return Piece((sign, self._last(node.operand, level)), level, is_open)

    def _chain(self, node: s.Chain) -> Piece:
        (level,) = {LEVELS[operator] for operator in node.operators}
        return self._joined(node, level)

    def _compare(self, node: s.Compare) -> Piece:
        return self._joined(node, COMPARE)

    def _joined(self, node: s.Chain | s.Compare, level: int) -> Piece:
        tighter = SHIFT if level == COMPARE else level + 1
        first, *rest = node.operands
        parts: list[Document] = [self._first(first, tighter)]
        for i, (operator, operand) in enumerate(zip(node.operators, rest, strict=True)):
            above, text = self._operand(operand, tighter, i == len(rest) - 1)
            if isinstance(operand, (s.Chain, s.Compare)) and self._level(operand) >= tighter:
                text = Indent(text)
            parts.append((SPACE, above, operator, " ", text))
        return Piece(Group(tuple(parts)), level, self._is_open(rest[-1], tighter))

    def _operand(self, node: s.Node, level: int, is_last: bool) -> tuple[Document, Document]:
        """An operand after an operator: the comments above the two, and its text."""
        if not is_last:
            return self._own_line(node, level, False)
        above, text, beside, below = self._taken(node, level)
        self.foot += below
        self.tail += beside
        return above_it(above), text

    def _in(self, node: s.In) -> Piece:
        left = self._first(node.value, SHIFT)
        above, right = self._operand(node.collection, SHIFT, True)
        is_open = self._is_open(node.collection, SHIFT)
        return Piece(Group((left, SPACE, above, "in ", right)), COMPARE, is_open)

    def _range(self, node: s.Range) -> Piece:
        low, high = self._text(node.low, SHIFT, False), self._last(node.high, SHIFT, False)
        long = isinstance(node.low, s.Chain) or isinstance(node.high, s.Chain)
        return Piece((low, " .. " if long else "..", high))

    def _setof(self, node: s.SetOf) -> Piece:
        return Piece(self._list("{", node.elements, "}", True))

    def _if(self, node: s.If) -> Piece:
        parts: list[Document] = []
        for i, (condition, result) in enumerate(node.arms):
            over, test = (
                self._own_line(condition, ANY, False) if i else ((), self._first(condition))
            )
            above, text = self._own_line(result, ANY, False)
            clause = ("else if " if i else "if ", test, Indent((SPACE, above, "then ", text)))
            parts += [over, Group(clause), SPACE]
        nested = isinstance(node.otherwise, s.If)
        above, text, beside, below = self._taken(node.otherwise, ANY, not nested)
        self.loose += below
        self.tail += beside
        parts += [above_it(above), "else ", text]
        return Piece(Group(tuple(parts)), UNARY, True)

    def _wildcard(self, node: s.Wildcard) -> Piece:
        return Piece("_")

    def _matcharm(self, node: s.MatchArm) -> Piece:
        pattern = self._text(node.pattern, SHIFT, False)
        if isinstance(node.pattern, s.Name) and node.pattern.name == "_":
            pattern = "(_)"
        return Piece((pattern, " => ", self._hanging(node.value)))

    def _match(self, node: s.Match) -> Piece:
        arms = separated([self._entry(arm) for arm in node.arms])
        head = ("match ", self._text(node.subject, ANY, False), " {")
        inside = Indent((SPACE, arms, IfBroken(","), self._below(node.arms)))
        return Piece(Group((head, inside, SPACE, "}")), ATOM, True)

    def _quantifier(self, node: s.Quantifier) -> Piece:
        head = (f"{node.variable} in ", self._text(node.range, SHIFT), " :")
        inside = (SOFT, head, SPACE, *self._own_line(node.body))
        return Piece(Group((f"{node.kind}(", Indent(inside), SOFT, ")")), POSTFIX)

    def _at(self, node: s.At) -> Piece:
        replacements = self._list("(", node.replacements, ")")
        is_open = self._is_open(node.body, OPERAND)
        return Piece(("at", replacements, " ", self._last(node.body, OPERAND)), OPERAND, is_open)

    def _hanging(self, body: s.Expression) -> Document:
        """A body whose later lines stand further right; those of a `match` have their own step."""
        text = self._last(body)
        return text if isinstance(body, s.Match) else Indent(text)

    def _level(self, node: s.Node) -> int:
        return self.pieces[id(node)].level


def above_it(comments: Iterable[str]) -> Document:
    """Comments on lines of their own, each line ended."""
    return tuple((text, HARD) for text in comments)


def beside_it(comments: Iterable[str]) -> Document:
    """Comments at the end of the line that the text before them ends on."""
    return tuple(Beside(text) for text in comments)


def below_it(comments: Iterable[str]) -> Document:
    """Comments on lines of their own, each on a new one."""
    return tuple((HARD, text) for text in comments)
