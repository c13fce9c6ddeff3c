"""What systems compute beside their masks: weights, counts and terms of the logit.

Each is held against its layer as its paper tells it, written with torch's own operations.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import maskc
from gallery.layers import DIM, HEADS, drawn, logits, softmax_attention

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"

N = 11


def pattern(file: str, name: str) -> Any:
    """A compiled pattern of the gallery."""
    return getattr(maskc.load(EXAMPLES / file), name)


def causal(n: int) -> torch.Tensor:
    """What is added to logits so that no key lies ahead of its query: [n, n]."""
    return torch.full((n, n), -torch.inf, dtype=torch.float64).triu(1)


def test_animate_zero_fills_its_clip_with_copies_of_the_first_frame():
    frames, tokens = 5, 3
    q, k, v = drawn(3, HEADS, frames, tokens, DIM)
    wanted = torch.zeros_like(q)
    for t in range(frames):
        clip = [0] * (frames - 1 - t) + list(range(t + 1))
        keys, values = (x[:, clip].transpose(1, 2) for x in (k, v))
        wanted[:, t] = softmax_attention(q[:, t, :, None], keys, values)[:, :, 0]
    out = pattern("video/animate_zero.attn", "animate_zero")(
        *(x.flatten(1, 2)[None] for x in (q, k, v)), grid=(frames, tokens)
    )
    torch.testing.assert_close(out, wanted.flatten(1, 2)[None])


def test_zero_tuning_multiplies_the_first_weight_and_normalises_again():
    q, k, v = drawn(3, 1, HEADS, N, DIM)
    rate = torch.tensor([[1.0, 3.0], [0.5, 2.0]], dtype=torch.float64)
    weights = torch.softmax(logits(q, k) + causal(N), -1)
    weights[..., 0] *= rate[1][:, None]
    wanted = weights / weights.sum(-1, keepdim=True) @ v
    zero_tuning = pattern("language/zero_tuning.attn", "zero_tuning")
    out = zero_tuning(q, k, v, rate=rate, layer=1, n_layers=2)
    torch.testing.assert_close(out, wanted)


def test_a_masked_head_is_the_mean_of_what_is_before():
    q, k, v = drawn(3, 1, HEADS, N, DIM)
    wanted = softmax_attention(q, k, v, causal(N))
    wanted[:, 1] = v[:, 1].cumsum(1) / torch.arange(1, N + 1)[:, None]
    attention_influence = pattern("language/attention_influence.attn", "attention_influence")
    out = attention_influence(q, k, v, masked=[[False, True]], layer=0, n_layers=1)
    torch.testing.assert_close(out, wanted)


def test_the_first_row_of_an_arrow_is_sharper_the_longer_the_text():
    q, k, v = drawn(3, 1, HEADS, N, DIM)
    scaled = logits(q, k)
    scaled[:, :, 0] *= log(N) / log(512)
    place = torch.arange(N)
    far = (place[:, None] - place).abs() > 3
    far[0] = far[:, 0] = False
    wanted = torch.softmax(scaled.masked_fill(far, -torch.inf), -1) @ v
    out = pattern("language/long_text_extractor.attn", "arrow")(q, k, v, reach=3)
    torch.testing.assert_close(out, wanted)


def test_music_transformer_skews_the_products_with_distances():
    q, k, v = drawn(3, 1, HEADS, N, DIM)
    embedded = drawn(HEADS, N, DIM)
    products = q @ embedded.flip(1).transpose(-1, -2)
    padded = F.pad(products, (1, 0)).flatten(2)
    skewed = padded.unflatten(2, (N + 1, N))[:, :, 1:]
    wanted = softmax_attention(q, k, v, skewed / DIM**0.5 + causal(N))
    relative = q @ embedded.transpose(-1, -2) / DIM**0.5
    music_transformer = pattern("language/music_transformer.attn", "music_transformer")
    torch.testing.assert_close(music_transformer(q, k, v, relative=relative), wanted)


def test_a_codeword_weighs_as_many_tokens_as_it_stands_for():
    codes, size = 3, 4
    q = drawn(1, HEADS, N, DIM)
    k, v = drawn(2, 1, HEADS, N + codes, DIM)
    count = torch.arange(N * codes).reshape(N, codes) % 5 % 4
    rows = []
    for i in range(N):
        seen = list(range(max(i // size - 1, 0) * size, i + 1))
        for code in range(codes):
            seen += [N + code] * int(count[i, code])
        rows.append(softmax_attention(q[:, :, i : i + 1], k[:, :, seen], v[:, :, seen]))
    out = pattern("hybrid/longvq.attn", "longvq")(
        q, k, v, count=count, size=size, segments={"x": N, "codes": codes}
    )
    torch.testing.assert_close(out, torch.cat(rows, 2))


@pytest.mark.parametrize(("height", "width"), [(6, 8), (4, 2)])
def test_super_tokens_outside_the_picture_join_the_denominator(height: int, width: int):
    cell = 2
    q = drawn(HEADS, height, width, DIM)
    k, v = drawn(2, HEADS, DIM, height // cell, width // cell)

    def around(plane: torch.Tensor) -> torch.Tensor:
        nine = F.unfold(plane, 3, padding=1).unflatten(1, (DIM, 9)).movedim(1, 3)
        cells = nine.unflatten(2, (height // cell, width // cell)).movedim(1, 3)
        return cells.repeat_interleave(cell, 1).repeat_interleave(cell, 2)

    wanted = softmax_attention(q[..., None, :], around(k), around(v))[..., 0, :]
    out = pattern("hybrid/super_token.attn", "associate")(
        q.flatten(1, 2)[None],
        *(x.flatten(2).transpose(1, 2)[None] for x in (k, v)),
        cell=cell,
        grid=(height, width),
    )
    torch.testing.assert_close(out, wanted.flatten(1, 2)[None])
