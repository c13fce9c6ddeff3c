"""Small pictures of masks as PNG: panels side by side, each of a few kinds of cells."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from math import ceil, sqrt

import numpy

from maskc.neighbourhood import Neighbourhood

ABSENT, PARTIAL, FULL, SEEN, QUERY, FRAME, GAP = range(7)
"""Tiles of a mask; a key that the query of a view sees, and the query; what is around panels."""

PALETTE = bytes.fromhex("ffffff a0a0a0 282828 2a6fb0 e8730c c8c8c8 ffffff")

HEIGHT = 512
"""Pixels of a panel."""

WIDEST, NARROWEST = 2 * HEIGHT, HEIGHT // 3

BETWEEN, BORDER = HEIGHT // 16, HEIGHT // 128

Panel = numpy.ndarray
"""uint8 [rows, columns] of cells."""


def of_mask(tiles: Sequence[Sequence[int]]) -> Panel:
    """The panel of the tiles of a layout: 0 absent, 1 partial, 2 full."""
    return numpy.array(tiles, numpy.uint8)


def of_view(near: Neighbourhood) -> Panel:
    """The panel of what one query sees on a grid; planes stand row by row, nearly in a square."""
    planes = numpy.array(near.planes, numpy.uint8) * SEEN
    if near.query is not None:
        planes[near.query] = QUERY
    across = ceil(sqrt(len(planes)))
    blank = numpy.full((-len(planes) % across, *planes.shape[1:]), FRAME, numpy.uint8)
    edged = numpy.pad(
        numpy.concatenate([planes, blank]), [(0, 0), (0, 1), (0, 1)], constant_values=FRAME
    )
    rows = [numpy.hstack(list(edged[i : i + across])) for i in range(0, len(edged), across)]
    return numpy.vstack(rows)[:-1, :-1]


def png(panels: Sequence[Panel]) -> bytes:
    """Panels of the same height side by side, each in a frame."""
    gap = numpy.full((HEIGHT + 2 * BORDER, BETWEEN), GAP, numpy.uint8)
    parts: list[Panel] = []
    for panel in panels:
        framed = numpy.pad(_sized(panel), BORDER, constant_values=FRAME)
        parts += [gap, framed] if parts else [framed]
    image = numpy.hstack(parts)
    size = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 3, 0, 0, 0)
    lines = numpy.pad(image, [(0, 0), (1, 0)]).tobytes()
    clear = bytes(0 if kind == GAP else 255 for kind in range(len(PALETTE) // 3))
    chunks = ((b"IHDR", size), (b"PLTE", PALETTE), (b"tRNS", clear))
    chunks += ((b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _sized(panel: Panel) -> Panel:
    """A panel in pixels: as wide for its height as it is, within bounds."""
    rows, columns = panel.shape
    width = min(max(HEIGHT * columns // rows, NARROWEST), WIDEST)
    return _resampled(_resampled(panel, HEIGHT).T, width).T


def _resampled(panel: Panel, rows: int) -> Panel:
    """Rows repeated, or several made one: what differs in a mask is partial, a query is kept."""
    starts = numpy.arange(rows) * len(panel) // rows
    if rows >= len(panel):
        return panel[starts]
    least = numpy.minimum.reduceat(panel, starts)
    most = numpy.maximum.reduceat(panel, starts)
    return numpy.where((most <= FULL) & (least != most), PARTIAL, most).astype(numpy.uint8)


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    body = b"".join(named)
    return struct.pack(">I", len(named[1])) + body + struct.pack(">I", zlib.crc32(body))
