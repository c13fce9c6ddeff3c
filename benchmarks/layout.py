"""Times, bytes and tiles of the layouts of every example and of some grids, on one core.

python -m benchmarks layout
python -m benchmarks layout --tokens 262144 examples/streaming_llm.attn --no-grids

A pattern of an example is called as its file shows it, its extents doubled in turn until there is
no room in so many tokens; tensors are made up. A time is the least of several, of a layout that is
built and not found again; the processor's time of one thread, so that a busy machine says nearly
the same as an idle one. A pattern that takes longer than half a minute is told and left out.
Results go to `results/layout.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch

import maskc
from benchmarks._grown import grown_calls
from benchmarks.cpu import machine

EXAMPLES = Path(__file__).parents[1] / "examples"
RESULTS = Path(__file__).with_name("results")
REPEATS = 7
ENOUGH = 1.0
"""Seconds of one pattern after which it is not measured again."""
MOST = 30.0
"""Seconds of one layout after which it is given up."""

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
    "rolled windows, odd extents": (
        "y, x",
        "tile_wrap(y, 8, 4) & tile_wrap(x, 8, 4)",
        (1023, 1023),
    ),
    "windows of a volume, odd extents": (
        "z, y, x",
        "tile(z, 4) & tile(y, 4) & tile(x, 4)",
        (101, 101, 101),
    ),
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
    parser.add_argument("--tokens", type=int, default=1 << 20, help="at most, of examples")
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
        record = {
            "machine": machine(),
            "command": shlex.join(["python", "-m", "benchmarks", "layout", *sys.argv[1:]]),
            "block": options.block,
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps({**record, "results": rows}, indent=1) + "\n")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """The rows of the examples, then those of grids."""
    files = options.files or sorted(EXAMPLES.rglob("*.attn"))
    examples = (call for file in files for call in grown_calls(file, options.tokens))
    for name, pattern, arguments in chain(examples, () if options.no_grids else grid_calls()):
        try:
            yield row_of(name, pattern, options.block, arguments)
        except TimeoutError:
            print(f"{name:28}{arguments['n_q']:10,}  more than {MOST:.0f} s")


def grid_calls() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Names, patterns and keywords of `layout` of the grids."""
    for name, (axes, mask, grid) in GRIDS.items():
        pattern = maskc.loads(f"pattern p {{\n space grid({axes})\n mask {mask}\n}}").p
        yield name, pattern, {"n_q": math.prod(grid), "grid": grid}
    pattern = maskc.loads(CAPTIONED).captioned
    given = {"grid": (1024, 1024), "segments": {"text": TEXT}}
    yield "captioned image", pattern, {"n_q": 1024 * 1024 + TEXT, **given}


def row_of(name: str, pattern: Any, block: int, arguments: dict[str, Any]) -> Row:
    """The row of one pattern.

    Raises:
        TimeoutError: where one layout takes longer than `MOST` seconds.

    """
    signal.signal(signal.SIGPROF, _give_up)
    layout, seconds = _timed(pattern, block, arguments)
    times = [seconds]
    while len(times) < REPEATS and sum(times) < ENOUGH:
        times.append(_timed(pattern, block, arguments)[1])
    return Row(
        pattern=name,
        tokens=max(layout.n_q, layout.n_k),
        milliseconds=round(1e3 * min(times), 3),
        kibibytes=round(layout.nbytes / 1024, 1),
        full=layout.full_tiles,
        partial=layout.partial_tiles,
    )


def _timed(pattern: Any, block: int, arguments: dict[str, Any]) -> tuple[Any, float]:
    """A layout that is built, and the seconds that it took."""
    pattern.layouts.clear()
    signal.setitimer(signal.ITIMER_PROF, MOST)
    start = time.process_time()
    layout = pattern.layout(block=block, **arguments)
    seconds = time.process_time() - start
    signal.setitimer(signal.ITIMER_PROF, 0)
    return layout, seconds


def _give_up(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
