"""Ranges of tables against entry by entry reading."""

from __future__ import annotations

from dataclasses import replace

import handmade
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc import ir, points
from maskc.codegen.runtime.attention import Attention
from maskc.codegen.runtime.call import Input
from maskc.codegen.runtime.reader import Reader
from maskc.codegen.runtime.tables import RangeTable, RangeTables, Tables
from subjects import many, tiles_of


@settings(max_examples=many(7))
@given(st.data())
def test_range_minima_and_maxima_are_those_of_the_entries(data):
    """Inclusive ranges, aligned or not, zero outside, exact leading indices."""
    n = data.draw(st.one_of(st.integers(0, 5), st.integers(0, 100), st.integers(0, 700)))
    rows = data.draw(st.integers(1, 3))
    numbers = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    tensor = torch.randint(-50, 50, (rows, n), generator=numbers)
    step = data.draw(st.sampled_from([1, 16, 128]))
    index = st.integers(-20 // step, (n + 20) // step)
    pairs = data.draw(st.lists(st.tuples(st.integers(-1, rows), index, index), min_size=1))
    row = torch.tensor([r for r, _, _ in pairs])
    low = torch.tensor([min(a, b) * step for _, a, b in pairs])
    high = torch.tensor([max(a, b) * step + step - 1 for _, a, b in pairs])
    least, greatest = RangeTable(tensor, False), RangeTable(tensor, True)
    for i, (r, a, b) in enumerate(zip(row.tolist(), low.tolist(), high.tolist(), strict=True)):
        inside = 0 <= r < rows
        entries = [int(tensor[r, j]) if inside and 0 <= j < n else 0 for j in range(a, b + 1)]
        assert int(least((row,), low, high)[i]) == min(entries)
        assert int(greatest((row,), low, high)[i]) == max(entries)


@pytest.mark.parametrize("length", [0, 50])
def test_ends_of_ranges_broadcast(length):
    tensor = torch.randint(-50, 50, (2, length), generator=torch.Generator().manual_seed(0))
    row, low, high = torch.tensor([0, 1, 1]), torch.tensor([3, 9, 20]), torch.tensor([[25], [49]])
    found = RangeTable(tensor, False)((row,), low, high)
    apart = [RangeTable(tensor, False)((row,), low, end.expand(3)) for end in high]
    assert torch.equal(found, torch.stack(apart))


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(
    "mask",
    [
        "random_blocks(64, 3) & (if t[q] > 2 then causal else k < 9)",
        "random_blocks(64, 3) | (t[q] > 2 ^ causal)",
        "random_blocks(32, 2) & ((t[q] > 2) == (k <= q))",
    ],
)
def test_rows_cut_at_hashed_blocks_read_inputs_of_their_queries(mask, heads):
    pattern = maskc.loads(f"pattern p {{\n input t: int[token]\n mask {mask}\n}}").p
    given = {"heads": heads, "t": torch.arange(700) // 100}
    dense = pattern.dense_mask(700, **given)
    found = pattern.layout(700, block=64, **given)
    for head in range(heads):
        assert torch.equal(found.tiles(0, head), tiles_of(dense[0, head], (64, 64)))
    assert found.kept_pairs == int(dense.sum())


@settings(max_examples=many(4))
@given(st.lists(st.integers(1, 5), min_size=2, max_size=3), st.data())
def test_ranges_of_leading_indices_are_read_as_whole_rows(shape, data):
    tensor = torch.randint(-50, 50, shape, generator=torch.Generator().manual_seed(len(shape)))
    ends = [sorted(data.draw(st.tuples(*[st.integers(-1, size)] * 2))) for size in shape]
    if data.draw(st.booleans()):
        tensor = tensor > 0
    kind = ir.BOOL if tensor.dtype is torch.bool else ir.INT
    spec = handmade.spec("t", handmade.causal_keep, handmade.causal_bounds)
    call = Attention(spec).bind(4)
    tables = RangeTables(spec, replace(call, tensors={"x": tensor}))
    *leading, (low, high) = [[torch.tensor([x]) for x in pair] for pair in ends]
    prefix, until = zip(*leading, strict=True)
    first, last = ([ir.Const(pair[i]) for pair in ends] for i in range(2))
    for name, found in (("min", tables.range_min), ("max", tables.range_max)):
        node = ir.Extreme(name, "x", tuple(first[:-1]), first[-1], last[-1], kind, tuple(last[:-1]))
        wanted = points.evaluate(node, {}, {"x": tensor.tolist()})
        assert found("x", prefix, low, high, until).tolist() == [wanted]


def test_a_tile_of_a_table_of_both_positions_is_told_by_its_rows():
    pattern = maskc.loads("pattern p {\n input count: int[q, k]\n mask count[q, k] > 0\n}").p
    count = torch.ones(64, 64, dtype=torch.int64)
    count[32:] = 0
    reader = Reader(pattern.spec, pattern.bind(64, count=count), (16, 16))
    q0, k0 = torch.tensor([0, 16, 32, 48]), torch.tensor([0, 16, 32, 0])
    every, some, _, _ = reader.bounds(torch.zeros_like(q0), q0, q0 + 15, k0, k0 + 15)
    assert every.tolist() == some.tolist() == [True, True, False, False]


def test_nan_is_no_bound():
    """A range with NaN reaches from -inf to inf, so that nothing false is proved."""
    tensor = torch.tensor([1.0, float("nan"), 3.0], dtype=torch.float64)
    low, high = torch.tensor([0, 0, 2]), torch.tensor([0, 1, 2])
    assert RangeTable(tensor, False)((), low, high).tolist() == [1.0, -torch.inf, 3.0]
    assert RangeTable(tensor, True)((), low, high).tolist() == [1.0, torch.inf, 3.0]


def test_booleans_have_minima_and_maxima_too():
    """Least is all, greatest is any."""
    tensor = torch.arange(40) >= 20
    low, high = torch.tensor([0, 0, 20]), torch.tensor([19, 39, 39])
    assert RangeTable(tensor, False)((), low, high).tolist() == [False, False, True]
    assert RangeTable(tensor, True)((), low, high).tolist() == [False, True, True]


@settings(max_examples=many(2))
@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_tallies_count_every_position_and_difference_once(n_q, n_k, data):
    """Counts over ranges, also per head."""

    def term(t, call):
        return t % (call.head + 2) == 0

    spec = handmade.spec("t", handmade.causal_keep, handmade.causal_bounds, terms=(term,))
    call = Attention(spec).bind(n_q, n_k, heads=3)
    first, last = min(0, -call.n_k + 1 + call.q_start), max(n_k - 1, call.q_start + n_q - 1)
    ends = st.integers(first - 5, last + 5)
    pairs = data.draw(st.lists(st.tuples(ends, ends, st.integers(0, 2)), min_size=1))
    low = torch.tensor([a for a, _, _ in pairs])
    high = torch.tensor([b for _, b, _ in pairs])
    head = torch.tensor([h for _, _, h in pairs])
    slices = call.at(torch.zeros(3, 1, dtype=torch.int64), torch.arange(3)[:, None])
    tables = Tables(spec, call, slices)
    tables.slice_of = head
    wanted = [
        sum(1 for t in range(max(a, first), min(b, last) + 1) if t % (h + 2) == 0)
        for a, b, h in pairs
    ]
    assert tables.tally(0, low, high).tolist() == wanted


@pytest.mark.parametrize("shape", [(3, 0), (0, 5)])
def test_empty_inputs_read_zero(shape):
    """No entry is there to be read."""
    spec = handmade.spec(
        "t", handmade.causal_keep, handmade.causal_bounds, inputs=(Input("x", "int", ("a", "b")),)
    )
    call = Attention(spec).bind(4, x=torch.ones(shape, dtype=torch.int64))
    tables = RangeTables(spec, call)
    low, high = torch.tensor([0, 2]), torch.tensor([1, 9])
    assert tables.range_max("x", (torch.zeros(2, dtype=torch.int64),), low, high).tolist() == [0, 0]
