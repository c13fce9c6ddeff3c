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
    reader: Reader, s: torch.Tensor, r: torch.Tensor, q0: torch.Tensor, q1: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Runs of key tiles that cover these tile rows: slice, row, first tile, last tile + 1.

    Tiles that a cut goes through are runs of their own; between them runs go from cut to cut.
    """
    bk, n_columns = reader.block[1], -(-reader.call.n_k // reader.block[1])
    here = reader.call.at(reader.batch[s], reader.head[s])
    found = []
    for keys, index_range in zip(reader.spec.cuts[::2], reader.spec.cuts[1::2], strict=True):
        for index in range(*index_range(reader.call)):
            found += keys(q0, q1, index, here)
    n_k = reader.call.n_k
    fixed = {min(max(x, 0), n_k) for x in found if not isinstance(x, torch.Tensor)}
    varying = [x.expand(s.shape) for x in found if isinstance(x, torch.Tensor)]
    borders = [s.new_full(s.shape, x) for x in (0, n_columns)]
    for key in (*varying, *(s.new_full(s.shape, x) for x in fixed)):
        first = torch.div(key, bk, rounding_mode="floor")
        borders += [first, first + (first * bk != key)]
    border = torch.stack(borders, 1).clamp_(0, n_columns).to(torch.int32).sort(1).values
    first, last = border[:, :-1], border[:, 1:]
    row, piece = (first < last).nonzero(as_tuple=True)
    return s[row], r[row], first[row, piece].long(), last[row, piece].long()


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
        yield *(torch.cat(both) for both in zip(*starts, strict=True)), width
        s, r, first, last = chosen_of(first < last, s, r, first, last)
        if width < widest:
            width *= 2
