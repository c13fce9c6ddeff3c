"""Expressions as Triton text: the statements that go into the kernels' holes.

What no position, slice or tensor changes is worked out before the launch, in exact Python ints,
and comes in as an argument: a constant of the kernel where it hangs on static parameters alone.
The support functions named here are those of `maskc.codegen.templates.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from maskc import ir
from maskc.analysis import Names, Q, dependence, frontier
from maskc.bounds import ranges_of, signs_of
from maskc.bounds.ends import side
from maskc.bounds.rectangle import signs
from maskc.codegen import render
from maskc.codegen.compares import by_difference
from maskc.codegen.render import AND, PRODUCT, UNARY, Text
from maskc.codegen.render_torch import TAKEN, Function, TorchTarget, unpacked
from maskc.codegen.splice import Filling
from maskc.ir import Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.bind import bind
from maskc.passes.substitute import substitute

VARIABLES = {"q": "q_pos", "k": "k_pos"}

SCALARS = frozenset({*ir.SLICE, "heads", "kv_heads", "n_q", "n_k"})
"""Variables that every kernel has as an int scalar of the same name."""

DTYPE = "q_pos.dtype"
"""The int type of a launch: int32, or int64 where values may be larger."""

EXACT, ROUNDED = "tl.float64", "tl.float32"
"""The float types of masks, which compare as the layout does, and of scores."""

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


@dataclass(frozen=True, slots=True)
class Argument:
    """A kernel argument: its name, whether it is a constant, and its value.

    The value is a node over what a call gives, or text. A number in `memory` is passed as a tensor
    of one float64: as it stands, Triton would round it to 32 bits.
    """

    name: str
    constant: bool
    value: Node | str
    memory: bool = False

    @property
    def parameter(self) -> str:
        """The text in the kernel's signature."""
        return f"{self.name}: tl.constexpr" if self.constant else self.name


@dataclass
class Arguments:
    """The kernel arguments of one pattern, each made when first asked for."""

    pattern: ir.Pattern
    names: Names = field(default_factory=dependence)
    made: dict[Node | str | tuple[str, Node], Argument] = field(default_factory=dict)
    known: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know what the parameters' rules say."""
        self.known = ranges_of(self.pattern.params)
        self._signs = signs(self.known)
        self._dynamic = {f"param:{param.name}" for param in self.pattern.params if param.dynamic}

    def lifted(self, root: Node, real: str) -> Node:
        """The root with its largest parts that a whole call shares as variables `arg:NAME`."""
        (root,) = bind(_unsigned_residues(root))
        replaced: dict[Node, Node] = {}
        for node in frontier(root, lambda node: not self._is_shared(node)):
            if not isinstance(node, Const) and not (isinstance(node, Var) and node.name in SCALARS):
                replaced[node] = self._argument(node, real)
        return substitute(root, replaced)

    def _is_shared(self, node: Node) -> bool:
        return all(
            name.startswith(("param:", "size:")) or name in ir.UNIFORM for name in self.names(node)
        )

    def _argument(self, node: Node, real: str) -> Node:
        uses = self.names(node)
        static = all(n.startswith("param:") and n not in self._dynamic for n in uses)
        memory = ir.type_of(node) is ir.FLOAT and real == EXACT and not static
        key = (real, node) if memory else node
        if key not in self.made:
            name = f"x_{len(self.made)}"
            if isinstance(node, ir.Param) and not memory:
                name = f"p_{node.name}"
            elif isinstance(node, Var):
                name = _plain(node.name.replace("size:", "size_"))
            self.made[key] = Argument(name, static, node, memory)
            part = self._signs(node)
            whole = ir.type_of(node) is ir.INT
            low, high = (
                int(end.value) if whole and isinstance(end, Const) else None
                for end in (part.low, part.high)
            )
            self.known[f"arg:{name}"] = low, high
        return Var(f"arg:{self.made[key].name}", ir.type_of(node))

    def size(self, tensor: str, axis: int) -> str:
        """The argument for a tensor's size along one axis."""
        value = f'call.tensors["{tensor}"].shape[{axis}]'
        argument = Argument(f"in_{_plain(tensor)}_size_{axis}", False, value)
        return self.made.setdefault(f"{tensor} {axis}", argument).name

    def pointer(self, tensor: str, type: str) -> str:
        """The argument for a tensor's entries, of a Triton type."""
        value = f'call.tensors["{tensor}"]'
        name = f"in_{_plain(tensor)}_ptr"
        if type == EXACT:
            name = f"exact_{_plain(tensor)}_ptr"
        elif type == ROUNDED:
            value = f"{value}.float()"
        return self.made.setdefault(f"{tensor} {name}", Argument(name, False, value)).name

    def signed(self) -> str:
        """The argument that tells whether queries have negative positions."""
        argument = Argument("x_signed", True, "call.q_start < 0")
        return self.made.setdefault("signed", argument).name


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
        if node.type is ir.INT and not self._is_constant(node):
            local = f"x_{name}"
            self.casts[local] = f"{local} = tl.cast({name}, {DTYPE})"
            return Text(local)
        if node.type is ir.BOOL and not self._is_constant(node):
            return Text(f"({name} != 0)")
        if node.type is ir.FLOAT and self.real == EXACT and not self._is_constant(node):
            return Text(f"tl.load({name})")
        return Text(name)

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
        if self._is_constant(fold.low) and self._is_constant(fold.high):
            steps = high if low == "0" else f"{high} - ({low})"
            return f"(tl.static_range if {steps} <= {MOST_UNROLLED} else range)"
        return "range"

    def _is_constant(self, node: Node) -> bool:
        if isinstance(node, Const):
            return True
        made = {argument.name: argument for argument in self.arguments.made.values()}
        return (
            isinstance(node, Var)
            and node.name.startswith("arg:")
            and made[node.name.removeprefix("arg:")].constant
        )

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
            Text(f"tl.cast({part.text}, tl.int64)") if self._is_constant(index) else part
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


def _plain(name: str) -> str:
    """A name such as `query.y` as a Python name that no name of a spec can be."""
    return name.replace(".", "_DOT_")


def _is_hash(node: Node) -> bool:
    """Whether the node's text has an unsigned value: hashes stay so until they are used."""
    return isinstance(node, Op) and node.name == "hash"


def _unsigned_residues(root: Node) -> Node:
    """The root with `x % m == 0` as `abs(x) % m == 0`, which needs no care for signs."""
    replaced: dict[Node, Node] = {}
    for node in ir.postorder(root):
        if isinstance(node, Op) and node.name in ("eq", "ne") and node.args[1] == Const(0):
            residue = node.args[0]
            if isinstance(residue, Op) and residue.name == "mod":
                inside, size = residue.args
                absolute = Op("mod", (c.operation("abs", (inside,)), size))
                replaced[node] = Op(node.name, (absolute, Const(0)))
    return substitute(root, replaced)


def filling(pattern: ir.Pattern, slope: Node | None = None) -> Filling:
    """What a pattern puts into the kernel templates."""
    return _written(pattern, slope)[0]


def arguments_function(pattern: ir.Pattern, slope: Node | None = None) -> Function:
    """`P_arguments(call)`: the values of the arguments that the pattern's kernels take."""
    arguments = _written(pattern, slope)[1]
    roots = [argument.value for argument in arguments if not isinstance(argument.value, str)]
    identifiers = render.Identifiers(TAKEN)
    locals, lines = unpacked(roots, identifiers)
    target = TorchTarget(locals, signs_of(pattern.params), scalar=True)
    body = render.Body(target, identifiers)
    texts = dict(zip(roots, body.write(*roots), strict=True))
    lines += [*body.lines, "return {"]
    for argument in arguments:
        value = argument.value if isinstance(argument.value, str) else texts[argument.value].text
        if argument.memory:
            value = f"torch.full((), {value}, dtype=torch.float64, device=call.device)"
        lines.append(f'    "{argument.name}": {value},')
    name = f"{pattern.name}_arguments"
    doc = "What the kernels of one call take for the mask and the score."
    text = "\n    ".join([f"def {name}(call):", f'"""{doc}"""', *lines, "}"])
    return Function(name, text + "\n")


def _written(pattern: ir.Pattern, slope: Node | None) -> tuple[Filling, list[Argument]]:
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
    made = list(arguments.made.values())
    taken = tuple(argument.parameter for argument in made)
    return Filling(mask, score, by_s, taken), made


def _statements(
    root: Node, arguments: Arguments, real: str, local: str, result: str
) -> tuple[str, ...]:
    """The statements that bind `result` to the root's value, its floats of type `real`."""
    target = TritonTarget(arguments, real)
    taken = (argument.name for argument in arguments.made.values())
    body = render.Body(target, render.Identifiers(taken), local)
    (text,) = body.write(root)
    return (*target.casts.values(), *body.lines, f"{result} = {text.text}")
