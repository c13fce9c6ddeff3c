"""The checker and every pass keep the meaning: the IR, point by point, against the tree."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from maskc import ir, points, syntax
from maskc.check import check
from maskc.passes import PASSES
from maskc.pipeline import prelude
from maskc.testing import Call, calls, specs
from subjects import EXAMPLES, meaning_of, share, tree_of

MOST = 8
"""Greatest number of tokens: the points reading is slow and plain."""


def declared(pattern: ir.Pattern) -> SimpleNamespace:
    """What `calls` wants of a pattern, from its IR alone."""

    def rule(node: ir.Node, name: str) -> Any:
        return lambda entry, scalars: points.evaluate(node, {**scalars, name: entry})

    params = [
        SimpleNamespace(
            name=p.name,
            type=p.type.value,
            axes=p.axes,
            default=p.default,
            derived=p.derived and partial(points.evaluate, p.derived),
            rules=[(rule(node, p.name), text) for node, text in p.rules],
        )
        for p in pattern.params
    ]
    inputs = [
        SimpleNamespace(name=t.name, type=t.type.value, axes=tuple(map(length_of, t.axes)))
        for t in pattern.inputs
    ]
    names = {n.name for n in ir.postorder(pattern.mask) if isinstance(n, ir.Var)}
    spec = SimpleNamespace(
        name=pattern.name,
        params=params,
        inputs=inputs,
        space=space_of(pattern.space),
        uses_layer="layer" in names,
        uses_n_layers="n_layers" in names,
    )
    return SimpleNamespace(spec=spec)


def length_of(axis: str | ir.Node) -> Any:
    """A length as a spec holds it: a name, an int, or a function of the call so far."""
    match axis:
        case str() | ir.Const():
            return axis if isinstance(axis, str) else axis.value
        case ir.Var() if axis.name.startswith("size:"):
            return axis.name.removeprefix("size:")
    return lambda call: points.evaluate(
        axis,
        {
            **{"n_q": call.n_q, "n_k": call.n_k, **call.params},
            **{f"size:{name}": size for name, size in call.sizes.items()},
        },
    )


def space_of(space: ir.Space) -> SimpleNamespace | None:
    """A space as a spec holds it."""
    if space.key is None:
        return None
    key, query = side_of(space.key), side_of(space.query)
    if space.key.packed:
        return SimpleNamespace(axes=key[0].extents)
    return SimpleNamespace(key=key, query=None if space.query == space.key else query)


def side_of(side: ir.Side) -> list[SimpleNamespace]:
    """One side's segments as a spec holds them."""
    return [
        SimpleNamespace(
            name=name,
            is_grid=extents[0].is_axis,
            extents=[SimpleNamespace(name=e.name, value=length_of(e.value)) for e in extents],
        )
        for name, extents in side.segments
    ]


def extents_of(space: ir.Space, call: Call) -> tuple[dict[str, int], dict[str, list[int]]]:
    """The sizes of a call by variable, and the tables of a packed grid by name."""
    sides = [side for side in dict.fromkeys((space.query, space.key)) if side is not None]
    if sides and sides[0].packed:
        ((_, axes),) = sides[0].segments
        lengths = [math.prod(row) for row in call.grid]
        tables = {
            "item": [i for i, n in enumerate(lengths) for _ in range(n)],
            "start": [sum(lengths[:i]) for i in range(len(lengths))],
            **{axis.name: [row[i] for row in call.grid] for i, axis in enumerate(axes)},
        }
        return {}, {f"packed.{name}": entries for name, entries in tables.items()}
    sizes: dict[str, int] = {}
    grid = list(call.grid or ())
    for side in sides:
        for name, extents in side.segments:
            for extent in extents:
                if not isinstance(extent.value, ir.Var):
                    continue
                given = grid.pop(0) if extent.is_axis else (call.segments or {})[name]
                sizes[extent.value.name] = given
    return sizes, {}


def table(param: ir.Scalar, value: Any, sizes: dict[str, int]) -> Any:
    """A table or list as nested lists, one value spread over all entries."""

    def fill(value: Any, axes: tuple[str, ...]) -> Any:
        if not axes:
            return value
        parts = value if isinstance(value, list | tuple) else [value] * sizes[axes[0]]
        return [fill(part, axes[1:]) for part in parts]

    return fill(value, param.axes or ()) if param.axes else list(value)


def mask_by_points(pattern: ir.Pattern, call: Call) -> torch.Tensor:
    """The mask, bool [batch, heads, n_q, n_k], by `points.evaluate` at every pair."""
    sizes = {"head": call.heads, "kv_head": call.kv_heads, "layer": call.n_layers or 0}
    values: dict[str, Any] = {
        **{"n_q": call.n_q, "n_k": call.n_k, "heads": call.heads, "kv_heads": call.kv_heads},
        **{"batches": call.batch, "layer": call.layer, "n_layers": call.n_layers},
    }
    tensors: dict[str, Any] = {name: t.tolist() for name, t in call.input_tensors().items()}
    given, tables = extents_of(pattern.space, call)
    values.update(given)
    tensors.update(tables)
    for tensor in pattern.inputs:
        for axis, n in zip(tensor.axes, call.input_tensors()[tensor.name].shape, strict=True):
            if isinstance(axis, ir.Var):
                values.setdefault(axis.name, n)
    for param in pattern.params:
        default = points.evaluate(param.derived, values) if param.derived else param.default
        value = call.params.get(param.name, default)
        if param.axes is None:
            values[param.name] = value
        else:
            tensors[param.name] = table(param, value, sizes)
            values[f"size:{param.name}"] = len(tensors[param.name])
    shape = (call.batch, call.heads, call.n_q, call.n_k)
    start = call.n_k - call.n_q if pattern.space.align == "end" else 0
    mask = torch.zeros(shape, dtype=torch.bool)
    for b, h, row, k in torch.cartesian_prod(*(torch.arange(n) for n in shape)).tolist():
        kv_head = h // (call.heads // call.kv_heads)
        here = {"batch": b, "head": h, "kv_head": kv_head, "q": row + start, "k": k}
        mask[b, h, row, k] = points.evaluate(pattern.mask, {**values, **here}, tensors)
    return mask


def check_stages(tree: syntax.File, data: st.DataObject) -> None:
    for pattern in check(tree, prelude=prelude()):
        call = data.draw(calls(declared(pattern), MOST))
        wanted = torch.from_numpy(meaning_of(tree, pattern.name, call).mask())
        assert torch.equal(mask_by_points(pattern, call), wanted), "check"
        for each in PASSES:
            pattern = replace(pattern, mask=each.apply(pattern.mask))
            assert torch.equal(mask_by_points(pattern, call), wanted), each.name


@given(specs(), st.data())
def test_every_stage_keeps_the_meaning_of_drawn_specs(tree, data):
    check_stages(tree, data)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
@settings(max_examples=share(2))
@given(st.data())
def test_every_stage_keeps_the_meaning_of_an_example(path, data):
    check_stages(tree_of(path.read_text(encoding="utf-8")), data)
