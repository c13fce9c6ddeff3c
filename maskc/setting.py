"""What one call of a pattern fixes, from the words of a command line: parameters and inputs.

What the command line leaves out is taken from the spec's defaults, and made up where there are
none, so that any pattern can be drawn; what was made up is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from math import prod
from typing import Any

from maskc import ir, points, stand_in, words
from maskc.extents import SettingError, Sizes, extents, lengths, size_names

MOST_LENGTH = 1 << 24
"""Positions that a command line may ask for."""

MOST_MADE_UP = 1 << 26
"""Entries of an input that nobody gives."""

HEADS = ("head", "kv_head")


@dataclass(frozen=True, slots=True)
class Setting:
    """One call, as plain Python values.

    `params`: scalars, tuples of lists, nested tuples of tables. `inputs`: nested lists over all
    axes. `grid` and `segments` are as a call takes them, `items` the tables of a packed grid.
    `made_up`: one sentence for each value that nobody gave.
    """

    n_q: int
    n_k: int
    heads: int
    kv_heads: int
    layer: int
    n_layers: int
    params: Mapping[str, Any]
    inputs: Mapping[str, Any]
    sizes: Mapping[str, int]
    grid: dict[str, int] | tuple[tuple[int, ...], ...] = ()
    segments: dict[str, int] = field(default_factory=dict)
    items: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    made_up: tuple[str, ...] = ()

    def values(self, head: int) -> dict[str, Any]:
        """Every variable of the points reading but `q` and `k`, in the first batch."""
        scalars = {k: v for k, v in self.params.items() if not isinstance(v, tuple)}
        lists = {f"size:{k}": len(v) for k, v in self.params.items() if isinstance(v, tuple)}
        return {
            **{"batch": 0, "head": head, "kv_head": head * self.kv_heads // self.heads},
            **{"batches": 1, "heads": self.heads, "kv_heads": self.kv_heads},
            **{"layer": self.layer, "n_layers": self.n_layers},
            **{"n_q": self.n_q, "n_k": self.n_k},
            **{f"size:{name}": size for name, size in self.sizes.items()},
            **lists,
            **scalars,
        }

    def tensors(self) -> dict[str, Any]:
        """Every tensor of the points reading, nested sequences by name."""
        tables = {k: v for k, v in self.params.items() if isinstance(v, tuple)}
        return {**self.inputs, **tables, **self.items}

    def keywords(self) -> dict[str, Any]:
        """The parameters as a call takes them: tables and lists as lists."""
        return {name: _as_list(value) for name, value in self.params.items()}


def setting(
    pattern: ir.Pattern,
    n_k: int | None,
    *,
    n_q: int | None = None,
    otherwise: int = 48,
    heads: int | None = None,
    kv_heads: int | None = None,
    layer: int = 0,
    n_layers: int | None = None,
    params: Mapping[str, str] | None = None,
    inputs: Mapping[str, str] | None = None,
    sizes: Sizes | None = None,
    document: int | None = None,
    shrink: bool = False,
) -> Setting:
    """What a call of `pattern` would fix.

    Args:
        pattern: the checked pattern.
        n_k: number of keys; None for as many as the sizes make or an input has entries, else for
            `otherwise`.
        n_q: number of query rows; None likewise, else for n_k.
        otherwise: number of keys that nothing else says.
        heads: query heads; None for as many as a table or input has entries, else for 2 where the
            mask depends on the head, else 1.
        kv_heads: key heads, None for as many as a table or input has entries, else for `heads`.
        layer: index of the layer.
        n_layers: number of layers, None for as many as a table or input has entries, else for
            layer + 1.
        params: words of parameters by name: `4Ki`, `true`, `0.5`, `4,4,8`, `[[1, 2], [3, 4]]`.
        inputs: words of inputs by name: entries with an optional count, `0*5,1*7`, or `@file` of
            JSON; one row serves all leading axes.
        sizes: sizes that `grid=` or `segments=` would give; of a packed grid one for each item.
        document: greatest mean length of the documents made up for an input, a quarter of n_k.
        shrink: whether to divide default sizes above an eighth of n_k by one power of two, the
            one that brings the largest of them to an eighth, so that a small picture shows them.

    Raises:
        SettingError: where a word names nothing, does not read, or breaks a rule.

    """
    _known_names("parameter", params or {}, [p.name for p in pattern.params])
    _known_names("input", inputs or {}, [i.name for i in pattern.inputs])
    _known_names("size", sizes or {}, (*size_names(pattern.space), *_open_sizes(pattern, {})))
    given = {name: words.value(name, word) for name, word in (params or {}).items()}
    tensors = {name: words.entries(name, word) for name, word in (inputs or {}).items()}
    along = partial(_entries_along, pattern, {**given, **tensors})
    kv_heads = kv_heads or along("kv_head")
    heads = heads or along("head") or kv_heads or (2 if by_head(pattern) else 1)
    kv_heads = kv_heads or heads
    if heads % kv_heads:
        raise SettingError(f"{heads} heads are no multiple of {kv_heads} key heads")
    n_layers = n_layers or along("layer") or layer + 1
    if layer >= n_layers:
        raise SettingError(f"layer {layer} is outside 0..{n_layers}")
    made_up: list[str] = []
    counts = {"head": heads, "kv_head": kv_heads, "layer": n_layers, "batch": 1}
    sizes = sizes or {}
    seen_k = along("token") or along("k")
    if shrink:
        n = n_k or _own_lengths(pattern, given, counts, sizes)[1] or seen_k or otherwise
        given |= stand_in.shrunk(pattern, n, given, made_up)
    own_q, own_k = _own_lengths(pattern, given, counts, sizes)
    n_k = n_k or own_k or seen_k or otherwise
    call = Setting(
        n_q=n_q or own_q or along("q") or n_k,
        n_k=n_k,
        heads=heads,
        kv_heads=kv_heads,
        layer=layer,
        n_layers=n_layers,
        params=_params(pattern, given, counts, made_up),
        inputs={},
        sizes=_open_sizes(pattern, sizes),
    )
    found = extents(pattern.space, sizes, (call.n_q, n_k), call.values(0), made_up)
    call = replace(
        call,
        sizes={**call.sizes, **found.sizes},
        grid=found.grid,
        segments=found.segments,
        items=found.items,
    )
    mean = min(document or n_k, max(n_k // 4, 1))
    for tensor in pattern.inputs:
        shape = [_length(axis, call, counts) for axis in tensor.axes]
        if tensor.name in tensors:
            tensors[tensor.name] = _shaped(tensor, tensors[tensor.name], shape)
        elif prod(shape) > MOST_MADE_UP:
            told = (
                f"{tensor.name} has {prod(shape):,} entries; at most {MOST_MADE_UP:,} are made up"
            )
            raise SettingError(f"{told}: take fewer tokens")
        else:
            tensors[tensor.name], told = stand_in.tensor(tensor, shape, mean)
            made_up.append(told)
    return replace(call, inputs=tensors, made_up=tuple(made_up))


def _entries_along(pattern: ir.Pattern, given: Mapping[str, Any], axis: str) -> int | None:
    """As many entries as a table or input has along an axis, given or by default.

    An input may lack its leading axes, as one row serves them all; a table lacks none.
    """
    for declared in (*pattern.params, *pattern.inputs):
        axes = declared.axes or ()
        entries: Any = given.get(declared.name, getattr(declared, "default", None))
        lacks = len(axes) - _depth(entries)
        is_row = isinstance(declared, ir.Tensor) and 0 < lacks < len(axes)
        if axis not in axes[lacks if is_row else 0 :] or not (is_row or lacks == 0):
            continue
        for _ in range(axes.index(axis) - lacks):
            entries = entries[0]
        return len(entries)
    return None


def _own_lengths(
    pattern: ir.Pattern, given: Mapping[str, Any], counts: Mapping[str, int], sizes: Sizes
) -> tuple[int | None, int | None]:
    """Numbers of queries and keys as the sizes make them, each None where they do not."""
    params = _params(pattern, given, counts, [])
    known = {
        **{f"size:{name}": len(value) for name, value in params.items() if type(value) is tuple},
        **{name: value for name, value in params.items() if type(value) is not tuple},
        **{"heads": counts["head"], "kv_heads": counts["kv_head"]},
    }
    n_q, n_k = lengths(pattern.space, sizes, known)
    for n in (n_q, n_k):
        if n is not None and n > MOST_LENGTH:
            raise SettingError(f"the sizes make {n:,} positions; at most {MOST_LENGTH:,} are drawn")
    return n_q, n_k


def by_head(pattern: ir.Pattern) -> bool:
    """Whether the mask may differ between heads."""
    tables = [*pattern.params, *pattern.inputs]
    return any(
        isinstance(node, ir.Var) and node.name in HEADS for node in ir.postorder(pattern.mask)
    ) or any(axis in HEADS for table in tables for axis in table.axes or ())


def _known_names(kind: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            has = f"it has {', '.join(f'`{k}`' for k in known)}" if known else f"it has no {kind}s"
            raise SettingError(f"the pattern has no {kind} `{name}`: {has}{hint}")


def _params(
    pattern: ir.Pattern,
    given: Mapping[str, Any],
    counts: Mapping[str, int],
    made_up: list[str],
) -> dict[str, Any]:
    """The values of all parameters; `made_up` gets a sentence for each that nobody gave."""
    values: dict[str, Any] = {}
    for scalar in pattern.params:
        values[scalar.name] = _param(scalar, given, counts, made_up, values)
    return values


def _param(
    scalar: ir.Scalar,
    given: Mapping[str, Any],
    counts: Mapping[str, int],
    made_up: list[str],
    known: Mapping[str, Any],
) -> Any:
    shape = None if scalar.axes is None else [counts[axis] for axis in scalar.axes]
    if scalar.name in given:
        value = _typed(scalar.name, given[scalar.name], scalar.type)
    elif scalar.derived is not None:
        value = points.evaluate(scalar.derived, known)
    elif scalar.default is not None:
        value = scalar.default
    else:
        value = stand_in.parameter(scalar, shape, known)
        if value is None:
            raise SettingError(
                f"{scalar.name} has no default: give it with --param {scalar.name}=..."
            )
        made_up.append(f"{scalar.name} = {_shown(value)}, made up")
    if shape is not None:
        value = _filled(scalar, value, shape)
    elif isinstance(value, tuple):
        raise SettingError(f"{scalar.name} is {_shown(value)}; wanted one {scalar.type.value}")
    for entry in _entries(value):
        if entry != entry:
            raise SettingError(f"{scalar.name} is NaN; wanted a number")
        _hold_rules(scalar, entry, known)
    return value


def _filled(scalar: ir.Scalar, value: Any, shape: Sequence[int]) -> Any:
    """A list as it is, a table of the right shape, one value repeated for all entries."""
    if not shape:
        value = value if isinstance(value, tuple) else (value,)
        _hold_shape(scalar.name, value, [len(value)])
        return value
    if isinstance(value, tuple):
        if len(value) != shape[0]:
            axis = (scalar.axes or ())[-len(shape)]
            raise SettingError(
                f"{scalar.name} has {len(value)} entries along `{axis}`; wanted {shape[0]}"
            )
        if len(shape) > 1:
            return tuple(_filled(scalar, part, shape[1:]) for part in value)
        if any(isinstance(part, tuple) for part in value):
            raise SettingError(f"{scalar.name} is nested deeper than its axes")
        return value
    inner = _filled(scalar, value, shape[1:]) if len(shape) > 1 else value
    return tuple([inner] * shape[0])


def _hold_rules(scalar: ir.Scalar, entry: Any, known: Mapping[str, Any]) -> None:
    for rule, text in scalar.rules:
        if not points.evaluate(rule, {**known, scalar.name: entry}):
            raise SettingError(f"{scalar.name} is {_shown(entry)}; wanted {text}")


def _shaped(tensor: ir.Tensor, value: Any, shape: Sequence[int]) -> Any:
    """What is given for an input, over all its axes: one row serves the leading ones."""
    typed = _typed(tensor.name, value, tensor.type)
    depth = _depth(typed)
    if depth > len(shape):
        raise SettingError(f"{tensor.name} has {depth} axes; wanted {len(shape)}")
    _hold_shape(tensor.name, typed, shape[len(shape) - depth :])
    return stand_in.spread(_as_list(typed), shape[: len(shape) - depth])


def _depth(value: Any) -> int:
    """How deep tuples are nested, as the first of each tells."""
    depth = 0
    while isinstance(value, tuple):
        depth, value = depth + 1, value[0] if value else None
    return depth


def _hold_shape(name: str, value: Any, shape: Sequence[int]) -> None:
    if not shape:
        if isinstance(value, tuple):
            raise SettingError(f"{name} is nested deeper than its axes")
        return
    if not isinstance(value, tuple) or len(value) != shape[0]:
        got = len(value) if isinstance(value, tuple) else "a single value"
        raise SettingError(f"{name} has {got} entries along its last axes; wanted {shape[0]}")
    for part in value:
        _hold_shape(name, part, shape[1:])


def _typed(name: str, value: Any, type_: ir.Type) -> Any:
    """The value with every entry of the wanted type, or an error that says what it is."""
    if isinstance(value, tuple):
        return tuple(_typed(name, part, type_) for part in value)
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise SettingError(f"{name} is {_shown(value)}; wanted at most 64 bits")
    if type_ is ir.FLOAT and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type_ is ir.INT and type(value) is int:
        return value
    if type_ is ir.BOOL and isinstance(value, bool):
        return value
    raise SettingError(f"{name} is {_shown(value)}; wanted {type_.value}")


def _open_sizes(pattern: ir.Pattern, given: Sizes) -> dict[str, int]:
    """Sizes that only an input's shape binds, made up."""
    bound = [
        axis.name.removeprefix("size:")
        for tensor in pattern.inputs
        for axis in tensor.axes
        if isinstance(axis, ir.Var) and axis.name.startswith("size:")
    ]
    return {name: 4 for name in bound if name not in given}


def _length(axis: str | ir.Node, call: Setting, counts: Mapping[str, int]) -> int:
    if isinstance(axis, str):
        return {**counts, "q": call.n_q, "k": call.n_k, "token": call.n_k}[axis]
    return points.evaluate(axis, call.values(0), call.tensors())


def _entries(value: Any) -> list[Any]:
    return [e for part in value for e in _entries(part)] if isinstance(value, tuple) else [value]


def _as_list(value: Any) -> Any:
    return [_as_list(part) for part in value] if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    write: Callable[[Any], str] = lambda v: json.dumps(_as_list(v))  # noqa: E731
    text = write(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else text[:57] + "..."
