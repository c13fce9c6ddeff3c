"""Plans of the torch back end: each kept pair in one place, and no large tensor on the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import maskc
from maskc.codegen.runtime.torch_pieces import Work, chunks, rows_along
from maskc.codegen.runtime.torch_plan import TORCH_BLOCK, Piece, TorchPlan
from maskc.codegen.runtime.torch_planner import TorchPlanner
from subjects import EXAMPLES, slow

SPEC = """
pattern window_and_sinks = causal & (sink(3) | recent(100))
pattern long_window = recent(2500)
pattern by_head = causal & (if head % 2 == 0 then strided(16) else recent(70 * (head + 1)))
pattern scattered = random(50)
pattern drawn_blocks = random_blocks(64, 2) | block(64)
"""


@pytest.fixture(scope="module")
def patterns():
    return maskc.loads(SPEC)


def plan_of(pattern, n_q: int, n_k: int | None = None, **arguments) -> tuple[TorchPlan, Work]:
    """The plan of one call, and work on tensors of one number in each row and key."""
    call = pattern.bind(n_q, n_k, **arguments)
    layout = pattern.layout(n_q, n_k, block=TORCH_BLOCK, **arguments)
    plan = TorchPlanner(layout, pattern.spec, call).plan()
    slices, kv_slices = call.batches * call.heads, call.batches * call.kv_heads
    q, k = torch.zeros(slices, call.n_q, 1), torch.zeros(kv_slices, call.n_k, 1)
    return plan, Work(plan, pattern.spec, call, 1.0, q, k, k.clone(), careful=False)


def bands(plan: TorchPlan, work: Work, width: int) -> list[Work]:
    """The work cut into bands of so many slices."""
    group = work.call.heads // work.call.kv_heads
    parts = []
    for first in range(0, work.q.shape[0], width):
        q = range(first, min(first + width, work.q.shape[0]))
        kv = range(q.start // group, q.stop // group)
        k = work.k[kv.start : kv.stop]
        part = replace(work, plan=plan.of_slices(q, kv), q=work.q[q.start : q.stop], k=k, v=k)
        parts.append(replace(part, first_slice=first))
    return parts


def times_seen(work: Work) -> torch.Tensor:
    """How often each pair is in a chunk of the plan: [batch, heads, n_q, n_k]."""
    call = work.call
    seen = torch.zeros(work.q.shape[0], call.n_q, call.n_k)
    q_id = torch.arange(work.q.numel()).view(work.q.shape[:2])
    k_id = torch.arange(work.k.numel()).view(*work.k.shape[:2], 1)
    parts = [(work, piece, q_id, k_id) for piece in work.plan.pieces]
    for walk in work.plan.walks:
        keys = k_id[walk.kv_slices.start : walk.kv_slices.stop].index_select(1, walk.k_map)
        along = work.along(walk), rows_along(walk, q_id), keys
        parts += [(along[0], piece, *along[1:]) for piece in walk.pieces]
    for here, piece, q_here, k_here in parts:
        for chunk in chunks(here, piece):
            rows, keys = chunk.rows.of(q_here), chunk.keys.of(k_here)[..., 0] % call.n_k
            kept = torch.ones(rows.shape[0], rows.shape[1], keys.shape[1])
            kept = kept if chunk.mask is None else kept * chunk.mask
            place = rows[:, :, None] * call.n_k + keys[:, None, :]
            seen.view(-1).index_add_(0, place.flatten(), kept.flatten())
    return seen.unflatten(0, (-1, call.heads)) if seen.shape[0] % call.heads == 0 else seen


def arguments_of(name: str, n: int) -> dict:
    """What an example must be given."""
    if name == "duo_attention":
        return {"retrieval": [True, False]}
    if name == "packed_documents":
        generator = torch.Generator().manual_seed(1)
        return {"doc": (torch.rand(1, n, generator=generator) < 0.01).cumsum(1)}
    return {}


@pytest.mark.parametrize("path", [*EXAMPLES[:4], *slow(EXAMPLES[4:])], ids=lambda path: path.stem)
def test_examples_see_each_kept_pair_once(path):
    pattern = getattr(maskc.load(path), path.stem)
    for n in (130, 700):
        arguments = arguments_of(path.stem, n)
        _, work = plan_of(pattern, n, heads=4, kv_heads=2, **arguments)
        mask = pattern.dense_mask(n, heads=4, kv_heads=2, **arguments)
        assert torch.equal(times_seen(work), mask.float())


@pytest.mark.parametrize("name", ["window_and_sinks", "long_window", "by_head", "scattered"])
@pytest.mark.parametrize(
    ("n_q", "n_k"),
    [(333, 333), (100, 500), pytest.param(2100, 2100, marks=pytest.mark.slow), (300, 77)],
)
def test_every_kept_pair_is_seen_once(patterns, name, n_q, n_k):
    pattern = getattr(patterns, name)
    plan, work = plan_of(pattern, n_q, n_k, batch=2, heads=2)
    mask = pattern.dense_mask(n_q, n_k, batch=2, heads=2)
    assert torch.equal(times_seen(work), mask.float())
    assert plan.pairs >= int(mask.sum())


@pytest.mark.parametrize("name", ["window_and_sinks", "by_head", "scattered", "drawn_blocks"])
@pytest.mark.parametrize("width", [2, *slow([4, 6])])
def test_bands_of_a_plan_see_the_pairs_of_their_slices(patterns, name, width):
    pattern = getattr(patterns, name)
    plan, work = plan_of(pattern, 700, batch=2, heads=4, kv_heads=2)
    mask = pattern.dense_mask(700, batch=2, heads=4, kv_heads=2).flatten(0, 1).float()
    parts = bands(plan, work, width)
    assert [part.q.shape[0] for part in parts] == [min(width, 8 - i) for i in range(0, 8, width)]
    assert torch.equal(torch.cat([times_seen(part).flatten(0, -3) for part in parts]), mask)


def test_bands_of_walks_see_the_pairs_of_their_slices():
    pattern = maskc.loads("pattern p = causal & (recent(64) | (head > 0 & strided(64)))").p
    plan, work = plan_of(pattern, 2000, batch=2, heads=3)
    mask = pattern.dense_mask(2000, batch=2, heads=3).flatten(0, 1).float()
    parts = bands(plan, work, 2)
    assert any(part.plan.walks for part in parts)
    assert torch.equal(torch.cat([times_seen(part).flatten(0, -3) for part in parts]), mask)


def test_rows_with_the_same_few_keys_are_one_tile():
    pattern = maskc.loads("pattern p = sink(4) | recent(64)").p
    plan, _ = plan_of(pattern, 8192, heads=8)
    few = [piece for piece in plan.pieces if isinstance(piece, Piece) and piece.n_keys == 4]
    assert [(piece.q_first.n, piece.n_rows) for piece in few] == [(1, 8192 - 192)]


@pytest.mark.parametrize(
    ("mask", "shape", "masked"),
    [
        ("recent(256)", (32, 288), True),
        ("recent(1024)", (64, 1088), True),
        ("q // 32 == k // 32", (32, 32), False),
        ("q // 64 == k // 64 & (q % 64 < 32 | k % 64 >= 32)", (64, 64), True),
    ],
)
def test_tiles_down_a_diagonal_are_as_high_as_computes_least(mask, shape, masked):
    pattern = maskc.loads(f"pattern p = {mask}").p
    plan, _ = plan_of(pattern, 8192)
    largest = max(plan.pieces, key=lambda piece: piece.pairs)
    assert isinstance(largest, Piece)
    assert (largest.n_rows, largest.n_keys) == shape
    assert (largest.mask is not None) == masked


def test_pieces_know_whether_a_row_keeps_nothing():
    text = "pattern p = (q // 64 == k // 64) & (q % 64 {} k % 64)"
    for relation, hollow in (("<", True), ("<=", False)):
        plan, _ = plan_of(maskc.loads(text.format(relation)).p, 8192)
        assert [piece.hollow for piece in plan.pieces if isinstance(piece, Piece)] == [hollow]


def test_a_regular_mask_takes_as_many_pieces_at_any_length(patterns):
    pattern = patterns.window_and_sinks
    few, _ = plan_of(pattern, 4096, heads=8)
    many, _ = plan_of(pattern, 32768, heads=8)
    assert len(few.pieces) == len(many.pieces) <= 12


class LargestTensor(TorchDispatchMode):
    """The number of entries of the largest tensor that any operation returned."""

    def __init__(self):
        super().__init__()
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run the operation and look at what has memory of its own."""
        result = function(*args, **(kwargs or {}))
        for x in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(x, torch.Tensor):
                self.most = max(self.most, x.untyped_storage().nbytes() // x.element_size())
        return result


@pytest.mark.parametrize(
    "name", ["window_and_sinks", "long_window", *slow(["scattered"]), "drawn_blocks"]
)
def test_no_tensor_is_as_large_as_the_matrix(patterns, name):
    n = 4096
    pattern = getattr(patterns, name)
    pattern.layouts.clear()
    q, k, v = (torch.randn(1, 1, n, 16, requires_grad=True) for _ in range(3))
    with LargestTensor() as largest:
        out = pattern(q, k, v, backend="torch")
        torch.autograd.grad(out.sum(), (q, k, v))
    assert largest.most <= n * n / 3


def test_work_follows_kept_pairs(patterns):
    pattern = patterns.window_and_sinks
    plan, _ = plan_of(pattern, 20000, heads=2)
    kept = pattern.layout(20000, heads=2).kept_pairs
    assert plan.pairs <= 2 * kept
