"""From the arguments of one call to its `Call`: parameters, lengths, layers and inputs."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import torch

from maskc.codegen.runtime.arguments import (
    CALL_ARGUMENTS,
    FLOAT_DTYPES,
    INT_DTYPES,
    MOST_INT,
    MOST_SLICES,
    as_lists,
    checked_bool,
    checked_count,
    checked_float,
    checked_int,
    checked_tensor,
    is_sequence,
    shown,
)
from maskc.codegen.runtime.call import Call, Input, Param, Spec

SETTING = ("layer", "n_layers", "grid", "segments", "routes", "inputs")
"""Keywords of a call that every pattern knows, beside its own parameters and inputs."""


def bind(
    spec: Spec,
    arguments: dict[str, Any],
    *,
    n_q: int,
    n_k: int,
    batches: int,
    heads: int,
    kv_heads: int,
    device: torch.device,
    move: bool = False,
) -> Call:
    """The Call of these lengths and arguments, all of them checked.

    Args:
        spec: what is called.
        arguments: keywords as the caller gave them: those of SETTING, parameters and inputs.
        n_q: number of query rows; this and the next four are already checked.
        n_k: number of keys.
        batches: number of batches.
        heads: number of query heads.
        kv_heads: number of key heads.
        device: where positions and slice indices are made, and where inputs must be.
        move: bring inputs to `device` instead of asking that they be there.

    Raises:
        TypeError, ValueError: naming the argument, its axis, what was wanted and what came.

    """
    setting = {name: arguments.get(name) for name in SETTING}
    given = _declared(spec, arguments, setting["inputs"])
    if setting["routes"] is not None:
        raise ValueError(f"routes is given, but {spec.name} has no routes")
    if batches * heads > MOST_SLICES:
        raise ValueError(
            f"q has {batches} x {heads} slices, batch by heads; wanted at most {MOST_SLICES}"
        )
    zero = torch.zeros((), dtype=torch.int64, device=device)
    call = Call(
        n_q=n_q,
        n_k=n_k,
        heads=heads,
        kv_heads=kv_heads,
        batches=batches,
        layer=0,
        n_layers=0,
        q_start=n_k - n_q if spec.align == "end" else 0,
        device=device,
        batch=zero,
        head=zero,
        kv_head=zero,
    )
    for param in spec.params:
        if param.axes is None:
            call.params[param.name] = _entry(param, "", _value(param, given, call), call.params)
    call = _with_layer(spec, call, setting["layer"], setting["n_layers"], given)
    _bind_space(spec, setting["grid"], setting["segments"], call)
    tables = []
    for param in spec.params:
        if param.axes is not None:
            call.tensors[param.name], entries = _table(param, _value(param, given, call), call)
            tables.append(entries)
    call = replace(call, tables=tuple(tables))
    for wanted in spec.inputs:
        call.tensors[wanted.name] = _input(wanted, given, call, move)
    _refuse_overflow(spec, call)
    return call


def _declared(spec: Spec, arguments: dict[str, Any], inputs: Any) -> dict[str, Any]:
    """The arguments that the spec declares, whichever way they were given."""
    known = [p.name for p in spec.params] + [i.name for i in spec.inputs]
    given = {name: value for name, value in arguments.items() if name not in SETTING}
    if inputs is None:
        inputs = {}
    if not isinstance(inputs, dict):
        raise TypeError(f"inputs is a {type(inputs).__name__}; wanted a dict of tensors by name")
    for name in (*inputs, *given):
        if name not in known:
            near = difflib.get_close_matches(str(name), [*known, *CALL_ARGUMENTS], 1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise TypeError(f"{spec.name} has no parameter or input `{name}`{hint}")
        if name in inputs and name in given:
            raise TypeError(f"`{name}` is given twice: in inputs= and by keyword")
    return {**inputs, **given}


def _bind_space(spec: Spec, grid: Any, segments: Any, call: Call) -> None:
    if spec.space is not None:
        spec.space.bind(spec.name, grid, segments, call)
        return
    for name, value in (("grid", grid), ("segments", segments)):
        if value is not None:
            raise ValueError(f"{name} is given, but {spec.name} has no {name}")


def _with_layer(spec: Spec, call: Call, layer: Any, n_layers: Any, given: dict[str, Any]) -> Call:
    if n_layers is not None:
        n_layers = checked_count("n_layers", n_layers, 1)
    if layer is not None:
        layer = checked_count("layer", layer, 0, MOST_INT)
    elif spec.uses_layer:
        raise ValueError(f"layer is missing: the mask of {spec.name} depends on it")
    if n_layers is None:
        n_layers = _layers_of(spec, given)
    if n_layers is None and spec.uses_n_layers:
        raise ValueError(f"n_layers is missing: {spec.name} depends on it")
    if layer is not None and n_layers is not None and layer >= n_layers:
        raise ValueError(
            f"layer is {layer}; wanted at most {n_layers - 1} (n_layers is {n_layers})"
        )
    return replace(call, layer=layer or 0, n_layers=n_layers or 0)


def _layers_of(spec: Spec, given: dict[str, Any]) -> int | None:
    """The number of layers that a given table or input shows by its shape, if any does."""
    for declared in (*spec.params, *spec.inputs):
        axes = declared.axes or ()
        if "layer" not in axes:
            continue
        value: Any = given.get(declared.name, getattr(declared, "default", None))
        if hasattr(value, "shape"):
            if len(value.shape) == len(axes):
                return value.shape[axes.index("layer")]
            continue
        for _ in range(axes.index("layer")):
            value = value[0] if is_sequence(value) and value else None
        if is_sequence(value):
            return len(value)
    return None


def _value(param: Param, given: dict[str, Any], call: Call) -> Any:
    """What the caller gave for a parameter, or its default."""
    if param.derived is not None and param.name not in given:
        return param.derived(call.params)
    value = given.get(param.name, param.default)
    if value is None and param.name in given:
        hint = "" if param.default is None else f", or nothing for {param.default!r}"
        raise TypeError(f"{param.name} is None; wanted {param.wanted}{hint}")
    if value is None:
        raise TypeError(f"parameter {param.name} is missing: the spec gives it no default")
    return value


def _entry(param: Param, place: str, value: Any, scalars: dict[str, Any]) -> Any:
    """One value of a parameter, of the right Python type and within its rules."""
    check = {"int": checked_int, "float": checked_float, "bool": checked_bool}[param.type]
    name = param.name + place
    value = check(name, value)
    if value != value:
        raise ValueError(f"{name} is NaN; wanted a number")
    for rule, text in param.rules:
        if not rule(value, scalars):
            raise ValueError(f"{name} is {value}: the spec says {text}")
    return value


def _table(param: Param, value: Any, call: Call) -> tuple[torch.Tensor, str]:
    """A list or table as a tensor and as text; one value stands for all entries of a table."""
    value = as_lists(param.name, value)
    axes = param.axes or ("entry",)
    nested = is_sequence(value)
    if not param.axes and not nested:
        raise TypeError(f"parameter {param.name} is {shown(value)}; wanted a list")
    if not param.axes:
        call.sizes[param.name] = len(value)
    sizes = {"head": call.heads, "kv_head": call.kv_heads, "layer": call.n_layers}
    wanted = [sizes[axis] for axis in param.axes] if param.axes else [len(value)]
    if "layer" in axes and not call.n_layers:
        raise ValueError(f"n_layers is missing: table {param.name} has an entry for each layer")
    if not nested:
        value = _entry(param, "", value, call.params)
        for size in reversed(wanted):
            value = [value] * size
    else:
        value = _nested(param, "", value, axes, wanted, call.params)
    dtype = _dtype(param.type, call.device)
    return torch.tensor(value, dtype=dtype, device=call.device).reshape(wanted), repr(value)


def _nested(
    param: Param,
    place: str,
    value: Any,
    axes: tuple[str, ...],
    wanted: list[int],
    scalars: dict[str, Any],
) -> Any:
    if not axes:
        return _entry(param, place, value, scalars)
    if not is_sequence(value):
        raise ValueError(
            f"table {param.name}{place} is {shown(value)}; "
            f"wanted {wanted[0]} entries, one for each {axes[0]}"
        )
    if len(value) != wanted[0]:
        raise ValueError(
            f"table {param.name}{place} has {len(value)} entries; "
            f"wanted {wanted[0]}, one for each {axes[0]}"
        )
    return [
        _nested(param, f"{place}[{i}]", entry, axes[1:], wanted[1:], scalars)
        for i, entry in enumerate(value)
    ]


def _dtype(type: str, device: torch.device) -> torch.dtype:
    if type == "float":
        return torch.float32 if device.type == "mps" else torch.float64
    return torch.int64 if type == "int" else torch.bool


def _input(declared: Input, given: dict[str, Any], call: Call, move: bool) -> torch.Tensor:
    name = declared.name
    value = given.get(name)
    if value is None:
        raise TypeError(f"input {name} is missing: the spec wants {name}: {_shape_of(declared)}")
    value = checked_tensor(f"input {name}", value)
    allowed = {"int": INT_DTYPES, "bool": (torch.bool,), "float": FLOAT_DTYPES}[declared.type]
    if value.dtype not in allowed:
        raise TypeError(f"input {name} has dtype {value.dtype}; wanted {declared.type}")
    if value.device != call.device and (not move or value.is_meta):
        raise ValueError(f"input {name} is on {value.device}; q is on {call.device}")
    if value.ndim != len(declared.axes):
        raise ValueError(
            f"input {name} has {value.ndim} axes {list(value.shape)}; "
            f"wanted {len(declared.axes)}: {_shape_of(declared)}"
        )
    sizes = {
        **{"batch": call.batches, "head": call.heads, "kv_head": call.kv_heads},
        **{"layer": call.n_layers, "q": call.n_q, "k": call.n_k, "token": call.n_k},
    }
    for i, axis in enumerate(declared.axes):
        got = value.shape[i]
        if isinstance(axis, str) and axis not in sizes:
            wanted = call.sizes.setdefault(axis, got)
        elif isinstance(axis, str):
            wanted = sizes[axis]
        else:
            wanted = axis if isinstance(axis, int) else axis(call)
        if got != wanted:
            what = axis if isinstance(axis, str) else "fixed by the spec"
            raise ValueError(
                f"input {name} has {got} entries on axis {i} ({what}); wanted {wanted}"
            )
    entries = value.to(call.device, _dtype(declared.type, call.device)).contiguous()
    if value.dtype == torch.uint64 and not entries.is_meta and bool((entries < 0).any()):
        raise ValueError(f"input {name} has entries of 2^63 and more; wanted at most 63 bits")
    return entries


def _shape_of(declared: Input) -> str:
    axes = (str(axis) if isinstance(axis, (str, int)) else "..." for axis in declared.axes)
    return f"{declared.type}[{', '.join(axes)}]"


def _refuse_overflow(spec: Spec, call: Call) -> None:
    """Refuse a call whose integers may leave 64 bits."""
    if spec.span is None or not (call.n_q and call.n_k) or call.device.type == "meta":
        return
    span = spec.span(call.q_start, call.q_start + call.n_q - 1, 0, call.n_k - 1, call)
    if span > MOST_INT:
        raise ValueError(
            f"{spec.name} may leave 64-bit integers here: a part of the mask can reach {span} "
            f"with {call.n_q} queries, {call.n_k} keys and these parameters and inputs"
        )
