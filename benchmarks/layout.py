"""Times, bytes and tiles of the layouts of compiled examples and of grids, on one core.

python -m benchmarks layout
python -m benchmarks layout --tokens 262144 examples/streaming_llm.attn --no-grids

A time is the least of several, of a layout that is built and not found again; seconds of the wall
clock, so that the machine should be idle. Results go to `results/layout.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import maskc
from benchmarks.cpu import machine

EXAMPLES = Path(__file__).parents[1] / "examples"
RESULTS = Path(__file__).with_name("results")
REPEATS = 7
ENOUGH = 2.0
"""Seconds of one pattern after which it is not measured again."""
MEAN_DOCUMENT = 1500
HEADS = 8

GRIDS = {
    "neighborhood 13 x 13": ("y, x", "neighborhood(y, 13) & neighborhood(x, 13)", (1024, 1024)),
    "neighborhood, odd extents": (
        "y, x",
        "neighborhood(y, 13) & neighborhood(x, 13)",
        (1048, 1000),
    ),
    "dilated neighborhood": ("y, x", "neighborhood(y, 7, 4) & neighborhood(x, 7, 4)", (1024, 1024)),
    "shifted windows": ("y, x", "tile_swin(y, 8, 4) & tile_swin(x, 8, 4)", (1024, 1024)),
    "halo": ("y, x", "halo(y, 8, 3) & halo(x, 8, 3)", (1024, 1024)),
    "disk": ("y, x", "disk(8)", (1024, 1024)),
    "torus": ("y, x", "near_wrap(y, 3) & near_wrap(x, 3)", (1024, 1024)),
    "video 5 x 9 x 9": (
        *("t, y, x", "neighborhood(t, 5) & neighborhood(y, 9) & neighborhood(x, 9)"),
        (64, 128, 128),
    ),
    "video, odd extents": ("t, y, x", "near(t, 2) & near(y, 4) & near(x, 4)", (256, 45, 80)),
    "causal video": ("t, y, x", "causal & near(t, 2) & near(y, 2) & near(x, 2)", (64, 128, 128)),
}
"""Patterns of grids by name: axes, mask, and extents at about 1 Mi tokens."""

TEXT = 77
CAPTIONED = """pattern captioned {
    space text(n_text) ++ image: grid(y, x)
    mask q in text | k in text | (near(y, 6) & near(x, 6))
}"""


@dataclass(frozen=True, slots=True)
class Row:
    """One layout: its pattern and length, the least time to build it, its size and tiles."""

    pattern: str
    tokens: int
    milliseconds: float
    kibibytes: float
    full: int
    partial: int

    def __str__(self) -> str:
        """A line of the table."""
        return (
            f"{self.pattern:28}{self.tokens:10,}{self.milliseconds:10.2f}{self.kibibytes:10.0f}"
            f"{self.full:13,}{self.partial:13,}"
        )


def main() -> None:
    """Print and keep one row for each pattern of the files given, and for each grid."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks layout", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="by default every example")
    parser.add_argument("--tokens", type=int, default=1 << 20, help="of patterns without a grid")
    parser.add_argument("--block", type=int, default=128)
    parser.add_argument("--no-grids", action="store_true", help="leave the grids out")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "layout.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'pattern':28}{'tokens':>10}{'ms':>10}{'KiB':>10}{'full':>13}{'partial':>13}")
    rows = []
    for row in measured(options):
        print(row, flush=True)
        rows.append(asdict(row))
        record = {"machine": machine(), "command": shlex.join(sys.argv), "block": options.block}
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({**record, "results": rows}, indent=1) + "\n")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """The rows of the examples that stand on a line, then those of grids."""
    for file in options.files or sorted(EXAMPLES.rglob("*.attn")):
        for name, pattern in vars(maskc.load(file)).items():
            spec = getattr(pattern, "spec", None)
            if spec is None or spec.space is not None:
                continue
            n = options.tokens
            arguments = made_up(spec, n)
            try:
                pattern.bind(n, **arguments)
            except (TypeError, ValueError) as error:
                print(f"{name:28}{n:10,}  not measured: {error}")
                continue
            yield row_of(name, pattern, n, options.block, arguments)
    if options.no_grids:
        return
    for name, (axes, mask, grid) in GRIDS.items():
        pattern = maskc.loads(f"pattern p {{\n space grid({axes})\n mask {mask}\n}}").p
        yield row_of(name, pattern, math.prod(grid), options.block, {"grid": grid})
    pattern = maskc.loads(CAPTIONED).captioned
    given = {"grid": (1024, 1024), "segments": {"text": TEXT}}
    yield row_of("captioned image", pattern, 1024 * 1024 + TEXT, options.block, given)


def row_of(name: str, pattern: Any, n: int, block: int, arguments: dict[str, Any]) -> Row:
    """The row of one pattern at n tokens."""
    times = []
    while len(times) < REPEATS and sum(times) < ENOUGH:
        pattern.layouts.clear()
        start = time.perf_counter()
        layout = pattern.layout(n, block=block, **arguments)
        times.append(time.perf_counter() - start)
    return Row(
        pattern=name,
        tokens=n,
        milliseconds=round(1e3 * min(times), 3),
        kibibytes=round(layout.nbytes / 1024, 1),
        full=layout.full_tiles,
        partial=layout.partial_tiles,
    )


def made_up(spec: Any, n: int) -> dict[str, Any]:
    """Arguments for a pattern that needs some: labels of documents, tables half true."""
    arguments: dict[str, Any] = {}
    missing = [param for param in spec.params if param.default is None]
    if any(param.axes for param in missing):
        arguments |= {"heads": HEADS, "kv_heads": HEADS}
    for param in missing:
        entry = [False, True] if param.type == "bool" else [1, 2]
        if param.axes == ("head",) or param.axes == ("kv_head",):
            arguments[param.name] = entry * (HEADS // 2)
    if spec.uses_layer or spec.uses_n_layers:
        arguments |= {"layer": 0, "n_layers": 1}
    for declared in spec.inputs:
        sizes = [n if axis in ("q", "k", "token") else 1 for axis in declared.axes]
        labels = documents(n)
        if declared.type == "int" and sizes and sizes[-1] == n:
            arguments[declared.name] = labels.expand(sizes).contiguous()
        else:
            dtype = {"int": torch.int64, "bool": torch.bool, "float": torch.float32}[declared.type]
            arguments[declared.name] = torch.ones(sizes, dtype=dtype)
    return arguments


def documents(n: int) -> torch.Tensor:
    """Labels of documents whose lengths vary as those of texts do, 1,500 tokens on average."""
    draws = torch.rand(n // 100 + 1, generator=torch.Generator().manual_seed(0))
    lengths = (-MEAN_DOCUMENT * draws.clamp(min=1e-6).log()).long() + 1
    starts = lengths.cumsum(0)
    return torch.searchsorted(starts, torch.arange(n), right=True)


if __name__ == "__main__":
    main()
