"""What docs/libraries.md says to write keeps what each library keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention.bias import causal_lower_right, causal_upper_left
from torch.nn.functional import scaled_dot_product_attention

import maskc

PAGE = Path(__file__).parents[2] / "docs" / "libraries.md"
LENGTHS = ((9, 9), (3, 9), (1, 7))
DOC = (0, 0, 0, 1, 1, 2, 2, 2, 2)

Mask = Callable[[int, int], Any]


def by_output(n_q: int, n_k: int, **options: Any) -> torch.Tensor:
    """The pairs that PyTorch's attention lets through, seen with values one hot."""
    q, k = torch.zeros(1, 1, n_q, 8), torch.zeros(1, 1, n_k, 8)
    values = torch.eye(n_k)[None, None]
    return scaled_dot_product_attention(q, k, values, **options)[0, 0] > 0


def upper_left(keep: Callable[[Any, Any], Any]) -> Mask:
    """A mask function on positions that count both sides from 0."""
    return lambda n_q, n_k: keep(np.arange(n_q)[:, None], np.arange(n_k))


def of_transformers(make: Callable[[Any], Callable[..., Any]]) -> Mask:
    """A mask function of Transformers, with the query's offset as its cache gives it."""

    def mask(n_q: int, n_k: int) -> torch.Tensor:
        masking = pytest.importorskip("transformers.masking_utils")
        keep = make(masking)
        rows = range(n_k - n_q, n_k)
        return torch.tensor(
            [[bool(keep(0, 0, torch.tensor(q), torch.tensor(k))) for k in range(n_k)] for q in rows]
        )

    return mask


def of_splash(make: Callable[[Any, int, int], Any]) -> Mask:
    """A mask of JAX's splash attention."""

    def mask(n_q: int, n_k: int) -> Any:
        splash = pytest.importorskip(
            "jax.experimental.pallas.ops.tpu.splash_attention.splash_attention_mask"
        )
        return make(splash, n_q, n_k)[:, :]

    return mask


def of_xformers(make: Callable[[Any, int, int], Any]) -> Mask:
    """An attention bias of xFormers; documents are counted on both sides."""

    def mask(n_q: int, n_k: int) -> torch.Tensor:
        biases = pytest.importorskip("xformers.ops.fmha.attn_bias")
        return make(biases, n_q, n_k).materialize((n_q, n_k)) == 0

    return mask


def lengths_of(doc: tuple[int, ...]) -> list[int]:
    """Tokens of each document."""
    return [doc.count(number) for number in range(DOC[-1] + 1)]


ROWS: dict[tuple[str, str], tuple[str, str, Mask]] = {
    ("PyTorch", "`causal_lower_right(n_q, n_k)`"): (
        "`causal`",
        "mask causal",
        lambda n_q, n_k: by_output(n_q, n_k, attn_mask=causal_lower_right(n_q, n_k)),
    ),
    ("PyTorch", "`causal_upper_left(n_q, n_k)`"): (
        "`space align start` and `causal`",
        "space align start\n mask causal",
        lambda n_q, n_k: by_output(n_q, n_k, attn_mask=causal_upper_left(n_q, n_k)),
    ),
    ("PyTorch", "`is_causal=True`"): (
        "`space align start` and `causal`",
        "space align start\n mask causal",
        lambda n_q, n_k: by_output(n_q, n_k, is_causal=True),
    ),
    ("FlexAttention", "`lambda b, h, q, kv: q - kv < n`"): (
        "`space align start` and `q - k < n`",
        "space align start\n mask q - k < 4",
        upper_left(lambda q, k: q - k < 4),
    ),
    ("Transformers", "`sliding_window=n`, causal"): (
        "`recent(n)`",
        "mask recent(4)",
        of_transformers(lambda m: m.sliding_window_causal_mask_function(4)),
    ),
    ("Transformers", "`sliding_window=n`, both directions"): (
        "`window(n)`",
        "mask window(4)",
        of_transformers(lambda m: m.sliding_window_bidirectional_mask_function(4)),
    ),
    ("Transformers", "`attention_chunk_size=n`"): (
        "`causal & block(n)`",
        "mask causal & block(4)",
        of_transformers(
            lambda m: m.chunked_causal_mask_function(4, torch.zeros(1, dtype=torch.int64))
        ),
    ),
    ("Transformers", "packed sequences by `position_ids`"): (
        "`causal & document(doc)`",
        "input doc: int[token]\n mask causal & document(doc)",
        of_transformers(
            lambda m: m.and_masks(
                m.causal_mask_function, m.packed_sequence_mask_function(torch.tensor([DOC]))
            )
        ),
    ),
    ("JAX splash", "`CausalMask(shape, offset=n_k - n_q)`"): (
        "`causal`",
        "mask causal",
        of_splash(lambda m, n_q, n_k: m.CausalMask((n_q, n_k), offset=n_k - n_q)),
    ),
    ("JAX splash", "`CausalMask(shape)`"): (
        "`space align start` and `causal`",
        "space align start\n mask causal",
        of_splash(lambda m, n_q, n_k: m.CausalMask((n_q, n_k))),
    ),
    ("JAX splash", "`LocalMask(shape, (left, right), offset=n_k - n_q)`"): (
        "`window(left, right)`",
        "mask window(3, 1)",
        of_splash(lambda m, n_q, n_k: m.LocalMask((n_q, n_k), (3, 1), n_k - n_q)),
    ),
    ("JAX splash", "`LocalMask(shape, (left, None), 0)`"): (
        "`space align start` and `q - k <= left`",
        "space align start\n mask q - k <= 3",
        of_splash(lambda m, n_q, n_k: m.LocalMask((n_q, n_k), (3, None), 0)),
    ),
    ("JAX splash", "`ChunkedCausalMask(shape, n)`"): (
        "`space align start` and `causal & block(n)`",
        "space align start\n mask causal & block(4)",
        of_splash(lambda m, n_q, n_k: m.ChunkedCausalMask((n_q, n_k), 4)),
    ),
    ("xFormers", "`LowerTriangularMask`"): (
        "`space align start` and `causal`",
        "space align start\n mask causal",
        of_xformers(lambda m, n_q, n_k: m.LowerTriangularMask()),
    ),
    ("xFormers", "`LowerTriangularFromBottomRightMask`"): (
        "`causal`",
        "mask causal",
        of_xformers(lambda m, n_q, n_k: m.LowerTriangularFromBottomRightMask()),
    ),
    ("xFormers", "`LocalAttentionFromBottomRightMask(left, right)`"): (
        "`window(left, right)`",
        "mask window(3, 1)",
        of_xformers(lambda m, n_q, n_k: m.LocalAttentionFromBottomRightMask(3, 1)),
    ),
    ("xFormers", "`BlockDiagonalMask.from_seqlens`"): (
        "`document(doc)`",
        "input doc: int[token]\n mask document(doc)",
        of_xformers(
            lambda m, n_q, n_k: m.BlockDiagonalMask.from_seqlens(
                lengths_of(DOC[n_k - n_q : n_k]), lengths_of(DOC[:n_k])
            )
        ),
    ),
}


NEIGHBORHOODS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "`kernel_size=n, dilation=d` on an axis": (
        "`neighborhood(y, n, d)`: moved inwards at borders",
        "neighborhood(y, 3, 2) & neighborhood(x, 4)",
        {"kernel_size": (3, 4), "dilation": (2, 1)},
    ),
    "`is_causal` on an axis": (
        "not in the prelude: `q.y % d == k.y % d & 0 <= q.y - k.y < n * d`",
        "q.y % 2 == k.y % 2 & 0 <= q.y - k.y < 6 & neighborhood(x, 3)",
        {"kernel_size": (3, 3), "dilation": (2, 1), "is_causal": (True, False)},
    ),
}
"""NATTEN's options on a grid of two axes."""


def test_the_page_holds_these_rows():
    tested = PAGE.read_text(encoding="utf-8").split("|---|---|---|\n")[1].split("\n\n")[0]
    rows = [(*there, here) for there, (here, _, _) in ROWS.items()]
    rows += [("NATTEN", there, here) for there, (here, _, _) in NEIGHBORHOODS.items()]
    assert tested.splitlines() == [f"| {' | '.join(row)} |" for row in rows]


FOREIGN = dict.fromkeys(("Transformers", "JAX splash", "xFormers"), pytest.mark.slow)
"""Libraries that take seconds to import."""


@pytest.mark.parametrize(
    "there",
    [pytest.param(row, marks=FOREIGN.get(row[0], ()), id=" ".join(row)) for row in ROWS],
)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_both_keep_the_same_pairs(there: tuple[str, str], lengths: tuple[int, int]):
    _, statements, theirs = ROWS[there]
    n_q, n_k = lengths
    pattern = maskc.loads(f"pattern p {{\n {statements}\n}}").p
    inputs = {"doc": torch.tensor(DOC[:n_k])} if "doc" in statements else {}
    ours = pattern.dense_mask(n_q, n_k, **inputs)[0, 0]
    np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs(n_q, n_k), dtype=bool))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.filterwarnings("ignore:return_lse is deprecated:FutureWarning")
@pytest.mark.parametrize("there", NEIGHBORHOODS)
@pytest.mark.parametrize("extents", [(6, 4), (7, 9), (13, 4)], ids=str)
def test_both_keep_the_same_neighbors(there: str, extents: tuple[int, int]):
    natten = pytest.importorskip("natten.functional")
    _, mask, options = NEIGHBORHOODS[there]
    pattern = maskc.loads(f"pattern p {{\n space grid(y, x)\n mask {mask}\n}}").p
    n = extents[0] * extents[1]
    q, values = torch.zeros(1, *extents, 1, 64), torch.eye(n, 64).view(1, *extents, 1, 64)
    theirs = natten.na2d(q, q, values, backend="flex-fna", **options).view(n, 64)[:, :n] > 0
    ours = pattern.dense_mask(n, grid=dict(zip("yx", extents, strict=True)))[0, 0]
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
