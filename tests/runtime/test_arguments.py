"""What a wrong call is told, before any work."""

from __future__ import annotations

import dataclasses
import re

import handmade
import pytest
import torch

from maskc.codegen.runtime.arguments import MOST_SLICES
from maskc.codegen.runtime.attention import Attention
from maskc.codegen.runtime.call import Call, Input, Param

STREAMING = Attention(handmade.STREAMING)
DOCUMENTS = Attention(handmade.DOCUMENTS)
HEADS = Attention(handmade.HEADS)
X = torch.randn(2, 4, 8, 16)


def qkv(q=(2, 4, 8, 16), k=(2, 4, 8, 16), v=(2, 4, 8, 16), **options):
    """Three random tensors of these shapes."""
    return tuple(torch.randn(shape, **options) for shape in (q, k, v))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (qkv(q=(2, 4, 8)), "q has 3 axes [2, 4, 8]; wanted 4: [batch, heads, tokens, dim]"),
        (qkv(k=(1, 4, 8, 16)), "k has batch 1; q has 2"),
        (qkv(v=(3, 4, 8, 16)), "v has batch 3; q has 2"),
        (
            qkv(q=(2, 8, 8, 16), k=(2, 6, 8, 16), v=(2, 6, 8, 16)),
            "k has 6 heads; q has 8: q heads must be a multiple of k heads",
        ),
        (qkv(v=(2, 2, 8, 16)), "v has 2 heads; k has 4: they must be equal"),
        (qkv(v=(2, 4, 9, 16)), "v has 9 tokens; k has 8: they must be equal"),
        (qkv(k=(2, 4, 8, 32)), "k has head dim 32; q has 16: they must be equal"),
        (qkv(v=(2, 4, 8, 0)), "v has head dim 0; wanted at least 1"),
        (qkv(q=(2, 0, 8, 16)), "q has 0 heads; wanted at least 1"),
        ((X, X.to("meta"), X), "k is on meta; q is on cpu: they must be equal"),
    ],
)
def test_wrong_shapes_and_devices_name_tensor_axis_and_sizes(tensors, message):
    """A ValueError with the whole story."""
    with pytest.raises(ValueError, match=re.escape(message)):
        STREAMING(*tensors)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((X.tolist(), X, X), "q is a list; wanted a tensor"),
        ((X, X.half(), X), "k has dtype torch.float16; q has torch.float32: they must be equal"),
        ((X.int(), X.int(), X.int()), "q has dtype torch.int32; wanted bfloat16, float16"),
        ((X, X, X.to_sparse()), "v is a nested or sparse tensor; wanted a strided one"),
    ],
)
def test_wrong_dtypes_name_tensor_and_dtype(tensors, message):
    """A TypeError."""
    with pytest.raises(TypeError, match=re.escape(message)):
        STREAMING(*tensors)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"windw": 3}, TypeError, "has no parameter or input `windw`; did you mean `window`?"),
        ({"scal": 3}, TypeError, "has no parameter or input `scal`; did you mean `scale`?"),
        ({"zzz": 3}, TypeError, "streaming has no parameter or input `zzz`"),
        ({"window": 0}, ValueError, "window is 0: the spec says window >= 1"),
        ({"sinks": -1}, ValueError, "sinks is -1: the spec says sinks >= 0"),
        ({"window": 1.5}, TypeError, "window is 1.5 (float); wanted an int"),
        ({"window": True}, TypeError, "window is True (bool); wanted an int"),
        ({"window": "9"}, TypeError, "window is '9' (str); wanted an int"),
        ({"window": 2**70}, ValueError, "wanted at most 64 bits"),
        ({"inputs": {"window": 3}, "window": 3}, TypeError, "`window` is given twice"),
        ({"inputs": [3]}, TypeError, "inputs is a list; wanted a dict of tensors by name"),
        ({"scale": "big"}, TypeError, "scale is 'big' (str); wanted a number"),
        ({"scale": float("nan")}, ValueError, "scale is nan; wanted a finite number"),
        ({"backend": "tritn"}, ValueError, "did you mean 'triton'?"),
        ({"block": (16, 16, 16)}, ValueError, "block has 3 entries; wanted 2: (queries, keys)"),
        ({"block": 0}, ValueError, "block is 0; wanted at least 1"),
        ({"routes": ()}, ValueError, "routes is given, but streaming has no routes"),
        ({"grid": (4, 4)}, ValueError, "grid is given, but streaming has no grid"),
        ({"segments": {}}, ValueError, "segments is given, but streaming has no segments"),
        ({"layer": -1}, ValueError, "layer is -1; wanted at least 0"),
        ({"layer": 3, "n_layers": 3}, ValueError, "layer is 3; wanted at most 2 (n_layers is 3)"),
    ],
)
def test_wrong_keywords_are_told(arguments, kind, message):
    """Type and text of the error."""
    with pytest.raises(kind, match=re.escape(message)):
        STREAMING(X, X, X, **arguments)


def test_triton_on_a_cpu_is_refused_without_the_interpreter(monkeypatch):
    """Nothing falls back in silence."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(ValueError, match="backend='triton' wants a GPU"):
        STREAMING(X, X, X, backend="triton")
    with pytest.raises(TypeError, match=r"q has dtype torch\.float64"):
        STREAMING(X.double(), X.double(), X.double(), backend="triton")


@pytest.mark.parametrize(
    ("doc", "kind", "message"),
    [
        (None, TypeError, "input doc is missing: the spec wants doc: int[batch, token]"),
        ([[0] * 8] * 2, TypeError, "input doc is a list; wanted a tensor"),
        (torch.zeros(2, 8), TypeError, "input doc has dtype torch.float32; wanted int"),
        (torch.zeros(2, 8).bool(), TypeError, "input doc has dtype torch.bool; wanted int"),
        (
            torch.zeros(8).int(),
            ValueError,
            "input doc has 1 axes [8]; wanted 2: int[batch, token]",
        ),
        (
            torch.zeros(2, 9).int(),
            ValueError,
            "input doc has 9 entries on axis 1 (token); wanted 8",
        ),
        (
            torch.zeros(1, 8).int(),
            ValueError,
            "input doc has 1 entries on axis 0 (batch); wanted 2",
        ),
        (torch.zeros(2, 8, device="meta").int(), ValueError, "input doc is on meta; q is on cpu"),
    ],
)
def test_wrong_inputs_name_axis_wanted_and_got(doc, kind, message):
    """Inputs are checked like q, k and v."""
    with pytest.raises(kind, match=re.escape(message)):
        DOCUMENTS(X, X, X, doc=doc)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.uint16])
def test_integer_inputs_of_any_dtype_are_read_as_64_bit(dtype):
    """The mask does not depend on it."""
    doc = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2]])
    wanted = DOCUMENTS.dense_mask(8, doc=doc)
    assert torch.equal(DOCUMENTS.dense_mask(8, inputs={"doc": doc.to(dtype)}), wanted)
    assert wanted[0, 0].sum() == 6 + 3 + 6


@pytest.mark.parametrize(
    ("width", "kind", "message"),
    [
        ([4, 4], ValueError, "table width has 2 entries; wanted 4, one for each head"),
        ([4, 4, 0, 4], ValueError, "width[2] is 0: the spec says window >= 1"),
        ([4, 4, "x", 4], TypeError, "width[2] is 'x' (str); wanted an int"),
        ([[4, 4, 4, 4]], ValueError, "table width has 1 entries; wanted 4, one for each head"),
        (torch.ones(4), TypeError, "width[0] is 1.0 (float); wanted an int"),
    ],
)
def test_wrong_tables_name_the_entry(width, kind, message):
    """Each entry obeys the rules."""
    with pytest.raises(kind, match=re.escape(message)):
        HEADS(X, X, X, width=width)


def test_one_value_stands_for_all_entries_of_a_table():
    """As do a list, a tuple and a tensor with the value repeated."""
    wanted = HEADS.dense_mask(20, heads=3, width=5)
    for width in ([5, 5, 5], (5, 5, 5), torch.tensor([5, 5, 5])):
        assert torch.equal(HEADS.dense_mask(20, heads=3, width=width), wanted)


def with_(spec=handmade.CAUSAL, **changes):
    """A pattern over a changed spec."""
    return Attention(dataclasses.replace(spec, **changes))


def test_layer_is_asked_for_where_the_mask_depends_on_it():
    """Table lengths bind the number of layers."""
    width = Param("width", "int", ("layer", "head"), default=3)
    pattern = with_(params=(width,), uses_layer=True)
    with pytest.raises(ValueError, match="layer is missing: the mask of causal depends on it"):
        pattern.bind(8)
    with pytest.raises(ValueError, match="n_layers is missing: table width has an entry for each"):
        pattern.bind(8, layer=0)
    call = pattern.bind(8, heads=2, layer=1, width=[[1, 2], [3, 4], [5, 6]])
    assert (call.layer, call.n_layers) == (1, 3)
    assert call.tensors["width"].tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(ValueError, match="layer is 3; wanted at most 2"):
        pattern.bind(8, heads=2, layer=3, width=[[1, 2], [3, 4], [5, 6]])
    with pytest.raises(ValueError, match="table width has 3 entries; wanted 4, one for each layer"):
        pattern.bind(8, heads=2, layer=1, n_layers=4, width=[[1, 2], [3, 4], [5, 6]])
    with pytest.raises(ValueError, match="n_layers is missing: causal depends on it"):
        with_(uses_n_layers=True).bind(8)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4)])
def test_a_tensor_of_other_axes_shows_no_number_of_layers(shape):
    pattern = with_(inputs=(Input("bias", "float", ("head", "layer")),))
    told = f"input bias has {len(shape)} axes {list(shape)}; wanted 2: float[head, layer]"
    with pytest.raises(ValueError, match=re.escape(told)):
        pattern.bind(8, heads=2, bias=torch.zeros(shape))


def test_as_many_slices_as_there_may_be_are_taken():
    assert STREAMING.bind(1, batch=MOST_SLICES // 2, heads=2).batches == MOST_SLICES // 2
    with pytest.raises(ValueError, match="slices, batch by heads; wanted at most"):
        STREAMING.bind(1, batch=MOST_SLICES // 2 + 1, heads=2)


def test_lists_keep_their_length_as_a_size():
    """An empty list is a list."""
    offsets = Param("offsets", "int", ())
    pattern = with_(params=(offsets,))
    assert pattern.bind(8, offsets=[3, 1]).sizes == {"offsets": 2}
    assert pattern.bind(8, offsets=[]).tensors["offsets"].shape == (0,)
    with pytest.raises(TypeError, match="parameter offsets is missing"):
        pattern.bind(8)
    with pytest.raises(TypeError, match=re.escape("parameter offsets is 3 (int); wanted a list")):
        pattern.bind(8, offsets=3)


def test_sizes_of_inputs_are_bound_by_shapes_and_compared():
    """A fresh size is bound once; a function of the call gives a fixed one."""
    inputs = (
        Input("a", "float", ("m", "head")),
        Input("b", "bool", ("m", lambda call: 2 * call.params["w"] + 1, 3)),
    )
    pattern = with_(params=(Param("w", "int", default=2),), inputs=inputs)
    a, b = torch.zeros(7, 2), torch.zeros(7, 5, 3).bool()
    call = pattern.bind(8, heads=2, a=a, b=b)
    assert call.sizes == {"m": 7}
    assert call.tensors["a"].dtype == torch.float64
    with pytest.raises(ValueError, match=re.escape("b has 6 entries on axis 0 (m); wanted 7")):
        pattern.bind(8, heads=2, a=a, b=b[:6].repeat(2, 1, 1)[:6])
    with pytest.raises(ValueError, match=re.escape("axis 1 (fixed by the spec); wanted 7")):
        pattern.bind(8, heads=2, a=a, b=b, w=3)


def test_a_call_that_may_leave_64_bits_is_refused():
    """The span of the mask decides."""
    pattern = with_(span=lambda q0, q1, k0, k1, call: (q1 + 1) * 2**60)
    assert isinstance(pattern.bind(7), Call)
    with pytest.raises(ValueError, match="causal may leave 64-bit integers here"):
        pattern.bind(8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_q": -1}, "n_q is -1; wanted at least 0"),
        ({"n_q": 2**31}, "n_q is 2147483648; wanted at most 2147483647"),
        ({"n_q": 8, "heads": 0}, "heads is 0; wanted at least 1"),
        ({"n_q": 8, "heads": 8, "kv_heads": 6}, "kv_heads is 6; heads is 8: wanted a divisor"),
        ({"n_q": 8, "device": "abacus"}, "device is 'abacus'; wanted one that torch has here"),
    ],
)
def test_wrong_counts_are_told(arguments, message):
    """The same checks stand before masks and layouts."""
    with pytest.raises(ValueError, match=re.escape(message)):
        STREAMING.layout(**arguments)
