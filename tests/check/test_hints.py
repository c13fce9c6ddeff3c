"""Names and types of other libraries and languages are told what they are called here."""

from __future__ import annotations

import pytest

from check.pointwise import errors

HINTS = [
    ("pattern p = q_idx >= kv_idx", ["`q`", "`k`"]),
    ("pattern p = h == 0 & b == 0", ["`head`", "`batch`"]),
    ("pattern p = k < seq_len", ["`len(k)`"]),
    ("pattern p = sliding_window(3)", ["`recent(n)`"]),
    ("pattern p(q_pos1: int = 3) = k < q_pos", ["did you mean `q_pos1`?"]),
    ("pattern p(w: integer = 3) = recent(w)", ["did you mean `int`?"]),
    ("def f(x: number) = x > 1\npattern p = f(q)", ["did you mean `int`?"]),
    ("pattern p {\n input t: boolean[token]\n mask t[k]\n}", ["did you mean `bool`?"]),
    ("pattern p(a: axis) = near(a, 1)", ["for `def`"]),
]


@pytest.mark.parametrize(("text", "hints"), HINTS)
def test_a_foreign_name_is_told_its_own(text, hints):
    found = errors(text)
    assert len(found) == len(hints)
    assert all(hint in error.hint for hint, error in zip(hints, found, strict=True))
