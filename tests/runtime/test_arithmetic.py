"""Operations on tensors against exact Python integers."""

from __future__ import annotations

import torch

from maskc import points
from maskc.codegen.runtime.arithmetic import log2_floor


def test_the_logarithm_floors_around_every_power_of_two_of_64_bits() -> None:
    around = [sign * (1 << i) + step for i in range(64) for sign in (-1, 1) for step in (-1, 0, 1)]
    odd = [(0xB5E1F3C7A9D284E6 >> i) for i in range(1, 64)]
    values = [x for x in (0, *around, *odd) if -(1 << 63) <= x < 1 << 63]
    wanted = [points.apply("log2", [x]) for x in values]
    assert log2_floor(torch.tensor(values)).tolist() == wanted
    assert [log2_floor(x) for x in values] == wanted
    assert torch.vmap(log2_floor)(torch.tensor(values)).tolist() == wanted
