"""Operations of torch text are the language's, for every sign, at 0 and at the ends of 32 bits."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from maskc import points
from maskc.codegen.runtime import arithmetic

EDGES = (
    *range(-9, 10),
    *(sign * (2**bits + d) for bits in (31, 32, 40) for d in (-1, 0, 1) for sign in (1, -1)),
    *(61, 62, 63, 64),
)

FUNCTIONS = {
    1: {
        "sign": arithmetic.sign_of,
        "log2": arithmetic.log2_floor,
        "pow2": arithmetic.power_of_two,
        "is_pow2": arithmetic.is_power_of_two,
        "popcount": arithmetic.count_bits,
    },
    2: {
        "floordiv": arithmetic.floor_div,
        "mod": arithmetic.floor_mod,
        "shl": arithmetic.shift_left,
        "shr": arithmetic.shift_right,
        "min": arithmetic.least,
        "max": arithmetic.greatest,
        "hash": arithmetic.hash32,
    },
}
"""By how many ints they take."""


@pytest.mark.parametrize(("n", "name"), [(n, name) for n in FUNCTIONS for name in FUNCTIONS[n]])
def test_an_operation_is_that_of_the_language(n, name):
    function = FUNCTIONS[n][name]
    pairs = [x for x in product(EDGES, repeat=n) if abs(points.apply(name, x)) < 2**63]
    wanted = [points.apply(name, x) for x in pairs]
    columns = [torch.tensor(column) for column in zip(*pairs, strict=True)]
    assert torch.as_tensor(function(*columns)).tolist() == wanted
    assert [function(*x) for x in pairs] == wanted
    by_number = [function(columns[0][i], *x[1:]) for i, x in enumerate(pairs)]
    assert [torch.as_tensor(x).item() for x in by_number] == wanted


def test_entries_outside_of_a_tensor_are_0():
    tensor = torch.tensor([[3, 4], [5, 6], [7, 8]])
    for i, j in product(range(-2, 5), repeat=2):
        wanted = tensor[i, j].item() if 0 <= i < 3 and 0 <= j < 2 else 0
        assert arithmetic.load(tensor, torch.tensor([i]), torch.tensor([j])).tolist() == [wanted]
