"""What a pattern's kernels take for its mask and score, each an argument.

What no position, slice or tensor changes is worked out before the launch, in exact Python ints: it
is a constant of the kernel where it hangs on static parameters alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from maskc import ir
from maskc.analysis import Names, dependence, frontier
from maskc.bounds import ranges_of, signs_of
from maskc.bounds.rectangle import signs
from maskc.codegen import render
from maskc.codegen.render_torch import TAKEN, Function, TorchTarget, unpacked
from maskc.ir import Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.bind import bind
from maskc.passes.substitute import substitute

SCALARS = frozenset({*ir.SLICE, "heads", "kv_heads", "n_q", "n_k"})
"""Variables that every kernel has as an int scalar of the same name."""

EXACT, ROUNDED = "tl.float64", "tl.float32"
"""The float types of masks, which compare as the layout does, and of scores."""


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
    made: dict[tuple[Node | str, bool], Argument] = field(default_factory=dict)
    known: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Know what the parameters' rules say, and that sizes are not negative."""
        roots = [x for x in (self.pattern.mask, self.pattern.score) if x is not None]
        sizes = {x for x in self.names(Op("and", tuple(roots))) if x.startswith("size:")}
        self.known = {**ranges_of(self.pattern.params), **dict.fromkeys(sizes, (0, None))}
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
        key = (node, memory)
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
        return self._named(argument)

    def pointer(self, tensor: str, type: str) -> str:
        """The argument for a tensor's entries, of a Triton type."""
        value = f'call.tensors["{tensor}"]'
        name = f"in_{_plain(tensor)}_ptr"
        if type == EXACT:
            name = f"exact_{_plain(tensor)}_ptr"
        elif type == ROUNDED:
            value = f"{value}.float()"
        return self._named(Argument(name, False, value))

    def signed(self) -> str:
        """The argument that tells whether queries have negative positions."""
        return self._named(Argument("x_signed", True, "call.q_start < 0"))

    def _named(self, argument: Argument) -> str:
        return self.made.setdefault((argument.value, argument.memory), argument).name

    def is_constant(self, node: Node) -> bool:
        """Whether a kernel knows a lifted node's value when it is compiled."""
        if isinstance(node, Const):
            return True
        constants = {f"arg:{made.name}" for made in self.made.values() if made.constant}
        return isinstance(node, Var) and node.name in constants


def arguments_function(pattern: ir.Pattern, arguments: Sequence[Argument]) -> Function:
    """`P_arguments(call)`: the values of the arguments that the pattern's kernels take."""
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


def _plain(name: str) -> str:
    """A name such as `query.y` as a Python name that no name of a spec can be."""
    return name.replace(".", "_DOT_")
