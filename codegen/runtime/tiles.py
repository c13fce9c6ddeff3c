"""Tile sizes of the Triton kernels: what to try on which GPU, and what was fastest."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from maskc.codegen.runtime.triton_import import OutOfResources

LEAST_TILE = 16
"""Queries or keys: the least side that tensor cores multiply."""

LEAST_TUNED = 0.1
"""Milliseconds: a kernel that runs for less keeps its default tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One way to run a kernel: queries and keys of a tile, warps, pipeline stages."""

    q: int
    k: int
    warps: int
    stages: int


def tiles(kernel: str, arch: str, bits: int, dim: int, halvings: int = 0) -> tuple[Tile, ...]:
    """The tiles to try, the default first.

    Args:
        kernel: "forward", "dq" or "dkdv".
        arch: "sm80", "sm90", "sm100" or "gfx9"; what is unknown is taken for sm80.
        bits: of one number of q, 16 or 32.
        dim: the greater head dim, padded to a power of two.
        halvings: of the default: first of the side that the kernel walks along.

    Example:
        >>> tiles("forward", "sm90", 16, 128)[0]
        Tile(q=128, k=64, warps=8, stages=3)
        >>> tiles("forward", "sm90", 16, 128, halvings=1)[0]
        Tile(q=128, k=32, warps=8, stages=3)

    """
    known = TILES_OF_32_BITS if bits == 32 else TILES_OF_16_BITS.get(arch, TILES_OF_16_BITS["sm80"])
    numbers = known[kernel, 64 if dim <= 64 else 128 if dim == 128 else 256]
    found = tuple(Tile(*each) for each in numbers)
    return (_narrowed(found[0], kernel, halvings), *found) if halvings else found


def within(tile: Tile, n_q: int, n_k: int) -> Tile:
    """The tile cut to at most n_q queries and n_k keys; what is left of few pairs wants 4 warps."""
    cut = replace(tile, q=min(tile.q, n_q), k=min(tile.k, n_k))
    return replace(cut, warps=4) if cut != tile and cut.q * cut.k < 64 * 64 else cut


def run_fastest(
    key: Hashable,
    candidates: Sequence[Tile],
    run: Callable[[Tile], None],
    timed: Callable[[Callable[[], None]], float] | None,
) -> Tile:
    """Run a kernel in the tile that was fastest for this key; the first call finds out.

    Args:
        key: what calls have in common that share a choice.
        candidates: the default first.
        run: runs the kernel in a tile; any number of times gives the same result.
        timed: milliseconds of what it is given; None for no timing: then the default is taken.

    Returns:
        the tile that ran: the first in order of time that the GPU has room for.

    Raises:
        OutOfResources: where the GPU has room for none.

    """
    known = _ranked.get(key)
    if known is None and timed is not None:
        known = _ranked[key] = _by_time(candidates, run, timed)
    failure: Exception | None = None
    for tile in known or candidates:
        try:
            run(tile)
        except OutOfResources as error:
            failure = error
        else:
            return tile
    assert failure is not None, "there is at least one tile to try"
    raise failure


def _narrowed(tile: Tile, kernel: str, times: int) -> Tile:
    """A tile with its sides halved in turns, to LEAST_TILE at least."""
    walked, other = (times + 1) // 2, times // 2
    q, k = (walked, other) if kernel == "dkdv" else (other, walked)
    return replace(tile, q=max(tile.q >> q, LEAST_TILE), k=max(tile.k >> k, LEAST_TILE))


def _by_time(
    candidates: Sequence[Tile],
    run: Callable[[Tile], None],
    timed: Callable[[Callable[[], None]], float],
) -> tuple[Tile, ...]:
    """The candidates the GPU has room for, the fastest first; the default where all are short."""
    milliseconds: dict[Tile, float] = {}
    for tile in candidates:
        try:
            run(tile)
            milliseconds[tile] = timed(lambda tile=tile: run(tile))
        except OutOfResources:
            continue
        if milliseconds[tile] < LEAST_TUNED and len(milliseconds) == 1:
            return tuple(candidates)
    return tuple(sorted(milliseconds, key=lambda tile: milliseconds[tile]))


_ranked: dict[Hashable, tuple[Tile, ...]] = {}
"""The tiles of each key that was timed, the fastest first."""

TILES_OF_16_BITS = {
    "sm80": {
        ("forward", 64): ((128, 64, 8, 3), (128, 64, 4, 3), (64, 64, 4, 2)),
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
        ("dq", 64): ((64, 64, 4, 2), (128, 64, 8, 2), (64, 32, 4, 1)),
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
    ("forward", 64): ((64, 16, 8, 2), (64, 32, 8, 2), (64, 32, 4, 2), (32, 32, 4, 1)),
    ("forward", 128): ((64, 16, 8, 2), (32, 32, 8, 1), (16, 16, 4, 1)),
    ("forward", 256): ((32, 32, 8, 1), (16, 16, 4, 1)),
    ("dq", 64): ((64, 32, 8, 2), (32, 32, 4, 1)),
    ("dq", 128): ((32, 16, 8, 1), (16, 16, 4, 1)),
    ("dq", 256): ((32, 16, 8, 1), (16, 16, 4, 1)),
    ("dkdv", 64): ((32, 32, 8, 1), (32, 64, 8, 1), (32, 32, 4, 1)),
    ("dkdv", 128): ((32, 32, 8, 1), (16, 16, 4, 1)),
    ("dkdv", 256): ((16, 16, 4, 1),),
}
"""Of 32-bit numbers, which no tensor core multiplies exactly: the same for every GPU."""
