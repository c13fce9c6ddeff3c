"""A piece made to fit: without keys that no row keeps, in tiles as high as its mask is best for."""

from __future__ import annotations

from dataclasses import replace

import torch

from maskc.codegen.runtime.torch_plan import Piece

LEAST_ROWS = 32
"""Query rows of the smallest tile: lower ones make slow products."""

MOST_HALVED = 0.95
"""Pairs of a piece in tiles of half the rows, by its own, for which these are made."""


def fitted(piece: Piece) -> Piece:
    """The piece as it is best computed: the same kept pairs in tiles of another shape."""
    piece = _halved(_joined(_unmasked(_trimmed(_unmasked(piece)))))
    if piece.mask is None:
        return piece
    return replace(piece, hollow=not bool(piece.mask.any(1).all()))


def _unmasked(piece: Piece) -> Piece:
    """The piece, without a mask that keeps every pair."""
    every = piece.mask is not None and bool(piece.mask.all())
    return replace(piece, mask=None) if every else piece


def _trimmed(piece: Piece) -> Piece:
    """The piece without the keys at its ends that no row keeps, where they are many."""
    if piece.mask is None:
        return piece
    kept = piece.mask.any(0).nonzero().flatten()
    first, last = int(kept[0]), int(kept[-1]) + 1
    if (last - first) * 4 > piece.n_keys * 3:
        return piece
    k_first = replace(piece.k_first, first=piece.k_first.first + first)
    mask = piece.mask[:, first:last].contiguous()
    return replace(piece, k_first=k_first, n_keys=last - first, mask=mask)


def _joined(piece: Piece) -> Piece:
    """The piece with tiles that follow one another and see the same keys as one tile."""
    below = piece.q_first.step == piece.n_rows and piece.k_first.step == 0
    if piece.mask is not None or piece.live or not below:
        return piece
    part = piece.part(0, piece.q_slice.n, 0, 1)
    return replace(part, n_rows=piece.n_rows * piece.q_first.n)


def _halved(piece: Piece) -> Piece:
    """The piece in tiles of half the rows, and half again, where these see clearly fewer keys.

    So are tiles down a diagonal: the lower half keeps what the upper does, moved by its rows.
    """
    rows = piece.n_rows // 2
    n_keys = piece.n_keys - rows
    diagonal = piece.q_first.step == piece.k_first.step == piece.n_rows == 2 * rows
    fewer = rows >= LEAST_ROWS and n_keys <= MOST_HALVED * piece.n_keys
    if piece.mask is None or not diagonal or not fewer:
        return piece
    upper, lower = piece.mask[:rows], piece.mask[rows:]
    mask = upper[:, :n_keys].contiguous()
    apart = not bool(upper[:, n_keys:].any()) and not bool(lower[:, :rows].any())
    if not apart or not torch.equal(mask, lower[:, rows:]):
        return piece
    q_first, k_first = (replace(x, step=rows, n=2 * x.n) for x in (piece.q_first, piece.k_first))
    half = replace(piece, q_first=q_first, k_first=k_first, n_rows=rows, n_keys=n_keys, mask=mask)
    return _halved(_unmasked(half))
