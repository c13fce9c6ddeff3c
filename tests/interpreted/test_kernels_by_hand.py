"""Spliced kernels, without the rest of the compiler, against dense attention in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernels import spliced

from maskc.codegen.runtime import triton_backend
from maskc.codegen.runtime.triton_backend import attend_triton

FACTOR = {torch.float32: 2.0, torch.float16: 1.1, torch.bfloat16: 1.1}
"""How much larger an error may be than that of dense attention in the same dtype."""

FLOOR = {torch.float32: 8.0, torch.float16: 1.0, torch.bfloat16: 1.0}
"""Units in the last place of the greatest magnitude that pass whatever dense attention does."""


@pytest.fixture(autouse=True)
def _unwritten_memory_is_nan():
    """`torch.empty` gives NaN, so that an element no kernel writes is found."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


class Case:
    """One pattern on random tensors: its dense mask, and results to compare."""

    def __init__(
        self,
        filling,
        folder,
        mask,
        *,
        batches=1,
        heads=2,
        kv_heads=1,
        n_q=40,
        n_k=40,
        d=16,
        dv=16,
        dtype=torch.float32,
        block=(16, 16),
        scale=0.3,
        score=None,
        q_start=None,
        seed=0,
        **arguments,
    ):
        torch.manual_seed(seed)
        self.q_start = n_k - n_q if q_start is None else q_start
        q_pos, k_pos = spliced.positions(n_q, n_k, self.q_start)
        shape = batches, heads, n_q, n_k
        self.mask = torch.broadcast_to(mask(q_pos, k_pos), shape)
        self.q = torch.randn(batches, heads, n_q, d, dtype=dtype)
        self.k = torch.randn(batches, kv_heads, n_k, d, dtype=dtype)
        self.v = torch.randn(batches, kv_heads, n_k, dv, dtype=dtype)
        self.dout = torch.randn(batches, heads, n_q, dv, dtype=dtype)
        self.spec = spliced.spec_of(spliced.module(filling, folder), **arguments)
        self.layout = spliced.layout_of(self.mask, block)
        self.scale, self.score, self.dtype = scale, score, dtype

    def triton(self, q, k, v):
        """Out and lse of the kernels."""
        call = spliced.call_of(q, k, self.q_start)
        return attend_triton(q, k, v, self.layout, call, self.spec, self.scale)

    def gradients(self, attend, q, k, v, dlse=None):
        """[out, lse, dq, dk, dv] of an attention function."""
        leaves = [x.detach().requires_grad_() for x in (q, k, v)]
        out, lse = attend(*leaves)
        loss = (out * self.dout.to(out.dtype)).sum()
        if dlse is not None:
            loss = loss + (lse.masked_fill(lse.isinf(), 0.0) * dlse.to(lse.dtype)).sum()
        return [out.detach(), lse.detach(), *torch.autograd.grad(loss, leaves)]

    def check(self, dlse=None):
        """All five results are as near to the oracle as dense attention of this dtype is."""

        def reference(dtype):
            def attend(q, k, v):
                return spliced.dense(q, k, v, self.mask, self.scale, self.score, dtype)

            return self.gradients(attend, self.q, self.k, self.v, dlse)

        ours = self.gradients(self.triton, self.q, self.k, self.v, dlse)
        for name, got, usual, exact in zip(
            ("out", "lse", "dq", "dk", "dv"),
            ours,
            reference(self.dtype),
            reference(torch.float64),
            strict=True,
        ):
            empty = exact.isinf()
            assert torch.equal(got.isinf(), empty), name
            error, allowed = ((x.double() - exact)[~empty].abs().max() for x in (got, usual))
            unit = torch.finfo(self.dtype).eps * max(1.0, exact[~empty].abs().max())
            allowed = max(FACTOR[self.dtype] * allowed, FLOOR[self.dtype] * unit)
            assert error <= allowed, f"{name}: {error:.2e}, allowed {allowed:.2e}"


def causal(q, k):
    return k <= q


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("d", "dv"), [(16, 16), (24, 40), (64, 16)])
def test_causal_is_exact_in_every_dtype_and_head_dim(tmp_path, dtype, d, dv):
    Case(spliced.CAUSAL, tmp_path, causal, dtype=dtype, d=d, dv=dv).check()


@pytest.mark.parametrize(("n_q", "n_k"), [(16, 16), (33, 33), (7, 50), (50, 50), (1, 17), (1, 1)])
def test_any_length_is_exact(tmp_path, n_q, n_k):
    Case(spliced.CAUSAL, tmp_path, causal, n_q=n_q, n_k=n_k).check()


@pytest.mark.parametrize("block", [(16, 16), (32, 16), (16, 32), (64, 64), (48, 80)])
def test_a_layout_of_greater_tiles_than_the_kernel_walks_is_exact(tmp_path, block):
    Case(spliced.CAUSAL, tmp_path, causal, n_q=70, n_k=90, block=block).check()


@pytest.mark.parametrize("block", [(16, 16), (32, 64)])
def test_short_full_tiles_at_the_end_are_bounded(tmp_path, block):
    def everything(q, k):
        return torch.ones(torch.broadcast_shapes(q.shape, k.shape), dtype=torch.bool)

    filling = spliced.splice.Filling(mask=("keep = k_pos < 0",))
    case = Case(filling, tmp_path, everything, n_q=45, n_k=37, block=block)
    assert not len(case.layout.rows.partial)
    filling = spliced.splice.Filling(mask=("keep = k_pos >= 0",))
    Case(filling, tmp_path, everything, n_q=45, n_k=37, block=block).check()


def test_queries_before_all_keys_are_empty_rows(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal, n_q=40, n_k=19)
    assert not case.mask[0, 0, 0].any()
    case.check()
    out, lse = case.triton(case.q, case.k, case.v)
    empty = ~case.mask.any(-1)
    assert (out[empty] == 0).all()
    assert (lse[empty] == -torch.inf).all()


def test_sinks_and_window_with_a_runtime_scalar_are_exact(tmp_path):
    def mask(q, k):
        return (k <= q) & ((q - k < 11) | (k < 3))

    Case(
        spliced.STREAMING, tmp_path, mask, n_q=66, n_k=90, heads=4, kv_heads=2, window=11, SINKS=3
    ).check()


def test_documents_by_batch_are_exact(tmp_path):
    doc = torch.tensor([[0] * 5 + [1] * 20 + [2] * 18, [3] * 16 + [4] * 27], dtype=torch.int32)

    def mask(q, k):
        return (doc[:, None, :, None] == doc[:, None, None]) & (k <= q)

    Case(spliced.DOCUMENT, tmp_path, mask, batches=2, n_q=43, n_k=43, doc_ptr=doc).check()


def test_heads_of_one_group_with_masks_of_their_own_are_summed(tmp_path):
    def mask(q, k):
        head = torch.arange(4)[:, None, None]
        return (k <= q) & ((head > 0) | (q - k < 9))

    Case(spliced.BY_HEAD, tmp_path, mask, heads=4, kv_heads=2, n_q=50, n_k=50).check()


@pytest.mark.parametrize(("n_q", "n_k"), [(40, 40), (40, 90)])
def test_a_score_and_its_slope_are_exact(tmp_path, n_q, n_k):
    def score(s):
        q, k = spliced.positions(n_q, n_k, n_k - n_q)
        return 2.0 * torch.tanh(s / 2) + 0.01 * (k - q)

    Case(spliced.SOFTCAP, tmp_path, causal, n_q=n_q, n_k=n_k, score=score).check()


@pytest.mark.parametrize("scale", [-0.5, 0.0, 3.0])
def test_any_scale_is_exact(tmp_path, scale):
    Case(spliced.CAUSAL, tmp_path, causal, scale=scale).check()


def test_gradients_of_the_log_sum_exp_flow(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    case.check(dlse=torch.randn(1, 2, 40))


def test_the_log_sum_exp_alone_has_gradients(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    q, k, v = (x.requires_grad_() for x in (case.q, case.k, case.v))
    got = torch.autograd.grad(case.triton(q, k, v)[1].sum(), (q, k, v))
    lse = spliced.dense(q, k, v, case.mask, case.scale)[1]
    want = torch.autograd.grad(lse.sum(), (q, k))
    assert torch.allclose(got[0], want[0].float(), atol=1e-5)
    assert torch.allclose(got[1], want[1].float(), atol=1e-5)
    assert (got[2] == 0).all()


def test_64_bit_positions_give_the_same_bits(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal, n_q=33, n_k=50)
    narrow = case.gradients(case.triton, case.q, case.k, case.v)
    object.__setattr__(case.spec, "span", lambda *_: 2**40)
    wide = case.gradients(case.triton, case.q, case.k, case.v)
    assert all(torch.equal(a, b) for a, b in zip(narrow, wide, strict=True))


def strided(x):
    """The same numbers with odd gaps between all axes, heads inside tokens, dims reversed in."""
    batches, heads, n, d = x.shape
    room = torch.full((batches, n + 1, heads + 1, 2 * d + 1), torch.nan, dtype=x.dtype)
    view = room.transpose(1, 2)[:, :heads, :n, : 2 * d : 2]
    view.copy_(x)
    return view


def test_strides_are_respected(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal, batches=2, heads=4, kv_heads=2, n_q=21, n_k=30)
    plain = case.gradients(case.triton, case.q, case.k, case.v)
    q, k, v = (strided(x) for x in (case.q, case.k, case.v))
    case.dout = strided(case.dout)
    got = case.gradients(case.triton, q, k, v)
    assert all(torch.equal(a, b) for a, b in zip(plain, got, strict=True))


def far(x, axis):
    """The same numbers, with steps along an axis whose 16th entry, or last, is 2^31 away.

    Memory that nothing writes to is never there; an offset that wraps may end the process.
    """
    x = x.detach().movedim(axis, 0)
    step = 2**31 // min(len(x) - 1, 15) + 1
    room = np.zeros(step * (len(x) - 1) + x[0].numel(), np.float16)
    view = torch.from_numpy(room).as_strided(x.shape, (step, *x[0].contiguous().stride()))
    return view.copy_(x).movedim(0, axis)


@pytest.mark.parametrize("axis", [0, 1, 2, 3], ids=["batch", "head", "token", "dim"])
def test_offsets_beyond_32_bits_give_the_same_bits(tmp_path, monkeypatch, axis):
    batches, heads = 3 if axis == 0 else 1, 3 if axis == 1 else 1
    sizes = {"batches": batches, "heads": heads, "kv_heads": heads, "n_q": 17, "n_k": 17}
    case = Case(spliced.CAUSAL, tmp_path, causal, dtype=torch.float16, **sizes)
    plain = case.gradients(case.triton, case.q, case.k, case.v)

    def beside(like, shape, dtype=None):
        return far(torch.zeros(shape, dtype=torch.float16), axis)

    monkeypatch.setattr(triton_backend, "_beside", beside)
    q, k, v, case.dout = (far(x, axis) for x in (case.q, case.k, case.v, case.dout))
    got = case.gradients(case.triton, q, k, v)
    assert all(torch.equal(a, b) for a, b in zip(plain, got, strict=True))


def test_an_expanded_gradient_is_read_in_place(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    case.dout = torch.ones(()).expand(case.dout.shape)
    q = case.q.requires_grad_()
    got = torch.autograd.grad(case.triton(q, case.k, case.v)[0].sum(), q)[0]
    want = torch.autograd.grad(spliced.dense(q, case.k, case.v, case.mask, case.scale)[0].sum(), q)[
        0
    ]
    assert torch.allclose(got, want.float(), atol=1e-5)


def test_the_output_keeps_the_order_of_axes_of_q(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal, dv=32)
    q = case.q.transpose(1, 2).contiguous().transpose(1, 2)
    out, _ = case.triton(q, case.k, case.v)
    assert out.transpose(1, 2).is_contiguous()


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, -torch.inf])
def test_a_bad_key_reaches_only_the_rows_that_keep_it(tmp_path, poison):
    def mask(q, k):
        return (k <= q) & (q - k < 11)

    case = Case(spliced.WINDOW, tmp_path, mask, n_q=60, n_k=60, WINDOW=11)
    bad = torch.zeros(60, dtype=torch.bool)
    bad[[13, 40]] = True
    clean = case.gradients(case.triton, case.q, case.k, case.v)
    case.k = case.k.masked_fill(bad[:, None], poison)
    case.v = case.v.masked_fill(bad[:, None], poison)
    spoiled = (case.mask[0, 0] & bad).any(-1)
    # A loss that does not look at spoiled rows; what they hold is theirs.
    case.dout = case.dout.masked_fill(spoiled[:, None], 0.0)
    got = case.gradients(case.triton, case.q, case.k, case.v)
    out, lse, dq = (x[:, :, ~spoiled] for x in got[:3])
    assert torch.equal(out, clean[0][:, :, ~spoiled])
    assert torch.equal(lse, clean[1][:, :, ~spoiled])
    assert torch.equal(dq, clean[2][:, :, ~spoiled])
    assert not got[0][:, :, spoiled].isfinite().all(-1).any()
    untouched = ~(case.mask[0, 0] & spoiled[:, None]).any(0)
    assert got[3][:, :, untouched].isfinite().all()
    assert got[4][:, :, untouched].isfinite().all()


def test_a_kept_infinite_value_gives_infinity_as_dense_attention_does(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    case.v[0, 0, 5, 3], case.v[0, 0, 7, 3], case.v[0, 0, 9, 4] = torch.inf, -torch.inf, torch.inf
    out, _ = case.triton(case.q, case.k, case.v)
    column = out[0, 0, :, 3]
    assert column[:5].isfinite().all()
    assert (column[5:7] == torch.inf).all()
    assert column[7:].isnan().all()
    assert (out[0, 0, 9:, 4] == torch.inf).all()
    assert out[0, 0, :, 5].isfinite().all()


def test_a_bad_query_reaches_only_keys_that_it_keeps(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    case.q[0, :, 20] = torch.nan
    _, _, _, dk, dv = case.gradients(case.triton, case.q, case.k, case.v)
    assert dk[0, 0, 21:].isfinite().all()
    assert dv[0, 0, 21:].isfinite().all()


def test_two_runs_give_the_same_bits(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal, heads=4, kv_heads=2, dtype=torch.float16)
    first, second = (case.gradients(case.triton, case.q, case.k, case.v) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_what_kernels_cannot_do_is_said(tmp_path):
    case = Case(spliced.CAUSAL, tmp_path, causal)
    with pytest.raises(ValueError, match=r"q has head dim 300; wanted at most 256"):
        case.triton(*(torch.zeros(1, 1, 40, 300) for _ in range(3)))
    case.layout = spliced.layout_of(case.mask, (24, 16))
    with pytest.raises(ValueError, match=r"block is \(24, 16\); wanted multiples of 16"):
        case.triton(case.q, case.k, case.v)
    with pytest.raises(TypeError, match="at most 32 bits"):
        case.triton(case.q.double(), case.k.double(), case.v.double())
