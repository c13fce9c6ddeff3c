"""Attention written with torch's own operations, in float64, and numbers to call it on."""

from __future__ import annotations

import torch

HEADS, DIM = 2, 4


def drawn(*shape: int) -> torch.Tensor:
    """Normal numbers, the same for the same shape."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def logits(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Scaled products of queries and keys: [..., queries, keys]."""
    return q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5


def softmax_attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor | float = 0.0
) -> torch.Tensor:
    """Attention of the last two axes, with a bias on the logits."""
    return torch.softmax(logits(q, k) + bias, -1) @ v
