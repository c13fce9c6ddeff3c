"""Every wrong tensor and value: the error's type and what it names, before anything is computed."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import torch

import maskc
from maskc.codegen.runtime.arguments import MOST_SLICES

PATTERNS = maskc.loads(
    """
pattern local(w: int >= 1 = 4, c: bool = true, f: float = 0.5) = recent(w) & (c | q == k)
pattern widths(width: int[head] = 4) = recent(width[head])
pattern steps(o: int[] = [1, 2]) = q - k in o
pattern deep = causal & layer > 2
pattern documents { input doc: int[batch, token]; mask doc[q] == doc[k] }
pattern biased { input bias: float[head]; mask causal; score s + bias[head] }
pattern plane { space grid(y, x); mask causal }
pattern packed { space packed grid(y, x); mask causal }
""".replace("; ", "\n    ")
)
X = torch.randn(2, 4, 8, 16)
DOC = torch.zeros(2, 8, dtype=torch.int64)
META = X.to("meta")
HUGE = torch.empty(1, 1, 1, 1).expand(1, 1, 2**31, 1)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    NESTED = torch.nested.nested_tensor([X[0], X[1, :, :4]])
    CSR = X[0, 0].to_sparse_csr()
    QUANTIZED = torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)
    JAGGED = torch.nested.nested_tensor([X[0], X[1]], layout=torch.jagged)
with torch.inference_mode():
    INFERRED = torch.randn(2, 4, 8, 16)

NOT_FLOAT = (torch.complex64, torch.float8_e4m3fn, torch.int64, torch.uint8, torch.bool)
TENSORS = [
    *(((X.to(d),) * 3, f"q has dtype {d}; wanted bfloat16, float16") for d in NOT_FLOAT),
    *(((torch.ones((2,) * n), X, X), f"q has {n} axes [") for n in (0, 1, 2, 3, 5)),
    *(((X, x, X), "k is a nested or sparse tensor") for x in (X.to_sparse(), CSR, NESTED, JAGGED)),
    ((X, X, QUANTIZED), "v is a quantized tensor; wanted its dequantize()"),
    ((X.numpy(), X, X), "q is a ndarray; wanted a tensor"),
    ((X, X.tolist(), X), "k is a list; wanted a tensor"),
    ((X, X, None), "v is a NoneType; wanted a tensor"),
    ((X, X.half(), X), "k has dtype torch.float16; q has torch.float32"),
    ((META, X, X), "k is on cpu; q is on meta"),
    ((X, X, META), "v is on meta; q is on cpu"),
    ((X, X[:1], X), "k has batch 1; q has 2"),
    ((X, X[:, :3], X[:, :3]), "k has 3 heads; q has 4"),
    ((X, X, X[:, :2]), "v has 2 heads; k has 4"),
    ((X, X[:, :, :5], X), "v has 8 tokens; k has 5"),
    ((X, X[..., :8], X), "k has head dim 8; q has 16"),
    ((X[:, :0],) * 3, "q has 0 heads; wanted at least 1"),
    ((X[..., :0], X[..., :0], X), "q has head dim 0; wanted at least 1"),
    ((HUGE,) * 3, "q has 2147483648 tokens; wanted at most 2147483647"),
    ((HUGE[:, :, :1], HUGE, HUGE), "k has 2147483648 tokens"),
    ((X[:1, :1].expand(MOST_SLICES, 2, 8, 16),) * 3, "q has 67108864 x 2 slices"),
    ((X.clone().requires_grad_(), INFERRED, X), "k was made in inference mode"),
]

WRONG = {
    "local": [
        *(({"w": w}, "wanted an int") for w in (3.0, np.float64(3), "3", 1j, True, np.True_)),
        *(({"w": w}, "wanted an int") for w in (torch.tensor([3]), np.array([3]))),
        ({"w": torch.tensor(3.5)}, "w is tensor(3.5000) (Tensor); wanted an int"),
        ({"w": torch.tensor(3, device="meta")}, "w is on meta; wanted a tensor with values"),
        ({"w": None}, "w is None; wanted an int, or nothing for 4"),
        ({"w": 2**63}, "w is 9223372036854775808; wanted at most 64 bits"),
        ({"w": np.uint64(2**63)}, "wanted at most 64 bits"),
        ({"w": 0}, "w is 0: the spec says w >= 1"),
        *(({"c": c}, "wanted True or False") for c in (0, 1, "true", np.int64(1), None)),
        *(({"f": f}, "wanted a number") for f in ("x", True, None, 10**400, 1j)),
        *(({"f": f}, "f is NaN; wanted a number") for f in (float("nan"), torch.tensor(np.nan))),
        ({"f": torch.ones((), requires_grad=True)}, "f requires a gradient, and none reaches it"),
        *(({"scale": s}, "wanted a number") for s in ("a", True, np.True_, 1j, [1], 10**400)),
        *(({"scale": s}, "wanted a number") for s in (torch.ones(1), np.ones(2))),
        *(({"scale": s}, "wanted a finite number") for s in (float("nan"), torch.tensor(np.inf))),
        ({"scale": torch.ones((), requires_grad=True)}, "scale requires a gradient"),
        ({"backend": "Torch"}, "wanted one of ('auto', 'triton', 'torch', 'dense'); did you mean"),
        ({"backend": None}, "backend is None; wanted one of"),
        *(({"return_lse": x}, "return_lse is") for x in (1, None, "yes", torch.ones(1).bool())),
        *(({"block": b}, "block is") for b in ("a", 1.5, -1, (16, 0), {}, np.ones(2, int), True)),
        ({"grid": (2, 4)}, "grid is given, but local has no grid"),
        ({"segments": {}}, "segments is given, but local has no segments"),
        ({"routes": 1}, "routes is given, but local has no routes"),
        ({"W": 3}, "local has no parameter or input `W`"),
        ({"retrun_lse": True}, "did you mean `return_lse`?"),
        ({"inputs": [X]}, "inputs is a list; wanted a dict"),
        ({"inputs": {3: X}}, "local has no parameter or input `3`"),
    ],
    "widths": [
        ({"width": None}, "width is None; wanted an int for each head, or nothing for 4"),
        ({"width": [4] * 3}, "table width has 3 entries; wanted 4, one for each head"),
        ({"width": np.zeros(0)}, "table width has 0 entries"),
        ({"width": [4, 4, 4, None]}, "width[3] is None"),
        ({"width": {0: 4}}, "width is {0: 4} (dict); wanted an int"),
        ({"width": torch.ones(4, device="meta")}, "width is on meta"),
    ],
    "steps": [
        *(({"o": o}, "wanted a list") for o in (None, 3, "ab", {1, 2}, torch.tensor(1))),
        ({"o": [[1]]}, "o[0] is [1] (list); wanted an int"),
    ],
    "deep": [
        ({}, "layer is missing: the mask of deep depends on it"),
        *(({"layer": x}, "layer is") for x in (-1, 2**70, 3.0, "a", True, [1], torch.ones(2))),
        ({"layer": 3, "n_layers": 3}, "layer is 3; wanted at most 2"),
        ({"layer": 3, "n_layers": 0}, "n_layers is 0; wanted at least 1"),
    ],
    "documents": [
        ({}, "input doc is missing: the spec wants doc: int[batch, token]"),
        *(({"doc": DOC.to(d)}, f"input doc has dtype {d}") for d in (torch.half, torch.bool)),
        ({"doc": DOC + 0j}, "input doc has dtype torch.complex64; wanted int"),
        ({"doc": DOC.numpy()}, "input doc is a ndarray; wanted a tensor"),
        ({"doc": DOC.to_sparse()}, "input doc is a nested or sparse tensor"),
        ({"doc": DOC.to("meta")}, "input doc is on meta; q is on cpu"),
        ({"doc": DOC[0]}, "input doc has 1 axes [8]; wanted 2: int[batch, token]"),
        ({"doc": DOC[:, :7]}, "input doc has 7 entries on axis 1 (token); wanted 8"),
        ({"doc": (DOC - 1).view(torch.uint64)}, "input doc has entries of 2^63 and more"),
        ({"doc": DOC, "inputs": {"doc": DOC}}, "`doc` is given twice"),
    ],
    "biased": [({"bias": torch.zeros(4).int()}, "input bias has dtype torch.int32; wanted float")],
    "plane": [
        ({}, "grid is missing: the 8 tokens of k"),
        *(({"grid": g}, "wanted a dict or a sequence of ints") for g in ("ab", 8, {2, 4})),
        *(({"grid": g}, "grid[0] is") for g in ((2.0, 4), (-2, -4), ((2,), 4), (True, 8))),
        ({"grid": (2**62, 2**62)}, "wanted at most 2147483647"),
        ({"grid": (3, 4)}, "grid 3 x 4 has 12 tokens; k has 8"),
        ({"grid": {"z": 3}}, "grid has no `z`; wanted y, x"),
        ({"grid": torch.tensor([2, 4], device="meta")}, "grid is on meta"),
    ],
    "packed": [
        *(({"grid": g}, "wanted ints [items, 2]") for g in (None, "a", {}, [[2, 4], [1]])),
        *(({"grid": g}, "wanted ints [items, 2]") for g in ([[2.0, 4.0]], [[True, True]])),
        ({"grid": [[2**70, 1]]}, "wanted ints [items, 2]"),
        ({"grid": [[2**40, 2**40]]}, "the 1 items of grid have 1208925819614629174706176 tokens"),
        ({"grid": torch.tensor([[2, 4]]).to_sparse()}, "grid is a nested or sparse tensor"),
    ],
}


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    for pattern in vars(PATTERNS).values():
        monkeypatch.setattr(type(pattern), "_attend", lambda *_: pytest.fail("it was computed"))


@pytest.mark.parametrize(("tensors", "message"), TENSORS, ids=lambda x: x if type(x) is str else "")
def test_wrong_tensors_are_told_before_any_work(tensors, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        PATTERNS.local(*tensors)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [(name, *case) for name, cases in WRONG.items() for case in cases],
    ids=lambda x: x if type(x) is str else "",
)
def test_wrong_keywords_are_told_before_any_work(name, arguments, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        getattr(PATTERNS, name)(X, X, X, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"device": "meta"}, "device is meta; a layout wants one where tensors have values"),
        ({"device": "abacus"}, "device is 'abacus'; wanted one that torch has here"),
        ({"device": None}, "device is None; wanted one that torch has here"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads is 3; heads is 4: wanted a divisor of it"),
        ({"batch": -1}, "batch is -1; wanted at least 0"),
        ({"heads": 2**20, "batch": 2**20}, "q has 1048576 x 1048576 slices"),
        ({"n_k": 3.0}, "n_k is 3.0 (float); wanted an int"),
    ],
)
def test_wrong_lengths_and_devices_are_told_before_a_layout(arguments, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        PATTERNS.local.layout(8, **arguments)


def test_an_input_without_values_has_no_layout():
    with pytest.raises(ValueError, match="input doc is on meta"):
        PATTERNS.documents.layout(8, doc=DOC[:1].to("meta"))
