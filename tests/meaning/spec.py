"""The interpreter: a syntax tree and the facts of one call in, a boolean mask out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from maskc import syntax
from meaning import spaces, values
from meaning.expressions import value
from meaning.scope import SLICES, Function, Module, Scope, Tensor, entries_of
from meaning.values import Value, integers


@dataclass
class Meaning:
    """One pattern of a file under one call.

    Args:
        file: the syntax tree.
        pattern: name of the pattern.
        n_q, n_k, batch, heads, kv_heads, layer, n_layers: the call's shape.
        params: keyword arguments of the call (numbers, nested lists).
        inputs: tensors by name.
        grid, segments: as in the call.
        files: what `use` finds, by path.

    """

    file: syntax.File
    pattern: str
    n_q: int
    n_k: int
    batch: int = 1
    heads: int = 1
    kv_heads: int | None = None
    layer: int | None = None
    n_layers: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    grid: Any = None
    segments: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, syntax.File] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kv_heads = self.heads if self.kv_heads is None else self.kv_heads
        self.sizes: dict[str, int] = {}
        self.tensors: dict[str, Tensor] = {}
        self.top = self._names_of(self.file)
        self.root: syntax.Pattern = self.top[self.pattern].body
        self._collect_inputs(self.root)
        self._build_space(self.root)
        shape = {"batch": 0, "head": 1, "q": 2, "k": 3}

        def along(numbers: Sequence[int], axis: str) -> np.ndarray:
            return integers(numbers).reshape([-1 if i == shape[axis] else 1 for i in range(4)])

        group = self.heads // self.kv_heads
        self.slices: dict[str, Value] = {
            "batch": along(range(self.batch), "batch"),
            "head": along(range(self.heads), "head"),
            "kv_head": along([h // group for h in range(self.heads)], "head"),
            "layer": self.layer or 0,
        }
        self.rows = along([self.q_start + i for i in range(self.n_q)], "q")
        self.keys = along(range(self.n_k), "k")

    def mask(self) -> np.ndarray:
        """The mask: bool [batch, heads, n_q, n_k]."""
        value = self.pattern_mask(self.root, Scope(self._arguments(), self.rows, self.keys))
        shape = (self.batch, self.heads, self.n_q, self.n_k)
        return np.ascontiguousarray(np.broadcast_to(value, shape)).astype(bool)

    def score(self, s: torch.Tensor) -> torch.Tensor:
        """The logits for raw logits `s`: float64 [batch, heads, n_q, n_k], differentiable."""
        scope = self._locals(self.root, Scope(self._arguments(), self.rows, self.keys))
        for statement in self.root.statements:
            if isinstance(statement, syntax.Score):
                result = values.to_float(value(self, statement.value, scope.with_names(s=s)))
                return torch.as_tensor(result, dtype=torch.float64).expand(s.shape)
        return s

    def sink_count(self) -> np.ndarray:
        """Extra keys with logit 0 and value 0: int [batch, heads, n_q, 1]."""
        scope = self._locals(self.root, Scope(self._arguments(), self.rows, self.keys))
        counts = [
            value(self, statement.value, scope)
            for statement in self.root.statements
            if isinstance(statement, syntax.SinkCount)
        ]
        return np.broadcast_to((counts or [0])[0], (self.batch, self.heads, self.n_q, 1))

    def sink_logit(self) -> torch.Tensor | None:
        """The logit of one more key of value 0: float64, broadcasts to [batch, heads, n_q, 1]."""
        for statement in self.root.statements:
            if isinstance(statement, syntax.SinkLogit):
                scope = self._locals(self.root, Scope(self._arguments(), self.rows, self.keys))
                return torch.as_tensor(value(self, syntax.Name(statement.name), scope))
        return None

    # --- declarations -------------------------------------------------------------------------

    def _names_of(self, file: syntax.File) -> dict[str, Any]:
        names: dict[str, Any] = {}
        for d in file.declarations:
            match d:
                case syntax.Use():
                    theirs = self._names_of(self.files[d.path])
                    names.update({d.alias: Module(theirs)} if d.alias else theirs)
                case syntax.Const():
                    names[d.name] = Function((), d.value, names)
                case syntax.Def():
                    names[d.name] = Function(d.parameters, d.body, names)
                case syntax.Pattern():
                    names[d.name] = Function(d.parameters, d, names)
        return names

    def _collect_inputs(self, pattern: syntax.Pattern) -> None:
        for statement in pattern.statements:
            if not isinstance(statement, syntax.Input):
                continue
            given = self.inputs[statement.name]
            axes = []
            for i, axis in enumerate(statement.type.axes or ()):
                named = isinstance(axis, syntax.Name)
                fixed = named and axis.name in (*SLICES, "q", "k", "token")
                axes.append(axis.name if fixed else "")
                if named and not fixed and axis.name not in self.top:
                    self.sizes[axis.name] = int(given.shape[i])
            self.tensors[statement.name] = Tensor(
                entries_of(given, statement.type.name), tuple(axes)
            )

    def _build_space(self, pattern: syntax.Pattern) -> None:
        statement = next(
            (s for s in pattern.statements if isinstance(s, syntax.SpaceStatement)),
            syntax.SpaceStatement("one"),
        )
        from_end = statement.kind == "one" and not statement.align_start
        self.q_start = self.n_k - self.n_q if from_end else 0
        self.two_sided = statement.kind != "one"
        remaining = list(self.grid) if isinstance(self.grid, list | tuple) else None
        seen: dict[tuple[str, str], int] = {}

        def free(owner: str, axis: str) -> int:
            """The extent of an axis of a named segment, or of a nameless grid of one side."""
            if (owner, axis) not in seen:
                if remaining is None:
                    seen[owner, axis] = int(self.grid.get(axis, self.grid.get(owner)))
                else:
                    seen[owner, axis] = int(remaining.pop(0))
            return seen[owner, axis]

        def constant(e: syntax.Expression) -> int:
            return value(self, e, Scope(self._arguments(), 0, 0))

        def side(space: syntax.Space | None, length: int, name: str = "key") -> spaces.Side:
            if space is None:
                return spaces.line(length)
            given = {**self.segments, "grid": self.grid}

            def own(segment: str | None, axis: str) -> int:
                return free(segment or name, axis)

            return spaces.build(space, length, own, given, constant)

        self.query = self.key = spaces.line(self.n_k)
        if statement.kind == "one":
            self.query = self.key = side(statement.query, self.n_k)
        else:
            self.query = spaces.line(self.n_q)
            derived = "query." not in repr(statement.query)
            if derived:
                self.query = side(statement.query, self.n_q, "query")
            self.key = side(statement.key, self.n_k)

    def _arguments(self) -> dict[str, Any]:
        names: dict[str, Any] = dict(self.top)
        for p in self.root.parameters:
            given = self.params.get(p.name, p.default)
            names[p.name] = self.parameter(p, given, Scope(names, 0, 0))
        return names

    def parameter(self, p: syntax.Parameter, given: Any, scope: Scope) -> Any:
        """What a parameter holds, from a value of the call or a default in the tree."""

        def plain(x: Any) -> Any:
            if isinstance(x, syntax.Node):
                x = value(self, x, scope)
            if p.type is not None and p.type.name == "float":
                return float(x)
            return x

        if p.type is None or p.type.axes is None:
            return plain(given)
        if isinstance(given, torch.Tensor | np.ndarray):
            given = given.tolist()
        if p.type.axes == ():
            return tuple(plain(x) for x in given)
        axes = tuple(a.name for a in p.type.axes if isinstance(a, syntax.Name))
        length = {"head": self.heads, "kv_head": self.kv_heads, "layer": self.n_layers or 1}

        def fill(x: Any, axes: tuple[str, ...]) -> Any:
            if not axes:
                return plain(x)
            xs = x if isinstance(x, list | tuple) else [x] * length[axes[0]]
            return [fill(y, axes[1:]) for y in xs]

        return Tensor(entries_of(np.asarray(fill(given, axes)), p.type.name), axes)

    def _locals(self, pattern: syntax.Pattern, scope: Scope) -> Scope:
        for statement in pattern.statements:
            if isinstance(statement, syntax.Input):
                tensor = self.tensors.setdefault(statement.name, Tensor((), ()))
                scope = scope.with_names(**{statement.name: tensor})
            elif isinstance(statement, syntax.Let):
                f = Function(statement.parameters, statement.body, scope.names)
                scope = scope.with_names(**{statement.name: f})
        return scope

    def pattern_mask(self, pattern: syntax.Pattern, scope: Scope) -> Value:
        """The mask of a pattern whose parameters stand in `scope`."""
        if any(isinstance(s, syntax.Input) for s in pattern.statements):
            self._collect_inputs(pattern)
        scope = self._locals(pattern, scope)
        (mask,) = [s.value for s in pattern.statements if isinstance(s, syntax.Mask)]
        return value(self, mask, scope)
