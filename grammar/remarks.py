"""Comments by the node that they stand at, so that a printed tree can keep them.

A comment with a line for itself belongs to what follows it, or, as the last in its brackets, body
or file, to what stands above it. One at the end of a line belongs to what ends there: a comma or
an operator may stand between. Whatever else there is counts as a line of its own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from maskc import syntax as s
from maskc.grammar.lex import FILE, Lexed
from maskc.grammar.tokens import Token
from maskc.source import Source
from maskc.tree import children

CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})

JOINS = frozenset(
    {"COMMA", "IN", "JOIN", "OR", "XOR", "AND", "WITHOUT", "COMPARATOR", "SHIFT", "PLUS"}
    | {"MINUS", "PRODUCT"}
)
"""What may stand between an operand and the comment at the end of its line."""

Child = tuple[int, int, s.Node]
"""Start and end of a node, and the node."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A comment on a line of its own: its text, and whether an empty line stands above it."""

    text: str
    apart: bool = False


@dataclass(slots=True)
class Remarks:
    """The comments at one node.

    Attributes:
        above: the lines before it and its documentation.
        under: the lines between its documentation and it.
        beside: what ends its last line, one comment at most.
        below: the lines after it, where it is the last of a list, a body or a file.
        opening: what ends the line of the brace that opens its body.
        inside: the lines of a body or file that holds nothing else.
        apart: whether an empty line stands above it.

    """

    above: list[Remark] = field(default_factory=list)
    under: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    below: list[Remark] = field(default_factory=list)
    opening: list[str] = field(default_factory=list)
    inside: list[Remark] = field(default_factory=list)
    apart: bool = False


NONE = Remarks()
"""Of a node without comments."""


class Comments:
    """The comments of a file by node; without one, none.

    Args:
        source: the text.
        lexed: its words.
        file: its tree, whose nodes must live as long as this.

    """

    def __init__(self, source: Source, lexed: Lexed, file: s.File) -> None:
        self._source, self._tokens = source, lexed.tokens
        self._starts = [token.start for token in lexed.tokens]
        self._file = file
        self._children: dict[int, list[Child]] = {}
        self._at: defaultdict[int, Remarks] = defaultdict(Remarks)
        self._doc_lines = lexed.doc_lines
        told = self._mark_lines()
        before = 0
        for comment in lexed.comments:
            if comment.start not in told:
                before = self._put(comment, before)

    def of(self, node: s.Node) -> Remarks:
        """The comments at a node."""
        return self._at.get(id(node), NONE)

    def _mark_lines(self) -> set[int]:
        """Say which statements stand apart; the starts of all lines of documentation."""
        told: set[int] = set()
        if self._file.doc:
            told.update(self._doc_lines[FILE])
            self._at[id(self._file)].apart = self._is_apart(self._doc_lines[FILE][0])
        stack: list[s.Node] = [self._file]
        while stack:
            node = stack.pop()
            for start, _, child in self._parts(node):
                if not isinstance(child, s.Documented):
                    continue
                stack.append(child)
                lines = self._doc_lines[start] if child.doc else (start,)
                told.update(lines)
                if self._is_apart(lines[0]):
                    self._at[id(child)].apart = True
        return told

    def _put(self, comment: Token, before: int) -> int:
        """Give a comment its place, knowing the start of the last that ended a line of code."""
        place = bisect_left(self._starts, comment.start)
        text = comment.text
        if text.startswith("##") and not text.startswith("###"):
            text = text[1:]
        if not comment.first:
            if self._beside(comment, place, text, before):
                return comment.start
            if self._opens(comment, place, text):
                return before
        self._alone(comment, place, text)
        return before

    def _beside(self, comment: Token, place: int, text: str, before: int) -> bool:
        """Whether something ends where the comment stands, and has it now."""
        ends = place - (self._tokens[place - 1].kind in JOINS and place > 1)
        i = ends
        while i and self._starts[i - 1] > before and self._tokens[i - 1].kind in ("RPAR", "COMMA"):
            i -= 1
        if before and self._starts[i - 1] < before:
            return False
        last = self._tokens[ends - 1]
        node: s.Node = self._file
        while True:
            parts = self._parts(node)
            i = bisect_left(parts, last.end, key=lambda part: part[0]) - 1
            if i < 0 or parts[i][1] < last.end:
                return False
            node = parts[i][2]
            if parts[i][1] == last.end:
                self._at[id(node)].beside.append(text)
                return True

    def _opens(self, comment: Token, place: int, text: str) -> bool:
        """Whether the comment stands behind the brace that opens a body, and is kept there."""
        node, _, _ = self._around(comment.start)
        if not isinstance(node, s.Pattern) or self._tokens[place - 1].kind != "LBRACE":
            return False
        self._at[id(node)].opening.append(text)
        return True

    def _alone(self, comment: Token, place: int, text: str) -> None:
        node, last, following = self._around(comment.start)
        remark = Remark(text, comment.first and self._is_apart(comment.start))
        closes = place == len(self._tokens) or self._tokens[place].kind in CLOSERS
        if node is self._file and self._file.doc and comment.start < self._doc_lines[FILE][0]:
            self._at[id(node)].above.append(remark)
        elif last and closes and self._only_commas(last[1], place):
            self._at[id(last[2])].below.append(remark)
        elif following:
            lines = self._doc_lines.get(following[0], ())
            documented = isinstance(following[2], s.Documented) and following[2].doc
            if documented and lines[0] < comment.start:
                self._at[id(following[2])].under.append(text)
            else:
                self._at[id(following[2])].above.append(remark)
        elif isinstance(node, s.File) or (isinstance(node, s.Pattern) and not node.short):
            self._at[id(node)].inside.append(remark)
        else:
            self._at[id(node)].above.append(remark)

    def _around(self, start: int) -> tuple[s.Node, Child | None, Child | None]:
        """The smallest node around an offset; what of it comes last before, and first after."""
        node: s.Node = self._file
        while True:
            parts = self._parts(node)
            i = bisect_right(parts, start, key=lambda part: part[0])
            last = parts[i - 1] if i else None
            if last is None or last[1] <= start:
                return node, last, parts[i] if i < len(parts) else None
            node = last[2]

    def _only_commas(self, end: int, place: int) -> bool:
        between = self._tokens[bisect_left(self._starts, end) : place]
        return all(token.kind == "COMMA" for token in between)

    def _parts(self, node: s.Node) -> list[Child]:
        """What a node is made of, in the order of the text."""
        known = self._children.get(id(node))
        if known is None:
            whole = isinstance(node, s.Pattern) and node.short
            nodes = [c.value if whole and isinstance(c, s.Mask) else c for c in children(node)]
            spans = [(c.span.start, c.span.end, c) for c in nodes if c.span]
            known = self._children[id(node)] = sorted(spans, key=lambda child: child[:2])
        return known

    def _is_apart(self, start: int) -> bool:
        """Whether the line above that of an offset is empty."""
        text = self._source.text
        line = text.rfind("\n", 0, start)
        above = text.rfind("\n", 0, line) + 1 if line > 0 else 0
        return line >= 0 and not text[above:line].strip()
