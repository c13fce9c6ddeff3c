"""Times, bytes and tiles of the layouts of compiled examples, on one core.

python -m benchmarks.layout --tokens 1048576 examples/streaming_llm.attn
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

import maskc

EXAMPLES = Path(__file__).parents[1] / "examples"
REPEATS = 5
MEAN_DOCUMENT = 1500
HEADS = 8


def main() -> None:
    """Print one line for each pattern of the files given, by default of every example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--tokens", type=int, default=1 << 20)
    parser.add_argument("--block", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'pattern':28}{'tokens':>10}{'ms':>10}{'KiB':>10}{'full':>13}{'partial':>13}")
    for file in options.files or sorted(EXAMPLES.rglob("*.attn")):
        for name, pattern in vars(maskc.load(file)).items():
            if hasattr(pattern, "layout"):
                print(line(name, pattern, options.tokens, options.block), flush=True)


def line(name: str, pattern: Any, n: int, block: int) -> str:
    """One row of the table: the least of five times for one pattern at n tokens."""
    arguments = made_up(pattern.spec, n)
    times = []
    for _ in range(REPEATS):
        pattern.layouts.clear()
        start = time.perf_counter()
        layout = pattern.layout(n, block=block, **arguments)
        times.append(time.perf_counter() - start)
        if times[-1] > 2:
            break
    milliseconds, kibibytes = 1e3 * min(times), layout.nbytes / 1024
    tiles = f"{layout.full_tiles:13,}{layout.partial_tiles:13,}"
    return f"{name:28}{n:10,}{milliseconds:10.2f}{kibibytes:10.0f}{tiles}"


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
