"""Default kernels compiled without a GPU: what they cost is kept, and they fit."""

from __future__ import annotations

import pytest
import triton

from benchmarks import instructions
from subjects import EXAMPLES

CASES = [(arch, dim) for arch in instructions.TARGETS for dim in instructions.DIMS]

UNIT = {"sm80": "HMMA", "sm90": "HGMMA", "sm100": "UTCHMMA", "gfx9": "v_mfma"}
"""The instruction that multiplies matrices."""

KEPT = {"partial": 486, "full": 342}
"""The first prototype's instructions for a key tile of 128 x 64, sm_90, head dim 128."""


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def costs(request):
    arch, dim = request.param
    return [instructions.cost(arch, kernel, dim) for kernel in instructions.KERNELS]


@pytest.mark.slow
def test_default_kernels_fit_and_cost_what_the_file_says(costs):
    version, recorded = instructions.recorded()
    for cost in costs:
        assert cost.spilled == 0, cost
        assert cost.shared <= instructions.MOST_SHARED[cost.arch], cost
        assert cost.tensor_core == UNIT[cost.arch], cost
        assert cost.full < cost.partial, cost
        if triton.__version__ == version:
            assert cost == recorded[cost.arch, cost.kernel, cost.dim], (
                "kernels changed: look at it, then run python -m benchmarks instructions"
            )


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_default_kernels_of_every_example_fit_in_registers(example):
    for kernel in instructions.KERNELS:
        cost = instructions.cost("sm90", kernel, 128, example)
        assert cost.spilled == 0, cost
        assert cost.tensor_core == UNIT["sm90"], cost


def test_the_file_of_costs_beats_the_prototype_on_edge_tiles():
    _, recorded = instructions.recorded()
    cost = recorded["sm90", "forward", 128]
    assert cost.tile[:2] == (128, 64)
    assert cost.partial < KEPT["partial"]
    assert cost.full <= KEPT["full"] + 1


def test_the_file_of_costs_holds_every_default_kernel():
    _, recorded = instructions.recorded()
    wanted = {(arch, kernel, dim) for arch, dim in CASES for kernel in instructions.KERNELS}
    assert set(recorded) == wanted
