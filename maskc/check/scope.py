"""What an expression is read under: names, positions, space, guards, and where errors go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from maskc import analysis, ir, syntax
from maskc.check.intervals import Bounds, Interval, from_rules
from maskc.check.nodes import HIGH, LOW, MOST_ALONE, MOST_STEPS, Nodes, TooLarge
from maskc.check.plan import Plan
from maskc.check.values import POISON, FileNames, Global, Names, Poison, Value
from maskc.diagnostics import MOST_PRINTED, Diagnostic, Label, near_miss
from maskc.source import Span

MOST_LEVELS = 1_000
"""Nesting of syntax, through calls, that the checker follows."""

MOST_TOLD = 5_000
"""Errors that are kept; further ones are counted."""

Facts = frozenset["tuple[ir.Node, bool]"]


@dataclass(slots=True)
class Report:
    """The errors found so far, each place once for each kind."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    told: set[tuple[Any, ...]] = field(default_factory=set)
    prelude_sources: set[int] = field(default_factory=set)
    omitted: int = 0

    def add(
        self,
        id: str,
        message: str,
        span: Span | None,
        note: str = "",
        hint: str = "",
        labels: tuple[Label, ...] = (),
    ) -> None:
        """Keep one error."""
        key = (id, span and (span.source.name, span.start, span.end))
        if key in self.told:
            return
        self.told.add(key)
        if len(self.diagnostics) < MOST_TOLD:
            self.diagnostics.append(Diagnostic(id, message, span, note, hint, labels))
        else:
            self.omitted += 1


@dataclass(slots=True)
class Room:
    """What is being built for one pattern (or one definition that stands alone).

    `scalars`: its parameters by name. `rules`: rules that calls of definitions put on them.
    `memo`: values of calls seen before. `members`: the nodes that say a position is in a segment.
    `level`: nesting so far. `steps`: pieces of syntax read inside calls and loops. `depends`: the
    names that a node depends on. `defaults`: values of nodes where parameters have their defaults.
    `alone`: definitions that stand alone, their parameters unknown. `shallow`: calls in them are
    not followed any more. `broken`: ids of the declarations that go round in a circle.
    `call_pattern`: the reading of a pattern that another one calls.
    """

    nodes: Nodes
    report: Report
    scalars: dict[str, ir.Scalar] = field(default_factory=dict)
    inputs: dict[str, tuple[ir.Tensor, Span | None]] = field(default_factory=dict)
    rules: dict[str, dict[ir.Node, str]] = field(default_factory=dict)
    loops: dict[str, Interval] = field(default_factory=dict)
    memo: dict[Any, Any] = field(default_factory=dict)
    depends: analysis.Names = field(default_factory=analysis.dependence)
    defaults: dict[ir.Node, Any] = field(default_factory=dict)
    members: set[ir.Node] = field(default_factory=set)
    level: int = 0
    steps: int = 0
    alone: bool = False
    shallow: bool = False
    broken: Collection[int] = ()
    call_pattern: Callable[[Global, syntax.Expression, Scope], Value] | None = None

    def spend(self, steps: int) -> None:
        """Count steps; raises TooLarge past the most, where definitions alone just stop."""
        self.steps += steps
        if self.alone:
            self.shallow = self.steps > MOST_ALONE or self.level > MOST_LEVELS // 2
        elif self.steps > MOST_STEPS:
            what = "calls, sets and rounds of loops"
            raise TooLarge(f"{what} make more than {MOST_STEPS:,} operations to read")

    def declare(self, scalar: ir.Scalar) -> None:
        """Keep a parameter, or what more is known of it."""
        self.scalars[scalar.name] = scalar
        self.defaults.clear()

    def bounds(self) -> Bounds:
        """Intervals of what this pattern's expressions are made of."""
        return Bounds({**scalar_intervals(self.scalars), **self.loops})


@dataclass(frozen=True, slots=True)
class Scope:
    """One point of view on the names and positions of a pattern.

    `q`, `k`: the positions, replaced under `at`. `plan`: the index space, None in a definition
    that stands alone (any axis may exist). `in_score`: False in a mask, None where unknown.
    `facts`: what guards say, None where guards are not looked at. `guarded`: under any guard.
    `loop`: quantifiers around. `iterations`: their product so far.
    `calls`: places of the calls that led here.
    """

    room: Room
    file: FileNames
    names: Names
    q: ir.Node
    k: ir.Node
    plan: Plan | None
    in_score: bool | None = False
    facts: Facts | None = frozenset()
    guarded: bool = False
    loop: int = 0
    iterations: int = 1
    calls: tuple[Span | None, ...] = ()
    later: Mapping[str, Span | None] = field(default_factory=dict)

    def error(
        self,
        id: str,
        message: str,
        node: syntax.Node | Span | None,
        note: str = "",
        hint: str = "",
        labels: Iterable[Label] = (),
    ) -> Poison:
        """Tell an error and go on with a value that causes no others."""
        span = node.span if isinstance(node, syntax.Node) else node
        labels = tuple(labels)
        report = self.room.report
        calls = list(self.calls)
        while calls and (span is None or self.in_prelude(span)):
            span = calls.pop()
        if calls and calls[-1] is not None:
            labels = (*labels, Label(calls[-1], "called here"))
        report.add(id, message, span, note, hint, labels)
        return POISON

    def near(self, known: Iterable[str], wanted: str) -> str:
        """A hint that names the closest of some names, or nothing.

        Errors past those that are printed get none: looking is slow.
        """
        if len(self.room.report.diagnostics) >= MOST_PRINTED:
            return ""
        found = near_miss(wanted, known)
        return f"did you mean `{found}`?" if found else ""

    def in_prelude(self, span: Span) -> bool:
        """Whether a place is in the prelude, where users cannot mend anything."""
        return id(span.source) in self.room.report.prelude_sources

    def op(self, node: syntax.Node, name: str, *args: ir.Node) -> ir.Node | Poison:
        """An operation; what goes wrong with constants is told at `node`."""
        if not self.guarded:
            wrong = _wrong_constant(name, args)
            if wrong:
                return self.error("undefined-constant", wrong, node, hint=_GUARD_HINT)
        value = self.room.nodes.op(name, *args)
        if isinstance(value, ir.Const) and ir.type_of(value) is ir.INT:
            return self.in_range(node, value)
        return value

    def in_range(self, node: syntax.Node, value: ir.Const) -> ir.Node | Poison:
        """The constant itself if 64 bits hold it, else an error."""
        if LOW <= value.value <= HIGH:
            return value
        text = "this constant does not fit a 64-bit integer"
        return self.error("overflow", text, node, hint="integers reach from -2^63 to 2^63 - 1")

    def under(self, facts: Iterable[tuple[ir.Node, bool]]) -> Scope:
        """The scope behind a guard that is known to hold."""
        known = None if self.facts is None else self.facts | frozenset(facts)
        return replace(self, facts=known, guarded=True)

    def is_constant(self, node: ir.Node) -> bool:
        """Whether a value is known before the call: made of literals and constant parameters."""
        if isinstance(node, ir.Const):
            return True
        return all(self._is_constant(name) for name in self.room.depends(node))

    def _is_constant(self, name: str) -> bool:
        scalars = self.room.scalars
        kind, _, own = name.partition(":")
        if kind == "param":
            return own not in scalars or not scalars[own].dynamic
        return own in scalars or name.startswith("I")


_GUARD_HINT = "where it is meant, put it behind a guard: right of `&`, or under `if` or `match`"


def scalar_intervals(scalars: Mapping[str, ir.Scalar]) -> dict[str, Interval]:
    """Intervals of int parameters, from their rules."""
    return {
        scalar.name: from_rules(scalar.name, [rule for rule, _ in scalar.rules])
        for scalar in scalars.values()
        if scalar.type is ir.INT
    }


def _wrong_constant(name: str, args: tuple[ir.Node, ...]) -> str:
    last = args[-1]
    if not isinstance(last, ir.Const) or isinstance(last.value, (bool, float)):
        return ""
    value = last.value
    match name:
        case "floordiv" | "mod" if value == 0:
            return f"{'division' if name == 'floordiv' else 'remainder'} by the constant 0"
        case "shl" | "shr" | "pow2" if not 0 <= value <= 62:
            return f"a shift by the constant {value} is outside 0..62"
        case "log2" | "is_pow2" if value <= 0:
            return f"`{name}` of the constant {value}, which is not positive"
    return ""
