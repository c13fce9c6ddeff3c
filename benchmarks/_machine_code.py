"""Machine code of compiled kernels: what it uses, its instructions and its loops."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import triton

PRODUCT = r"\w+MMA|v_mfma"
"""Instructions that multiply matrices, on any GPU."""

Code = list[tuple[int, int | None, str]]
"""For each instruction its address, the address it jumps to or None, and its text."""


def cuda_usage(cubin: bytes) -> tuple[int, int]:
    """Registers of a thread, and bytes spilled, of the kernel of a CUDA binary."""
    text = _dumped(cubin, "-res-usage")
    registers, frame = (int(re.findall(rf"{name}:(\d+)", text)[0]) for name in ("REG", "STACK"))
    # A frame that no instruction stores to or loads from is no spill.
    touched = frame and any(re.search(r"\b(STL|LDL)\b", text) for _, _, text in sass(cubin))
    return registers, frame if touched else 0


def gcn_usage(text: str) -> tuple[int, int]:
    """Registers of a thread, and bytes spilled, of the kernel of an AMD assembly text."""
    names = (r"\.vgpr_count", r"\.private_segment_fixed_size")
    registers, spilled = (int(re.findall(rf"{name}:\s+(\d+)", text)[0]) for name in names)
    return registers, spilled


def sass(cubin: bytes) -> Code:
    """The instructions of a CUDA binary; the disassembler is slow to start."""
    code = []
    text = _dumped(cubin, "-sass")
    for address, instruction in re.findall(r"/\*([0-9a-f]{4,})\*/\s+([^;]*);", text):
        jump = re.search(r"\bBRA\b.*?(0x[0-9a-f]+)", instruction)
        code.append((int(address, 16), int(jump[1], 16) if jump else None, instruction))
    return code


def gcn(text: str) -> Code:
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


def products(code: Code) -> str:
    """The instructions that multiply matrices, each once, by name."""
    return " ".join(sorted({word for _, _, text in code for word in re.findall(PRODUCT, text)}))


def inner_loops(code: Code) -> list[int]:
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


def _dumped(cubin: bytes, what: str) -> str:
    """What CUDA's own reader says of a binary."""
    program = Path(str(triton.__file__)).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [program, what, file]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
