"""The public object: the dense path, layouts kept, and what PyTorch's FlexAttention makes of it."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from types import SimpleNamespace

import handmade
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import flex_attention

from maskc.codegen.runtime.attention import Attention
from maskc.codegen.runtime.call import Input
from maskc.codegen.runtime.layout import Layout
from subjects import many

CAUSAL = Attention(handmade.CAUSAL)
STREAMING = Attention(handmade.STREAMING)
DOCUMENTS = Attention(handmade.DOCUMENTS)
HEADS = Attention(handmade.HEADS)
POWERS = Attention(handmade.POWERS)
STRIDED = Attention(handmade.STRIDED)


def pulled_back(q, k, v, mask, scale=None):
    """Out, lse and gradients one row at a time over just the kept keys, in float64."""
    q, k, v = (x.detach().double().requires_grad_() for x in (q, k, v))
    group = q.shape[1] // k.shape[1]
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    outs, lses = [], []
    for b, h, i in torch.cartesian_prod(*map(torch.arange, q.shape[:3])).tolist():
        kept = mask[b, h, i].nonzero().squeeze(1)
        s = k[b, h // group, kept] @ q[b, h, i] * scale
        outs.append(s.softmax(0) @ v[b, h // group, kept])
        lses.append(s.logsumexp(0) if kept.numel() else torch.tensor(-torch.inf).double())
    out = torch.stack(outs).view(*q.shape[:3], -1)
    grads = torch.autograd.grad(out.sum() + (out**2).sum(), (q, k, v))
    return out.detach(), torch.stack(lses).view(q.shape[:3]).detach(), *grads


def own(pattern, q, k, v, **arguments):
    """Out, lse and gradients of the pattern's dense back end."""
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    out, lse = pattern(q, k, v, backend="dense", return_lse=True, **arguments)
    grads = torch.autograd.grad(out.sum() + (out**2).sum(), (q, k, v))
    return out.detach(), lse.detach(), *grads


@settings(max_examples=many(2))
@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([(1, 1), (4, 2), (3, 3)]), st.data())
def test_dense_attention_is_softmax_over_the_kept_keys(n_q, n_k, heads, data):
    """Out, lse and gradients; empty rows give 0, -inf and 0."""
    pattern, given = data.draw(
        st.sampled_from(
            [
                (STREAMING, {"window": 3, "sinks": 1}),
                (HEADS, {"width": [1 + i for i in range(heads[0])]}),
                (DOCUMENTS, {"doc": torch.arange(n_k).expand(2, -1) // 3}),
            ]
        )
    )
    q = torch.randn(2, heads[0], n_q, 8, dtype=torch.float64)
    k = torch.randn(2, heads[1], n_k, 8, dtype=torch.float64)
    v = torch.randn(2, heads[1], n_k, 5, dtype=torch.float64)
    mask = pattern.dense_mask(n_q, n_k, batch=2, heads=heads[0], kv_heads=heads[1], **given)
    for got, wanted in zip(own(pattern, q, k, v, **given), pulled_back(q, k, v, mask), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("where", ["k", "v"])
def test_bad_keys_and_values_stay_with_the_rows_that_keep_them(bad, where):
    """A NaN at key 2 is seen by rows 2, 3 and 4 of a window of 3, and by no other."""
    q, k, v = torch.randn(3, 1, 1, 9, 8).unbind(0)
    clean = own(STREAMING, q, k, v, window=3, sinks=0)
    (k if where == "k" else v)[0, 0, 2] = bad
    got = own(STREAMING, q, k, v, window=3, sinks=0)
    rows = torch.tensor([0, 1, 5, 6, 7, 8])
    for i in (0, 1, 2):
        torch.testing.assert_close(got[i][:, :, rows], clean[i][:, :, rows])
    assert not torch.isfinite(got[0][:, :, 2:5]).all()


def test_bad_keys_that_nobody_keeps_change_nothing():
    """Bit for bit, gradients included."""
    q, k, v = torch.randn(3, 2, 2, 12, 8).unbind(0)
    pattern = Attention(dataclasses.replace(handmade.STREAMING, align="start"))
    arguments = {"window": 3, "sinks": 0}
    clean = own(pattern, q[:, :, :6], k, v, **arguments)
    k[:, :, 6:], v[:, :, 6:] = torch.nan, torch.inf
    for got, wanted in zip(own(pattern, q[:, :, :6], k, v, **arguments), clean, strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.parametrize("backend", ["torch", "dense"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_rows_without_keys_give_no_gradients_whatever_they_hold(backend, bad):
    """As padding may hold anything, and the slope of a norm at 0 is NaN."""
    arguments = {"window": 2, "sinks": 0, "backend": backend}
    q, k, v, d_out = torch.randn(4, 1, 2, 9, 8).unbind(0)
    k, v = k[:, :, :4], v[:, :, :4]
    empty = ~STREAMING.dense_mask(9, 4, window=2, sinks=0)[0, 0].any(-1)
    assert empty.sum() == 5

    def gradients():
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        return torch.autograd.grad(STREAMING(*leaves, **arguments), leaves, d_out)

    clean = gradients()
    for x in (q, d_out):
        x[:, :, empty] = bad
        for got, wanted in zip(gradients(), clean, strict=True):
            torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("backend", ["auto", "torch", "dense"])
@pytest.mark.parametrize(("n_q", "n_k", "batch"), [(0, 5, 2), (5, 0, 2), (0, 0, 1), (4, 4, 0)])
def test_no_pairs_give_zeros_and_zero_gradients(backend, n_q, n_k, batch):
    """Empty tensors work."""
    q = torch.randn(batch, 4, n_q, 8, requires_grad=True)
    k = torch.randn(batch, 2, n_k, 8, requires_grad=True)
    v = torch.randn(batch, 2, n_k, 6, requires_grad=True)
    out, lse = CAUSAL(q, k, v, backend=backend, return_lse=True)
    assert out.shape == (batch, 4, n_q, 6)
    assert (out == 0).all() and (lse == -torch.inf).all()
    assert lse.shape == (batch, 4, n_q)
    for x, g in zip((q, k, v), torch.autograd.grad(out.sum(), (q, k, v)), strict=True):
        assert g.shape == x.shape and (g == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_dtypes_stay_and_the_log_sum_exp_is_wide(dtype):
    """Out is of the dtype of q."""
    q, k, v = torch.randn(3, 1, 2, 9, 8, dtype=dtype).unbind(0)
    out, lse = CAUSAL(q, k, v, backend="dense", return_lse=True)
    assert out.dtype == dtype
    assert lse.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    exact = CAUSAL.oracle(q, k, v)
    assert exact.dtype == torch.float64
    torch.testing.assert_close(out.double(), exact, atol=20 * torch.finfo(dtype).eps, rtol=0)


def test_the_oracle_is_differentiable_and_takes_all_keywords():
    """It stands on the dense path in float64."""
    q, k, v = torch.randn(3, 2, 2, 9, 8).unbind(0)
    q.requires_grad_()
    doc = torch.tensor([[0] * 5 + [1] * 4] * 2)
    out, lse = DOCUMENTS.oracle(q, k, v, inputs={"doc": doc}, return_lse=True, scale=0.3)
    mask = DOCUMENTS.dense_mask(9, batch=2, heads=2, doc=doc)
    wanted = pulled_back(q, k, v, mask, 0.3)
    torch.testing.assert_close(out.detach(), wanted[0])
    torch.testing.assert_close(lse.detach(), wanted[1])
    assert torch.autograd.grad(out.sum(), q)[0].abs().sum() > 0


def test_scores_are_functions_of_the_natural_logit_and_positions():
    """`s` is scale * q . k; a score that is not finite at a masked pair harms nothing."""

    def score(s, q, k, call):
        return s * 0.5 - (q - k).to(s.dtype).log()

    spec = dataclasses.replace(
        handmade.spec("strict", lambda q, k, call: k < q, handmade.causal_bounds), score=score
    )
    q, k, v = torch.randn(3, 1, 1, 7, 4, dtype=torch.float64).unbind(0)
    got = own(Attention(spec), q, k, v, scale=0.7)
    i = torch.arange(7)
    s = torch.where(i[:, None] > i, q[0, 0] @ k[0, 0].T * 0.35 - (i[:, None] - i).double().log(), 0)
    s = s.masked_fill(i[:, None] <= i, -torch.inf)
    torch.testing.assert_close(got[0][0, 0, 1:], s[1:].softmax(-1) @ v[0, 0])
    assert (got[0][0, 0, 0] == 0).all() and got[1][0, 0, 0] == -torch.inf
    assert all(g.isfinite().all() for g in got[2:])


def test_strided_views_work():
    """No layout of memory is asked for."""
    x = torch.randn(3, 2, 9, 4, 16)
    q, k, v = (y.transpose(1, 2)[..., ::2] for y in x)
    wanted = STREAMING(q.contiguous(), k.contiguous(), v.contiguous(), backend="dense", window=4)
    torch.testing.assert_close(STREAMING(q, k, v, backend="dense", window=4), wanted)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 3))
def test_dense_masks_are_read_in_pieces_without_a_seam(n_q, n_k, heads):
    """As `keep` says at every pair, bool [batch, heads, n_q, n_k]."""
    from maskc.codegen.runtime import dense

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "POINTS_AT_ONCE", 64)
        width = [3 + 5 * h for h in range(heads)]
        mask = HEADS.dense_mask(n_q, n_k, batch=2, heads=heads, width=width)
    assert mask.shape == (2, heads, n_q, n_k)
    call = HEADS.bind(n_q, n_k, batch=2, heads=heads, width=width)
    assert torch.equal(mask, handmade.mask_of(handmade.HEADS, call))


def test_layouts_are_kept_until_something_they_depend_on_changes():
    """Inputs are compared by value, also when changed in place."""
    assert STREAMING.layout(512) is STREAMING.layout(512)
    assert STREAMING.layout(512) is not STREAMING.layout(512, window=100)
    assert STREAMING.layout(512) is not STREAMING.layout(512, block=64)
    doc = torch.arange(256)[None] // 50
    first = DOCUMENTS.layout(256, doc=doc, block=16)
    assert DOCUMENTS.layout(256, doc=doc.clone(), block=16) is first
    kept = first.kept_pairs
    doc[0, 128:] += 1000
    assert DOCUMENTS.layout(256, doc=doc, block=16) is not first
    assert first.kept_pairs == kept
    assert HEADS.layout(64, heads=2, width=[3, 4]) is HEADS.layout(64, heads=2, width=[3, 4])
    assert HEADS.layout(64, heads=2, width=[3, 4]) is not HEADS.layout(64, heads=2, width=[4, 3])


def test_inputs_that_only_the_score_reads_leave_the_layout_alone():
    """`mask_inputs` says which ones matter."""
    spec = dataclasses.replace(
        handmade.CAUSAL, inputs=(Input("bias", "float", ("k",)),), mask_inputs=()
    )
    pattern = Attention(spec)
    assert pattern.layout(64, bias=torch.zeros(64)) is pattern.layout(64, bias=torch.ones(64))


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize(
    ("pattern", "n_q", "n_k", "given"),
    [
        (STREAMING, 300, 300, {"window": 100, "sinks": 4}),
        pytest.param(STREAMING, 70, 200, {"window": 30}, marks=pytest.mark.slow),
        pytest.param(HEADS, 256, 256, {"width": [5, 60]}, marks=pytest.mark.slow),
        (DOCUMENTS, 130, 130, {"doc": torch.arange(130).expand(2, -1) // 40}),
        pytest.param(POWERS, 128, 128, {}, marks=pytest.mark.slow),
    ],
)
def test_flex_attention_takes_the_block_mask_and_gives_the_same_output(pattern, n_q, n_k, given):
    """PyTorch's own implementation on the CPU, with mask_mod."""
    q = torch.randn(2, 2, n_q, 16)
    k, v = torch.randn(2, 2, 2, n_k, 16).unbind(0)
    block_mask = pattern.block_mask(n_q, n_k, batch=2, heads=2, **given)
    out = flex_attention(q, k, v, block_mask=block_mask)
    torch.testing.assert_close(out, pattern(q, k, v, backend="dense", **given), atol=2e-6, rtol=0)
    assert block_mask.BLOCK_SIZE == (128, 128)
    assert block_mask.seq_lengths == (n_q, n_k)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40))
def test_layouts_survive_the_way_through_a_block_mask(n_q, n_k, window):
    """Kept tiles and pairs are the same; full tiles that are cut become partial."""
    given = {"batch": 2, "heads": 2, "width": [window, 3]}
    layout = HEADS.layout(n_q, n_k, block=(16, 32), **given)
    block_mask = HEADS.block_mask(n_q, n_k, block=(16, 32), **given)
    back = Layout.from_block_mask(block_mask)
    assert torch.equal(back.to_block_map(), layout.to_block_map())
    assert back.kept_pairs == layout.kept_pairs
    tiles, rebuilt = layout.tiles(1, 0), back.tiles(1, 0)
    whole = torch.zeros_like(tiles, dtype=torch.bool)
    whole[: n_q // 16, : n_k // 32] = True
    assert torch.equal(rebuilt[whole], tiles[whole])
    assert (rebuilt[~whole] <= 1).all()


def test_explain_says_tiles_cost_and_back_end():
    """Plain numbers, also for a device that is not there."""
    told = STREAMING.explain(4096, heads=2, head_dim=64)
    layout = STREAMING.layout(4096, heads=2, block=64)
    assert told["pattern"] == "streaming"
    assert told["full tiles"] == layout.full_tiles
    assert told["FLOPs"] == 256 * layout.computed_pairs
    assert told["dense FLOPs"] == 256 * 2 * 4096**2
    assert told["amplification"] == layout.computed_pairs / layout.kept_pairs
    assert told["back end"] == "torch"
    narrow = STREAMING.explain(4096, heads=2, head_dim=64, value_dim=16)
    assert narrow["FLOPs"] == 2 * (64 + 16) * layout.computed_pairs


def test_explain_takes_the_tile_of_the_back_end_that_would_run():
    assert STREAMING.explain(256)["block"] == (64, 64)
    on_gpu = STREAMING.explain(256, device="cuda:0")
    assert (on_gpu["back end"], on_gpu["block"]) == ("triton", (128, 128))
    assert STREAMING.explain(256, block=32)["block"] == (32, 32)


@pytest.mark.parametrize(
    ("is_cuda", "dtype", "backend"),
    [
        (True, torch.bfloat16, "triton"),
        (True, torch.float32, "triton"),
        (True, torch.float64, "torch"),
        (False, torch.float32, "torch"),
    ],
)
def test_kernels_run_where_there_is_a_gpu_and_they_have_the_dtype(is_cuda, dtype, backend):
    assert STREAMING._backend("auto", SimpleNamespace(is_cuda=is_cuda, dtype=dtype)) == backend


def test_a_pattern_is_pickled_by_its_module(monkeypatch):
    """It comes back as the same object."""
    monkeypatch.setattr(handmade, "causal", CAUSAL, raising=False)
    assert pickle.loads(pickle.dumps(CAUSAL)) is CAUSAL
    assert "handmade" in sys.modules


def test_name_documentation_and_printed_form_are_the_specs():
    """What `help` and a prompt show."""
    assert STREAMING.__name__ == "streaming"
    assert STREAMING.__doc__ == "The mask streaming."
    assert repr(STREAMING) == "<attention streaming(sinks=4, window=1024)>"
    assert repr(DOCUMENTS) == "<attention documents(doc: int[2 axes])>"
