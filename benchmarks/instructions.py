"""What the default kernels compile to, without a GPU: instructions a tile, registers, memory.

python -m benchmarks instructions

The counts are SASS (on AMD, GCN) instructions of one warp in the innermost loops of the kernels of
`sliding_window` with a window of 1,024, bfloat16: what one key tile (for dkdv, one query tile)
costs, with the mask and without. They go to `results/instructions.json`; a test holds later
versions of the kernels against that file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import triton

import maskc
from benchmarks._ahead_of_time import KERNELS, TARGETS, Kernel, compiled
from benchmarks._machine_code import inner_loops, products
from benchmarks.gpu import arguments_for

RESULTS = Path(__file__).with_name("results") / "instructions.json"
EXAMPLE = Path(__file__).parents[1] / "examples" / "sliding_window.attn"
WINDOW, TOKENS, KV_HEADS = 1024, 4096, 2

DIMS = (64, 128)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a kernel costs on one GPU.

    `partial`, `full`: instructions of one warp in the innermost loops that multiply matrices, with
    the mask and without; 0 where these are not two. `tensor_core`: the instructions that multiply.
    The others are those of `Kernel`.
    """

    arch: str
    kernel: str
    dim: int
    tile: tuple[int, int, int, int]
    partial: int
    full: int
    registers: int
    spilled: int
    shared: int
    tensor_core: str


def main() -> None:
    """Compile every kernel, print the table and write the file."""
    found = [cost(window(*each)) for each in product(TARGETS, DIMS, KERNELS)]
    print(f"{'GPU':8}{'kernel':10}{'dim':>5}{'partial':>10}{'full':>7}{'registers':>11}{'KiB':>6}")
    for each in found:
        numbers = f"{each.partial:10}{each.full:7}{each.registers:11}{each.shared / 1024:6.0f}"
        print(f"{each.arch:8}{each.kernel:10}{each.dim:5}{numbers}")
    record = {
        "what": "instructions of one warp for each tile of the innermost loops",
        "pattern": f"{EXAMPLE.stem}, window {WINDOW}, bfloat16",
        "triton": triton.__version__,
        "costs": [asdict(each) for each in found],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def recorded() -> tuple[str, dict[tuple[str, str, int], Cost]]:
    """The Triton version of the file and its costs by (GPU, kernel, head dim)."""
    record = json.loads(RESULTS.read_text())
    costs = [Cost(**{**each, "tile": tuple(each["tile"])}) for each in record["costs"]]
    return record["triton"], {(each.arch, each.kernel, each.dim): each for each in costs}


def window(arch: str, dim: int, kernel: str) -> Kernel:
    """A kernel of the example in its default tile."""
    return compiled(arch, kernel, dim, *example(EXAMPLE, window=WINDOW))


def cost(kernel: Kernel) -> Cost:
    """What a kernel costs, by its machine code."""
    code = kernel.code()
    loops = inner_loops(code)
    partial, full = loops if len(loops) == 2 else (0, 0)
    return Cost(
        arch=kernel.arch,
        kernel=kernel.kernel,
        dim=kernel.dim,
        tile=kernel.tile,
        partial=partial,
        full=full,
        registers=kernel.registers,
        spilled=kernel.spilled,
        shared=kernel.shared,
        tensor_core=products(code),
    )


def example(path: Path, **arguments: Any) -> tuple[Any, Any]:
    """The pattern of an example's file, and a call of it."""
    pattern = getattr(maskc.load(path), path.stem)
    arguments = {**arguments_for(pattern, TOKENS, KV_HEADS, "cpu", tiny=False), **arguments}
    return pattern, pattern.bind(TOKENS, heads=8, kv_heads=KV_HEADS, **arguments)
