"""What a picture of a mask shows, as arrays: one panel for each mask that heads have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from maskc import ir
from maskc.setting import Setting, SettingError
from maskc.show import Cells, cells

ABSENT, DROPPED, KEPT, FULL = range(4)
"""A cell in an absent tile; in a partial tile, without and with a kept pair; in a full tile."""

MOST_CELLS = 512
"""Cells of a side of a panel; of more tokens, a cell is a square of pairs."""


@dataclass(frozen=True, slots=True)
class Panel:
    """The mask of some heads.

    Attributes:
        heads: which have it.
        kinds: uint8 [rows, columns], ABSENT to FULL.
        density: pairs kept by pairs, None where cells are not pairs.

    """

    heads: tuple[int, ...]
    kinds: numpy.ndarray
    density: float | None


def side_of_tile(n: int) -> int:
    """A tile for a picture of n tokens: 128, or less where that would leave few tiles.

    Example:
        >>> side_of_tile(48), side_of_tile(4096)
        (8, 128)

    """
    return min(128, 1 << max(0, (n // 6).bit_length() - 1))


def side_of_cell(n: int, block: int) -> int | None:
    """Tokens of a cell: the least divisor of a tile with few enough cells, or None."""
    sides = (s for s in range(1, block + 1) if block % s == 0 and -(-n // s) <= MOST_CELLS)
    return next(sides, None)


def panels(
    pattern: ir.Pattern,
    call: Setting,
    heads: Sequence[int],
    block: int,
    cell: int,
    layout: Callable[[int], list[Cells]],
) -> list[Panel]:
    """The masks of some heads, each once.

    Args:
        pattern: the checked pattern.
        call: lengths, parameters and inputs.
        heads: which.
        block: side of a tile.
        cell: side of a cell, a divisor of `block`.
        layout: for a side of a tile, the tiles of all `heads`: 0 absent, 1 partial, 2 full.

    """
    found: dict[bytes, tuple[list[int], numpy.ndarray]] = {}
    for head, mask in zip(heads, _masks(pattern, call, heads, cell, layout), strict=True):
        found.setdefault(mask.tobytes(), ([], mask))[0].append(head)
    return [
        Panel(
            tuple(same), _kinds(mask, block // cell), float(mask.mean() / 2) if cell == 1 else None
        )
        for same, mask in found.values()
    ]


def _masks(
    pattern: ir.Pattern,
    call: Setting,
    heads: Sequence[int],
    cell: int,
    layout: Callable[[int], list[Cells]],
) -> list[numpy.ndarray]:
    """For each head, uint8 [rows, columns]: 0 where a cell keeps no pair, 1 some, 2 all."""
    if cell == 1:
        try:
            return [numpy.array(cells(pattern, call, head), numpy.uint8) * 2 for head in heads]
        except SettingError:
            pass
    return [numpy.array(tiles, numpy.uint8) for tiles in layout(cell)]


def _kinds(mask: numpy.ndarray, per_tile: int) -> numpy.ndarray:
    rows, columns = (numpy.arange(0, n, per_tile) for n in mask.shape)
    least = numpy.minimum.reduceat(numpy.minimum.reduceat(mask, rows, 0), columns, 1)
    most = numpy.maximum.reduceat(numpy.maximum.reduceat(mask, rows, 0), columns, 1)
    full, absent = (
        tiles.repeat(per_tile, 0).repeat(per_tile, 1)[: mask.shape[0], : mask.shape[1]]
        for tiles in (least == 2, most == 0)
    )
    inside = numpy.where(mask > 0, KEPT, DROPPED)
    return numpy.where(full, FULL, numpy.where(absent, ABSENT, inside)).astype(numpy.uint8)
