"""Default kernels compiled without a GPU: what they cost is kept, and they fit."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import triton

from benchmarks import instructions
from benchmarks._ahead_of_time import KERNELS, MOST_SHARED, TARGETS, UNIT, Kernel, compiled
from subjects import EXAMPLES

DIMS = instructions.DIMS
CASES = [(arch, dim) for arch in TARGETS for dim in DIMS]
OTHERS = [path.stem for path in EXAMPLES if path != instructions.EXAMPLE]
"""Every example but that of the file of costs, which is compiled for every GPU anyway."""

ELSEWHERE = ("streaming_llm", "packed_documents")
"""Examples compiled for every GPU: a mask of positions, and one of an input."""

MOST_SPILLED = 0 if triton.__version__ == instructions.recorded()[0] else 64
"""Bytes: tiles are chosen for the version of the file of costs; 3.6 spills 16 where it does not."""

KEPT = {"partial": 486, "full": 342}
"""The first prototype's instructions for a key tile of 128 x 64, sm_90, head dim 128."""

ROW = {"partial": 4, "full": 14}
"""Key tiles of 64 of a row of 128 queries in a causal window of 1,024."""


@cache
def example(name: str):
    """The pattern of an example, and a call of it."""
    return instructions.example(instructions.EXAMPLE.with_name(f"{name}.attn"))


def kernels(arch: str, dim: int, name: str, dtype: torch.dtype = torch.bfloat16) -> list[Kernel]:
    """The default kernels of an example."""
    return [compiled(arch, kernel, dim, *example(name), dtype) for kernel in KERNELS]


def assert_fits(kernel: Kernel, unit: str) -> None:
    """It keeps what it has in registers and shared memory, and multiplies by `unit`."""
    assert kernel.spilled <= MOST_SPILLED, kernel
    assert kernel.shared <= MOST_SHARED[kernel.arch], kernel
    assert kernel.tensor_core == unit, kernel


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "dim"), CASES)
def test_default_kernels_fit_and_cost_what_the_file_says(arch, dim):
    version, recorded = instructions.recorded()
    for name in KERNELS:
        kernel = instructions.window(arch, dim, name)
        assert_fits(kernel, UNIT[arch])
        cost = instructions.cost(kernel)
        assert cost.tensor_core == kernel.tensor_core, "assembly text and machine code differ"
        assert cost.full < cost.partial, cost
        if triton.__version__ == version:
            assert cost == recorded[arch, name, dim], (
                "kernels changed: look at it, then run python -m benchmarks instructions"
            )


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("name", OTHERS)
def test_default_kernels_of_every_other_example_fit(name, dim):
    for kernel in kernels("sm90", dim, name):
        assert_fits(kernel, UNIT["sm90"])


@pytest.mark.slow
@pytest.mark.parametrize(("arch", "dim"), [case for case in CASES if case[0] != "sm90"])
@pytest.mark.parametrize("name", ELSEWHERE)
def test_default_kernels_fit_on_every_gpu(name, arch, dim):
    for kernel in kernels(arch, dim, name):
        assert_fits(kernel, UNIT[arch])


@pytest.mark.slow
def test_default_kernels_of_float16_fit():
    for kernel in kernels("sm90", 128, "streaming_llm", torch.float16):
        assert_fits(kernel, UNIT["sm90"])


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
def test_default_kernels_of_float32_fit_and_round_no_factor(dim):
    for kernel in kernels("sm90", dim, "streaming_llm", torch.float32):
        assert_fits(kernel, "")


def test_a_row_of_a_window_takes_fewer_instructions_than_the_prototype():
    _, recorded = instructions.recorded()
    cost = recorded["sm90", "forward", 128]
    assert cost.tile[:2] == (128, 64)
    ours = {"partial": cost.partial, "full": cost.full}
    row, kept = (sum(ROW[loop] * each[loop] for loop in ROW) for each in (ours, KEPT))
    assert row < kept


def test_the_file_of_costs_holds_every_default_kernel():
    _, recorded = instructions.recorded()
    wanted = {(arch, kernel, dim) for arch, dim in CASES for kernel in KERNELS}
    assert set(recorded) == wanted
