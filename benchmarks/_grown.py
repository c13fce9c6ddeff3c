"""Calls of the examples at many tokens: as their files show them, extents doubled in turn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

import maskc
from docs.gallery import options, settings
from maskc import ir, pipeline, points, shell
from maskc.cli_call import pattern_and_call
from maskc.extents import Sizes
from maskc.setting import Setting

MEAN_DOCUMENT = 1500
"""Tokens of a made-up document on average."""

FIXED = {
    **{"n_text": 512, "level": 20, "n_codes": 16, "n_agents": 49, "p": 16, "offset": 257},
    "query.target.pictures": 5,
}
"""Sizes that do not grow with the tokens, and the most of each: captions, levels, codes, spans."""


def grown_calls(file: Path, tokens: int) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Each pattern of a file that is shown: its name, its object, and keywords of `layout`."""
    public = maskc.load(file)
    patterns = {pattern.name: pattern for pattern in pipeline.check(file)}
    for name, words in settings(file, "explain").items():
        yield name, getattr(public, name), _grown(file, patterns[name], words, tokens)


def _grown(file: Path, pattern: ir.Pattern, words: str, tokens: int) -> dict[str, Any]:
    """What the pattern is called with, its longer side grown to about so many tokens."""
    shown = options(file, words)
    sizes = _doubled(pattern, shown, tokens)
    n_q, n_k = _lengths(pattern, shown, sizes, tokens)
    grown = [f"{name}={','.join(map(str, _several(size)))}" for name, size in sizes.items()]
    pattern, call = pattern_and_call(file, n_k, {**shown, "n_q": n_q, "sizes": grown, "inputs": ()})
    return {
        **{"n_q": n_q, "n_k": n_k, "heads": call.heads, "kv_heads": call.kv_heads},
        **{"layer": call.layer, "n_layers": call.n_layers},
        **{"grid": call.grid or None, "segments": call.segments or None},
        **call.keywords(),
        **{tensor.name: _made_up(tensor, call) for tensor in pattern.inputs},
    }


def _doubled(pattern: ir.Pattern, shown: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """The sizes shown, those of one axis doubled after another's, as long as there is room."""
    sizes: dict[str, Any] = {
        name: min(size, FIXED.get(name, size)) if isinstance(size, int) else size
        for name, size in shell.sizes(shown["sizes"]).items()
    }
    # A packed grid has twice as many items instead; axes of one name are doubled together.
    is_packed = any(isinstance(size, tuple) for size in sizes.values())
    axes = {"" if is_packed else name.rpartition(".")[2] for name in sizes if name not in FIXED}
    growing = sorted(axes)
    while growing:
        for axis in tuple(growing):
            larger = {
                name: size * 2 if is_packed or name.rpartition(".")[2] == axis else size
                for name, size in sizes.items()
            }
            if max(_lengths(pattern, shown, larger, tokens)) <= tokens:
                sizes = larger
            else:
                growing.remove(axis)
    return sizes


def _lengths(
    pattern: ir.Pattern, shown: Mapping[str, Any], sizes: Sizes, tokens: int
) -> tuple[int, int]:
    """Numbers of queries and of keys: those of the space, or those shown in proportion."""
    n_q, n_k = shown["n_q"] or shown["n"], shown["n"]
    n_q, n_k = (max(n * tokens // max(n_q, n_k), 1) for n in (n_q, n_k))
    values = {p.name: p.default for p in pattern.params if p.axes is None}
    values |= {f"size:{name}": size for name, size in sizes.items()}
    if pattern.space.key is not None:
        n_k = _positions(pattern.space.key, sizes, values)
        n_q = n_k if pattern.space.query is None else n_q
    if pattern.space.query is not None:
        n_q = _positions(pattern.space.query, sizes, values)
    return n_q, n_k


def _positions(side: ir.Side, sizes: Sizes, values: Mapping[str, Any]) -> int:
    if side.packed:
        return sum(math.prod(item) for item in zip(*map(_several, sizes.values()), strict=True))
    return sum(
        math.prod(points.evaluate(extent.value, values) for extent in extents)
        for _, extents in side.segments
    )


def _several(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return size if isinstance(size, tuple) else (size,)


def _made_up(tensor: ir.Tensor, call: Setting) -> torch.Tensor:
    """Labels of documents along the tokens, else ones; a lone int is half the keys."""
    lengths = {
        **{"batch": 1, "head": call.heads, "kv_head": call.kv_heads, "layer": call.n_layers},
        **{"q": call.n_q, "k": call.n_k, "token": call.n_k},
    }
    shape = [
        lengths[axis] if isinstance(axis, str) else points.evaluate(axis, call.values(0))
        for axis in tensor.axes
    ]
    dtype = {ir.INT: torch.int64, ir.BOOL: torch.bool, ir.FLOAT: torch.float64}[tensor.type]
    if tensor.type is ir.INT and shape[-1:] == [1]:
        return torch.full(shape, call.n_k // 2)
    if tensor.type is ir.INT and tensor.axes[-1] in ("q", "k", "token"):
        return documents(shape[-1]).expand(shape).contiguous()
    return torch.ones(shape, dtype=dtype)


def documents(n: int) -> torch.Tensor:
    """Labels of documents whose lengths vary as those of texts do, 1,500 tokens on average."""
    draws = torch.rand(n // 100 + 1, generator=torch.Generator().manual_seed(0))
    lengths = (-MEAN_DOCUMENT * draws.clamp(min=1e-6).log()).long() + 1
    starts = lengths.cumsum(0)
    return torch.searchsorted(starts, torch.arange(n), right=True)
