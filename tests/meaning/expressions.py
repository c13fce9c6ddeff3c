"""One reader for each kind of expression node."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from maskc import syntax
from meaning import values
from meaning.coarse import coarse
from meaning.prelude import PRELUDE
from meaning.scope import SLICES, AxisName, Function, Module, Scope, Tensor, entries_of
from meaning.values import Value, choose, compare

if TYPE_CHECKING:
    from meaning.spec import Meaning


def value(m: Meaning, e: syntax.Expression, scope: Scope) -> Any:
    """The value of an expression at the scope's positions."""
    return READERS[type(e)](m, e, scope)


def _number(m: Meaning, e: syntax.Number, scope: Scope) -> Value:
    return e.value


def _boolean(m: Meaning, e: syntax.Boolean, scope: Scope) -> Value:
    return e.value


def _name(m: Meaning, e: syntax.Name, scope: Scope) -> Any:
    if e.name in ("q", "k"):
        return scope.q if e.name == "q" else scope.k
    if e.name in SLICES:
        return m.slices[e.name]
    if e.name in scope.names:
        found = scope.names[e.name]
        if isinstance(found, Function):
            return _apply(m, found, (), scope)
        if isinstance(found, Tensor):
            return _bare(m, found, scope)
        return found
    if e.name in m.sizes:
        return m.sizes[e.name]
    return PRELUDE[e.name](Place(m, scope))


def _bare(m: Meaning, found: Tensor, scope: Scope) -> Any:
    if found.axes and all(axis in SLICES for axis in found.axes):
        return read(m, found, (), scope)
    return found


def _member(m: Meaning, e: syntax.Member, scope: Scope) -> Any:
    path: tuple[str, ...] = ()
    node: syntax.Expression = e
    while isinstance(node, syntax.Member):
        path, node = (node.name, *path), node.value
    assert isinstance(node, syntax.Name)
    if isinstance(scope.names.get(node.name), Module):
        return _apply(m, scope.names[node.name].names[path[0]], (), scope)
    named = tuple(_axis(m, part, scope) for part in path)
    if node.name == "q":
        return m.query.member(named, scope.q)
    return m.key.member(named, scope.k)


def _axis(m: Meaning, name: str, scope: Scope) -> str:
    found = scope.names.get(name)
    return found.name if isinstance(found, AxisName) else name


def _index(m: Meaning, e: syntax.Index, scope: Scope) -> Value:
    tensor = _callee(m, e.value, scope)
    indices = tuple(value(m, i, scope) for i in e.indices)
    if isinstance(tensor, tuple):
        kinds = {values.kind(x) for x in tensor}
        entries = entries_of(np.asarray(tensor), "int" if not kinds else kinds.pop())
        tensor = Tensor(entries, ("",))
    return read(m, tensor, indices, scope)


def read(m: Meaning, tensor: Tensor, indices: Sequence[Value], scope: Scope) -> Value:
    """An entry of a tensor; the slice axes that `indices` leaves out are this pair's own."""
    if len(indices) < len(tensor.axes):
        rest = list(indices)
        indices = [m.slices[a] if a in SLICES else rest.pop(0) for a in tensor.axes]
        assert not rest, "indices name all axes, or all but the slice axes"
    inside: Value = True
    places = []
    for axis, index, size in zip(tensor.axes, indices, np.shape(tensor.entries), strict=True):
        if axis == "q":
            index = values.arithmetic("-", index, m.q_start)
        ok = compare("<=", 0, index), compare("<", index, size)
        inside = values.both(inside, values.both(*ok))
        place = values.pointwise(lambda i, n=size: min(max(i, 0), max(n - 1, 0)), index)
        places.append(np.asarray(place).astype(np.int64))
    if 0 in np.shape(tensor.entries):
        return {"float": 0.0, "bool": False, "int": 0}[values.kind(tensor.entries)]
    if isinstance(tensor.entries, torch.Tensor):
        found = tensor.entries[tuple(torch.from_numpy(p) for p in places)]
        return choose(np.asarray(inside), found, 0.0)
    found = tensor.entries[tuple(places)]
    if values.kind(tensor.entries) == "bool":
        return values.both(found, inside)
    return choose(inside, found, 0)


def _unary(m: Meaning, e: syntax.Unary, scope: Scope) -> Value:
    x = value(m, e.operand, scope)
    if e.operator == "not":
        return values.negate(x)
    return values.arithmetic("-", 0, x)


def _chain(m: Meaning, e: syntax.Chain, scope: Scope) -> Value:
    result = value(m, e.operands[0], scope)
    for operator, operand in zip(e.operators, e.operands[1:], strict=True):
        right = value(m, operand, scope)
        if operator in values.LOGIC:
            result = values.LOGIC[operator](result, right)
        else:
            result = values.arithmetic(operator, result, right)
    return result


def _compare(m: Meaning, e: syntax.Compare, scope: Scope) -> Value:
    operands = [value(m, x, scope) for x in e.operands]
    result: Value = True
    for left, operator, right in zip(operands[:-1], e.operators, operands[1:], strict=True):
        result = values.both(result, compare(operator, left, right))
    return result


def _in(m: Meaning, e: syntax.In, scope: Scope) -> Value:
    if isinstance(e.collection, syntax.Name) and isinstance(e.value, syntax.Name):
        side, place = (m.query, scope.q) if e.value.name == "q" else (m.key, scope.k)
        if side.has(e.collection.name) or (m.two_sided and m.query.has(e.collection.name)):
            segment = side.segment(e.collection.name)
            offset = values.arithmetic("-", place, segment.start)
            ok = compare("<=", 0, offset), compare("<", offset, segment.length)
            return values.both(*ok)
    return _matches(m, value(m, e.value, scope), e.collection, scope)


def _matches(m: Meaning, x: Value, collection: Any, scope: Scope) -> Value:
    match collection:
        case syntax.Wildcard():
            return True
        case syntax.Range():
            low, high = value(m, collection.low, scope), value(m, collection.high, scope)
            return values.both(compare("<=", low, x), compare("<", x, high))
        case syntax.SetOf():
            elements = [value(m, y, scope) for y in collection.elements]
        case _:
            found = value(m, collection, scope)
            elements = list(found) if isinstance(found, tuple) else [found]
    result: Value = False
    for y in elements:
        result = values.either(result, compare("==", x, y))
    return result


def _if(m: Meaning, e: syntax.If, scope: Scope) -> Value:
    result = value(m, e.otherwise, scope)
    for condition, chosen in reversed(e.arms):
        result = choose(value(m, condition, scope), value(m, chosen, scope), result)
    return result


def _match(m: Meaning, e: syntax.Match, scope: Scope) -> Value:
    subject = value(m, e.subject, scope)
    arms = [(_matches(m, subject, a.pattern, scope), a.value) for a in e.arms]
    result = value(m, arms[-1][1], scope)
    for condition, chosen in reversed(arms[:-1]):
        result = choose(condition, value(m, chosen, scope), result)
    return result


def _quantifier(m: Meaning, e: syntax.Quantifier, scope: Scope) -> Value:
    if isinstance(e.range, syntax.Range):
        low, high = value(m, e.range.low, scope), value(m, e.range.high, scope)
        numbers: Sequence[Any] = range(low, high)
    elif isinstance(e.range, syntax.SetOf):
        numbers = [value(m, x, scope) for x in e.range.elements]
    else:
        numbers = value(m, e.range, scope)
    result: Value = {"any": False, "all": True, "count": 0}[e.kind]
    for at, i in enumerate(numbers):
        hit = value(m, e.body, scope.with_names(**{e.variable: i}))
        if e.kind == "count":
            # A set holds each of its elements once.
            for earlier in numbers[:at] if isinstance(e.range, syntax.SetOf) else ():
                hit = values.both(hit, compare("!=", i, earlier))
            result = values.arithmetic("+", result, choose(hit, 1, 0))
        else:
            result = (values.either if e.kind == "any" else values.both)(result, hit)
    return result


def _at(m: Meaning, e: syntax.At, scope: Scope) -> Value:
    moved = {r.name: value(m, r.value, scope) for r in e.replacements}
    return value(m, e.body, replace(scope, q=moved.get("q", scope.q), k=moved.get("k", scope.k)))


def _callee(m: Meaning, e: syntax.Expression, scope: Scope) -> Any:
    if isinstance(e, syntax.Name) and e.name in scope.names:
        return scope.names[e.name]
    if isinstance(e, syntax.Member) and isinstance(e.value, syntax.Name):
        module = scope.names.get(e.value.name)
        if isinstance(module, Module):
            return module.names[e.name]
    return e.name if isinstance(e, syntax.Name) else value(m, e, scope)


def _call(m: Meaning, e: syntax.Call, scope: Scope) -> Any:
    callee = _callee(m, e.function, scope)
    if isinstance(callee, Function):
        return _apply(m, callee, e.arguments, scope)
    if not isinstance(callee, str):
        return callee
    if callee == "len":
        return _length(m, e.arguments[0].value, scope)
    if callee == "coarse":
        return coarse(m, e, scope, value)
    if callee in PRELUDE:
        return _prelude(m, PRELUDE[callee], e.arguments, scope)
    return _built_in(m, callee, [value(m, a.value, scope) for a in e.arguments], scope)


def _built_in(m: Meaning, name: str, xs: list[Value], scope: Scope) -> Value:
    if name == "is_pow2":
        return values.truth(values.pointwise(lambda x: x > 0 and bin(x).count("1") == 1, xs[0]))
    if name == "alibi":
        return values.to_float(
            values.pointwise(
                lambda head, q, k: -values.alibi(head, m.heads) * abs(q - k),
                xs[0],
                scope.q,
                scope.k,
            )
        )
    if name in values.INTEGER_FUNCTIONS and all(values.kind(x) == "int" for x in xs):
        return values.pointwise(values.INTEGER_FUNCTIONS[name], *xs)
    return values.float_function(name, xs)


def _apply(m: Meaning, f: Function, arguments: tuple[syntax.Argument, ...], scope: Scope) -> Any:
    names = dict(f.names)
    positional = [a for a in arguments if a.name is None]
    named = {a.name: a for a in arguments if a.name is not None}
    for i, p in enumerate(f.parameters):
        given = positional[i] if i < len(positional) else named.get(p.name)
        if given is None:
            names[p.name] = m.parameter(p, p.default, Scope(names, scope.q, scope.k))
        elif p.type is not None and p.type.name == "axis":
            assert isinstance(given.value, syntax.Name)
            names[p.name] = AxisName(_axis(m, given.value.name, scope))
        elif isinstance(given.value, syntax.Name) and isinstance(
            scope.names.get(given.value.name), Tensor
        ):
            whole = scope.names[given.value.name]
            as_input = p.type is not None and p.type.name == "input"
            table = p.type is not None and p.type.axes is not None
            names[p.name] = whole if as_input or table else _bare(m, whole, scope)
        else:
            names[p.name] = value(m, given.value, scope)
    inner = Scope(names, scope.q, scope.k)
    if isinstance(f.body, syntax.Pattern):
        return m.pattern_mask(f.body, inner)
    return value(m, f.body, inner)


def _prelude(
    m: Meaning, f: Callable[..., Value], arguments: tuple[syntax.Argument, ...], scope: Scope
) -> Value:
    here = Place(m, scope)
    names = list(inspect.signature(f).parameters)[1:]
    given: dict[str, Any] = {}
    for i, argument in enumerate(arguments):
        name = argument.name or names[i]
        if name == "a":
            assert isinstance(argument.value, syntax.Name)
            given[name] = _axis(m, argument.value.name, scope)
        elif name == "doc":
            given[name] = _callee(m, argument.value, scope)
        else:
            given[name] = value(m, argument.value, scope)
    return f(here, **given)


def _length(m: Meaning, e: syntax.Expression, scope: Scope) -> Value:
    fixed = {
        **{"q": m.n_q, "k": m.n_k, "head": m.heads, "kv_head": m.kv_heads},
        **{"layer": m.n_layers or 1, "batch": m.batch},
    }
    if isinstance(e, syntax.Member):
        assert isinstance(e.value, syntax.Name)
        side = m.query if e.value.name == "query" else m.key
        return side.extent(_axis(m, e.name, scope), scope.q)
    assert isinstance(e, syntax.Name)
    found = scope.names.get(e.name)
    if isinstance(found, tuple):
        return len(found)
    name = _axis(m, e.name, scope)
    if name in fixed:
        return fixed[name]
    if name in m.sizes:
        return m.sizes[name]
    if m.key.has(name):
        return m.key.extent(name, scope.k)
    return m.query.extent(name, scope.q)


@dataclass(frozen=True)
class Place:
    """What the prelude's formulas see of a scope."""

    meaning: Meaning
    scope: Scope

    @property
    def q(self) -> Value:
        """Positions of the queries."""
        return self.scope.q

    @property
    def k(self) -> Value:
        """Positions of the keys."""
        return self.scope.k

    @property
    def head(self) -> Value:
        """The heads, [1, H, 1, 1]."""
        return self.meaning.slices["head"]

    @property
    def n_k(self) -> int:
        """Number of keys."""
        return self.meaning.n_k

    def coordinates(self, axis: str) -> tuple[Value, Value]:
        """The coordinate on `axis` of the query and of the key."""
        m = self.meaning
        return m.query.member((axis,), self.q), m.key.member((axis,), self.k)

    def extent(self, axis: str) -> Value:
        """`len(axis)`."""
        return self.meaning.key.extent(axis, self.k)

    def axes(self) -> tuple[str, ...]:
        """All axes of the space."""
        return tuple(name for s in self.meaning.key.segments for name, _ in s.axes)

    def read(self, tensor: Any, position: Value) -> Value:
        """An input's entry at a position."""
        return read(self.meaning, tensor, (position,), self.scope)


READERS: dict[type, Callable[[Meaning, Any, Scope], Any]] = {
    syntax.Number: _number,
    syntax.Boolean: _boolean,
    syntax.Name: _name,
    syntax.Member: _member,
    syntax.Index: _index,
    syntax.Call: _call,
    syntax.Unary: _unary,
    syntax.Chain: _chain,
    syntax.Compare: _compare,
    syntax.In: _in,
    syntax.If: _if,
    syntax.Match: _match,
    syntax.Quantifier: _quantifier,
    syntax.At: _at,
}
