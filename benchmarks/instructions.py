"""What the default kernels compile to, without a GPU: instructions a tile, registers, memory.

python -m benchmarks instructions

The counts are SASS (on AMD, GCN) instructions of one warp in the innermost loops of the kernels of
`sliding_window` with a window of 1,024, bfloat16: what one key tile (for dkdv, one query tile)
costs, with the mask and without. They go to `results/instructions.json`; a test holds later
versions of the kernels against that file.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import maskc
from benchmarks.gpu import arguments_for

RESULTS = Path(__file__).with_name("results") / "instructions.json"
EXAMPLE = Path(__file__).parents[1] / "examples" / "sliding_window.attn"
WINDOW, TOKENS, KV_HEADS = 1024, 4096, 2

TARGETS = {
    "sm80": GPUTarget("cuda", 80, 32),
    "sm90": GPUTarget("cuda", 90, 32),
    "sm100": GPUTarget("cuda", 100, 32),
    "gfx9": GPUTarget("hip", "gfx942", 64),
}
MOST_SHARED = {"sm80": 163 * 1024, "sm90": 227 * 1024, "sm100": 227 * 1024, "gfx9": 64 * 1024}
"""Bytes of shared memory that one program may have."""

KERNELS = ("forward", "dq", "dkdv")
DIMS = (64, 128)


@dataclass(frozen=True, slots=True)
class Cost:
    """One kernel on one GPU: `tile` is (queries, keys, warps, stages), `spilled` in bytes."""

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
    found = [cost(arch, kernel, dim) for arch in TARGETS for dim in DIMS for kernel in KERNELS]
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


def cost(arch: str, kernel: str, dim: int, example: Path = EXAMPLE) -> Cost:
    """What a kernel of an example costs in its default tile."""
    compiled, tile = compile_default(arch, kernel, dim, example)
    if arch == "gfx9":
        text = compiled.asm["amdgcn"]
        code = _gcn(text)
        registers = int(re.findall(r"\.vgpr_count:\s+(\d+)", text)[0])
        spilled = int(re.findall(r"\.private_segment_fixed_size:\s+(\d+)", text)[0])
    else:
        code, usage = _sass(compiled.asm["cubin"])
        registers = int(re.findall(r"REG:(\d+)", usage)[0])
        spilled = int(re.findall(r"STACK:(\d+)", usage)[0])
    partial, full = inner_loops(code)
    units = {word for _, _, text in code for word in re.findall(r"\w*MMA|v_mfma", text)}
    return Cost(
        arch=arch,
        kernel=kernel,
        dim=dim,
        tile=tile,
        partial=partial,
        full=full,
        registers=registers,
        spilled=spilled,
        shared=compiled.metadata.shared,
        tensor_core=" ".join(sorted(units)),
    )


def compile_default(
    arch: str, kernel: str, dim: int, example: Path
) -> tuple[Any, tuple[int, int, int, int]]:
    """The kernel compiled ahead of time for whole tiles and contiguous bfloat16, and its tile."""
    pattern = getattr(maskc.load(example), example.stem)
    module = __import__(type(pattern).__module__)
    tile = module.tiles(kernel, arch, 16, dim)[0]
    arguments = arguments_for(pattern, TOKENS, KV_HEADS, "cpu", tiny=False)
    if example == EXAMPLE:
        arguments["window"] = WINDOW
    call = pattern.bind(TOKENS, heads=8, kv_heads=KV_HEADS, **arguments)
    own = pattern.spec.kernels["arguments"](call)
    constants = {
        **{"D": dim, "DV": dim, "D_PAD": dim, "DV_PAD": dim},
        **{"BLOCK_Q": tile.q, "BLOCK_K": tile.k, "LAYOUT_Q": 128, "LAYOUT_K": 128},
        **{"EVEN_Q": True, "EVEN_K": True, "SPLIT": False, "CAREFUL": False},
        **{f"{name}_STRIDE": dim for name in ("Q", "K", "V", "DOUT")},
        **{"PRECISION": "tf32", "POSITION": triton.language.int32},
        "OFFSET": triton.language.int32,
    }
    function = pattern.spec.kernels[kernel]
    signature: dict[str, str] = {}
    fixed: dict[str, Any] = {}
    aligned: dict[tuple[int, ...], Any] = {}
    for place, parameter in enumerate(function.params):
        name = parameter.name
        if parameter.is_constexpr or name.endswith("_stride_d"):
            signature[name] = "constexpr"
            fixed[name] = constants[name] if name in constants else own.get(name, 1)
            continue
        signature[name] = _type(name, own.get(name))
        if signature[name].startswith("*") or "_stride_" in name:
            aligned[(place,)] = [["tt.divisibility", 16]]
    options = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    source = ASTSource(function, signature, fixed, aligned)
    compiled = triton.compile(source, target=TARGETS[arch], options=options)
    return compiled, (tile.q, tile.k, tile.warps, tile.stages)


def inner_loops(code: list[tuple[int, int | None, str]]) -> list[int]:
    """Lengths of the innermost loops that multiply matrices, in the order of the code.

    Args:
        code: for each instruction its address, the address it jumps to or None, and its text.

    """
    products = [address for address, _, text in code if "MMA" in text or "v_mfma" in text]
    # What stands behind the exit of a program is waits, which jump back and are no loops.
    exits = [address for address, _, text in code if text.startswith("EXIT")]
    loops = {}
    for address, target, _ in code:
        if target is None or target > address or any(target <= e <= address for e in exits):
            continue
        if any(target <= product <= address for product in products):
            loops[target] = max(address, loops.get(target, 0))
    innermost = [
        (start, end)
        for start, end in loops.items()
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in loops.items())
    ]
    return [sum(start <= a <= end for a, _, _ in code) for start, end in sorted(innermost)]


def _type(name: str, value: Any) -> str:
    """The type of a runtime argument in a signature."""
    if name in ("lse_ptr", "top_ptr", "total_ptr", "delta_ptr", "scale"):
        return "fp32" if name == "scale" else "*fp32"
    if name in ("class_ptr", "poisoned_ptr", "partial_start", "partial", "full_start", "full"):
        return "*i32"
    if isinstance(value, torch.Tensor):
        return {"int64": "*i64", "bool": "*i1", "float64": "*fp64"}[str(value.dtype)[6:]]
    if isinstance(value, float):
        return "fp32"
    return "*bf16" if name.endswith("_ptr") else "i32"


def _sass(cubin: bytes) -> tuple[list[tuple[int, int | None, str]], str]:
    """The instructions of a CUDA binary, and what it uses."""
    program = Path(str(triton.__file__)).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        text, usage = (
            subprocess.run([program, flag, file], capture_output=True, text=True, check=True).stdout
            for flag in ("-sass", "-res-usage")
        )
    code = []
    for address, instruction in re.findall(r"/\*([0-9a-f]{4,})\*/\s+([^;]*);", text):
        jump = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", instruction)
        code.append((int(address, 16), int(jump[1], 16) if jump else None, instruction))
    return code, usage


def _gcn(text: str) -> list[tuple[int, int | None, str]]:
    """The instructions of an AMD assembly text; addresses are their numbers."""
    lines = [line.split(";")[0].strip() for line in text.splitlines()]
    lines = lines[: lines.index("s_endpgm") + 1] if "s_endpgm" in lines else lines
    labels: dict[str, int] = {}
    instructions: list[str] = []
    for line in lines:
        if line.endswith(":"):
            labels[line[:-1]] = len(instructions)
        elif re.match(r"[a-z]\w+(\s|$)", line):
            instructions.append(line)
    code = []
    for number, instruction in enumerate(instructions):
        jump = re.match(r"s_c?branch\w*\s+(\S+)", instruction)
        code.append((number, labels.get(jump[1]) if jump else None, instruction))
    return code
