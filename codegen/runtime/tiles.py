"""Tile sizes of the Triton kernels: what to try on which GPU, the default first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tile:
    """One way to run a kernel: queries and keys of a tile, warps, pipeline stages."""

    q: int
    k: int
    warps: int
    stages: int


def tiles(kernel: str, arch: str, bits: int, dim: int) -> tuple[Tile, ...]:
    """The tiles to try, the default first and the one that needs least of the GPU last.

    Args:
        kernel: "forward", "dq" or "dkdv".
        arch: "sm80", "sm90", "sm100" or "gfx9"; what is unknown is taken for sm80.
        bits: of one number of q, 16 or 32.
        dim: the greater head dim, padded to a power of two.

    Example:
        >>> tiles("forward", "sm90", 16, 128)[0]
        Tile(q=128, k=64, warps=8, stages=3)

    """
    known = TILES_OF_32_BITS if bits == 32 else TILES_OF_16_BITS.get(arch, TILES_OF_16_BITS["sm80"])
    found = known[kernel, 64 if dim <= 64 else 128 if dim == 128 else 256]
    return tuple(Tile(*numbers) for numbers in found)


TILES_OF_16_BITS = {
    "sm80": {
        ("forward", 64): ((128, 64, 4, 3), (128, 64, 8, 3), (64, 64, 4, 2)),
        ("forward", 128): ((128, 64, 8, 3), (64, 64, 4, 2), (64, 32, 4, 2)),
        ("forward", 256): ((64, 64, 8, 2), (64, 32, 8, 2), (32, 32, 4, 1)),
        ("dq", 64): ((128, 64, 8, 2), (64, 64, 4, 2)),
        ("dq", 128): ((128, 32, 8, 2), (64, 64, 4, 2), (64, 32, 4, 2)),
        ("dq", 256): ((64, 32, 8, 2), (32, 32, 4, 1)),
        ("dkdv", 64): ((64, 64, 8, 2), (64, 128, 8, 2), (32, 64, 4, 2)),
        ("dkdv", 128): ((64, 64, 8, 2), (32, 64, 8, 2), (32, 64, 4, 1)),
        ("dkdv", 256): ((32, 64, 8, 1), (32, 32, 4, 1)),
    },
    "sm90": {
        ("forward", 64): ((128, 64, 8, 3), (128, 128, 8, 3), (128, 64, 4, 3), (64, 64, 4, 2)),
        ("forward", 128): ((128, 64, 8, 3), (128, 128, 8, 2), (128, 64, 8, 2), (64, 64, 4, 2)),
        ("forward", 256): ((128, 64, 8, 2), (64, 64, 4, 2), (64, 32, 4, 2)),
        ("dq", 64): ((128, 64, 8, 3), (128, 128, 8, 2), (64, 64, 4, 2)),
        ("dq", 128): ((128, 64, 8, 2), (128, 64, 8, 3), (64, 64, 4, 2)),
        ("dq", 256): ((64, 64, 8, 2), (64, 32, 4, 2)),
        ("dkdv", 64): ((64, 128, 8, 2), (32, 128, 8, 3), (64, 64, 4, 2)),
        ("dkdv", 128): ((32, 128, 8, 2), (64, 128, 8, 2), (64, 64, 8, 2)),
        ("dkdv", 256): ((32, 64, 8, 2), (32, 64, 8, 1)),
    },
    "sm100": {
        ("forward", 64): ((128, 64, 8, 3), (128, 128, 8, 2), (64, 64, 4, 2)),
        ("forward", 128): ((128, 64, 8, 3), (128, 128, 8, 2), (64, 64, 4, 2)),
        ("forward", 256): ((64, 64, 8, 2), (64, 32, 4, 2)),
        ("dq", 64): ((128, 64, 8, 2), (64, 64, 4, 2)),
        ("dq", 128): ((128, 64, 8, 2), (64, 64, 4, 2)),
        ("dq", 256): ((64, 32, 8, 2), (64, 32, 4, 1)),
        ("dkdv", 64): ((64, 128, 8, 2), (64, 64, 8, 2)),
        ("dkdv", 128): ((64, 64, 8, 2), (32, 64, 8, 2)),
        ("dkdv", 256): ((32, 64, 8, 1),),
    },
    "gfx9": {
        ("forward", 64): ((128, 64, 4, 2), (128, 32, 4, 2), (64, 64, 4, 1)),
        ("forward", 128): ((128, 64, 8, 1), (128, 32, 4, 1), (64, 32, 4, 1)),
        ("forward", 256): ((64, 32, 4, 1), (32, 32, 4, 1)),
        ("dq", 64): ((64, 64, 4, 1), (64, 32, 4, 1)),
        ("dq", 128): ((64, 32, 4, 1), (32, 32, 4, 1)),
        ("dq", 256): ((32, 32, 4, 1), (16, 32, 4, 1)),
        ("dkdv", 64): ((32, 64, 4, 1), (32, 32, 4, 1)),
        ("dkdv", 128): ((32, 64, 4, 1), (32, 32, 4, 1)),
        ("dkdv", 256): ((16, 32, 4, 1),),
    },
}
"""Of 16-bit numbers: (queries, keys, warps, stages) by GPU, kernel and head dim."""

TILES_OF_32_BITS = {
    ("forward", 64): ((64, 32, 4, 2), (32, 32, 4, 1)),
    ("forward", 128): ((64, 32, 8, 2), (32, 32, 4, 1), (16, 16, 4, 1)),
    ("forward", 256): ((32, 32, 8, 1), (16, 16, 4, 1)),
    ("dq", 64): ((64, 32, 8, 2), (32, 32, 4, 1)),
    ("dq", 128): ((32, 32, 8, 1), (16, 16, 4, 1)),
    ("dq", 256): ((32, 16, 8, 1), (16, 16, 4, 1)),
    ("dkdv", 64): ((32, 64, 8, 1), (32, 32, 4, 1)),
    ("dkdv", 128): ((32, 32, 8, 1), (16, 16, 4, 1)),
    ("dkdv", 256): ((16, 16, 4, 1),),
}
"""Of 32-bit numbers, which no tensor core multiplies exactly: the same for every GPU."""
