"""What is read of a CUDA binary: with a frame that is used, and without one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import triton

from benchmarks._machine_code import cuda_usage, inner_loops, products, sass

pytestmark = pytest.mark.slow

PTXAS = Path(str(triton.__file__)).parent / "backends" / "nvidia" / "bin" / "ptxas"

KERNEL = """
.version 8.0
.target sm_90a
.address_size 64
.visible .entry kernel(.param .u64 to, .param .u32 at) {{
    .local .align 4 .b8 frame[256];
    .reg .b32 %at, %read;
    .reg .b64 %to, %here, %offset;
    ld.param.u64 %to, [to];
    ld.param.u32 %at, [at];
    cvt.u64.u32 %offset, %at;
    mov.u64 %here, frame;
    add.u64 %here, %here, %offset;
    {read}
    st.global.u32 [%to], %read;
    ret;
}}
"""
READ = {
    "nothing": "mov.u32 %read, %at;",
    "frame": "st.local.u32 [frame + 8], %at; ld.local.u32 %read, [%here];",
}


def assembled(folder: Path, read: str) -> bytes:
    """The binary of a kernel that reads one of READ."""
    text, binary = folder / "kernel.ptx", folder / "kernel.cubin"
    text.write_text(KERNEL.format(read=READ[read]))
    subprocess.run([PTXAS, "--gpu-name=sm_90a", text, "-o", binary], check=True)
    return binary.read_bytes()


@pytest.mark.parametrize(("read", "spilled"), [("nothing", 0), ("frame", 256)])
def test_a_frame_is_spilled_where_it_is_used(read, spilled, tmp_path):
    registers, found = cuda_usage(assembled(tmp_path, read))
    assert registers > 0
    assert found == spilled


def test_a_kernel_without_products_has_no_loops_of_them(tmp_path):
    code = sass(assembled(tmp_path, "nothing"))
    assert any("EXIT" in instruction for _, _, instruction in code)
    assert products(code) == ""
    assert inner_loops(code) == []
