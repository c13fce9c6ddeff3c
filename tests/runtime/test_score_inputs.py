"""Float inputs of a score: values and gradients in every back end."""

from __future__ import annotations

import pytest
import torch
from plain_softmax import assert_near, plain_attention, results

import maskc

N, HEADS = 40, 4
POSITION = torch.arange(N)
APART = POSITION[:, None] - POSITION


def spec(*lines):
    return "pattern p {\n" + "\n".join(f"    {line}" for line in lines) + "\n}"


def inside(table, index):
    """Entries of a vector, 0 outside."""
    found = table[index.clamp(0, len(table) - 1)]
    return torch.where((index >= 0) & (index < len(table)), found, 0.0)


CASES = {
    "relative bias": (
        spec("input bias: float[30]", "score s + bias[q - k + 4]", "mask recent(20) & k != 3"),
        {"bias": torch.randn(30)},
        lambda s, bias: s + inside(bias, APART + 4),
    ),
    "bias of each head": (
        spec("input bias: float[head, 50]", "score s + bias[q - k]", "mask causal"),
        {"bias": torch.randn(HEADS, 50)},
        lambda s, bias: s + torch.stack([inside(row, APART) for row in bias]),
    ),
    "weight of each key": (
        spec("input weight: float[batch, k]", "score s + log(weight[k])", "mask prefix(5)"),
        {"weight": torch.rand(2, N) + 0.1},
        lambda s, weight: s + weight.log()[:, None, None],
    ),
    "no logit at all": (
        spec("input weight: float[k]", "score weight[k]", "mask causal"),
        {"weight": torch.randn(N)},
        lambda s, weight: weight.expand(s.shape),
    ),
    "one number for each row": (
        spec("input weight: float[q]", "score weight[q]", "mask everything"),
        {"weight": torch.randn(N)},
        lambda s, weight: weight[:, None].expand(s.shape),
    ),
    "learnt temperature": (
        spec("input t: float[1]", "score tanh(s * t[0]) + t[0]", "mask causal"),
        {"t": torch.rand(1)},
        lambda s, t: torch.tanh(s * t) + t,
    ),
    "two inputs and a sink": (
        spec(
            *("input a: float[head]", "input b: float[m]", "input sink: float[head]"),
            *("sink_logit sink", "score softcap(s * a, 5.0) + b[k % len(m)]"),
            "mask causal & k // 9 == q // 9",
        ),
        {"a": torch.rand(HEADS), "b": torch.randn(7), "sink": torch.randn(HEADS)},
        lambda s, a, b, sink: 5 * torch.tanh(s * a.view(-1, 1, 1) / 5) + b[POSITION % 7],
    ),
    "bias over a grid": (
        spec(
            *("space grid(y = 5, x)", "input r: float[9, len(x)]"),
            "score s + r[q.y - k.y + 4, abs(q.x - k.x)]",
            "mask near(y, 2) & near(x, 3)",
        ),
        {"r": torch.randn(9, 8)},
        lambda s, r: (
            s
            + r[
                (POSITION // 8)[:, None] - POSITION // 8 + 4,
                (POSITION % 8 - (POSITION % 8)[:, None]).abs(),
            ]
        ),
    ),
}


def tensors(dtype):
    generator = torch.Generator().manual_seed(0)
    shapes = ((HEADS, N, 8), (2, N, 8), (2, N, 6))
    return [
        torch.randn((2, *shape), generator=generator, dtype=torch.float64).to(dtype)
        for shape in shapes
    ]


def wanted_of(pattern, inputs, score, q, k, v):
    """What textbook softmax gives for a case."""
    mask = pattern.dense_mask(N, batch=2, heads=HEADS, kv_heads=2, **inputs)

    def plain(q, k, v, **inputs):
        inputs = {name: x.double() for name, x in inputs.items()}
        sink = inputs.get("sink")
        sinks = () if sink is None else (sink.view(1, -1, 1).expand(2, HEADS, N),)
        return plain_attention(q, k, v, mask, lambda s: score(s, **inputs), sinks)

    return results(plain, q, k, v, inputs)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("backend", ["dense", "torch"])
def test_scores_and_gradients_of_their_inputs_are_exact(backend, case):
    text, inputs, score = CASES[case]
    pattern = maskc.loads(text).p
    q, k, v = tensors(torch.float64)

    def compiled(q, k, v, **inputs):
        return pattern(q, k, v, backend=backend, return_lse=True, **inputs)

    got = results(compiled, q, k, v, inputs)
    # Inputs are float32, so their gradients are too.
    assert_near(got, wanted_of(pattern, inputs, score, q, k, v), torch.float32)


def test_layouts_and_masks_have_no_gradient():
    """An input that only a mask compares asks for none, and gets none."""
    pattern = maskc.loads(spec("input w: float[k]", "mask w[k] > 0.0 & causal")).p
    q, k, v = tensors(torch.float32)
    w = torch.randn(N).requires_grad_()
    out = pattern(q, k.requires_grad_(), v, w=w)
    out.sum().backward()
    assert w.grad is None
    assert k.grad is not None


def test_an_input_changed_in_place_before_the_backward_pass_is_told():
    pattern = maskc.loads(CASES["relative bias"][0]).p
    q, k, v = tensors(torch.float64)
    leaf = torch.randn(30, dtype=torch.float64, requires_grad=True)
    bias = leaf * 1.0
    out = pattern(q, k, v, bias=bias)
    with torch.no_grad():
        bias.add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
