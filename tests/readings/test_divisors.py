"""A division by what positions change is read to the point where the divisor is one value."""

from __future__ import annotations

import pytest

from maskc import pipeline
from maskc.bounds import bounds
from readings.expressions import Place

MASKS = (
    "k % 16 <= 16 >> (q // 16)",
    "k % 16 <= (64 >> (q // 16)) - 9",
    "k % 16 < 12 // pow2(q // 16)",
    "k % 16 > 3 + (-20) // pow2(q // 16)",
)


@pytest.mark.parametrize("text", MASKS)
def test_rectangles_with_one_divisor_are_told_by_their_ends(text):
    (pattern,) = pipeline.check_text(f"pattern p = {text}")
    mask, place = pattern.mask, Place({}, {}, 0)
    reading = bounds(mask)
    for first in range(0, 64, 16):
        ends = {"q0": first, "q1": first + 15, "k0": 0, "k1": 15}
        kept = [place.read(mask, q=first + i, k=j) for i in range(16) for j in range(16)]
        told = [
            place.read(node, **ends)
            for node in (reading.every, reading.some, reading.hit, reading.miss)
        ]
        assert told == [all(kept), any(kept), any(kept), not all(kept)]


def test_the_range_of_bits_with_one_value_is_not_taken_for_their_remainder():
    (pattern,) = pipeline.check_text("pattern p = bit_and(q, k // 8) % (k // 8 + 5) >= 4")
    place, corners = Place({}, {}, 0), {"q0": 0, "q1": 7, "k0": 0, "k1": 7}
    assert not any(place.read(pattern.mask, q=i, k=j) for i in range(8) for j in range(8))
    assert not place.read(bounds(pattern.mask).hit, **corners)
