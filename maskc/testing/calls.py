"""`calls(pattern)`: calls that a pattern accepts, drawn from its own declarations."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

from maskc.testing.call import Call
from maskc.testing.choices import Draw
from maskc.testing.places import place

HEADS = ((1, 1), (2, 2), (2, 1), (4, 2), (3, 3), (6, 2))
"""(query heads, key heads)."""

HEAD_DIMS = ((16, 16), (24, 24), (64, 64), (16, 24), (64, 16))
"""(of q and k, of v)."""

DTYPES = ("float32", "bfloat16", "float16")


@st.composite
def calls(  # noqa: D417 (Hypothesis gives `draw`)
    draw: Draw,
    pattern: Any,
    max_tokens: int = 40,
    dtypes: Sequence[str] = DTYPES,
    head_dims: Sequence[tuple[int, int]] = HEAD_DIMS,
) -> Call:
    """Calls of `pattern`: lengths, extents, heads, dtypes, parameters within their rules, inputs.

    Args:
        pattern: a public pattern object, from `maskc.load` or a compiled module.
        max_tokens: the greatest number of queries and of keys, but for extents that the spec
            fixes.
        dtypes: names of torch dtypes to draw from.
        head_dims: pairs of the dims of q and v to draw from.

    """
    spec = pattern.spec
    heads, kv_heads = draw(st.sampled_from(HEADS))
    batch = draw(st.integers(1, 2))
    n_layers = draw(st.integers(1, 3)) if _layered(spec) else None
    sizes: dict[str, Any] = {
        **{"batch": batch, "head": heads, "kv_head": kv_heads, "layer": n_layers}
    }
    params: dict[str, Any] = {}
    scalars: dict[str, Any] = {}
    for param in sorted(spec.params, key=lambda p: p.axes is not None):
        default = param.derived(scalars) if param.derived else param.default
        refused = param.derived and not _follows(param, default, scalars)
        if default is None or refused or _misfits(param, sizes) or draw(st.booleans()):
            params[param.name] = _argument(draw, param, scalars, sizes)
        if param.axes is None:
            scalars[param.name] = params.get(param.name, default)
    known = SimpleNamespace(
        params=scalars, heads=heads, kv_heads=kv_heads, batches=batch, n_layers=n_layers or 0
    )
    where = place(draw, spec, known, max_tokens)
    sizes |= {"q": where.n_q, "k": where.n_k, "token": where.n_k}
    int_dtype = draw(st.sampled_from(["int64", "int32", "int16"]))
    float_dtype = draw(st.sampled_from(["float32", "bfloat16", "float64"]))
    inputs = {}
    for wanted in spec.inputs:
        shape = [_axis_length(draw, axis, sizes, known) for axis in wanted.axes]
        inputs[wanted.name] = _nested(draw, wanted.type, shape)
    head_dim, value_dim = draw(st.sampled_from(list(head_dims)))
    return Call(
        n_q=where.n_q,
        n_k=where.n_k,
        batch=batch,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=value_dim,
        dtype=draw(st.sampled_from(list(dtypes))),
        scale=draw(st.sampled_from([None, 0.25, 1.0, -0.5, 0.0])),
        layer=None if n_layers is None else draw(st.integers(0, n_layers - 1)),
        n_layers=n_layers,
        params=params,
        inputs=inputs,
        grid=where.grid,
        segments=where.segments,
        int_dtype=int_dtype,
        float_dtype=float_dtype,
        poison=draw(st.booleans()),
        strided=draw(st.booleans()),
        seed=draw(st.integers(0, 3)),
    )


def _axis_length(draw: Draw, axis: Any, sizes: dict[str, Any], known: SimpleNamespace) -> int:
    if not isinstance(axis, str):
        return axis if isinstance(axis, int) else axis(known)
    if axis in sizes:
        return sizes[axis]
    if axis not in known.sizes:
        known.sizes[axis] = draw(st.integers(1, 5))
    return known.sizes[axis]


def _layered(spec: Any) -> bool:
    declared = (*spec.params, *spec.inputs)
    tables = any("layer" in (d.axes or ()) for d in declared)
    return tables or spec.uses_layer or spec.uses_n_layers


def _misfits(param: Any, sizes: dict[str, Any]) -> bool:
    """Whether a table's default has another number of entries than this call."""
    value = param.default
    for axis in param.axes or ():
        if not isinstance(value, tuple | list):
            return False
        if len(value) != sizes[axis]:
            return True
        value = value[0]
    return False


def _argument(draw: Draw, param: Any, scalars: dict[str, Any], sizes: dict[str, Any]) -> Any:
    allowed = _allowed(param, scalars)
    if not allowed:
        reject()
    one = st.sampled_from(allowed)
    if param.axes is None:
        return draw(one)
    if param.axes == ():
        return draw(st.lists(one, max_size=4))

    def entries(axes: tuple[str, ...]) -> Any:
        return [entries(axes[1:]) for _ in range(sizes[axes[0]])] if axes else draw(one)

    return draw(one) if draw(st.booleans()) else entries(param.axes)


def _allowed(param: Any, scalars: dict[str, Any]) -> list[Any]:
    """Values that the parameter's rules allow, simple ones first."""
    if param.type == "bool":
        pool: list[Any] = [False, True]
    elif param.type == "float":
        pool = [0.0, 0.5, 1.0, 2.0, -0.5, 16.0, *_flat(param.default)]
    else:
        defaults = [d for d in _flat(param.default) if isinstance(d, int)]
        most = max(64, *(4 * d for d in defaults), 0)
        powers = [2**i + d for i in range(4, 15) for d in (-1, 0, 1)]
        near = [n for n in powers if n <= most]
        pool = sorted({*range(-3, 13), *near, *defaults}, key=lambda n: (n < 0, abs(n)))
    return [x for x in pool if _follows(param, x, scalars)]


def _follows(param: Any, entry: Any, scalars: dict[str, Any]) -> bool:
    """Whether an entry keeps the parameter's rules."""
    return all(rule(entry, {**scalars, param.name: entry}) for rule, _ in param.rules)


def _flat(default: Any) -> list[Any]:
    if isinstance(default, tuple | list):
        return [x for part in default for x in _flat(part)]
    return [] if default is None else [default]


def _nested(draw: Draw, type: str, shape: list[int]) -> Any:
    """Entries of an input from few draws, so that long ones shrink as short ones do."""
    if len(shape) > 1:
        rows = [_nested(draw, type, shape[1:]) for _ in range(min(shape[0], 3))]
        return [rows[i % len(rows)] for i in range(shape[0])]
    n = shape[0] if shape else 1
    if type == "bool":
        lives = draw(st.integers(0, n))
        period = draw(st.integers(1, 4))
        row: list[Any] = [i < lives and (period == 1 or i % period > 0) for i in range(n)]
    elif type == "float":
        row = [draw(st.integers(-8, 8)) / 4 for _ in range(min(n, 8))]
        row = [row[i % len(row)] for i in range(n)]
    elif draw(st.integers(0, 2)) < 2:
        starts = draw(st.lists(st.integers(1, max(n - 1, 1)), max_size=4, unique=True))
        first = draw(st.integers(-2, 2))
        row = [first + sum(i >= start for start in starts) for i in range(n)]
    else:
        some = draw(st.lists(st.integers(-5, 5), min_size=1, max_size=5))
        row = [some[i % len(some)] for i in range(n)]
    return row if shape else row[0]
