"""Well-typed random expressions, and places to read them at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from maskc import ir, points
from maskc.ir import BOOL, INT, Const, Fold, Load, Node, Op, Param, Var

LENGTH, BATCHES, HEADS, KV_HEADS = 12, 2, 4, 2
"""What all calls of these tests have in common."""

PARAMS = {"w": 3, "rate": 2, "negative": -3, "huge": 2**40}

SMALL = st.integers(-9, 12)
EDGES = st.sampled_from([0, 1, 2, -1, 62, 63, 64, 2**31 - 1, -(2**31), 2**32, 2**40, -(2**40)])

VARIABLES = (
    *(Var(name) for name in ("q", "k", "q", "k", "head", "kv_head", "batch", "n_q", "n_k")),
    *(Param(name) for name in PARAMS),
    Op("sub", (Var("q"), Var("k"))),
)

UNARY = ("neg", "abs", "sign", "log2", "pow2", "popcount")
BINARY = ("add", "sub", "mul", "min", "max", "floordiv", "mod", "shl", "shr")
BITS = ("bit_and", "bit_or", "bit_xor")


def ints(depth: int, loops: tuple[str, ...] = ()) -> st.SearchStrategy[Node]:
    """Int expressions."""
    leaves = st.one_of(
        st.sampled_from(VARIABLES + tuple(Var(name) for name in loops)),
        SMALL.map(Const),
        EDGES.map(Const),
    )
    if depth == 0:
        return leaves
    part = st.deferred(lambda: ints(depth - 1, loops))
    index = st.one_of(st.sampled_from([Var("q"), Var("k")]), part)
    return st.one_of(
        leaves,
        st.builds(lambda name, a: Op(name, (a,)), st.sampled_from(UNARY), part),
        st.builds(lambda name, a, b: Op(name, (a, b)), st.sampled_from(BINARY), part, part),
        st.builds(lambda name, a, b: Op(name, (a, b)), st.sampled_from(BITS), part, part),
        st.builds(lambda a, b, c: Op("add", (a, b, c)), part, part, part),
        st.builds(lambda name, a, b: Op(name, (a, Const(b))), st.sampled_from(BINARY), part, SMALL),
        st.builds(lambda args: Op("hash", tuple(args)), st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda c, a, b: Op("select", (c, a, b)), bools(depth - 1, loops), part, part),
        st.builds(lambda i: Load("doc", (Var("batch"), i)), index),
        st.builds(lambda i: Load("table", (i,)), part),
        folds(("count",), depth, loops),
    )


def bools(depth: int, loops: tuple[str, ...] = ()) -> st.SearchStrategy[Node]:
    """Bool expressions."""
    number = ints(max(depth - 1, 0), loops)
    compare = st.builds(
        lambda name, a, b: Op(name, (a, b)), st.sampled_from(ir.COMPARISONS), number, number
    )
    if depth == 0:
        return compare
    part = st.deferred(lambda: bools(depth - 1, loops))
    index = st.one_of(st.sampled_from([Var("q"), Var("k")]), number)
    return st.one_of(
        compare,
        compare,
        st.builds(
            lambda name, a: Op(name, tuple(a)),
            st.sampled_from(["and", "or"]),
            st.lists(part, min_size=2, max_size=3),
        ),
        st.builds(
            lambda name, a: Op(name, tuple(a)),
            st.sampled_from(["and", "or"]),
            st.lists(part, min_size=2, max_size=3),
        ),
        st.builds(
            lambda name, a, b: Op(name, (a, b)), st.sampled_from(["xor", "eq", "ne"]), part, part
        ),
        st.builds(lambda a: Op("not", (a,)), part),
        st.builds(lambda c, a, b: Op("select", (c, a, b)), part, part, part),
        st.builds(lambda a: Op("is_pow2", (a,)), number),
        st.builds(lambda i: Load("flags", (i,), BOOL), index),
        st.booleans().map(Const),
        folds(("any", "all"), depth, loops),
    )


def folds(kinds: tuple[str, ...], depth: int, loops: tuple[str, ...]) -> st.SearchStrategy[Node]:
    """Quantifiers over a few values."""
    if len(loops) == 2:
        return st.just(Const(0) if "count" in kinds else Const(True))
    return st.builds(
        lambda kind, low, size, name, body: Fold(
            kind, name, Const(low), Op("add", (Const(low), size)), body
        ),
        st.sampled_from(kinds),
        st.integers(-2, 3),
        st.one_of(st.integers(0, 3).map(Const), st.just(Param("rate"))),
        st.just("i" if not loops else "j"),
        st.deferred(lambda: bools(depth - 1, (*loops, "i" if not loops else "j"))),
    )


@dataclass(frozen=True)
class Place:
    """Values of everything but the positions: `values` and `tensors` as `points.evaluate` takes."""

    values: dict[str, Any]
    tensors: dict[str, Any]
    q_start: int

    def read(self, node: Node, **positions: int) -> Any:
        """The value of a node here."""
        return points.evaluate(node, {**self.values, **positions}, self.tensors)

    def fits(self, node: Node, **positions: int) -> bool:
        """Whether every int part stays within 61 bits, so that all back ends must agree."""
        return largest(node, {**self.values, **positions}, self.tensors) < 2**61


def largest(root: Node, values: dict[str, Any], tensors: dict[str, Any]) -> int:
    """The greatest absolute value of any int part that an evaluation meets."""
    known: dict[Node, Any] = {}
    reach = 0
    for node in outside_binders(root):
        if isinstance(node, ir.BINDERS):
            *_, body = ir.children(node)
            low, high = known[node.low], known[node.high]
            name, high = ("t", high + 1) if isinstance(node, ir.Tally) else (node.variable, high)
            inner = ({**values, name: i} for i in range(low, high))
            reach = max([reach, *(largest(body, here, tensors) for here in inner)])
            known[node] = points.evaluate(node, values, tensors)
        elif isinstance(node, Op):
            known[node] = points.apply(node.name, [known[arg] for arg in node.args])
        else:
            parts = tuple(Const(known[part]) for part in ir.children(node))
            known[node] = points.evaluate(ir.rebuild(node, parts), values, tensors)
        if ir.type_of(node) is INT:
            reach = max(reach, abs(known[node]))
    return reach


def outside_binders(root: Node) -> list[Node]:
    """The nodes below a root, children first, without the bodies of folds and tallies."""
    order: dict[Node, None] = {}
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if node in order:
            continue
        if ready:
            order[node] = None
            continue
        parts = ir.children(node)
        if isinstance(node, ir.BINDERS):
            parts = (node.low, node.high)
        stack.append((node, True))
        stack.extend((part, False) for part in parts)
    return list(order)


@st.composite
def places(draw: Callable[..., Any]) -> Place:
    """Slices, lengths, parameters and tensors."""
    entry = st.integers(-3, 3)
    n_q = draw(st.integers(1, LENGTH + 3))
    head = draw(st.integers(0, HEADS - 1))
    values = {
        "head": head,
        "kv_head": head // (HEADS // KV_HEADS),
        "batch": draw(st.integers(0, BATCHES - 1)),
        "n_q": n_q,
        "n_k": LENGTH,
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "batches": BATCHES,
        "layer": 0,
        "n_layers": 1,
        **PARAMS,
    }
    row = st.lists(entry, min_size=LENGTH, max_size=LENGTH)
    tensors = {
        "doc": [draw(row) for _ in range(BATCHES)],
        "table": draw(st.lists(entry, min_size=HEADS, max_size=HEADS)),
        "flags": draw(st.lists(st.booleans(), min_size=LENGTH, max_size=LENGTH)),
    }
    return Place(values, tensors, LENGTH - n_q)


@st.composite
def rectangles(draw: Callable[..., Any], place: Place) -> tuple[int, int, int, int]:
    """Inclusive corners q0, q1, k0, k1 of a rectangle of existing pairs."""
    ends = []
    for first, last in ((place.q_start, LENGTH - 1), (0, LENGTH - 1)):
        low = draw(st.integers(first, last))
        ends += [low, draw(st.integers(low, min(low + 6, last)))]
    return ends[0], ends[1], ends[2], ends[3]
