"""Expressions: from syntax to IR nodes, names resolved, types checked, definitions inlined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

from maskc import ir, syntax
from maskc.check import builtins, calls, choices, coordinates, indexing, loops, operators, tiles
from maskc.check.kinds import plain, typed
from maskc.check.names import MASK_VARIABLES, RESERVED
from maskc.check.nodes import HIGH, TooLarge
from maskc.check.scope import MOST_LEVELS, Scope
from maskc.check.values import (
    POISON,
    Entry,
    FileNames,
    Global,
    Local,
    Poison,
    Size,
    Value,
)
from maskc.diagnostics import Label

OTHER_NAMES = {
    **dict.fromkeys(("q_idx", "q_pos", "query", "row", "i"), "the query's position is `q`"),
    **dict.fromkeys(("kv_idx", "k_idx", "k_pos", "key", "col", "j"), "the key's position is `k`"),
    **dict.fromkeys(("h", "head_idx", "h_idx", "q_head"), "the query's head is `head`"),
    **dict.fromkeys(("b", "batch_idx", "b_idx"), "the place in the batch is `batch`"),
    **dict.fromkeys(("seq_len", "seqlen", "seq_length", "n"), "the number of keys is `len(k)`"),
    **dict.fromkeys(
        ("sliding_window", "local", "swa"), "see `recent(n)` and `window(left, right)`"
    ),
    **dict.fromkeys(("tril", "is_causal"), "see `causal`"),
    **dict.fromkeys(("range", "arange"), "write `low..high` after `in`"),
    **dict.fromkeys(("full", "ones"), "every pair is `everything`"),
    **dict.fromkeys(("none", "zeros", "empty"), "no pair is `nothing`"),
    **dict.fromkeys(("float", "int", "bool"), "ints become floats by themselves, in `score` only"),
}
"""What other libraries' names are called here, where a spec does not define them."""

SLICE_AXES = ("batch", "head", "kv_head", "layer")


def lower(node: syntax.Expression, scope: Scope) -> Value:
    """The value of an expression; POISON after telling an error."""
    room = scope.room
    room.level += 1
    if room.level > MOST_LEVELS:
        raise TooLarge(f"definitions and expressions nest more than {MOST_LEVELS:,} deep")
    room.spend(1 if scope.calls or scope.iterations > 1 else 0)
    value = _READERS[type(node)](node, scope)
    room.level -= 1
    return value


def condition(node: syntax.Expression, scope: Scope, user: str) -> ir.Node | None:
    """The value of an expression that must be a bool."""
    return typed(lower(node, scope), ir.BOOL, node, scope, user)


def _number(node: syntax.Number, scope: Scope) -> Value:
    value = node.value
    if isinstance(value, int) and value > HIGH:
        return scope.in_range(node, ir.Const(value))
    return scope.room.nodes.const(value)


def _boolean(node: syntax.Boolean, scope: Scope) -> Value:
    return scope.room.nodes.const(node.value)


def _compare(node: syntax.Compare, scope: Scope) -> Value:
    return operators.compare(node, [lower(operand, scope) for operand in node.operands], scope)


def _quantifier(node: syntax.Quantifier, scope: Scope) -> Value:
    if node.variable in RESERVED:
        text = f"`{node.variable}` is reserved and cannot name a loop variable"
        return scope.error("reserved-name", text, node, hint="choose another name")
    return loops.quantifier(node, scope, lower)


def _name(node: syntax.Name, scope: Scope) -> Value:
    name = node.name
    if name == "q":
        return scope.q
    if name == "k":
        return scope.k
    if name in MASK_VARIABLES:
        return scope.room.nodes.keep(ir.Var(name))
    found = _resolve(name, scope)
    match found:
        case Entry(Local() as local):
            return calls.definition(local, node, scope, lower)
        case Entry(Size()):
            hint = f"write `len({name})`"
            return scope.error("size-as-value", f"`{name}` is a size", node, hint=hint)
        case Entry(value):
            assert not isinstance(value, (Local, Size)), "these have their own case"
            return value
        case Global():
            return _global(found, node, scope)
        case FileNames():
            text = f"`{name}` is a used file, not a value"
            return scope.error("alias-as-value", text, node, hint=f"write `{name}.something`")
        case "everything" | "nothing":
            return scope.room.nodes.const(name == "everything")
        case str():
            hint = f"write `{name}(...)`"
            return scope.error("missing-argument", f"`{name}` is a function", node, hint=hint)
    return _unknown(node, scope)


def _resolve(name: str, scope: Scope) -> Entry | Global | FileNames | str | None:
    entry = scope.names.get(name)
    if entry is not None:
        return entry
    if name in scope.later:
        return None
    if name in scope.file.names:
        return scope.file.names[name]
    if name in ("everything", "nothing", "len", "coarse", "routed") or name in builtins.SIGNATURES:
        return name
    if scope.file.prelude is not None:
        return scope.file.prelude.names.get(name)
    return None


def _unknown(node: syntax.Name, scope: Scope) -> Poison:
    name = node.name
    if name in scope.later:
        place = scope.later[name]
        labels = [Label(place, "defined here")] if place else []
        text = f"`{name}` is used before it is defined"
        return scope.error("used-before-definition", text, node, labels=labels)
    if name == "s":
        text = "`s`, the logit, exists only in `score`"
        return scope.error("unknown-name", text, node, hint="pass it as an argument: `f(s)`")
    if scope.plan is not None and name in scope.plan.axis_names():
        hint = f"write `q.{name}` or `k.{name}`"
        return scope.error("axis-as-value", f"`{name}` is an axis, not a value", node, hint=hint)
    if scope.plan is not None and name in scope.plan.segment_names():
        hint = f"write `q in {name}` or `len({name})`"
        return scope.error("axis-as-value", f"`{name}` is a segment, not a value", node, hint=hint)
    words = (*MASK_VARIABLES, *builtins.SIGNATURES, "everything", "nothing", "coarse")
    prelude = scope.file.prelude.names if scope.file.prelude else ()
    segments = scope.plan.segment_names() if scope.plan else ()
    own = chain(scope.names, segments, scope.file.names)
    hint = OTHER_NAMES.get(name) or scope.near(chain(prelude, words), name)
    if scope.file.unread and not hint:
        return POISON
    hint = scope.near(own, name) or hint
    return scope.error(
        "unknown-name", f"there is nothing named `{name}`", node, "not defined here", hint
    )


def _global(target: Global, node: syntax.Expression, scope: Scope) -> Value:
    if id(target.declaration) in scope.room.broken:
        return POISON
    declaration = target.declaration
    if isinstance(declaration, syntax.Pattern):
        assert scope.room.call_pattern is not None, "the room can read patterns"
        return scope.room.call_pattern(target, node, scope)
    if isinstance(declaration, syntax.Const):
        if isinstance(node, syntax.Call):
            text = f"`{declaration.name}` is a const, not a function"
            return scope.error("not-a-function", text, node)
        value = calls.definition(target, node, scope, lower)
        return value if isinstance(value, ir.Const) else POISON
    return calls.definition(target, node, scope, lower)


def _member(node: syntax.Member, scope: Scope) -> Value:
    path = coordinates.dotted(node)
    if path is None:
        return scope.error("unknown-member", "only `q`, `k` and used files have members", node)
    root = path[0]
    if root in ("q", "k"):
        return coordinates.coordinate(node, root, path[1:], scope)
    target = _aliased(node, scope)
    if target is not None:
        return POISON if isinstance(target, Poison) else _global(target, node, scope)
    if root in ("query", "key") and _resolve(root, scope) is None:
        hint = f"write `len({'.'.join(path)})`, or `{root[0]}.{path[-1]}` for a coordinate"
        return scope.error("unknown-member", f"`{root}` stands only in `len`", node, hint=hint)
    if _resolve(root, scope) is None and root not in MASK_VARIABLES:
        known = [n for n, v in scope.file.names.items() if isinstance(v, FileNames)]
        hint = scope.near(known, root) or "members belong to `q`, `k` and used files"
        return scope.error("unknown-name", f"there is nothing named `{root}`", node, hint=hint)
    return scope.error("unknown-member", f"`{root}` has no members", node)


def _aliased(node: syntax.Expression, scope: Scope) -> Global | Poison | None:
    if not isinstance(node, syntax.Member) or not isinstance(node.value, syntax.Name):
        return None
    alias = node.value.name
    names = scope.file.names.get(alias)
    if alias in scope.names or not isinstance(names, FileNames):
        return None
    found = names.own.get(node.name)
    if found is None and names.unread:
        return POISON
    if found is None:
        text = f"`{alias}` defines nothing named `{node.name}`"
        return scope.error("unknown-name", text, node, hint=scope.near(names.own, node.name))
    return found


def _call(node: syntax.Call, scope: Scope) -> Value:
    function = node.function
    target = _aliased(function, scope)
    if isinstance(target, Poison):
        return POISON
    if target is not None:
        return _global(target, node, scope)
    if isinstance(function, syntax.Member) and coordinates.dotted(function) is not None:
        value = _member(function, scope)
        if isinstance(value, Poison) and scope.plan is not None:
            return POISON
    if not isinstance(function, syntax.Name):
        return scope.error("not-a-function", "only names can be called", function)
    name = function.name
    found = None if name in MASK_VARIABLES else _resolve(name, scope)
    match found:
        case Entry(Local() as local):
            return calls.definition(local, node, scope, lower)
        case Global():
            return _global(found, node, scope)
        case "len":
            if len(node.arguments) != 1 or node.arguments[0].name:
                return scope.error("wrong-arguments", "`len` takes one name", node)
            return coordinates.length(node.arguments[0].value, scope)
        case "coarse":
            return tiles.coarse(node, scope, lower)
        case "routed":
            text = "routes are not compiled yet"
            return scope.error("not-yet", text, node, hint="use masks computed from positions")
        case "everything" | "nothing":
            if not node.arguments:
                return scope.room.nodes.const(found == "everything")
        case str():
            return calls.built_in(found, node, scope, lower)
        case None if name not in MASK_VARIABLES:
            return _unknown(function, scope)
    return _not_a_function(name, found, function, scope)


def _not_a_function(name: str, found: Any, place: syntax.Node, scope: Scope) -> Poison:
    own = found.span if isinstance(found, Entry) else None
    labels = [Label(own, "the name means this here")] if own else []
    prelude = scope.file.prelude.names if scope.file.prelude else {}
    hint = f"it hides the prelude's `{name}`: give it another name" if name in prelude else ""
    text = f"`{name}` is not a function"
    return scope.error("not-a-function", text, place, hint=hint, labels=labels)


def _unary(node: syntax.Unary, scope: Scope) -> Value:
    nodes = scope.room.nodes
    if node.operator == "not":
        value = condition(node.operand, scope, "`not` takes a mask")
        return POISON if value is None else nodes.op("not", value)
    if isinstance(node.operand, syntax.Number) and node.operand.value == 2**63:
        return nodes.const(-(2**63))
    value = plain(lower(node.operand, scope), node.operand, scope)
    if isinstance(value, Poison):
        return POISON
    if ir.type_of(value) is ir.BOOL:
        hint = "write `not` for the opposite of a mask"
        return scope.error(
            "type-mismatch", "`-` takes a number, but this is a bool", node, hint=hint
        )
    return scope.op(node, "neg", value)


def _chain(node: syntax.Chain, scope: Scope) -> Value:
    first = node.operators[0]
    if first in ("&", "\\"):
        return _conjunction(node, scope)
    if first == "|":
        return _disjunction(node, scope)
    if first == "^":
        parts = [condition(operand, scope, "`^` joins masks") for operand in node.operands]
        present = [part for part in parts if part is not None]
        if len(present) < len(parts):
            return POISON
        return operators.xor(present, scope.room.nodes)
    values = [lower(operand, scope) for operand in node.operands]
    return operators.arithmetic(node, values, scope)


def _conjunction(node: syntax.Chain, scope: Scope) -> Value:
    nodes = scope.room.nodes
    parts: list[ir.Node | None] = []
    inner = scope
    for operator, operand in zip(("&", *node.operators), node.operands, strict=True):
        value = condition(operand, inner, f"`{operator}` joins masks")
        if value is not None and operator == "\\":
            value = nodes.op("not", value)
        parts.append(value)
        facts = coordinates.facts_of(POISON if value is None else value, True, scope)
        if facts or not inner.guarded:
            inner = inner.under(facts)
    present = [part for part in parts if part is not None]
    return nodes.op("and", *present) if len(present) == len(parts) else POISON


def _disjunction(node: syntax.Chain, scope: Scope) -> Value:
    nodes = scope.room.nodes
    parts: list[ir.Node | None] = []
    inner = scope
    for operand in node.operands:
        value = condition(operand, inner, "`|` joins masks")
        parts.append(value)
        facts = coordinates.facts_of(POISON if value is None else value, False, scope)
        negated = isinstance(value, ir.Op) and value.name == "not"
        if facts or (negated and not inner.guarded):
            inner = replace(inner.under(facts), guarded=inner.guarded or negated)
    present = [part for part in parts if part is not None]
    return nodes.op("or", *present) if len(present) == len(parts) else POISON


def _at(node: syntax.At, scope: Scope) -> Value:
    places: dict[str, ir.Node] = {}
    failed = False
    for replacement in node.replacements:
        name = replacement.name or ""
        if name not in ("q", "k") or name in places:
            text = "`at` replaces `q` and `k`, each at most once"
            scope.error("wrong-arguments", text, replacement, hint="as in `at(q = q - 1) M`")
            failed = True
            continue
        value = typed(
            lower(replacement.value, scope),
            ir.INT,
            replacement.value,
            scope,
            "a position is an int",
        )
        failed = failed or value is None
        if value is not None:
            places[name] = value
    if failed:
        return POISON
    inside = replace(scope, q=places.get("q", scope.q), k=places.get("k", scope.k))
    return lower(node.body, inside)


_READERS: dict[type, Callable[[Any, Scope], Value]] = {
    syntax.Number: _number,
    syntax.Boolean: _boolean,
    syntax.Name: _name,
    syntax.Member: _member,
    syntax.Index: lambda node, scope: indexing.indexed(node, scope, lower),
    syntax.Call: _call,
    syntax.Unary: _unary,
    syntax.Chain: _chain,
    syntax.Compare: _compare,
    syntax.In: lambda node, scope: choices.contained(node, scope, lower),
    syntax.If: lambda node, scope: choices.conditional(node, scope, lower),
    syntax.Match: lambda node, scope: choices.matched(node, scope, lower),
    syntax.Quantifier: _quantifier,
    syntax.At: _at,
}
