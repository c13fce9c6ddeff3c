"""Ranges of positions, cut where a coordinate starts anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from maskc.codegen.runtime.reader import Reader

MOST_SEAMS = 12
"""Cuts of one side of a tile; finer seams are left out."""

FAR = 1 << 62
"""A step that no position takes."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Cuts at first and at every multiple of step from it.

    `first`, `step`: int64 [n_slices]. `count`: how many there are in a tile at most.
    """

    first: torch.Tensor
    step: torch.Tensor
    count: int


Seams = tuple[tuple[Seam, ...], tuple[Seam, ...]]
"""Where the queries and the keys of a tile are cut."""


def seams_of(reader: Reader) -> Seams | None:
    """The seams of a call, None where there are none."""
    if not reader.spec.seams:
        return None
    here = reader.call.at(reader.batch, reader.head)
    of_q, of_k = (
        _coarsest(list(_told(seams(here), size, reader)))
        for seams, size in zip(reader.spec.seams, reader.block, strict=True)
    )
    return (of_q, of_k) if of_q or of_k else None


def lone_cuts(reader: Reader, n_k: int) -> set[int]:
    """The keys of those seams that are cut once in all keys: where a rolled window wraps."""
    if not reader.spec.seams:
        return set()
    ends = reader.spec.seams[1](reader.call.at(reader.batch, reader.head))
    firsts = (seam.first % seam.step for seam in _told(ends, n_k, reader) if seam.count == 1)
    return {key for first in firsts for key in first.unique().tolist()}


def between(
    seams: tuple[Seam, ...], s: torch.Tensor, start: torch.Tensor, end: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """First and last positions of the pieces of ranges: int64 [pieces, n]; some are empty.

    Args:
        seams: where to cut.
        s: int64 [n], the slice of each range.
        start: int64 [n], its first position.
        end: int64 [n], its last position.

    """
    cuts = [end + 1]
    for seam in seams:
        step = seam.step[s]
        cut = start + 1 + (seam.first[s] - start - 1) % step
        for _ in range(seam.count):
            if not bool((cut <= end).any()):
                break
            cut = torch.minimum(cut, cuts[0])
            cuts.append(cut)
            cut = cut + step
    ends = torch.stack(cuts, 1).sort(1).values.T.contiguous()
    return torch.cat([start[None], ends[:-1]]), ends - 1


def _told(ends: tuple[Any, ...], size: int, reader: Reader) -> Iterator[Seam]:
    """The seams of one side for tiles of `size` positions, those of another one left out."""
    found = list(zip(ends[::2], ends[1::2], strict=True))
    for i, (first, step) in enumerate(found):
        if any(
            _holds(*other, first, step) and not (j > i and _holds(first, step, *other))
            for j, other in enumerate(found)
            if j != i
        ):
            continue
        if isinstance(step, int):
            step = min(step, FAR) if step > 0 else FAR
            first = first % step if isinstance(first, int) else first
        both = torch.zeros((2, reader.n_slices), dtype=torch.int64, device=reader.call.device)
        both[0], both[1] = first, step
        both[1][both[1] <= 0] = FAR
        shortest = int(both[1].min())
        yield Seam(both[0], both[1], -(-(size - 1) // shortest))


def _holds(first: Any, step: Any, other: Any, other_step: Any) -> bool:
    """Whether the cuts of one seam hold those of another."""
    if any(isinstance(x, torch.Tensor) for x in (first, step, other, other_step)) or step <= 0:
        return first is other and step is other_step
    return other_step % step == 0 and (other - first) % step == 0


def _coarsest(seams: list[Seam]) -> tuple[Seam, ...]:
    """The widest seams whose cuts are not too many."""
    kept: list[Seam] = []
    for seam in sorted(seams, key=lambda seam: seam.count):
        if sum(x.count for x in kept) + seam.count <= MOST_SEAMS:
            kept.append(seam)
    return tuple(kept)
