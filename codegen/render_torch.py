"""Expressions as torch text: the spec functions of a generated module.

The support functions named here are those of `maskc.codegen.runtime.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from maskc import ir
from maskc.analysis import dependence
from maskc.bounds import Reading, bounds, ranges_of, signs_of, span
from maskc.bounds.interval import Intervals
from maskc.codegen import render
from maskc.codegen.render import CHOICE, COMPARE, NOT, UNARY, WORD_AND, WORD_OR, Text
from maskc.ir import Const, Node, Op, Var

FUNCTIONS = {
    "min": "least",
    "max": "greatest",
    "abs": "abs",
    "sign": "sign_of",
    "floordiv": "floor_div",
    "mod": "floor_mod",
    "shl": "shift_left",
    "shr": "shift_right",
    "log2": "log2_floor",
    "pow2": "power_of_two",
    "is_pow2": "is_power_of_two",
    "popcount": "count_bits",
    "hash": "hash32",
    "select": "choose",
    "div": "divide",
    "exp": "exponential",
    "log": "logarithm",
    "tanh": "hyperbolic_tangent",
    "sigmoid": "logistic",
    "alibi_slope": "slope_of_alibi",
}
"""The support function of each operation that has no operator, or not always."""

TAKEN = (
    *FUNCTIONS.values(),
    *("load", "along", "as_float", "least_entry", "greatest_entry"),
    *("range", "min", "max", "abs", "int", "True", "call", "tables", "torch"),
    *("q", "k", "s", "t", "q0", "q1", "k0", "k1", "every", "some", "hit", "miss"),
    *("low", "high", "index", "moved_by"),
)

IN_CALL = frozenset({*ir.SLICE, *ir.UNIFORM})
ON_TENSORS = frozenset({"q", "k", "s", "t", "q0", "q1", "k0", "k1", *ir.SLICE})
"""Variables that are tensors; lengths and parameters are Python numbers."""


@dataclass(frozen=True, slots=True)
class Function:
    """A generated function: its name, what it computes, and its text."""

    name: str
    text: str


class TorchTarget:
    """Writes nodes as torch expressions, and those without tensors as Python ones.

    `signs` bounds nodes over all calls, to see which divisors are never 0. `scalar` is set where
    every variable is a Python int.
    """

    binding = ""
    fuses = True

    def __init__(
        self,
        locals: Mapping[str, str],
        signs: Intervals,
        terms: Sequence[Node] = (),
        scalar: bool = False,
        like: str = "",
    ) -> None:
        self.locals = locals
        self.signs = signs
        self.terms = {body: i for i, body in enumerate(terms)}
        self.scalar = scalar
        self.like = like
        self.names = dependence()

    def is_tensor(self, node: Node) -> bool:
        """Whether the node's value is a tensor (a tensor table's entry is one too)."""
        names = self.names(node)
        if self.scalar:
            return False
        return bool(names & ON_TENSORS) or any(name.startswith("tensor:") for name in names)

    def leaf(self, node: Node) -> Text:
        """A constant, variable or parameter."""
        match node:
            case Const(value):
                return Text(repr(value), UNARY if repr(value).startswith("-") else render.ATOM)
            case ir.Param():
                return Text(self.locals[f"param:{node.name}"])
            case Var(name):
                if name.startswith("loop:"):
                    return Text(self.locals.get(name, name.removeprefix("loop:")))
                if name.startswith("size:"):
                    return Text(f'call.sizes["{name.removeprefix("size:")}"]')
                if name.startswith(("least:", "greatest:")):
                    end, tensor = name.split(":")
                    return Text(f"{end}_entry({self.locals[f'tensor:{tensor}']})")
                return Text(f"call.{name}" if name in IN_CALL else name)
        raise AssertionError(f"{node!r} is no leaf")

    def compound(self, node: Node, parts: Sequence[Text]) -> Text:
        """An operation, read or range over the texts of its parts."""
        match node:
            case Op():
                return self._operation(node, parts)
            case ir.Load():
                table = Text(self.locals[f"tensor:{node.tensor}"])
                return render.call("load", [table, *parts])
            case ir.Extreme():
                return self._extreme(node, parts)
            case ir.Tally():
                ends = [
                    self._ranged(*end) for end in zip((node.low, node.high), parts, strict=True)
                ]
                return render.call("tables.tally", [Text(str(self.terms[node.body])), *ends])
        raise AssertionError(f"{node!r} has no torch text")

    def loop(self, fold: ir.Fold, result: str, low: str, high: str) -> tuple[str, tuple[str, ...]]:
        """The statement that starts a fold's result, and the head of its loop."""
        start = {"any": "False", "all": "True", "count": "0"}[fold.kind]
        if self.is_tensor(fold):
            start = f"torch.tensor({start}, device=call.device)"
        variable = self.locals.get(fold.variable, fold.variable.removeprefix("loop:"))
        return f"{result} = {start}", (f"for {variable} in range({low}, {high}):",)

    def step(self, fold: ir.Fold, result: str, body: Text) -> str:
        """The statement that joins the body's value to the result."""
        sign = {"any": "|", "all": "&", "count": "+"}[fold.kind]
        return f"{result} = {result} {sign} {body.at(render.UNARY)}"

    def _extreme(self, node: ir.Extreme, parts: Sequence[Text]) -> Text:
        *leading, low, high = parts
        n = len(node.prefix)
        prefix, until = (
            Text(f"({''.join(f'{part.text}, ' for part in some).strip()})")
            for some in (leading[:n], leading[n:])
        )
        ends = [self._ranged(*end) for end in zip((node.low, node.high), (low, high), strict=True)]
        name = Text(f'"{node.tensor}"')
        arguments = [name, prefix, *ends, *([until] if node.until else [])]
        return render.call(f"tables.range_{node.kind}", arguments)

    def _ranged(self, node: Node, text: Text) -> Text:
        return text if self.is_tensor(node) else Text(f"along({text.text}, q0)")

    def _operation(self, node: Op, parts: Sequence[Text]) -> Text:
        name = node.name
        plain = not any(self.is_tensor(arg) for arg in node.args)
        if name in ("and", "or") and plain:
            level = WORD_AND if name == "and" else WORD_OR
            return render.infix(name, level, parts)
        if name == "not":
            (part,) = parts
            return Text(f"not {part.at(NOT)}", NOT) if plain else Text(f"~{part.at(UNARY)}", UNARY)
        if name == "neg":
            return Text(f"-{parts[0].at(UNARY)}", UNARY)
        if name == "select" and not self.is_tensor(node.args[0]):
            condition, a, b = (part.at(CHOICE + 1) for part in parts)
            return Text(f"{a} if {condition} else {b}", CHOICE)
        if name == "select" and self.like and ir.type_of(node) is ir.FLOAT:
            return render.call("choose", [*parts, Text(self.like)])
        if name == "div" and isinstance(node.args[1], Const) and node.args[1].value:
            return render.infix("/", render.PRODUCT, parts)
        if name in ("min", "max") and plain:
            return render.call(name, parts)
        if name == "to_float":
            return render.call("as_float", [*parts, Text(self.like)] if self.like else parts)
        if name in render.SYMBOLS and self._has_operator(node):
            symbol, level = render.SYMBOLS[name]
            return render.infix(symbol, level, parts, loose=level == COMPARE)
        return render.call(FUNCTIONS[name], parts)

    def _has_operator(self, node: Op) -> bool:
        if node.name in ("floordiv", "mod"):
            return never_zero(node.args[1], self.signs)
        if node.name in ("shl", "shr"):
            by = node.args[1]
            return isinstance(by, Const) and 0 <= by.value <= 62
        return True


def never_zero(node: Node, signs: Intervals) -> bool:
    """Whether the node is provably above or below 0 in every call."""
    part = signs(node)
    above = isinstance(part.low, Const) and part.low.value > 0
    return above or (isinstance(part.high, Const) and part.high.value < 0)


def keep_function(pattern: ir.Pattern) -> Function:
    """`P_keep(q, k, call)`: the mask at positions."""
    doc = f"Whether `{pattern.name}` keeps each pair of int64 positions q, k: a bool tensor."
    return torch_function(pattern, "keep", "q, k, call", doc, [pattern.mask])


def bounds_function(pattern: ir.Pattern, reading: Reading) -> Function:
    """`P_bounds(q0, q1, k0, k1, call, tables)`: the rectangle reading."""
    doc = "every, some, hit, miss of rectangles with inclusive corners: bool [n] each."
    roots = [reading.every, reading.some, reading.hit, reading.miss]
    names = ("every", "some", "hit", "miss")
    arguments = "q0, q1, k0, k1, call, tables"
    return torch_function(pattern, "bounds", arguments, doc, roots, names, reading.terms)


def outline_function(pattern: ir.Pattern, reading: Reading) -> Function:
    """`P_outline(q0, q1, k0, k1, call, tables)`: the half of the reading that every split asks."""
    doc = "every, some of rectangles with inclusive corners: bool [n] each."
    roots, names = [reading.every, reading.some], ("every", "some")
    arguments = "q0, q1, k0, k1, call, tables"
    return torch_function(pattern, "outline", arguments, doc, roots, names, reading.terms)


def term_functions(pattern: ir.Pattern, reading: Reading) -> tuple[Function, ...]:
    """`P_term_I(t, call)` for every term that the rectangle reading looks up."""
    doc = "Whether t (a position or q - k) meets this part of the mask: a bool tensor."
    return tuple(
        torch_function(pattern, f"term_{i}", "t, call", doc, [body])
        for i, body in enumerate(reading.terms)
    )


def score_function(pattern: ir.Pattern) -> Function:
    """`P_score(s, q, k, call)`: the logit; only where the spec has a score."""
    assert pattern.score is not None, "the pattern has no score"
    doc = "The logit of each pair, from s = scale * q.k."
    return torch_function(pattern, "score", "s, q, k, call", doc, [pattern.score], like="s")


def slope_function(pattern: ir.Pattern, slope: Node) -> Function:
    """`P_score_slope(s, q, k, call)`: the derivative of the logit by s."""
    doc = "The derivative of the logit by s."
    return torch_function(pattern, "score_slope", "s, q, k, call", doc, [slope], like="s")


def span_function(pattern: ir.Pattern, reading: Reading) -> Function:
    """`P_span(q0, q1, k0, k1, call)`: the greatest absolute value of any int part, exact."""
    doc = "The greatest absolute value that any int part takes over the whole call."
    roots = (pattern.mask, pattern.score, pattern.sink_count)
    parts = (part for part in roots if part is not None)
    answers = (reading.every, reading.some, reading.hit, reading.miss)
    size = span(*parts, reading=answers)
    return torch_function(pattern, "span", "q0, q1, k0, k1, call", doc, [size], scalar=True)


def sinks_function(pattern: ir.Pattern) -> Function:
    """`P_sink_count(q, call)`: how many sinks each query has."""
    assert pattern.sink_count is not None, "the pattern has no sink_count"
    doc = "How many keys with logit 0 and value 0 each query at q sees too."
    return torch_function(pattern, "sink_count", "q, call", doc, [pattern.sink_count])


def torch_functions(pattern: ir.Pattern, slope: Node | None) -> tuple[Function, ...]:
    """All spec functions of a pattern, in the order of the module."""
    reading = bounds(pattern.mask, ranges_of(pattern.params))
    functions = [
        keep_function(pattern),
        bounds_function(pattern, reading),
        *([] if reading.exact else [outline_function(pattern, reading)]),
        *term_functions(pattern, reading),
        span_function(pattern, reading),
    ]
    if pattern.score is not None and slope is not None:
        functions += [score_function(pattern), slope_function(pattern, slope)]
    return tuple(functions)


def torch_function(
    pattern: ir.Pattern,
    suffix: str,
    arguments: str,
    doc: str,
    roots: Sequence[Node],
    results: Sequence[str] = (),
    terms: Sequence[Node] = (),
    scalar: bool = False,
    like: str = "",
) -> Function:
    """`P_SUFFIX(arguments)`: a function of torch tensors that returns the roots, or `results`."""
    identifiers = render.Identifiers(TAKEN)
    locals, lines = unpacked(roots, identifiers)
    target = TorchTarget(locals, signs_of(pattern.params), terms, scalar, like)
    body = render.Body(target, identifiers)
    texts = body.write(*roots, results=results)
    returned = ", ".join(results) if results else texts[0].text
    returned = f"({returned},)" if len(results) == 1 else returned
    if like and not any(map(_is_tensor, ir.postorder(*roots))):
        returned = f"torch.full_like({like}, {returned})"
    lines += [*body.lines, f"return {returned}"]
    name = f"{pattern.name}_{suffix}"
    head = f"def {name}({arguments}):"
    text = "\n".join([head, f'    """{doc}"""', *(f"    {line}" for line in lines)])
    return Function(name, text + "\n")


def _is_tensor(node: Node) -> bool:
    """Whether a leaf of a score is a tensor at run time; what a whole call shares is a number."""
    by_pair = (*ir.POSITIONS, *ir.SLICE, "s")
    return isinstance(node, ir.Load) or (isinstance(node, Var) and node.name in by_pair)


def unpacked(
    roots: Sequence[Node], identifiers: render.Identifiers
) -> tuple[dict[str, str], list[str]]:
    """The local of every parameter and tensor, and the statements that unpack them."""
    locals: dict[str, str] = {}
    lines = []
    nodes = list(ir.postorder(*roots))
    params = sorted({node.name for node in nodes if isinstance(node, ir.Param)})
    reads = {node.tensor for node in nodes if isinstance(node, ir.Load)}
    ends = ("least:", "greatest:")
    whole = {n.name.split(":")[1] for n in nodes if isinstance(n, Var) and n.name.startswith(ends)}
    for kind, names, place in (
        ("param", params, "params"),
        ("tensor", sorted(reads | whole), "tensors"),
    ):
        for name in names:
            locals[f"{kind}:{name}"] = identifiers.name(name.replace(".", "_DOT_"))
            lines.append(f'{locals[f"{kind}:{name}"]} = call.{place}["{name}"]')
    for variable in ("i", "j", *sorted(_loops(nodes))):
        if f"loop:{variable}" not in locals:
            locals[f"loop:{variable}"] = identifiers.name(variable)
    return locals, lines


def _loops(nodes: Sequence[Node]) -> set[str]:
    deepest = sum(isinstance(node, ir.Fold) for node in nodes)
    return {f"i{height}" for height in range(2, deepest + 1)}
