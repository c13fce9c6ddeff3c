"""Patterns of a text, and their mask pair by pair with the points reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from maskc import ir, pipeline, syntax
from maskc.check import check
from maskc.check.verify import verify
from maskc.diagnostics import Diagnostic, MaskcError
from maskc.grammar.parse import parse, source
from maskc.points import evaluate


def checked(text: str, files: Mapping[str, str] | None = None) -> tuple[ir.Pattern, ...]:
    """The patterns of a text; `files` are the others that it may use."""

    def read(path: str) -> syntax.File:
        if path not in (files or {}):
            raise MaskcError([Diagnostic("missing-file", f"there is no file `{path}`", None)])
        return parse(source((files or {})[path], path))

    patterns = check(parse(source(text, "spec.attn")), prelude=pipeline.prelude(), read=read)
    for pattern in patterns:
        verify(pattern)
    return patterns


def errors(text: str, files: Mapping[str, str] | None = None) -> tuple[Diagnostic, ...]:
    """The diagnostics of a text, none where it is right."""
    try:
        checked(text, files)
    except MaskcError as error:
        return error.diagnostics
    return ()


def spans(text: str) -> list[tuple[str, str]]:
    """Id and underlined text of each error."""
    return [(d.id, d.span.text) for d in errors(text) if d.span is not None]


def values_of(pattern: ir.Pattern, n_q: int, n_k: int, **given: Any) -> dict[str, Any]:
    """Every variable of a call but `q`, `k`, `head` and `kv_head`."""
    values: dict[str, Any] = {
        **{"n_q": n_q, "n_k": n_k, "heads": 1, "kv_heads": 1, "layer": 0, "n_layers": 1},
        **{"batch": 0, "batches": 1, "head": 0, "kv_head": 0},
    }
    for scalar in pattern.params:
        values[scalar.name] = scalar.default
        if scalar.axes == ():
            values[f"size:{scalar.name}"] = len(given.get(scalar.name, scalar.default))
    return {**values, **given}


def mask(
    pattern: ir.Pattern,
    n_q: int,
    n_k: int | None = None,
    tensors: Mapping[str, Any] | None = None,
    **given: Any,
) -> np.ndarray:
    """The mask of one slice: bool [n_q, n_k]. `given`: parameters, sizes and other variables."""
    n_k = n_q if n_k is None else n_k
    values = values_of(pattern, n_q, n_k, **given)
    start = n_k - n_q if pattern.space.align == "end" else 0
    lists = {s.name: values[s.name] for s in pattern.params if s.axes is not None}
    loads = {**lists, **(tensors or {})}
    rows = [
        [evaluate(pattern.mask, {**values, "q": start + row, "k": k}, loads) for k in range(n_k)]
        for row in range(n_q)
    ]
    return np.array(rows, dtype=bool).reshape(n_q, n_k)


def mask_of(text: str, n_q: int, n_k: int | None = None, **given: Any) -> np.ndarray:
    """The mask of the last pattern of a text."""
    return mask(checked(text)[-1], n_q, n_k, **given)
