"""The legality of a pattern: what every stage after the checker may assume of it."""

from __future__ import annotations

from collections.abc import Iterator

from maskc import ir

_VARIADIC = ("add", "mul", "min", "max", "and", "or")
_ARITY = {
    **{name: 1 for name in ("neg", "abs", "sign", "log2", "pow2", "popcount", "is_pow2", "not")},
    **{name: 1 for name in ("to_float", "exp", "log", "tanh", "sigmoid")},
    **{
        name: 2 for name in ("sub", "floordiv", "mod", "shl", "shr", "bit_and", "bit_or", "bit_xor")
    },
    **{name: 2 for name in ("lt", "le", "eq", "ne", "xor", "div", "alibi_slope")},
    "select": 3,
}
_OF_INTS = (*ir.INT_OPS, "is_pow2", "to_float", "alibi_slope")
_FIXED = ("q", "k", *ir.SLICE, *ir.UNIFORM)


def verify(pattern: ir.Pattern) -> None:
    """Nothing for a legal pattern, else an AssertionError with a sentence.

    Legal: every operation has its number of arguments and their types; `mask` is a bool, `score` a
    float over `s`, `sink_count` an int; every name is a variable, a parameter, an input or a size
    of this pattern; loop variables stand inside their Fold.
    """
    scalars = {scalar.name: scalar for scalar in pattern.params}
    tensors = {tensor.name: (tensor.type, len(tensor.axes)) for tensor in pattern.inputs}
    for scalar in pattern.params:
        if scalar.axes is not None:
            tensors[scalar.name] = scalar.type, max(len(scalar.axes), 1)
    roots = {"mask": (pattern.mask, ir.BOOL)}
    if pattern.score is not None:
        roots["score"] = pattern.score, ir.FLOAT
    if pattern.sink_count is not None:
        roots["sink_count"] = pattern.sink_count, ir.INT
    for what, (root, type) in roots.items():
        assert ir.type_of(root) is type, f"{what} of {pattern.name} is not {type.value}"
        for node in ir.postorder(root):
            _verify_node(node)
            match node:
                case ir.Param(name, kind):
                    known = scalars.get(name)
                    assert known is not None, f"parameter {name} of {pattern.name} is unknown"
                    assert known.axes is None, f"{name} is not a scalar"
                    assert known.type is kind, f"{name} has type {known.type.value}"
                case ir.Load(name, indices, kind):
                    if name.startswith("packed."):
                        continue
                    assert name in tensors, f"tensor {name} of {pattern.name} is unknown"
                    assert tensors[name] == (kind, len(indices)), f"{name} is read as another type"
        for name in _free(root):
            logit = what == "score" and name == "s"
            fixed = name in _FIXED or name.startswith(("size:", "least:", "greatest:"))
            assert logit or fixed, f"variable {name} of {pattern.name} is unknown"
    for scalar in pattern.params:
        for rule, text in scalar.rules:
            assert ir.type_of(rule) is ir.BOOL, f"rule {text} is not a bool"


def _verify_node(node: ir.Node) -> None:
    match node:
        case ir.Op(name, args):
            assert name in ir.OPS, f"there is no operation {name}"
            count = len(args)
            if name in _VARIADIC:
                assert count >= 2, f"{name} takes two or more arguments"
            elif name == "hash":
                assert count >= 1, "hash takes a seed"
            else:
                assert count == _ARITY[name], f"{name} takes {_ARITY[name]} arguments"
            _verify_types(name, [ir.type_of(arg) for arg in args])
        case ir.Load(name, indices):
            for index in indices:
                assert ir.type_of(index) is ir.INT, f"an index of {name} is not an int"
        case ir.Fold(kind, _, low, high, body):
            assert kind in ("any", "all", "count"), f"there is no quantifier {kind}"
            ends = ir.type_of(low), ir.type_of(high)
            assert ends == (ir.INT, ir.INT), "the bounds of a quantifier are not ints"
            assert ir.type_of(body) is ir.BOOL, "the body of a quantifier is not a bool"
        case _:
            pass


def _verify_types(name: str, types: list[ir.Type]) -> None:
    if name in ir.LOGIC:
        assert set(types) == {ir.BOOL}, f"{name} takes bools"
    elif name in _OF_INTS:
        assert set(types) == {ir.INT}, f"{name} takes ints"
    elif name in ir.FLOAT_OPS:
        assert set(types) == {ir.FLOAT}, f"{name} takes floats"
    elif name == "select":
        assert types[0] is ir.BOOL, "select takes a condition"
        assert types[1] is types[2], "the branches of select differ in type"
    else:
        assert len(set(types)) == 1, f"the arguments of {name} differ in type"
        assert types[0] is not ir.BOOL or name in ("eq", "ne"), f"{name} takes numbers"


def _free(root: ir.Node) -> Iterator[str]:
    """Names of variables that stand outside the Fold that binds them."""
    stack: list[tuple[ir.Node, frozenset[str]]] = [(root, frozenset())]
    seen: set[tuple[ir.Node, frozenset[str]]] = set()
    while stack:
        item = stack.pop()
        if item in seen:
            continue
        seen.add(item)
        node, bound = item
        match node:
            case ir.Var(name):
                if name not in bound:
                    yield name
            case ir.Fold(_, variable, low, high, body):
                stack += [(low, bound), (high, bound), (body, bound | {variable})]
            case ir.Tally(body, low, high):
                stack += [(low, bound), (high, bound), (body, bound | {"t"})]
            case _:
                stack.extend((child, bound) for child in ir.children(node))
