"""The mask as one expression: a handful of node kinds over exact integers.

Everything a spec says is inlined into this form: names are gone, windows and sinks and grids are
arithmetic on positions. Every later stage is a reading of it (`maskc.points`, `maskc.bounds`,
`maskc.codegen.render`) or a pass from it to itself (`maskc.passes`).

All operations are total (language.md section 3): indices out of range read zero, `x // 0` and
`x % 0` are 0, shifts outside 0..62 are 0. `//`, `%` and `>>` floor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    """Type of a value: exact 64-bit integer, truth value, or 64-bit float."""

    INT = "int"
    BOOL = "bool"
    FLOAT = "float"


INT, BOOL, FLOAT = Type.INT, Type.BOOL, Type.FLOAT

POSITIONS = ("q", "k")
"""The two variables that differ inside one (batch, head) slice of the mask."""

SLICE = ("batch", "head", "kv_head")
"""Variables that tell one slice from another; `kv_head` follows from `head`."""

UNIFORM = ("layer", "n_q", "n_k", "heads", "kv_heads", "n_layers", "batches")
"""One value for a whole call. `n_q` is the call's number of queries, `n_k` of keys."""


class Hashed:
    """A node that keeps its hash."""

    __slots__ = ("_hash",)
    _hash: int

    def __post_init__(self) -> None:
        """Keep the hash."""
        object.__setattr__(self, "_hash", hash((self._label(), self._parts())))

    def __hash__(self) -> int:
        """The kept hash."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Equal labels: `Const(1)`, `Const(True)` and `Const(1.0)` are three, 0.0 and -0.0 two."""
        if self is other or not isinstance(other, Hashed) or self._hash != other._hash:
            return self is other
        return self._label() == other._label()

    def _label(self) -> tuple[object, ...]:
        """What tells this node from others over the same parts."""
        raise NotImplementedError

    def _parts(self) -> tuple[Node, ...]:
        """The nodes it is made of, in order."""
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class Const(Hashed):
    """A literal; its Python type (bool, int, float) is its type."""

    value: int | bool | float

    def _label(self) -> tuple[object, ...]:
        return (type(self.value).__name__, repr(self.value))


@dataclass(frozen=True, slots=True, eq=False)
class Var(Hashed):
    """A variable, by name.

    A name of POSITIONS, SLICE or UNIFORM, `s` (the logit), a loop variable of a Fold, or
    `size:NAME` (a size that a shape, `grid=` or `segments=` gives at the call). The readings add
    `t` (of a Tally), corners of a rectangle `q0 q1 k0 k1` (inclusive), and `least:NAME`,
    `greatest:NAME`: the extreme entries of a whole tensor, 0 included.
    """

    name: str
    type: Type = INT

    def _label(self) -> tuple[object, ...]:
        return ("Var", self.name, self.type.value)


@dataclass(frozen=True, slots=True, eq=False)
class Param(Hashed):
    """A scalar parameter of the pattern; a compile-time constant unless it is dynamic."""

    name: str
    type: Type = INT

    def _label(self) -> tuple[object, ...]:
        return ("Param", self.name, self.type.value)


class Compound(Hashed):
    """A node made of others.

    It compares without recursion, so that deep trees, and trees that share much, stay cheap.
    """

    __slots__ = ()
    __hash__ = Hashed.__hash__

    def __eq__(self, other: object) -> bool:
        """Equal structure."""
        return self is other or (isinstance(other, Compound) and _same(self, other))


def _same(left: Compound, right: Compound) -> bool:
    pairs: list[tuple[object, object]] = [(left, right)]
    seen: set[tuple[int, int]] = set()
    while pairs:
        a, b = pairs.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        if not isinstance(a, Compound) or not isinstance(b, Compound):
            if a != b:
                return False
            continue
        parts = a._parts(), b._parts()
        if hash(a) != hash(b) or a._label() != b._label() or len(parts[0]) != len(parts[1]):
            return False
        seen.add((id(a), id(b)))
        pairs.extend(zip(*parts, strict=True))
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Op(Compound):
    """An operation of OPS on its arguments."""

    name: str
    args: tuple[Node, ...]

    def _label(self) -> tuple[object, ...]:
        return ("Op", self.name)

    def _parts(self) -> tuple[Node, ...]:
        return self.args


@dataclass(frozen=True, slots=True, eq=False)
class Load(Compound):
    """An entry of a tensor given at the call, or of a list or table parameter; 0 outside."""

    tensor: str
    indices: tuple[Node, ...]
    type: Type = INT

    def _label(self) -> tuple[object, ...]:
        return ("Load", self.tensor, self.type.value)

    def _parts(self) -> tuple[Node, ...]:
        return self.indices


@dataclass(frozen=True, slots=True, eq=False)
class Fold(Compound):
    """`any`, `all` or `count` of `body` over `variable` in the half-open range low..high."""

    kind: str
    variable: str
    low: Node
    high: Node
    body: Node

    def _label(self) -> tuple[object, ...]:
        return ("Fold", self.kind, self.variable)

    def _parts(self) -> tuple[Node, ...]:
        return (self.low, self.high, self.body)


@dataclass(frozen=True, slots=True, eq=False)
class Extreme(Compound):
    """The least ("min") or greatest ("max") entry of a tensor over a range of its last index.

    `low` to `high` is inclusive, `prefix` the exact leading indices; entries outside read 0. With
    `until`, those are ranges too: of all rows from `prefix` to `until`, in order of memory, whole,
    and of 0 where an index is outside. Of bools, "min" is whether all, "max" whether any are true.
    """

    kind: str
    tensor: str
    prefix: tuple[Node, ...]
    low: Node
    high: Node
    type: Type = INT
    until: tuple[Node, ...] = ()

    def _label(self) -> tuple[object, ...]:
        return ("Extreme", self.kind, self.tensor, self.type.value, len(self.until))

    def _parts(self) -> tuple[Node, ...]:
        return (*self.prefix, *self.until, self.low, self.high)


@dataclass(frozen=True, slots=True, eq=False)
class Tally(Compound):
    """How many t from `low` to `high`, inclusive, make `body` true: a Fold that is looked up.

    `body` is a bool of Var("t") and of no position; the generated module tabulates it once. 0 where
    low > high. The rectangle reading makes these.
    """

    body: Node
    low: Node
    high: Node

    def _label(self) -> tuple[object, ...]:
        return ("Tally",)

    def _parts(self) -> tuple[Node, ...]:
        return (self.low, self.high, self.body)


Node = Const | Var | Param | Op | Load | Fold | Extreme | Tally

BINDERS = (Fold, Tally)
"""Kinds of node whose last child is under a variable of their own."""

TRUE, FALSE = Const(True), Const(False)

ARITHMETIC = ("add", "sub", "mul", "neg", "min", "max", "abs", "sign")
"""Int to int, float to float. `add`, `mul`, `min`, `max` take two or more arguments."""

INT_OPS = (
    *("floordiv", "mod", "shl", "shr", "log2", "pow2", "popcount"),
    *("bit_and", "bit_or", "bit_xor", "hash"),
)
"""Int to int. `hash(seed, a, ...)` is an int in 0..2^32."""

COMPARISONS = ("lt", "le", "eq", "ne")
"""Two ints, floats or (`eq`, `ne`) bools to bool; `gt` and `ge` are written the other way round."""

LOGIC = ("and", "or", "xor", "not")
"""Bools to bool. `and`, `or` take two or more arguments."""

FLOAT_OPS = ("to_float", "div", "exp", "log", "tanh", "sigmoid", "alibi_slope")
"""To float. `to_float` and `alibi_slope` (of a head) take an int."""

OPS = (*ARITHMETIC, *INT_OPS, *COMPARISONS, *LOGIC, *FLOAT_OPS, "is_pow2", "select")
"""Every operation; `select(c, a, b)` is a where c is true, else b; both sides are total."""


def type_of(node: Node) -> Type:
    """The type of a node's value."""
    while isinstance(node, Op):
        if node.name in COMPARISONS or node.name in LOGIC or node.name == "is_pow2":
            return BOOL
        if node.name in INT_OPS:
            return INT
        if node.name in FLOAT_OPS:
            return FLOAT
        node = node.args[-1]
    match node:
        case Const(value):
            return BOOL if isinstance(value, bool) else INT if isinstance(value, int) else FLOAT
        case Var() | Param() | Load() | Extreme():
            return node.type
        case Fold():
            return INT if node.kind == "count" else BOOL
        case Tally():
            return INT
    raise AssertionError(f"{node!r} is not an IR node")


def children(node: Node) -> tuple[Node, ...]:
    """The nodes that a node is made of, in order."""
    return node._parts() if isinstance(node, Compound) else ()


def rebuild(node: Node, parts: tuple[Node, ...]) -> Node:
    """The same kind of node over other children."""
    match node:
        case Op():
            return Op(node.name, parts)
        case Load():
            return Load(node.tensor, parts, node.type)
        case Fold():
            return Fold(node.kind, node.variable, *parts)
        case Extreme():
            n, (low, high) = len(node.prefix), parts[-2:]
            return Extreme(node.kind, node.tensor, parts[:n], low, high, node.type, parts[n:-2])
        case Tally():
            return Tally(parts[2], parts[0], parts[1])
        case _:
            return node


def postorder(*roots: Node) -> Iterator[Node]:
    """Every distinct node below the roots, children first, without recursion."""
    seen: set[Node] = set()
    stack = [(root, False) for root in reversed(roots)]
    while stack:
        node, ready = stack.pop()
        if node in seen:
            continue
        if ready:
            seen.add(node)
            yield node
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children(node)))


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar, list or table parameter of a pattern.

    `axes`: None for a scalar, () for a list, names of `head kv_head layer` for a table.
    `default`: a value, a tuple of values (nested for two axes), or None: the call must give it.
    `derived`: a default made of scalars before it; `default` is then its value at their defaults.
    `rules`: bool nodes over Param(name) (each entry, for lists and tables) with their own text.
    """

    name: str
    type: Type
    axes: tuple[str, ...] | None = None
    dynamic: bool = False
    default: int | bool | float | tuple | None = None
    rules: tuple[tuple[Node, str], ...] = ()
    doc: str = ""
    derived: Node | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor given at each call.

    `axes`: for each axis, one of `batch head kv_head layer q k token`, or the node of its size
    (a `Var("size:m")` that stands alone is bound by the shape).
    """

    name: str
    type: Type
    axes: tuple[str | Node, ...]
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """One axis of a grid (`is_axis`) or the length of a segment, for `grid=` and `segments=`.

    `value` is its size; a lone `Var("size:...")` is free, and then the call gives it.
    """

    name: str
    value: Node
    is_axis: bool = True


@dataclass(frozen=True, slots=True)
class Side:
    """One side's sequence: segments of (name or None, extents); a line has one extent."""

    segments: tuple[tuple[str | None, tuple[Extent, ...]], ...]
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Space:
    """Where queries and keys stand.

    `align`: "end" (query row r is at r + n_k - n_q), "start" or "cross" (at r).
    `query`, `key`: None for a plain line.
    """

    align: str = "end"
    query: Side | None = None
    key: Side | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern, ready for every reading: `mask` is BOOL, `score` FLOAT over Var("s", FLOAT).

    In `mask` and `score`, `q` and `k` are positions in the sequence, not rows of the call.
    `score` is None for the plain logit.
    """

    name: str
    doc: str
    mask: Node
    score: Node | None = None
    params: tuple[Scalar, ...] = ()
    inputs: tuple[Tensor, ...] = ()
    space: Space = Space()
    sink_logit: str | None = None
    sink_count: Node | None = None
