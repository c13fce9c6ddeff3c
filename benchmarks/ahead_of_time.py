"""Kernels in one of their tiles, compiled without a GPU: what they take of it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

TARGETS = {
    "sm80": GPUTarget("cuda", 80, 32),
    "sm90": GPUTarget("cuda", 90, 32),
    "sm100": GPUTarget("cuda", 100, 32),
    "gfx9": GPUTarget("hip", "gfx942", 64),
}
MOST_SHARED = {"sm80": 163 * 1024, "sm90": 227 * 1024, "sm100": 227 * 1024, "gfx9": 64 * 1024}
"""Bytes of shared memory that one program may have."""

UNIT = {"sm80": "HMMA", "sm90": "HGMMA", "sm100": "UTCHMMA", "gfx9": "v_mfma"}
"""The instruction that multiplies matrices of 16-bit numbers."""

PRODUCT = r"\w+MMA|v_mfma"
"""Instructions that multiply matrices, on any GPU."""

KERNELS = ("forward", "dq", "dkdv")
LAYOUT = 128
"""Queries and keys of a tile of the layout."""

POINTERS = {
    **{torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.float32: "*fp32"},
    **{torch.float64: "*fp64", torch.int64: "*i64", torch.int32: "*i32", torch.bool: "*i1"},
}
POINTERS_BY_NAME = {
    **dict.fromkeys(("lse_ptr", "top_ptr", "total_ptr", "delta_ptr"), "*fp32"),
    **dict.fromkeys(("class_ptr", "poisoned_ptr"), "*i32"),
    **dict.fromkeys(("partial_start", "partial", "full_start", "full"), "*i32"),
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel on one GPU.

    `tile`: (queries, keys, warps, stages). `partial`, `full`: instructions of one warp in the
    innermost loops that multiply matrices, with the mask and without; 0 where these are not two.
    `registers`: of a thread. `spilled`, `shared`: bytes. `tensor_core`: what multiplies matrices.
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


Code = list[tuple[int, int | None, str]]
"""For each instruction its address, the address it jumps to or None, and its text."""


def compiled(
    arch: str,
    kernel: str,
    dim: int,
    pattern: Any,
    call: Any,
    dtype: torch.dtype = torch.bfloat16,
) -> Kernel:
    """A kernel of a pattern in its default tile, for whole tiles of contiguous tensors.

    Args:
        arch: one of TARGETS.
        kernel: one of KERNELS.
        dim: of keys and values, a power of two.
        pattern: the public object of a generated module.
        call: of `pattern.bind`: its arguments give types to those of the kernel.
        dtype: of q, k and v.

    """
    module = sys.modules[type(pattern).__module__]
    exact = dtype == torch.float32
    bits = torch.finfo(dtype).bits
    tile = module.tiles(kernel, arch, bits, dim, pattern.spec.halvings)[0]
    language = triton.language
    constants = {
        **{"D": dim, "DV": dim, "D_PAD": dim, "DV_PAD": dim},
        **{"BLOCK_Q": tile.q, "BLOCK_K": tile.k, "LAYOUT_Q": LAYOUT, "LAYOUT_K": LAYOUT},
        **{"EVEN_Q": True, "EVEN_K": True, "SPLIT": exact, "CAREFUL": False},
        **{f"{name}_STRIDE": dim for name in ("Q", "K", "V", "DOUT")},
        "PRECISION": "ieee" if exact else "tf32",
        "POSITION": language.int64 if module._is_wide(pattern.spec, call) else language.int32,
        "OFFSET": language.int32,
    }
    source = _source(pattern.spec, kernel, constants, call, POINTERS[dtype])
    options = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    made = triton.compile(source, target=TARGETS[arch], options=options)
    if arch == "gfx9":
        text = made.asm["amdgcn"]
        code = _gcn(text)
        registers = int(re.findall(r"\.vgpr_count:\s+(\d+)", text)[0])
        spilled = int(re.findall(r"\.private_segment_fixed_size:\s+(\d+)", text)[0])
    else:
        code, usage = _sass(made.asm["cubin"])
        registers = int(re.findall(r"REG:(\d+)", usage)[0])
        # A frame that no instruction stores to or loads from is no spill.
        touched = any(re.search(r"\b(STL|LDL)\b", text) for _, _, text in code)
        spilled = int(re.findall(r"STACK:(\d+)", usage)[0]) if touched else 0
    units = {word for _, _, text in code for word in re.findall(PRODUCT, text)}
    loops = _inner_loops(code)
    partial, full = loops if len(loops) == 2 else (0, 0)
    return Kernel(
        arch=arch,
        kernel=kernel,
        dim=dim,
        tile=(tile.q, tile.k, tile.warps, tile.stages),
        partial=partial,
        full=full,
        registers=registers,
        spilled=spilled,
        shared=made.metadata.shared,
        tensor_core=" ".join(sorted(units)),
    )


def _source(
    spec: Any, kernel: str, constants: dict[str, Any], call: Any, pointer: str
) -> ASTSource:
    """What Triton compiles: the kernel, types of its arguments, and what is known of them."""
    own = spec.kernels["arguments"](call)
    function = spec.kernels[kernel]
    signature: dict[str, str] = {}
    fixed: dict[str, Any] = {}
    aligned: dict[tuple[int, ...], Any] = {}
    for place, parameter in enumerate(function.params):
        name = parameter.name
        if parameter.is_constexpr or name.endswith("_stride_d"):
            signature[name] = "constexpr"
            fixed[name] = constants[name] if name in constants else own.get(name, 1)
            continue
        of_sinks = name == "out_ptr" and spec.sinks is not None
        signature[name] = _type(name, own.get(name), "*fp32" if of_sinks else pointer)
        if signature[name].startswith("*") or "_stride_" in name:
            aligned[(place,)] = [["tt.divisibility", 16]]
    return ASTSource(function, signature, fixed, aligned)


def _type(name: str, value: Any, pointer: str) -> str:
    """The type of a runtime argument in a signature; `pointer` is that of q, k and v."""
    if isinstance(value, torch.Tensor):
        return POINTERS[value.dtype]
    if isinstance(value, float) or name == "scale":
        return "fp32"
    return POINTERS_BY_NAME.get(name, pointer if name.endswith("_ptr") else "i32")


def _sass(cubin: bytes) -> tuple[Code, str]:
    """The instructions of a CUDA binary, and what it uses."""
    program = Path(str(triton.__file__)).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [program, "-sass", "-res-usage", file]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    code = []
    for address, instruction in re.findall(r"/\*([0-9a-f]{4,})\*/\s+([^;]*);", text):
        jump = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", instruction)
        code.append((int(address, 16), int(jump[1], 16) if jump else None, instruction))
    return code, text


def _gcn(text: str) -> Code:
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


def _inner_loops(code: Code) -> list[int]:
    """Lengths of the innermost loops that multiply matrices, in the order of the code."""
    products = [address for address, _, text in code if re.search(PRODUCT, text)]
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
