"""Rules of `attn.lark` to nodes of `maskc.syntax`: one method for each name of a rule.

Each takes the place that the rule spans and what stands in it: tokens and nodes; None for an
optional part that is absent.
"""

# ruff: noqa: D102 (the rule's line in attn.lark says what each method is about)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maskc import syntax as s
from maskc.grammar.errors import Errors
from maskc.grammar.lex import Lexed, value
from maskc.grammar.tokens import Token
from maskc.source import Span

SIGNS: Mapping[str, Any] = {"and": "&", "or": "|", "xor": "^"}
"""Words that are read as signs."""

RESERVED = frozenset({"q", "k", "head", "kv_head", "layer", "batch", "len"})
"""Names with a meaning everywhere; the words of the language are no names at all."""

DEEPER = frozenset(
    [
        "disjunction",
        "exclusive",
        "conjunction",
        "negation",
        "compare",
        "contains",
        "shift",
        "sum",
        "product",
        "minus",
        "member",
        "index",
        "call",
        "name",
        "integer",
        "float",
        "boolean",
        "conditional",
        "match",
        "quantifier",
        "at",
        "list",
    ]
)
"""Rules that add a level to the depth of a tree; a chain and an `else if` add one as a whole."""


class Builder:
    """Makes the nodes of one file."""

    def __init__(self, lexed: Lexed, errors: Errors) -> None:
        self.docs, self.file_doc, self.errors = lexed.docs, lexed.file_doc, errors
        self.numbers_hold = lexed.numbers_hold
        self.exclusive = self.conjunction = self.disjunction = self._chain
        self.shift = self.sum = self.product = self._chain

    # declarations

    def file(self, span: Span, *declarations: s.Declaration) -> s.File:
        return s.File(declarations, doc=self.file_doc, span=span)

    def use(self, span: Span, path: Token, alias: Token | None) -> s.Use:
        return s.Use(path.text[1:-1], self._optional(alias), doc=self._doc(span), span=span)

    def const(self, span: Span, name: Token, value: s.Expression) -> s.Const:
        return s.Const(self._name(name), value, doc=self._doc(span), span=span)

    def definition(self, span: Span, name: Token, parameters: Any, body: s.Expression) -> s.Def:
        return s.Def(self._name(name), parameters or (), body, doc=self._doc(span), span=span)

    def pattern(self, span: Span, name: Token, parameters: Any, body: Any) -> s.Pattern:
        short = not isinstance(body, tuple)
        statements = (s.Mask(body, span=body.span),) if short else body
        name_ = self._name(name)
        doc = self._doc(span)
        return s.Pattern(name_, parameters or (), statements, short, doc=doc, span=span)

    def body(self, span: Span, *statements: s.Statement) -> tuple[s.Statement, ...]:
        return statements

    # parameters

    def parameters(self, span: Span, *parameters: s.Parameter) -> tuple[s.Parameter, ...]:
        return parameters

    def parameter(
        self, span: Span, name: Token, type: s.TypeRef, rules: Any, default: Any
    ) -> s.Parameter:
        own = s.Name(name.text, span=name.span(self.errors.source))
        refinements = tuple(self._refinement(own, *rule) for rule in rules or ())
        default = default if default is None or isinstance(default, s.Node) else tuple(default)
        doc = self._doc(span)
        return s.Parameter(self._name(name), type, refinements, default, doc=doc, span=span)

    def type(self, span: Span, dynamic: Token | None, name: Token, axes: Any) -> s.TypeRef:
        return s.TypeRef(name.text, dynamic is not None, axes, span=span)

    def axes(self, span: Span, *axes: s.Expression) -> tuple[s.Expression, ...]:
        return axes

    def rules(self, span: Span, *rules: Any) -> tuple[Any, ...]:
        return rules[::2]

    def rule(self, span: Span, *parts: Any) -> tuple[Span, tuple[Any, ...]]:
        return span, parts

    def list(self, span: Span, *entries: Any) -> tuple[Any, ...]:
        return entries

    def _refinement(self, own: s.Name, span: Span, parts: tuple[Any, ...]) -> s.Refinement:
        first, value = parts[:2]
        if first.kind == "IN":
            return s.Refinement(s.In(own, value, span=span), span=span)
        subject: s.Expression = own
        if first.kind == "PRODUCT":
            subject = s.Chain((own, value), (first.text,), span=first.span(span.source))
            parts = parts[2:]
        operators = tuple(token.text for token in parts[::2])
        return s.Refinement(s.Compare((subject, *parts[1::2]), operators, span=span), span=span)

    # statements

    def input(self, span: Span, name: Token, type: s.TypeRef) -> s.Input:
        return s.Input(self._name(name), type, doc=self._doc(span), span=span)

    def let(self, span: Span, name: Token, parameters: Any, body: s.Expression) -> s.Let:
        return s.Let(self._name(name), parameters or (), body, doc=self._doc(span), span=span)

    def score(self, span: Span, value: s.Expression) -> s.Score:
        return s.Score(value, doc=self._doc(span), span=span)

    def sink_logit(self, span: Span, name: Token) -> s.SinkLogit:
        return s.SinkLogit(name.text, doc=self._doc(span), span=span)

    def sink_count(self, span: Span, value: s.Expression) -> s.SinkCount:
        return s.SinkCount(value, doc=self._doc(span), span=span)

    def mask(self, span: Span, value: s.Expression) -> s.Mask:
        return s.Mask(value, doc=self._doc(span), span=span)

    def space(self, span: Span, sequence: s.Space) -> s.SpaceStatement:
        return s.SpaceStatement("one", query=sequence, doc=self._doc(span), span=span)

    def space_start(self, span: Span, sequence: s.Space | None) -> s.SpaceStatement:
        return s.SpaceStatement("one", True, sequence, doc=self._doc(span), span=span)

    def space_cross(self, span: Span) -> s.SpaceStatement:
        return s.SpaceStatement("cross", doc=self._doc(span), span=span)

    def space_two(self, span: Span, query: s.Space, key: s.Space) -> s.SpaceStatement:
        return s.SpaceStatement("two", False, query, key, doc=self._doc(span), span=span)

    def sequence(self, span: Span, *segments: s.Segment) -> s.Space:
        return s.Space(segments, span=span)

    def segment(self, span: Span, name: Token | None, layout: Any) -> s.Segment:
        return s.Segment(self._optional(name), layout, span=span)

    def grid(self, span: Span, packed: Token | None, *axes: s.Axis) -> s.Grid:
        return s.Grid(axes, packed is not None, span=span)

    def axis(self, span: Span, name: Token, extent: s.Expression | None) -> s.Axis:
        return s.Axis(self._name(name), extent, span=span)

    def route(self, span: Span, name: Token, selector: Token, *parts: Any) -> s.Route:
        units = tuple(part for part in parts if isinstance(part, tuple))
        options = tuple(part for part in parts if isinstance(part, s.Argument))
        scores = [part for part in parts if isinstance(part, s.RouteScore)]
        for again in scores[1:]:
            assert again.span, "a parsed node has a place"
            self.errors.tell("duplicate-score", "a route has one `score`", again.span, "again here")
        score = scores[0] if scores else None
        doc, name_ = self._doc(span), self._name(name)
        return s.Route(name_, selector.text, units, options, score, doc=doc, span=span)

    def side(self, span: Span, side: Token, unit: s.Unit) -> tuple[str, s.Unit]:
        return side.text, unit

    def unit(self, span: Span, name: Token, *arguments: s.Expression | None) -> s.Unit:
        return s.Unit(name.text, tuple(a for a in arguments if a is not None), span=span)

    def route_score(self, span: Span, value: s.Expression) -> s.RouteScore:
        match value:
            case s.Call(s.Member(left, name, span=member), arguments) if self._projects(value):
                assert member and value.span, "a parsed node has a place"
                start = member.end - len(name)
                right = s.Name(name, span=Span(span.source, start, member.end))
                call = s.Call(right, arguments, span=Span(span.source, start, value.span.end))
                return s.RouteScore("dot", (left, call), span=span)
            case s.Call(s.Name("bound" | "last")):
                return s.RouteScore("call", (value,), span=span)
        return s.RouteScore("expression", (value,), span=span)

    @staticmethod
    def _projects(value: s.Expression) -> bool:
        """Whether `mean(Q) . mean(K)` was read, as a call of a member of a call."""
        match value:
            case s.Call(s.Member(s.Call(_, (s.Argument(None, s.Name("Q" | "K")),))), arguments):
                return len(arguments) == 1
        return False

    # expressions

    def _chain(self, span: Span, *parts: Any) -> s.Chain:
        operands = parts[::2]
        self._no_bare_match(operands[:-1])
        signs = tuple(SIGNS.get(token.text, token.text) for token in parts[1::2])
        return s.Chain(operands, signs, span=span)

    def compare(self, span: Span, *parts: Any) -> s.Compare:
        operands = parts[::2]
        self._no_bare_match(operands[:-1])
        return s.Compare(operands, tuple(token.text for token in parts[1::2]), span=span)

    def contains(self, span: Span, value: s.Expression, collection: Any) -> s.In:
        self._no_bare_match((value,))
        return s.In(value, collection, span=span)

    def range(self, span: Span, low: s.Expression, high: s.Expression) -> s.Range:
        self._no_bare_match((low,))
        return s.Range(low, high, span=span)

    def set(self, span: Span, *elements: s.Expression) -> s.SetOf:
        return s.SetOf(elements, span=span)

    def negation(self, span: Span, sign: Token, operand: s.Expression) -> s.Unary:
        return s.Unary("not", operand, span=span)

    def minus(self, span: Span, sign: Token, operand: s.Expression) -> s.Unary:
        return s.Unary("-", operand, span=span)

    def member(self, span: Span, value: s.Expression, name: Token) -> s.Member:
        self._no_bare_match((value,))
        return s.Member(value, name.text, span=span)

    def index(self, span: Span, value: s.Expression, *indices: s.Expression) -> s.Index:
        self._no_bare_match((value,))
        return s.Index(value, indices, span=span)

    def call(self, span: Span, function: s.Expression, *arguments: s.Argument) -> s.Call:
        self._no_bare_match((function,))
        return s.Call(function, arguments, span=span)

    def argument(self, span: Span, name: Token | None, value: s.Expression) -> s.Argument:
        return s.Argument(name and name.text, value, span=span)

    def name(self, span: Span, name: Token) -> s.Name:
        return s.Name(name.text, span=span)

    def integer(self, span: Span, number: Token) -> s.Number:
        return s.Number(value(number.text) if self.numbers_hold else 0, span=span)

    float = integer

    def boolean(self, span: Span, word: Token) -> s.Boolean:
        return s.Boolean(word.kind == "TRUE", span=span)

    def parentheses(self, span: Span, inner: s.Expression) -> s.Expression:
        return replace(inner, span=span)

    def conditional(self, span: Span, *parts: s.Expression) -> s.If:
        return s.If(tuple(zip(parts[:-1:2], parts[1::2], strict=True)), parts[-1], span=span)

    def match(self, span: Span, subject: s.Expression, *arms: s.MatchArm) -> s.Match:
        return s.Match(subject, arms, span=span)

    def arm(self, span: Span, pattern: Any, value: s.Expression) -> s.MatchArm:
        if isinstance(pattern, s.Name) and pattern.span and pattern.span.text == "_":
            pattern = s.Wildcard(span=pattern.span)
        return s.MatchArm(pattern, value, span=span)

    def quantifier(
        self, span: Span, kind: Token, variable: Token, range: Any, body: s.Expression
    ) -> s.Quantifier:
        word: Any = kind.text
        return s.Quantifier(word, self._name(variable), range, body, span=span)

    def at(self, span: Span, *parts: Any) -> s.At:
        return s.At(parts[:-1], parts[-1], span=span)

    # what several of them need

    def _doc(self, span: Span) -> str:
        return self.docs.get(span.start, "")

    def _optional(self, name: Token | None) -> str | None:
        return None if name is None else self._name(name)

    def _name(self, token: Token) -> str:
        if token.text in RESERVED:
            message = f"`{token.text}` is reserved and cannot be declared"
            span = token.span(self.errors.source)
            self.errors.tell("reserved-name", message, span, hint="choose another name")
        return token.text

    def _no_bare_match(self, operands: tuple[s.Expression, ...]) -> None:
        """Tell of a `match` that is not the last operand and has no parentheses."""
        for operand in operands:
            span = operand.span
            assert span, "a parsed node has a place"
            if span.source.text[span.end - 1] == "}" and _ends_in_match(operand):
                message = "a `match` that is not the last operand stands in parentheses"
                self.errors.tell("bare-match", message, span, hint="write `(match ... { ... })`")


def _ends_in_match(node: Any) -> bool:
    while True:
        if not node.span.text.endswith("}"):
            return False
        match node:
            case s.Match():
                return True
            case s.Chain() | s.Compare():
                node = node.operands[-1]
            case s.Unary(operand=last) | s.In(collection=last) | s.Range(high=last):
                node = last
            case s.If(otherwise=last) | s.At(body=last):
                node = last
            case _:
                return False
