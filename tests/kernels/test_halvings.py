"""Which patterns take smaller default tiles, and how small."""

from __future__ import annotations

import pytest

from maskc.codegen.halvings import MOST_OPERATIONS, halvings
from maskc.codegen.runtime.tiles import LEAST_TILE, tiles
from maskc.pipeline import check_text

BIAS = "input bias: float[head, q, k]"
LONG = " & ".join(f"(q + {i}) % 3 != 1" for i in range(MOST_OPERATIONS))

HALVINGS = {
    "causal": 0,
    "recent(8) | k < 4": 0,
    LONG: 1,
    "causal & layer in windowed": 1,
    "document[q] == document[k]": 0,
    "seen[q, k]": 2,
    "seen[q, k] | seen[k, q]": 3,
}


def declared(mask: str, score: str = "") -> str:
    """A pattern with this mask and score."""
    inputs = {
        "document": "input document: int[token]",
        "seen": "input seen: bool[token, token]",
        "bias": "input bias: float[head, q, k]",
        "slope": "input slope: float[head, q]",
    }
    used = [text for name, text in inputs.items() if name in mask + score]
    params = "(windowed: int[] = [1, 3])" if "windowed" in mask else ""
    scored = f"    score {score}\n" if score else ""
    lines = "".join(f"    {text}\n" for text in used)
    return f"pattern p{params} {{\n{lines}{scored}    mask {mask}\n}}\n"


@pytest.mark.parametrize(("mask", "times"), HALVINGS.items())
def test_masks_that_want_registers_halve_tiles(mask, times):
    (pattern,) = check_text(declared(mask))
    assert halvings(pattern) == times


@pytest.mark.parametrize(
    ("score", "times"),
    [("s * 2.0", 0), ("s + slope[head, q]", 0), ("s + bias[head, q, k]", 2)],
)
def test_scores_that_read_at_every_pair_halve_tiles(score, times):
    (pattern,) = check_text(declared("causal", score))
    assert halvings(pattern) == times


@pytest.mark.parametrize(
    ("kernel", "times", "sides"),
    [
        ("forward", 0, (128, 64)),
        ("forward", 1, (128, 32)),
        ("forward", 2, (64, 32)),
        ("dq", 3, (64, 16)),
        ("dkdv", 0, (32, 128)),
        ("dkdv", 1, (16, 128)),
        ("dkdv", 2, (16, 64)),
    ],
)
def test_halvings_start_with_the_side_that_is_walked(kernel, times, sides):
    default, *others = tiles(kernel, "sm90", 16, 128, times)
    assert (default.q, default.k) == sides
    assert others[-1:] == list(tiles(kernel, "sm90", 16, 128))[-1:]


def test_no_tile_is_halved_below_what_kernels_take():
    default = tiles("dkdv", "gfx9", 32, 256, 9)[0]
    assert (default.q, default.k) == (LEAST_TILE, LEAST_TILE)
