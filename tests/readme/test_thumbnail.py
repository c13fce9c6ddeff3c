"""The pictures of the gallery show what they are made of."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from docs import thumbnail
from docs.thumbnail import ABSENT, BETWEEN, BORDER, FRAME, FULL, GAP, HEIGHT, PARTIAL, QUERY, SEEN
from maskc.neighbourhood import Neighbourhood


def pixels(png: bytes) -> np.ndarray:
    """Kinds of the pixels of a picture: [rows, columns]."""
    chunks, rest = {}, png[8:]
    while rest:
        (size,) = struct.unpack(">I", rest[:4])
        chunks[rest[4:8]] = rest[8 : 8 + size]
        rest = rest[12 + size :]
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not lines[:, 0].any(), "no filter"
    return lines[:, 1:]


def inside(tiles: list[list[int]]) -> np.ndarray:
    """The pixels of the only panel of a picture, without its frame."""
    drawn = pixels(thumbnail.png([thumbnail.of_mask(tiles)]))
    frame = drawn.copy()
    frame[BORDER:-BORDER, BORDER:-BORDER] = FRAME
    assert (frame == FRAME).all()
    return drawn[BORDER:-BORDER, BORDER:-BORDER]


def test_cells_are_repeated_to_the_height_of_a_picture():
    drawn = inside([[FULL, ABSENT], [PARTIAL, FULL]])
    half = HEIGHT // 2
    wanted = np.kron([[FULL, ABSENT], [PARTIAL, FULL]], np.ones((half, half), int))
    np.testing.assert_array_equal(drawn, wanted)


def test_tiles_that_differ_in_one_pixel_are_partial():
    tiles = [[FULL if k <= q else ABSENT for k in range(2 * HEIGHT)] for q in range(2 * HEIGHT)]
    drawn = inside(tiles)
    assert (np.diagonal(drawn) == PARTIAL).all()
    assert (drawn[np.tril_indices(HEIGHT, -1)] == FULL).all()
    assert (drawn[np.triu_indices(HEIGHT, 1)] == ABSENT).all()


@pytest.mark.parametrize("shape", [(1, 400), (3000, 2), (7, 7)])
def test_a_much_shorter_side_is_stretched(shape: tuple[int, int]):
    drawn = inside([[FULL] * shape[1]] * shape[0])
    assert drawn.shape[0] == HEIGHT
    assert thumbnail.NARROWEST <= drawn.shape[1] <= thumbnail.WIDEST


def test_a_view_marks_its_query_and_sets_planes_apart():
    seen = ((True, False), (True, True))
    near = Neighbourhood((seen, seen, seen), (1, 0, 1), "", ("t", "y", "x"))
    plane, marked = [[SEEN, ABSENT], [SEEN, SEEN]], [[SEEN, QUERY], [SEEN, SEEN]]
    edge = [[FRAME], [FRAME]]
    first = np.hstack([plane, edge, marked])
    second = np.hstack([plane, np.full((2, 3), FRAME)])
    wanted = np.vstack([first, np.full((1, 5), FRAME), second])
    np.testing.assert_array_equal(thumbnail.of_view(near), wanted)


def test_panels_stand_side_by_side():
    panel = thumbnail.of_mask([[FULL]])
    drawn = pixels(thumbnail.png([panel, panel]))
    side = HEIGHT + 2 * BORDER
    assert drawn.shape == (side, 2 * side + BETWEEN)
    assert (drawn[:, side : side + BETWEEN] == GAP).all()
