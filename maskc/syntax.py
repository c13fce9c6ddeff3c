"""The syntax tree of a `.attn` file: what was written, before any name has a meaning.

Every node is frozen and carries the span it was read from; spans do not count in equality, so
`parse(unparse(tree)) == tree` is a property that tests can state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from maskc.source import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A piece of syntax. `span` is None only in trees that a program built."""

    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Documented(Node):
    """A node that may carry the text of the `##` comments above it."""

    doc: str = field(default="", kw_only=True)


# --- expressions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """`4096`, `4_096`, `4Ki` (an int), `0.5`, `1e-3` (a float)."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """`true`, `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A bare name, the mask variables `q k head kv_head layer batch` and `s` included."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`q.y`, `q.image.y`, `v.near`."""

    value: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`table[head]`, `doc[q]`, `bias[q - k, 3]`."""

    value: Expression
    indices: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """One argument of a call; `name` is None where it is positional."""

    name: str | None
    value: Expression


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`window(128, 0)`, `v.near(x, r = 3)`, `len(k)`, `coarse(M, q = 32, rule = share(60))`."""

    function: Expression
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-x`, `not m` (also written `!m`)."""

    operator: Literal["-", "not"]
    operand: Expression


@dataclass(frozen=True, slots=True)
class Chain(Node):
    r"""Operators of one tightness, read from left to right: `a - b + c`, `A & B \ C`.

    `operators[i]` stands between `operands[i]` and `operands[i + 1]`. The levels, from tight to
    loose: `* // %`, `+ -`, `<< >>`, `& \`, `^`, `|`. The words `and or xor` are read as signs.
    """

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`0 <= q - k < w`: `operators` from `== != < <= > >=`, one fewer than `operands`."""

    operands: tuple[Expression, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range(Node):
    """`low..high`, half-open; stands only right of `in` and as a `match` arm."""

    low: Expression
    high: Expression


@dataclass(frozen=True, slots=True)
class SetOf(Node):
    """`{0, 2, 5}`; stands only right of `in` and as a `match` arm."""

    elements: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class In(Node):
    """`x in 0..4`, `x in {0, 2}`, `x in list_param`, `q in text`."""

    value: Expression
    collection: Range | SetOf | Expression


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if c then a else if d then b else e`: `arms` are the pairs (c, a), (d, b)."""

    arms: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Wildcard(Node):
    """`_` as a `match` arm."""


@dataclass(frozen=True, slots=True)
class MatchArm(Node):
    """`0..4 => value`."""

    pattern: Range | SetOf | Wildcard | Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class Match(Node):
    """`match head { 0..4 => A, {6, 7} => B, 9 => C, _ => D }`."""

    subject: Expression
    arms: tuple[MatchArm, ...]


@dataclass(frozen=True, slots=True)
class Quantifier(Node):
    """`any(i in low..high : body)`; `range` is a Range, a SetOf or the name of a list."""

    kind: Literal["any", "all", "count"]
    variable: str
    range: Range | SetOf | Expression
    body: Expression


@dataclass(frozen=True, slots=True)
class At(Node):
    """`at(q = E, k = F) body`: both positions replaced at once."""

    replacements: tuple[Argument, ...]
    body: Expression


Expression = (
    Number
    | Boolean
    | Name
    | Member
    | Index
    | Call
    | Unary
    | Chain
    | Compare
    | In
    | If
    | Match
    | Quantifier
    | At
)


# --- spaces ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Axis(Node):
    """One axis of a grid: `y`, `y = 14`, `y = cdiv(len(query.y), 2)`."""

    name: str
    extent: Expression | None = None


@dataclass(frozen=True, slots=True)
class Grid(Node):
    """`grid(t, y, x)`, row-major; `packed grid(y, x)` where extents are per item."""

    axes: tuple[Axis, ...]
    packed: bool = False


@dataclass(frozen=True, slots=True)
class Segment(Node):
    """`text(n)`, `image: grid(y, x)`, or a bare length name; `layout` is its length or its grid."""

    name: str | None
    layout: Grid | Expression | None = None


@dataclass(frozen=True, slots=True)
class Space(Node):
    """One side's sequence: segments one after another (a single grid is one nameless segment)."""

    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class SpaceStatement(Documented):
    """`space [align start] SPACE`, `space cross`, `space query: SPACE, key: SPACE`.

    `kind` "one" is a shared sequence (`query` holds it, or None for the default line), "cross"
    two unrelated lines, "two" a space for each side.
    """

    kind: Literal["one", "cross", "two"]
    align_start: bool = False
    query: Space | None = None
    key: Space | None = None


# --- declarations and statements ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeRef(Node):
    """`int`, `dynamic float`, `int[]`, `int[layer, head]`, and for a def also `axis`, `input`.

    `axes` is None for a scalar, () for a list, the index expressions for a table or an input.
    """

    name: str
    dynamic: bool = False
    axes: tuple[Expression, ...] | None = None


@dataclass(frozen=True, slots=True)
class Refinement(Node):
    """One rule on a parameter, `>= 16` or `in 1..64`, as an expression about the parameter."""

    rule: Expression


@dataclass(frozen=True, slots=True)
class Parameter(Documented):
    """`sinks: int >= 0 = 4`; a default of several values is a SetOf-like tuple of expressions."""

    name: str
    type: TypeRef | None
    refinements: tuple[Refinement, ...] = ()
    default: Expression | tuple[Expression, ...] | None = None


@dataclass(frozen=True, slots=True)
class Use(Documented):
    """`use "vision.attn" as v`."""

    path: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Const(Documented):
    """`const page = 16`."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Def(Documented):
    """`def near2(a: axis, r: int) = E`."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Let(Documented):
    """`let w = window // 2`, `let same(a: int) = E`: a def that is local to its pattern."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Input(Documented):
    """`input doc: int[batch, token]`."""

    name: str
    type: TypeRef


@dataclass(frozen=True, slots=True)
class Unit(Node):
    """A unit of a route: `tokens`, `blocks(64)`, `classes(E, n)`, `all`, `diagonals`."""

    name: str
    arguments: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteScore(Node):
    """`mean(Q) . mean(K)`, `bound(Q, K)`, `last(n)`, a float input, an equality of labels."""

    kind: Literal["dot", "call", "expression"]
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Route(Documented):
    """`route far = topk(q: blocks(64), k: blocks(64), n = 16, score = ..., per = kv_head)`."""

    name: str
    selector: str
    units: tuple[tuple[str, Unit], ...]
    options: tuple[Argument, ...]
    score: RouteScore | None = None


@dataclass(frozen=True, slots=True)
class Score(Documented):
    """`score softcap(s, 50.0)`."""

    value: Expression


@dataclass(frozen=True, slots=True)
class SinkLogit(Documented):
    """`sink_logit NAME`."""

    name: str


@dataclass(frozen=True, slots=True)
class SinkCount(Documented):
    """`sink_count EXPR`."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Mask(Documented):
    """`mask EXPR`."""

    value: Expression


Statement = SpaceStatement | Input | Let | Route | Score | SinkLogit | SinkCount | Mask


@dataclass(frozen=True, slots=True)
class Pattern(Documented):
    """`pattern name(params) = MASK` (`short` is true) or `pattern name(params) { statements }`."""

    name: str
    parameters: tuple[Parameter, ...]
    statements: tuple[Statement, ...]
    short: bool = False


Declaration = Use | Const | Def | Pattern


@dataclass(frozen=True, slots=True)
class File(Documented):
    """A whole file; `doc` is a `##` comment that stands apart from any declaration, at the top."""

    declarations: tuple[Declaration, ...]
