"""What vision models compute beside their masks: biases, live zeros, logits of their own.

Each is held against its layer written with torch's own operations, in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import maskc
from gallery.layers import DIM, HEADS, drawn, softmax_attention

pytestmark = pytest.mark.slow

VISION = Path(__file__).parents[2] / "examples" / "vision"


def pattern(file: str, name: str) -> Any:
    """A compiled pattern of a vision file."""
    return getattr(maskc.load(VISION / file), name)


def tokens(plane: torch.Tensor) -> torch.Tensor:
    """[heads, dim, y, x] as the tokens [1, heads, y * x, dim] of an attention."""
    return plane.flatten(2).transpose(1, 2)[None]


def windows(plane: torch.Tensor, size: int) -> torch.Tensor:
    """[heads, dim, y, x] as [heads, windows, size * size, dim], row by row."""
    return patches(plane, size, size, 0)


def patches(plane: torch.Tensor, size: int, step: int, border: int) -> torch.Tensor:
    """What `unfold` takes out of a plane with a border of zeros: [heads, patches, n, dim]."""
    columns = F.unfold(plane, size, stride=step, padding=border)
    return columns.unflatten(1, (DIM, size * size)).permute(0, 3, 2, 1)


def tokens_of_windows(out: torch.Tensor, size: int, height: int, width: int) -> torch.Tensor:
    """[heads, windows, size * size, dim] back to tokens [1, heads, height * width, dim]."""
    columns = out.permute(0, 3, 2, 1).flatten(1, 2)
    return tokens(F.fold(columns, (height, width), size, stride=size))


def test_swin_takes_its_bias_by_the_distance_of_query_and_key():
    size, height, width = 3, 6, 9
    q, k, v = drawn(3, HEADS, DIM, height, width)
    table = drawn((2 * size - 1) ** 2, HEADS)
    places = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij"))
    apart = places.flatten(1)[:, :, None] - places.flatten(1)[:, None, :] + size - 1
    bias = table[apart[0] * (2 * size - 1) + apart[1]].permute(2, 0, 1)[:, None]
    wanted = softmax_attention(windows(q, size), windows(k, size), windows(v, size), bias)
    out = pattern("swin.attn", "swin_with_bias")(
        *(tokens(x) for x in (q, k, v)),
        bias=table.T.reshape(HEADS, 2 * size - 1, 2 * size - 1),
        size=size,
        layer=0,
        grid=(height, width),
    )
    torch.testing.assert_close(out, tokens_of_windows(wanted, size, height, width))


def test_hat_sees_the_zeros_beyond_the_border_with_their_bias():
    size, overlap, height, width = 4, 2, 8, 12
    q, k, v = drawn(3, HEADS, DIM, height, width)
    patch, length = size + 2 * overlap, 2 * size + 2 * overlap - 1
    table = drawn(HEADS, length, length)
    apart = torch.arange(patch)[None, :] - torch.arange(size)[:, None] + size - 1
    bias = table[:, apart[:, None, :, None], apart[None, :, None, :]]
    bias = bias.reshape(HEADS, 1, size * size, patch * patch)
    keys, values = (patches(x, patch, size, overlap) for x in (k, v))
    wanted = softmax_attention(windows(q, size), keys, values, bias)
    bordered = [tokens(F.pad(x, [overlap] * 4)) for x in (k, v)]
    out = pattern("hat.attn", "hat_overlapping")(
        tokens(q), *bordered, bias=table, size=size, overlap=overlap, grid=(height, width)
    )
    torch.testing.assert_close(out, tokens_of_windows(wanted, size, height, width))


@pytest.mark.parametrize("border", [0, 1, 3])
def test_live_zeros_around_a_picture_join_the_denominator(border: int):
    size, height, width = 4, 8, 12
    q, k, v = drawn(3, HEADS, DIM, height, width)
    keys, values = (patches(x, size + 2 * border, size, border) for x in (k, v))
    wanted = softmax_attention(windows(q, size), keys, values)
    out = pattern("halonet.attn", "halonet_live")(
        *(tokens(x) for x in (q, k, v)), size=size, border=border, grid=(height, width)
    )
    torch.testing.assert_close(out, tokens_of_windows(wanted, size, height, width))


def test_halonet_takes_the_product_of_query_and_distance():
    size, border, height, width = 4, 2, 8, 12
    q, k, v = drawn(3, HEADS, DIM, height, width)
    patch, length = size + 2 * border, 2 * size + 2 * border - 1
    vectors = drawn(2, length, DIM)
    apart = torch.arange(patch)[None, :] - torch.arange(size)[:, None] + size - 1
    of_rows, of_columns = (vectors[i][apart] for i in range(2))
    queries = windows(q, size)
    squares = queries.unflatten(2, (size, size))
    bias = torch.einsum("hwijd,iad->hwija", squares, of_rows)[..., None]
    bias = bias + torch.einsum("hwijd,jbd->hwijb", squares, of_columns)[..., None, :]
    keys, values = (patches(x, patch, size, border) for x in (k, v))
    wanted = softmax_attention(queries, keys, values, bias.flatten(4).flatten(2, 3))
    given = [tokens(F.pad(x, [border] * 4)) for x in (k, v)]
    out = pattern("halonet.attn", "halonet_relative")(
        tokens(q),
        *given,
        by_row=tokens(q) @ vectors[0].T,
        by_column=tokens(q) @ vectors[1].T,
        size=size,
        border=border,
        grid=(height, width),
    )
    torch.testing.assert_close(out, tokens_of_windows(wanted, size, height, width))


@pytest.mark.parametrize("size", [3, 5])
def test_attention_without_logits_is_average_pooling(size: int):
    height, width = 7, 9
    q, k, v = drawn(3, HEADS, DIM, height, width)
    wanted = F.avg_pool2d(v, size, stride=1, padding=size // 2, count_include_pad=False)
    out = pattern("metaformer.attn", "poolformer")(
        *(tokens(x) for x in (q, k, v)), size=size, grid=(height, width)
    )
    torch.testing.assert_close(out, tokens(wanted))


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (2, 2), (5, 2)])
def test_a_shared_query_attends_by_two_convolutions(kernel: int, stride: int):
    frames = 11
    k, v = drawn(2, 1, HEADS, frames, DIM)
    query, bias = drawn(1, HEADS, 1, DIM), drawn(HEADS, kernel)
    weight = torch.exp((query * k).sum(-1) / DIM**0.5)

    def convolved(signal: torch.Tensor) -> torch.Tensor:
        kernels = bias.exp()[:, None]
        return F.conv1d(signal, kernels, None, stride, (kernel - 1) // 2, groups=HEADS)

    sums = [convolved(weight * v[..., i]) for i in range(DIM)]
    wanted = torch.stack(sums, -1) / convolved(weight)[..., None]
    out = pattern("sinmdm.attn", "sinmdm")(
        query.expand(1, HEADS, wanted.shape[2], DIM),
        k,
        v,
        bias=bias,
        kernel=kernel,
        stride=stride,
        segments={"frame": frames},
    )
    torch.testing.assert_close(out, wanted)
