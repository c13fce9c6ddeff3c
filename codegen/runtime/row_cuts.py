"""Single tile rows, split at the keys where the mask says that it may change."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from maskc.codegen.runtime.reader import Reader, chosen_of

MOST_CUTS = 64
"""Cuts of a row that are still tried; with more, rows are halved."""


def n_cuts(reader: Reader) -> int:
    """How many cuts the spec has for each row; 0 where it gives none or too many."""
    total = 0
    for keys, index_range in zip(reader.spec.cuts[::2], reader.spec.cuts[1::2], strict=True):
        low, high = index_range(reader.call)
        if high > low:
            none = torch.zeros(0, dtype=torch.int64, device=reader.call.device)
            here = reader.call.at(none, none)
            total += (high - low) * len(keys(none, none, low, here))
        if total > MOST_CUTS:
            return 0
    return total


def row_pieces(
    reader: Reader, columns: tuple[int, int], s: torch.Tensor, q0: torch.Tensor, q1: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Runs of key tiles that cover tile rows: first tile, last tile + 1, int64 [n, pieces].

    They are counted from the first of the tile `columns` (half-open) and end at the last; some
    are empty. Tiles that a cut goes through are runs of their own.
    """
    bk, width = reader.block[1], columns[1] - columns[0]
    here = reader.call.at(reader.batch[s], reader.head[s])
    found = []
    for keys, index_range in zip(reader.spec.cuts[::2], reader.spec.cuts[1::2], strict=True):
        for index in range(*index_range(reader.call)):
            found += keys(q0, q1, index, here)
    n_k = reader.call.n_k
    fixed = {min(max(x, 0), n_k) for x in found if not isinstance(x, torch.Tensor)}
    borders = {0, width}
    for key in fixed:
        borders |= {key // bk - columns[0], -(-key // bk) - columns[0]}
    rows = [s.new_full(s.shape, x, dtype=torch.int32) for x in borders if 0 <= x <= width]
    for key in (x.expand(s.shape) for x in found if isinstance(x, torch.Tensor)):
        ends = [torch.div(key, bk, rounding_mode="floor")]
        if not bool((ends[0] * bk == key).all()):
            ends.append(-torch.div(-key, bk, rounding_mode="floor"))
        rows += [(end - columns[0]).clamp_(0, width).to(torch.int32) for end in ends]
    border = torch.stack(rows, 1).sort(1).values.long()
    return border[:, :-1], border[:, 1:]


def aligned(
    s: torch.Tensor, r: torch.Tensor, first: torch.Tensor, last: torch.Tensor, widest: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]]:
    """The runs cut so that each has a power of two of tiles, at most `widest`, and starts at one.

    Gives slice, row, first tile and width of all runs of each width.
    """
    width = 1
    while s.numel():
        take = ((first & width) != 0) | (width == widest)
        starts = [chosen_of(take & (first < last), s, r, first)]
        first = torch.where(take, first + width, first)
        take = (((last & width) != 0) | (width == widest)) & (first < last)
        starts.append(chosen_of(take, s, r, last - width))
        last = torch.where(take, last - width, last)
        of_slice, row, tile = (torch.cat(both) for both in zip(*starts, strict=True))
        yield of_slice, row, tile, width
        s, r, first, last = chosen_of(first < last, s, r, first, last)
        if width < widest:
            width *= 2
