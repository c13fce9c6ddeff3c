"""What the words of a command line leave open is found from what they say."""

from __future__ import annotations

import re

import pytest

from maskc import ir, pipeline
from maskc.setting import MOST_LENGTH, SettingError, setting


def only(text: str) -> ir.Pattern:
    """The one pattern of a spec."""
    (pattern,) = pipeline.check_text(text)
    return pattern


def test_as_many_heads_as_key_heads_where_nothing_says_more():
    call = setting(only("pattern p = causal & head < 2"), 6, kv_heads=4)
    assert (call.heads, call.kv_heads) == (4, 4)


def test_sizes_make_so_many_positions_and_no_more():
    pattern = only("pattern p {\n space grid(y, x)\n mask near(x, 1)\n}")
    side = MOST_LENGTH >> 12
    assert setting(pattern, None, sizes={"y": side, "x": 1 << 12}).n_k == MOST_LENGTH
    with pytest.raises(SettingError, match="the sizes make"):
        setting(pattern, None, sizes={"y": side + 1, "x": 1 << 12})


@pytest.mark.parametrize(("n", "mean"), [(3, 1), (40, 10), (4096, 512)])
def test_made_up_documents_are_a_quarter_of_the_keys_and_no_longer_than_asked(n, mean):
    pattern = only("pattern p {\n input doc: int[token]\n mask document(doc)\n}")
    (told,) = setting(pattern, n, document=512).made_up
    assert f"documents of about {mean} tokens" in told


def test_a_table_names_the_axis_that_has_other_entries():
    pattern = only("pattern p(t: int[layer, head] = 3) = recent(t)")
    for words, told in (
        ("[[1, 2, 5], [3, 4]]", "t has 3 entries along `head`; wanted 2"),
        ("[[1, 2]]", "t has 1 entries along `layer`; wanted 2"),
    ):
        with pytest.raises(SettingError, match=told):
            setting(pattern, 6, params={"t": words}, heads=2, n_layers=2)


def test_a_value_that_is_told_is_cut_at_60_letters():
    given = str([1] * 50)
    with pytest.raises(SettingError) as error:
        setting(only("pattern p(w: int = 3) = recent(w)"), 6, params={"w": given})
    assert str(error.value) == f"w is {given[:57]}...; wanted one int"


@pytest.mark.parametrize(
    ("space", "sizes", "told"),
    [
        ("space grid(y = 4, x)", {"y": 5}, "no size `y`: it has `x`"),
        ("space text(n) ++ image: grid(y, x)", {"txet": 3}, "did you mean `text`"),
        ("space packed grid(y, x)", {"z": (1, 2)}, "it has `y`, `x`"),
        ("input doc: int[m, k]", {"n": 3}, "no size `n`: it has `m`"),
        ("", {"x": 3}, "it has no sizes"),
    ],
)
def test_a_size_that_the_pattern_does_not_have_is_refused(space, sizes, told):
    with pytest.raises(SettingError, match=re.escape(told)):
        setting(only(f"pattern p {{\n{space}\nmask everything\n}}"), None, sizes=sizes)


@pytest.mark.parametrize("n", [None, 16])
def test_an_extent_is_not_negative(n):
    text = "pattern p(side: int = -4) {\nspace grid(y = side, x = side)\nmask everything\n}"
    with pytest.raises(SettingError, match="makes `y` -4; wanted at least 0"):
        setting(only(text), n)
