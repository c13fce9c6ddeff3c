"""The rectangle reading of bools: alternatives of conditions, each met by some pair or not.

A mask is written as alternatives ("cubes") of literals, as far as that stays small. The ranges of
`q`, `k` and `q - k` in a cube are a system of difference constraints, which is decided exactly,
also together with one more condition on a single form. Others are read over the whole box.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from maskc import ir
from maskc.analysis import FORM, D, K, Q, dependence, forms
from maskc.bounds import facts
from maskc.bounds.ends import Interval, narrowed, side
from maskc.bounds.interval import Intervals
from maskc.bounds.literals import ALWAYS, SIDES, Cube, Fact, Literal, Literals, Range
from maskc.bounds.system import WHOLE, Box, Limits, System
from maskc.ir import FALSE, TRUE, Const, Node, Op, Var
from maskc.passes import construct as c
from maskc.passes.substitute import substitute

MOST_CUBES = 16
"""Alternatives that a conjunction is multiplied out into."""

MOST_HARD = 8
"""Conditions on both positions, other than of `q - k`, in all of those alternatives together."""

MOST_LITERALS = 64
"""Literals of a cube that is still multiplied out."""

MOST_NESTED = 12
"""Conditions inside conditions (of `if`, of quantifiers) that are still read."""

State = tuple[Node, bool]
"""A bool node, or its negation."""

Answer = tuple[Node, Node]
"""(some, hit): not proved to hold nowhere; proved to hold somewhere."""


CORNERS = frozenset({"q0", "q1", "k0", "k1"})


@dataclass
class Rectangles:
    """Reads bool nodes over boxes, and remembers what it read.

    `known`: least and greatest values of parameters, by name, over all calls.
    `terms`: bool nodes that are looked up instead: their form and the same as a node of Var("t").
    """

    known: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    terms: Mapping[Node, tuple[str, Node]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Set up what is remembered."""
        self.names = dependence()
        self.forms = forms()
        self.signs = signs(self.known)
        self.literals = Literals(self.names, self.signs)
        self._cubes: dict[State, tuple[Cube, ...] | None] = {}
        self._found: dict[Box, dict[State, Answer]] = {}
        self._readers: dict[Box, Intervals] = {}
        self._nested = 0

    def found(self, node: Node, positive: bool = True, box: Box = WHOLE) -> Answer:
        """Whether the node (or its negation) holds at some pair of the box."""
        known = self._found.setdefault(box, {})
        stack: list[State] = [(node, positive)]
        while stack:
            state = stack[-1]
            if state in known:
                stack.pop()
                continue
            cubes = self._alternatives(state)
            needed = self._needed(state, cubes)
            missing = [s for s in needed if s not in known]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if cubes is None:
                answers = [known[s] for s in needed]
            else:
                answers = [self._cube(cube, box) for cube in cubes]
            some = c.either(*(answer[0] for answer in answers))
            hit = c.either(*(answer[1] for answer in answers))
            known[state] = (some, hit)
        return known[node, positive]

    def truth(self, node: Node, box: Box) -> tuple[Node, Node]:
        """(every, some) of a bool node over a box."""
        some, _, every = self.truths(node, True, box)
        return every, some

    def truths(self, node: Node, positive: bool, box: Box) -> tuple[Node, Node, Node]:
        """(some, hit, every) of a bool node or its negation over a box."""
        if self._nested >= MOST_NESTED:
            return TRUE, FALSE, FALSE
        self._nested += 1
        try:
            some, hit = self.found(node, positive, box)
            return some, hit, c.negate(self.found(node, not positive, box)[0])
        finally:
            self._nested -= 1

    def reader(self, box: Box) -> Intervals:
        """The interval reading over a box."""
        if box not in self._readers:
            self._readers[box] = self._reader(box, {})
        return self._readers[box]

    def _reader(self, box: Box, known: Mapping[Node, Interval]) -> Intervals:
        ranges: dict[Node, Interval] = {Q: side("q", *box.q), K: side("k", *box.k), **known}
        if box.d is not None:
            q, k = frozenset("q"), frozenset("k")
            ranges[D] = Interval(*box.d, q | k, q, k)
        return Intervals(ranges, lambda node: self.truth(node, box), self.names, signs=self.signs)

    def structure(self, state: State) -> tuple[str, list[State]] | None:
        """How a state is made of others: ("and" or "or", them), or None for a literal."""
        node, positive = state
        if node in self.terms or not isinstance(node, Op) or not self.names(node) & SIDES:
            return None
        args = node.args
        if node.name == "not":
            return "and", [(args[0], not positive)]
        if node.name in ("and", "or"):
            return node.name if positive else _DUAL[node.name], [(a, positive) for a in args]
        of_bools = node.name in ("eq", "ne") and ir.type_of(args[0]) is ir.BOOL
        if node.name == "xor" or of_bools:
            a, b = args
            differ = positive == (node.name != "eq")
            one, other = (b, c.negate(b)) if differ else (c.negate(b), b)
            whole = c.either(c.both(a, other), c.both(c.negate(a), one))
            return "and", [(whole, True)]
        if node.name == "select":
            condition, a, b = args
            if not positive:
                a, b = c.negate(a), c.negate(b)
            whole = c.either(c.both(condition, a), c.both(c.negate(condition), b))
            return "and", [(whole, True)]
        return None

    def _alternatives(self, root: State) -> tuple[Cube, ...] | None:
        """The cubes of a state; None for a disjunction of too many."""
        stack = [root]
        while stack:
            state = stack[-1]
            if state in self._cubes:
                stack.pop()
                continue
            made = self.structure(state)
            parts = [] if made is None else made[1]
            missing = [part for part in parts if part not in self._cubes]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            self._cubes[state] = self._joined(state, made)
        return self._cubes[root]

    def _joined(
        self, state: State, made: tuple[str, list[State]] | None
    ) -> tuple[Cube, ...] | None:
        if made is None:
            return ((Fact(*state),),) if state[0] in self.terms else self.literals(*state)
        kind, parts = made
        if kind == "or":
            cubes: list[Cube] = []
            for part in parts:
                more = self._cubes[part]
                if more is None or len(cubes) + len(more) > MOST_CUBES:
                    return None
                cubes.extend(more)
            return _absorbed(cubes)
        whole = ALWAYS
        for part in sorted(parts, key=self._order):
            whole = self._and(whole, part, len(parts))
        return whole

    def _and(self, cubes: tuple[Cube, ...], part: State, n_parts: int) -> tuple[Cube, ...]:
        more = self._cubes[part]
        if more is not None and len(cubes) * len(more) <= MOST_CUBES:
            joined = [_joined_cube(a, b) for a in cubes for b in more]
            longest = max((len(cube) for cube in joined if cube is not None), default=0)
            hard = self._hard(tuple(cube for cube in joined if cube is not None))
            alone = len(more) == 1 or len(cubes) == 1
            if longest <= MOST_LITERALS + n_parts and (alone or hard <= MOST_HARD):
                return _absorbed([cube for cube in joined if cube is not None])
        return tuple((*cube, Fact(*part)) for cube in cubes)

    def _order(self, part: State) -> tuple[bool, bool, int]:
        """Single alternatives come first, then those with hard conditions, then short ones."""
        cubes = self._cubes[part]
        if cubes is None:
            return True, True, 0
        return len(cubes) > 1, not self._hard(cubes), len(cubes)

    def _hard(self, cubes: tuple[Cube, ...]) -> int:
        """How many conditions of the cubes are on more than one form."""
        return sum(len(self.forms(_node(literal))) > 1 for cube in cubes for literal in cube)

    def _needed(self, state: State, cubes: tuple[Cube, ...] | None) -> list[State]:
        """States whose answers this one is made of."""
        if cubes is None:
            made = self.structure(state)
            assert made is not None, "only a disjunction can have too many alternatives"
            return made[1]
        return [
            (fact.node, fact.positive)
            for cube in cubes
            for fact in cube
            if isinstance(fact, Fact) and self._is_compound(fact)
        ]

    def _is_compound(self, fact: Fact) -> bool:
        return self.structure((fact.node, fact.positive)) is not None

    def _cube(self, cube: Cube, box: Box) -> Answer:
        limits: dict[Node, Limits] = {}
        others: list[Literal] = []
        conditions: list[Node] = []
        for literal in cube:
            if isinstance(literal, Range):
                limits.setdefault(literal.form, Limits()).add(literal)
            elif self.names(literal.node) & SIDES:
                others.append(literal)
            else:
                node = literal.node
                conditions.append(node if literal.positive else c.negate(node))
        system = System(limits.pop(Q, None), limits.pop(K, None), limits.pop(D, None), box)
        conditions = [x for x in (*conditions, *system.possible()) if not self._proved(x)]
        others += [limit.merged(form) for form, limit in limits.items()]
        if not others:
            holds = c.both(*conditions)
            return holds, holds
        if len(others) == 1 and not self._compounds(others):
            form = self.forms(_node(others[0]))
            if len(form) == 1:
                some, hit, _ = self._read(others[0], system.tight(next(iter(form))))
                return c.both(*conditions, some), c.both(*conditions, hit)
        answers = [self._read(other, box) for other in others]
        left, settled = self._narrowed(others, box)
        some = c.both(*conditions, *(answer[0] for answer in answers), *(x[0] for x in left))
        every = c.both(*conditions, *(answer[2] for answer in answers))
        jointly = c.either(self._jointly(others, answers), settled)
        hit = c.both(*conditions, *system.surely(), jointly)
        return some, hit if hit == some else c.either(hit, every)

    def _narrowed(
        self, others: list[Literal], box: Box
    ) -> tuple[list[tuple[Node, Node, Node]], Node]:
        """Answers where what others bound, of one position, has only the values left to it.

        They tell what no pair keeps: a value may be left and taken by none. And whether a pair is
        proved to hold with all others: where each value left is taken by some position, one
        condition is on these values alone, and no other condition is on their positions.
        """
        bounds = [self._ranges_of(other) for other in others]
        limits: dict[Node, Limits] = {}
        for literal in (literal for ranges in bounds for literal in ranges):
            if len(self.names(literal.form) & SIDES) == 1:
                limits.setdefault(literal.form, Limits()).add(literal)
        rest = [other for other, ranges in zip(others, bounds, strict=True) if not ranges]
        used = {x for other in rest for x in ir.postorder(_node(other)) if x in limits}
        if not used:
            return [], FALSE
        reader, known = self.reader(box), {}
        for form in used:
            ends = limits[form].merged(form)
            known[form] = narrowed(reader(form), ends.low, ends.high)
        left = [self._read(other, box, self._reader(box, known)) for other in rest]
        sides = [self.names(form) & SIDES for form in limits]
        every_one = all(
            len(self.names(literal.form) & SIDES) == 1 for ranges in bounds for literal in ranges
        )
        settles = len(rest) == 1 and used == set(limits) and len(sides) == len(set(sides))
        if not (settles and every_one and self._is_of(_node(rest[0]), used)):
            return left, FALSE
        return left, c.both(left[0][1], *(x.ends for x in known.values()))

    def _is_of(self, node: Node, forms: Collection[Node]) -> bool:
        """Whether a node hangs on positions through these forms alone."""
        inside = {form: Const(0) for form in forms}
        return not self.names(substitute(node, inside)) & SIDES

    def _ranges_of(self, literal: Literal) -> list[Range]:
        """The ranges that a literal is, all together; none where it is something else."""
        if isinstance(literal, Range):
            return [literal]
        if literal.node not in self.terms:
            return []
        cubes = self.literals(literal.node, literal.positive)
        ranges = [x for cube in cubes for x in cube if isinstance(x, Range)]
        return ranges if len(cubes) == 1 and len(ranges) == len(cubes[0]) else []

    def _proved(self, condition: Node) -> bool:
        """Whether a condition on what is fixed for a call holds in every call."""
        if not isinstance(condition, Op) or condition.name not in ("lt", "le"):
            return False
        a, b = condition.args
        if not c.is_int(a) or any(name in CORNERS for name in self.names(condition)):
            return False
        return self.literals.at_least(c.sub(b, a), 1 if condition.name == "lt" else 0)

    def _compounds(self, others: list[Literal]) -> bool:
        return any(isinstance(fact, Fact) and self._is_compound(fact) for fact in others)

    def _jointly(self, others: list[Literal], answers: list[tuple[Node, Node, Node]]) -> Node:
        """A proof that one pair meets all: apart positions combine, in a group one may vary."""
        groups: list[tuple[frozenset[str], list[int]]] = []
        for i, other in enumerate(others):
            sides, members = self.names(_node(other)) & SIDES, [i]
            for group in [g for g in groups if g[0] & sides]:
                groups.remove(group)
                sides, members = sides | group[0], group[1] + members
            groups.append((sides, members))
        proofs = []
        for _, members in groups:
            if len(members) > MOST_LITERALS:
                return FALSE
            proofs.append(
                c.either(
                    *(c.both(*(answers[j][1 if j == i else 2] for j in members)) for i in members)
                )
            )
        return c.both(*proofs)

    def _read(
        self, literal: Literal, box: Box, left: Intervals | None = None
    ) -> tuple[Node, Node, Node]:
        """(some, hit, every) of one literal over a box; comparisons are read in `left`."""
        reader = self.reader(box)
        if isinstance(literal, Range):
            return facts.in_range(reader(literal.form), literal.low, literal.high)
        node, positive = literal.node, literal.positive
        if node in self.terms:
            form, body = self.terms[node]
            return facts.tallied(reader(_OF_FORM[form]), body, positive, self.literals)
        if self._is_compound(literal):
            return self.truths(node, positive, box)
        if isinstance(node, ir.Fold):
            if (self.names(node.low) | self.names(node.high)) & SIDES:
                return TRUE, FALSE, FALSE
            exists = positive == (node.kind == "any")
            return facts.folded(node, exists, self.truths(node.body, positive, box))
        return facts.read(node, positive, left or reader, self.literals)


def signs(known: Mapping[str, tuple[int | None, int | None]]) -> Intervals:
    """Bounds of nodes over all calls: lengths and heads are not negative, keys neither.

    `known` is of parameters by name, and of further variables called `arg:NAME` or `size:NAME`.
    """
    box: dict[Node, Interval] = {Q: side("q", None, None)}
    for name in ("k", *ir.SLICE, *ir.UNIFORM):
        box[Var(name)] = side(name, Const(0), None)
    for name, (low, high) in known.items():
        ends = [None if end is None else Const(end) for end in (low, high)]
        if name.startswith(("arg:", "size:")):
            box[Var(name)] = side(name, *ends)
        else:
            box[ir.Param(name)] = side(f"param:{name}", *ends)
    return Intervals(box, lambda node: (FALSE, TRUE))


_DUAL = {"and": "or", "or": "and"}
_OF_FORM = {name: node for node, name in FORM.items()}


def _node(literal: Literal) -> Node:
    return literal.form if isinstance(literal, Range) else literal.node


def _joined_cube(a: Cube, b: Cube) -> Cube | None:
    """All literals of both, each once; None where one contradicts another."""
    literals = dict.fromkeys((*a, *b))
    for literal in b:
        if isinstance(literal, Fact) and Fact(literal.node, not literal.positive) in literals:
            return None
    return tuple(literals)


def _absorbed(cubes: list[Cube]) -> tuple[Cube, ...]:
    """The cubes without those that another one implies."""
    unique = list(dict.fromkeys(cubes))
    sets = [frozenset(cube) for cube in unique]
    kept = []
    for i, cube in enumerate(unique):
        implied = any(
            other < sets[i] or (other == sets[i] and j < i) for j, other in enumerate(sets)
        )
        if not implied:
            kept.append(cube)
    return tuple(kept)
