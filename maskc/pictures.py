"""The prelude in pictures: each function's signature, its documentation and a small drawing."""

from __future__ import annotations

from dataclasses import dataclass

from maskc import pipeline, syntax
from maskc.setting import setting
from maskc.show import Cells, cells

SIDE = 24
"""Tokens of a picture."""

SAMPLES = {
    "recent": "recent(6)",
    "window": "window(5, 2)",
    "sink": "sink(4)",
    "global": "global(3)",
    "prefix": "prefix(8)",
    "block": "block(6)",
    "block_causal": "block_causal(6)",
    "block_window": "block_window(4, 1)",
    "dilated": "dilated(4, 3)",
    "strided": "strided(5)",
    "columns": "columns(6)",
    "fixed": "fixed(6, 2)",
    "random": "random(4)",
    "random_blocks": "random_blocks(4, 2)",
    "near": "near(x, 3)",
    "near_wrap": "near_wrap(x, 3)",
    "neighborhood": "neighborhood(x, 7)",
    "tile": "tile(x, 6, 2)",
    "tile_wrap": "tile_wrap(x, 6, 2)",
    "tile_swin": "tile_swin(x, 6, 2)",
    "halo": "halo(x, 6, 2)",
    "residue": "residue(x, 4)",
    "disk": "disk(3)",
}
"""The call that is drawn; a function that is not here is drawn with 4 for every int."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One function of the prelude: how it is declared and what one call of it keeps."""

    name: str
    signature: str
    doc: str
    call: str
    mask: Cells


def masks() -> list[syntax.Def]:
    """The masks of the prelude, in its order; names with a `_` in front are its own affair."""
    defs = [d for d in pipeline.prelude().declarations if isinstance(d, syntax.Def)]
    return [d for d in defs if not d.name.startswith("_")]


def pictures(names: tuple[str, ...] = ()) -> list[Picture]:
    """A picture of each mask of the prelude, in its order, or of those named."""
    shown = [d for d in masks() if not names or d.name in names]
    calls = {d.name: SAMPLES.get(d.name) or _call(d) for d in shown}
    spec = "\n".join(
        f"pattern p_{name} {{\n    input doc: int[batch, token]\n    mask {call}\n}}"
        for name, call in calls.items()
    )
    drawn = {
        pattern.name.removeprefix("p_"): cells(pattern, setting(pattern, SIDE, heads=1))
        for pattern in pipeline.check_text(spec)
    }
    return [
        Picture(d.name, signature(d), d.doc.strip(), calls[d.name], drawn[d.name]) for d in shown
    ]


def signature(node: syntax.Def) -> str:
    """A function as it is declared, without its body: `window(left: int, right: int = left)`."""
    parts = []
    for parameter in node.parameters:
        assert parameter.span is not None, "the prelude is read from a file"
        parts.append(" ".join(parameter.span.text.split()))
    return f"{node.name}({', '.join(parts)})" if parts else node.name


def _call(node: syntax.Def) -> str:
    kinds = {"axis": "x", "input": "doc", "bool": "true", "float": "1.0"}
    words = [
        kinds.get(p.type.name if p.type else "int", "4")
        for p in node.parameters
        if p.default is None
    ]
    return f"{node.name}({', '.join(words)})" if words else node.name
