"""Expressions as Triton text: the statements that go into the kernels' holes.

What they read beside positions are `kernel_arguments`. The support functions named here are those
of `maskc.codegen.templates.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Sequence

from maskc import ir
from maskc.analysis import Q
from maskc.bounds.ends import side
from maskc.bounds.rectangle import signs
from maskc.codegen import render
from maskc.codegen.compares import by_difference
from maskc.codegen.kernel_arguments import EXACT, ROUNDED, Argument, Arguments
from maskc.codegen.render import AND, PRODUCT, UNARY, Text
from maskc.codegen.splice import Filling
from maskc.ir import Const, Node, Op, Var

VARIABLES = {"q": "q_pos", "k": "k_pos"}

DTYPE = "q_pos.dtype"
"""The int type of a launch: int32, or int64 where values may be larger."""

MOST_UNROLLED = 8
"""Steps of a loop that is written out by the compiler of the kernel."""

FUNCTIONS = {
    "sign": "tile_sign_of",
    "log2": "tile_log2_floor",
    "pow2": "tile_power_of_two",
    "is_pow2": "tile_is_power_of_two",
    "popcount": "tile_count_bits",
    "shl": "tile_shift_left",
    "shr": "tile_shift_right",
    "abs": "tl.abs",
    "select": "tl.where",
    "div": "tile_divide",
    "exp": "tl.exp",
    "log": "tl.log",
    "tanh": "tile_hyperbolic_tangent",
    "sigmoid": "tile_logistic",
    "alibi_slope": "tile_slope_of_alibi",
}

NARROWED = frozenset({"sign", "log2", "pow2", "popcount"})
"""Operations whose support function has an int type of its own."""


def filled(pattern: ir.Pattern, slope: Node | None = None) -> tuple[Filling, tuple[Argument, ...]]:
    """What a pattern puts into the kernel templates, and the arguments that this reads.

    `slope` is the derivative of its score.
    """
    arguments = Arguments(pattern)
    lifted = arguments.lifted(by_difference(pattern.mask), EXACT)
    if not {"q", "k"} & arguments.names(lifted):
        lifted = Op("and", (Op("eq", (Var("k"), Var("k"))), lifted))
    mask = _statements(lifted, arguments, EXACT, "x_t", "keep")
    score: tuple[str, ...] = ()
    by_s: tuple[str, ...] = ()
    if pattern.score is not None and slope is not None:
        root = arguments.lifted(pattern.score, ROUNDED)
        score = _statements(root, arguments, ROUNDED, "x_u", "s")
        if Var("s", ir.FLOAT) not in ir.postorder(pattern.score):
            *before, last = score
            score = (*before, last.replace("s = ", "s = tl.zeros_like(s) + ", 1))
        root = arguments.lifted(slope, ROUNDED)
        by_s = _statements(root, arguments, ROUNDED, "x_v", "slope")
    made = tuple(arguments.made.values())
    taken = tuple(argument.parameter for argument in made)
    return Filling(mask, score, by_s, taken), made


class TritonTarget:
    """Writes nodes as Triton expressions over `q_pos`, `k_pos`, scalars and arguments."""

    binding = ""
    fuses = True

    def __init__(self, arguments: Arguments, real: str) -> None:
        self.arguments = arguments
        self.real = real
        self.names = arguments.names
        self.signs = signs(arguments.known)
        self.natural = signs(arguments.known)
        self.natural.known[Q] = side("q", Const(0), None)
        self.casts: dict[str, str] = {}

    def leaf(self, node: Node) -> Text:
        """A constant, variable or argument."""
        if isinstance(node, Const):
            text = repr(node.value)
            return Text(text, UNARY if text.startswith("-") else render.ATOM)
        assert isinstance(node, Var), f"{node!r} is lifted before it is written"
        if node.name.startswith("loop:"):
            return Text(f"x_{node.name.removeprefix('loop:')}")
        if node.name in VARIABLES or node.name == "s":
            return Text(VARIABLES.get(node.name, node.name))
        name = node.name.removeprefix("arg:")
        if self.arguments.is_constant(node):
            return Text(name)
        if node.type is ir.INT:
            local = f"x_{name}"
            self.casts[local] = f"{local} = tl.cast({name}, {DTYPE})"
            return Text(local)
        if node.type is ir.BOOL:
            return Text(f"({name} != 0)")
        return Text(f"tl.load({name})" if self.real == EXACT else name)

    def compound(self, node: Node, parts: Sequence[Text]) -> Text:
        """An operation or a read over the texts of its parts."""
        if isinstance(node, ir.Load):
            return self._load(node, parts)
        assert isinstance(node, Op), f"{node!r} has no Triton text"
        name = node.name
        if name == "mod" and _is_hash(node.args[0]) and not _is_hash(node.args[1]):
            sign = str(not self.signs(node.args[1]).at_least(0))
            return render.call("tile_hash_mod", [*parts, Text(DTYPE), Text(sign)])
        parts = [
            Text(f"{part.text}.to(tl.int64)") if _is_hash(arg) else part
            for arg, part in zip(node.args, parts, strict=True)
        ]
        if name == "not":
            return Text(f"~{parts[0].at(UNARY)}", UNARY)
        if name == "neg":
            return Text(f"-{parts[0].at(UNARY)}", UNARY)
        if name in ("min", "max"):
            function = f"tl.{name}imum"
            text = parts[0]
            for part in parts[1:]:
                text = render.call(function, [text, part])
            return text
        if name in ("floordiv", "mod"):
            return self._division(node, parts)
        if name in ("shl", "shr"):
            return self._shift(node, parts)
        if name == "hash":
            return Text(self._hash(parts))
        if name == "div" and isinstance(node.args[1], Const) and node.args[1].value:
            return render.infix("/", PRODUCT, parts)
        if name == "to_float":
            return Text(f"tl.cast({parts[0].text}, {self.real})")
        if name in render.SYMBOLS:
            symbol, level = render.SYMBOLS[name]
            text = render.infix(symbol, level, parts, loose=level == render.COMPARE)
            floats = any(ir.type_of(x) is ir.FLOAT for x in node.args)
            floats &= level == render.COMPARE
            alone = floats and not self.names(node) & {*VARIABLES, "s"}
            return render.call("tile_truth_of", [text]) if alone else text
        text = render.call(FUNCTIONS[name], parts)
        return Text(f"{text.text}.to({DTYPE})") if name in NARROWED else text

    def loop(self, fold: ir.Fold, result: str, low: str, high: str) -> tuple[str, tuple[str, ...]]:
        """The statement that starts a fold's result, and the first lines of its loop."""
        shape = self._shape(fold)
        if fold.kind == "count":
            start = f"({shape}) * 0" if shape else f"tl.full([], 0, {DTYPE})"
        elif shape:
            start = f"({shape}) {'!=' if fold.kind == 'any' else '=='} ({shape})"
        else:
            start = f"tl.full([], {fold.kind == 'all'}, tl.int1)"
        variable = f"x_{fold.variable.removeprefix('loop:')}"
        head = f"for {variable}_ in {self._range(fold, low, high)}({low}, {high}):"
        return f"{result} = {start}", (head, f"    {variable} = tl.cast({variable}_, {DTYPE})")

    def step(self, fold: ir.Fold, result: str, body: Text) -> str:
        """The statement that joins the body's value to the result."""
        if fold.kind == "count":
            return f"{result} += tl.cast({body.text}, {DTYPE})"
        return f"{result} = {result} {'|' if fold.kind == 'any' else '&'} {body.at(AND + 1)}"

    def _shape(self, fold: ir.Fold) -> str:
        """An int expression of the shape of a fold's value; empty for a scalar."""
        sides = [VARIABLES[name] for name in ("q", "k") if name in self.names(fold)]
        return " + ".join(sides)

    def _range(self, fold: ir.Fold, low: str, high: str) -> str:
        """What the loop iterates over: few steps of a known number are written out."""
        if isinstance(fold.low, Const) and isinstance(fold.high, Const):
            few = fold.high.value - fold.low.value <= MOST_UNROLLED
            return "tl.static_range" if few else "range"
        if self.arguments.is_constant(fold.low) and self.arguments.is_constant(fold.high):
            steps = high if low == "0" else f"{high} - ({low})"
            return f"(tl.static_range if {steps} <= {MOST_UNROLLED} else range)"
        return "range"

    def _division(self, node: Op, parts: Sequence[Text]) -> Text:
        a, b = node.args
        symbol, level = render.SYMBOLS[node.name]
        if self.signs(a).at_least(0) and self.signs(b).at_least(1):
            return render.infix(symbol, level, parts)
        natural = self.natural(a).at_least(0) and self.natural(b).at_least(0)
        sign = self.arguments.signed() if natural else "True"
        if self.signs(a).at_least(0) and self.signs(b).at_least(0):
            sign = "False"
        function = "tile_floor_div" if node.name == "floordiv" else "tile_floor_mod"
        return render.call(function, [*parts, Text(sign)])

    def _shift(self, node: Op, parts: Sequence[Text]) -> Text:
        by = node.args[1]
        if isinstance(by, Const) and 0 <= by.value <= 30 and node.name == "shr":
            return render.infix(">>", render.SHIFT, parts)
        if isinstance(by, Const) and 0 <= by.value <= 62 and node.name == "shl":
            return render.infix("*", PRODUCT, [parts[0], Text(str(2**by.value))])
        return Text(f"{render.call(FUNCTIONS[node.name], parts).text}.to({DTYPE})")

    def _hash(self, parts: Sequence[Text]) -> str:
        text = f"tile_hash_start({parts[0].text})"
        for part in parts[1:]:
            text = f"tile_hash_next({text}, {part.text})"
        return text

    def _load(self, node: ir.Load, parts: Sequence[Text]) -> Text:
        type = self.real if node.type is ir.FLOAT else DTYPE
        pointer = self.arguments.pointer(node.tensor, type)
        parts = [
            Text(f"tl.cast({part.text}, tl.int64)") if self.arguments.is_constant(index) else part
            for index, part in zip(node.indices, parts, strict=True)
        ]
        row = "0"
        for axis, part in enumerate(parts[:-1]):
            size = self.arguments.size(node.tensor, axis)
            row = f"tile_row({row}, {size}, {part.text})"
        size = self.arguments.size(node.tensor, len(parts) - 1)
        text = f"tile_load({pointer}, {row}, {size}, {parts[-1].text})"
        if node.type is ir.BOOL:
            return Text(f"({text} != 0)")
        return Text(text if node.type is ir.FLOAT else f"{text}.to({DTYPE})")


def _is_hash(node: Node) -> bool:
    """Whether the node's text has an unsigned value: hashes stay so until they are used."""
    return isinstance(node, Op) and node.name == "hash"


def _statements(
    root: Node, arguments: Arguments, real: str, local: str, result: str
) -> tuple[str, ...]:
    """The statements that bind `result` to the root's value, its floats of type `real`."""
    target = TritonTarget(arguments, real)
    taken = (argument.name for argument in arguments.made.values())
    body = render.Body(target, render.Identifiers(taken), local)
    (text,) = body.write(root)
    return (*target.casts.values(), *body.lines, f"{result} = {text.text}")
