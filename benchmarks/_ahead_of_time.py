"""Kernels in one of their tiles, compiled without a GPU: what they take of it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from benchmarks._machine_code import Code, cuda_usage, gcn, gcn_usage, sass

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

PRODUCTS = {
    "mma.sync": "HMMA",
    "wgmma.mma_async": "HGMMA",
    "tcgen05.mma": "UTCHMMA",
    "v_mfma": "v_mfma",
}
"""The same of assembly text, PTX or GCN, which says it without being disassembled."""

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

    `tile`: (queries, keys, warps, stages). `registers`: of a thread. `spilled`, `shared`: bytes.
    `tensor_core`: what multiplies matrices. `assembly`: text or binary by Triton's name.
    """

    arch: str
    kernel: str
    dim: int
    tile: tuple[int, int, int, int]
    registers: int
    spilled: int
    shared: int
    tensor_core: str
    assembly: dict[str, Any] = field(repr=False, compare=False)

    def code(self) -> Code:
        """Its instructions."""
        if self.arch == "gfx9":
            return gcn(self.assembly["amdgcn"])
        return sass(self.assembly["cubin"])


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
    text = made.asm["amdgcn" if arch == "gfx9" else "ptx"]
    registers, spilled = gcn_usage(text) if arch == "gfx9" else cuda_usage(made.asm["cubin"])
    words = "|".join(map(re.escape, PRODUCTS))
    units = {PRODUCTS[word] for word in re.findall(rf"(?<![\w.])({words})", text)}
    return Kernel(
        arch=arch,
        kernel=kernel,
        dim=dim,
        tile=(tile.q, tile.k, tile.warps, tile.stages),
        registers=registers,
        spilled=spilled,
        shared=made.metadata.shared,
        tensor_core=" ".join(sorted(units)),
        assembly=made.asm,
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
