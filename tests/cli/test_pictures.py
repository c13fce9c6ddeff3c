"""Pictures show the pairs of the mask, and what is made up obeys the rules of the spec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import maskc
from maskc import ir, pipeline, points
from maskc.pictures import pictures
from maskc.setting import SettingError, setting
from maskc.show import BRAILLE, cells, draw, draw_tiles
from subjects import EXAMPLES

MASKS = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=1, max_size=9)
)


def only(text: str) -> ir.Pattern:
    """The one pattern of a spec."""
    (pattern,) = pipeline.check_text(text)
    return pattern


def cell(drawn: list[str], row: int, column: int) -> bool:
    """Whether a drawing in half blocks has a mark for a pair."""
    line = drawn[row // 2] if row // 2 < len(drawn) else ""
    sign = line[column] if column < len(line) else " "
    return sign in ("▀█" if row % 2 == 0 else "▄█")


def dot(drawn: list[str], row: int, column: int) -> bool:
    """Whether a drawing in Braille has a dot for a pair."""
    line = drawn[row // 4] if row // 4 < len(drawn) else ""
    bits = ord(line[column // 2]) - 0x2800 if column // 2 < len(line) else 0
    return bool(bits & BRAILLE[column % 2][row % 4])


@given(MASKS)
def test_a_drawing_has_a_mark_where_the_pair_is_kept(mask):
    halves, dots = draw(mask).split("\n"), draw(mask, width=1).split("\n")
    assert draw(mask, plain=True) == "\n".join("".join(".#"[x] for x in row) for row in mask)
    for y, row in enumerate(mask):
        for x, kept in enumerate(row):
            assert cell(halves, y, x) == kept
            assert len(row) == 1 or dot(dots, y, x) == kept


def test_tiles_are_drawn_by_kind():
    assert draw_tiles([[0, 1, 2]]) == draw_tiles([[0, 1, 2]], width=6) == "· ▒▒██"
    assert draw_tiles([[0, 1, 2]], width=5) == "·▒█"
    assert draw_tiles([[0, 1, 2]], plain=True) == ".+#"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_cells_are_the_points_reading(file):
    for pattern in pipeline.check(file):
        call = setting(pattern, 12, n_q=7, shrink=True)
        for head in range(call.heads):
            drawn = cells(pattern, call, head)
            for row in range(7):
                for k in range(12):
                    values = {**call.values(head), "q": row + 5, "k": k}
                    assert drawn[row][k] == points.evaluate(pattern.mask, values, call.tensors())


def test_a_grid_is_drawn_with_the_sizes_that_are_given():
    pattern = only("pattern p {\n    space grid(y, x)\n    mask q.y == k.y\n}")
    call = setting(pattern, 6, sizes={"y": 2, "x": 3})
    assert cells(pattern, call) == [[q // 3 == k // 3 for k in range(6)] for q in range(6)]
    assert dict(call.grid) == {"y": 2, "x": 3}


def test_segments_are_drawn_with_the_lengths_that_are_given():
    pattern = only("pattern p {\n    space text(n) ++ image: grid(y = 2, x)\n    mask k in text\n}")
    call = setting(pattern, 7, sizes={"n": 3, "x": 2})
    assert cells(pattern, call) == [[k < 3 for k in range(7)]] * 7
    assert (dict(call.grid), dict(call.segments)) == ({"x": 2}, {"text": 3})


PACKED = "pattern p {\n    space packed grid(y, x)\n    mask same(y) & q.item == k.item\n}"


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ({"y": (2, 1), "x": (2, 3)}, [2, 2, 3]),
        ({"y": 7, "x": 1}, [1] * 7),
        ({"y": (1, 0, 2), "x": (3, 4, 2)}, [3, 2, 2]),
        (None, [1, 1, 5]),
    ],
)
def test_a_packed_grid_is_drawn_with_items_given_or_made_up(sizes, rows):
    call = setting(only(PACKED), 7, sizes=sizes)
    kept = [[i] * n for i, n in enumerate(rows) for _ in range(n)]
    row_of = [row[0] for row in kept]
    assert cells(only(PACKED), call) == [[a == b for b in row_of] for a in row_of]
    attention = maskc.loads(PACKED).p
    mask = attention.dense_mask(7, grid=call.grid)[0, 0]
    assert mask.tolist() == cells(only(PACKED), call)
    assert (sizes is None) == any("made up" in told for told in call.made_up)


@pytest.mark.parametrize(
    ("space", "sizes", "told"),
    [
        ("grid(y, x)", {"y": 4}, "no x gives the space as many positions"),
        ("grid(t, y, x)", {"y": 2}, "--size t=... --size x=..."),
        ("grid(y, x)", {"y": 2, "x": 2}, "4 positions; there are 6 keys"),
        ("grid(y, x)", {"y": (2, 1), "x": 3}, "y has 2 sizes; only a packed grid"),
        ("packed grid(y, x)", {"y": 2}, "--size x=..."),
        ("packed grid(y, x)", {"y": (2, 1), "x": 3}, "2 items have 9 positions; there are 6 keys"),
        ("packed grid(y, x)", {"y": (2, 1), "x": (3, 1, 1)}, "2 for y and 3 for x"),
    ],
)
def test_sizes_that_do_not_make_the_space_are_refused(space, sizes, told):
    pattern = only(f"pattern p {{\n    space {space}\n    mask q.y == k.y\n}}")
    with pytest.raises(SettingError, match=told):
        setting(pattern, 6, sizes=sizes)


@pytest.mark.parametrize(
    ("space", "given", "found"),
    [
        ("grid(y, x)", {"y": 2}, {"x": 3}),
        ("grid(y = 3, x)", {}, {"x": 2}),
        ("text(n) ++ image: grid(y, x)", {"text": 2, "y": 4}, {"x": 1}),
        ("text(n) ++ image: grid(y, x)", {"n": 2, "y": 4}, {"x": 1}),
        ("text(n) ++ image: grid(y, x)", {"y": 2, "x": 2}, {"n": 2}),
        ("a(n) ++ b(n)", {}, {"n": 3}),
        (
            "query: grid(y, x), key: grid(y = len(query.y), x = 1 + len(query.x))",
            {"query.y": 2},
            {"query.x": 2},
        ),
    ],
)
def test_one_size_that_nobody_gave_is_what_is_left_for_it(space, given, found):
    pattern = only(f"pattern p {{\n    space {space}\n    mask everything\n}}")
    call = setting(pattern, 6, n_q=4 if "query" in space else None, sizes=given)
    assert found.items() <= call.sizes.items()


@pytest.mark.parametrize(
    ("space", "given", "n_q", "n_k"),
    [
        ("grid(y, x)", {"y": 2, "x": 5}, 10, 10),
        ("grid(y = side, x = len(y))", {}, 9, 9),
        ("grid(y = len(some), x)", {"x": 4}, 8, 8),
        ("grid(y, x)", {"y": 2}, 24, 24),
        ("text(n) ++ image: grid(y = 2, x)", {"text": 3, "x": 4}, 11, 11),
        ("packed grid(y, x)", {"y": (2, 1), "x": (3, 5)}, 11, 11),
        ("packed grid(y = side, x)", {"x": (1, 2)}, 9, 9),
        (
            "query: grid(y, x), key: grid(y = cdiv(len(query.y), 2), x = 7)",
            {"query.y": 5, "query.x": 2},
            10,
            21,
        ),
        ("query: a, key: a ++ pool(m)", {"a": 4, "m": 2}, 4, 6),
        ("grid(y = len(kv_head), x)", {"x": 5}, 5, 5),
        ("align start", {}, 24, 24),
    ],
)
def test_lengths_are_those_that_the_sizes_make(space, given, n_q, n_k):
    """A length that is given comes first, and one that nothing says is the command's own."""
    pattern = only(
        f"pattern p(side: int = 3, some: int[] = [1, 5]) {{\n    space {space}\n"
        "    mask side > len(some)\n}"
    )
    call = setting(pattern, None, otherwise=24, sizes=given)
    assert (call.n_q, call.n_k) == (n_q, n_k)


@pytest.mark.parametrize("space", ["grid(y, x = len(y))", "text(n) ++ image: grid(y, x = len(y))"])
def test_an_extent_that_is_another_ones_is_not_given(space):
    pattern = only(f"pattern p {{\n    space {space}\n    mask k > 3\n}}")
    call = setting(pattern, None, sizes={"y": 3, "n": 2} if "text" in space else {"y": 3})
    assert dict(call.grid) == {"y": 3}
    assert call.n_k == (11 if "text" in space else 9)


def test_lengths_follow_a_parameter_that_is_given_or_shrunk():
    pattern = only("pattern p(side: int = 32) {\n    space grid(y = side, x)\n    mask same(y)\n}")
    assert setting(pattern, None, params={"side": "5"}, sizes={"x": 3}).n_k == 15
    shrunk = setting(pattern, None, sizes={"x": 4}, shrink=True)
    assert (shrunk.params["side"], shrunk.n_k) == (16, 64)
    with pytest.raises(SettingError, match="at most 16,777,216"):
        setting(pattern, None, sizes={"x": 999_999_999})


@pytest.mark.parametrize(
    ("tables", "given", "counts"),
    [
        ("w: int[head] = [1, 2, 4]", {}, (3, 3, 1)),
        ("w: int[head] = [1, 2, 4]", {"w": "1,2"}, (2, 2, 1)),
        ("w: int[layer, head] = [[1, 2, 4, 8]]", {}, (4, 4, 1)),
        ("w: int[layer, head] = 1", {"w": "[[1, 2], [3, 4], [5, 6]]"}, (2, 2, 3)),
        ("w: int[head] = 3", {}, (2, 2, 1)),
        ("w: int[kv_head] = [1, 2]", {}, (2, 2, 1)),
        ("w: int[kv_head] = [1, 2], u: int[head] = [1, 2, 3, 4]", {}, (4, 2, 1)),
    ],
)
def test_there_are_as_many_heads_and_layers_as_a_table_has_entries(tables, given, counts):
    call = setting(only(f"pattern p({tables}) = recent(w)"), 6, params=given)
    assert (call.heads, call.kv_heads, call.n_layers) == counts


def test_there_are_as_many_heads_and_layers_as_an_input_has_entries():
    pattern = only("pattern p {\n    input w: int[layer, head]\n    mask recent(w)\n}")
    assert setting(pattern, 6).n_layers == 1
    pattern = only("pattern p {\n    input w: int[head]\n    mask recent(w)\n}")
    assert setting(pattern, 6, inputs={"w": "1*3,2"}).heads == 4
    assert setting(pattern, 6, heads=2, inputs={"w": "1,2"}).heads == 2
    with pytest.raises(SettingError, match="w has 4 entries"):
        setting(pattern, 6, heads=2, inputs={"w": "1*3,2"})


@pytest.mark.parametrize(
    ("axes", "word", "n_q", "n_k"),
    [
        ("batch, token", "0*3,1*4", 7, 7),
        ("head, k", "@nested", 3, 3),
        ("head, k", "1*3", 3, 3),
        ("q, k", "@nested", 2, 3),
        ("q, k", "1*3", 3, 3),
        ("4, k", "1*3", 3, 3),
        ("head", "1,2", 24, 24),
        ("m", "1,2", 24, 24),
    ],
)
def test_there_are_as_many_tokens_as_an_input_has_entries(axes, word, n_q, n_k, tmp_path):
    (tmp_path / "nested").write_text("[[1, 2, 3], [4, 5, 6]]")
    word = word.replace("@", f"@{tmp_path}/")
    pattern = only(f"pattern p {{\n    input t: int[{axes}]\n    mask causal\n}}")
    given = {"sizes": {"m": 2}} if axes == "m" else {}
    call = setting(pattern, None, otherwise=24, inputs={"t": word}, **given)
    assert (call.n_q, call.n_k) == (n_q, n_k)


def test_a_layer_past_those_of_its_table_is_refused():
    pattern = only("pattern p(w: int[layer] = [1, 2, 3]) = recent(w)")
    assert setting(pattern, 6, layer=2).n_layers == 3
    with pytest.raises(SettingError, match=r"layer 3 is outside 0\.\.3"):
        setting(pattern, 6, layer=3)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
@pytest.mark.parametrize("n", [1, 2, 48, 1000])
def test_what_is_made_up_obeys_every_rule(file, n):
    for pattern in pipeline.check(file):
        call = setting(pattern, n, shrink=n > 2)
        for scalar in pattern.params:
            value = call.params[scalar.name]
            for entry in value if isinstance(value, tuple) else (value,):
                for rule, text in scalar.rules:
                    known = {**call.params, scalar.name: entry}
                    assert points.evaluate(rule, known), f"{scalar.name} = {entry}: {text}"


def test_shrinking_keeps_the_ratio_of_sizes():
    pattern = only(
        "pattern p(a: int = 128, b: int = 32, c: int = 3) = recent(a) | sink(b) | sink(c)"
    )
    call = setting(pattern, 64, shrink=True)
    assert call.params == {"a": 8, "b": 2, "c": 3}


def test_a_size_that_is_given_is_not_shrunk():
    pattern = only("pattern p(a: int = 128, b: int = 32) = recent(a) | sink(b)")
    assert setting(pattern, 64, params={"a": "100"}, shrink=True).params == {"a": 100, "b": 8}


@pytest.mark.parametrize(
    ("word", "value"),
    [("4Ki", 4096), ("4_096", 4096), ("-3", -3), (" 7 ", 7), ("1Mi", 1 << 20)],
)
def test_integers_are_read_as_specs_write_them(word, value):
    assert (
        setting(only("pattern p(n: int) = q - k < n"), 8, params={"n": word}).params["n"] == value
    )


def test_lists_tables_and_floats_are_read():
    pattern = only(
        "pattern p(some: int[] = [1], f: float = 0.5, t: int[layer, head] = 1) {\n"
        "    score s * f\n    mask k in some | recent(t)\n}"
    )
    words = {"some": "1, 2,3", "f": "2", "t": "[[1, 2], [3, 4]]"}
    call = setting(pattern, 4, params=words)
    assert call.params == {"some": (1, 2, 3), "f": 2.0, "t": ((1, 2), (3, 4))}
    assert call.keywords()["t"] == [[1, 2], [3, 4]]


@pytest.mark.parametrize("word", ["[1, 2, 3]", "[[1], [2]]", "[]"])
def test_a_table_of_another_shape_is_refused(word):
    pattern = only("pattern p(w: int[head]) = recent(w)")
    with pytest.raises(SettingError, match="w"):
        setting(pattern, 4, heads=2, params={"w": word})


def test_a_picture_that_would_take_minutes_is_refused():
    slow = only("pattern p = count(i in 0..4096 : hash(i, q) % 7 == hash(i, k) % 7) > 500")
    with pytest.raises(SettingError, match="at most"):
        cells(slow, setting(slow, 256))


def test_pictures_of_the_prelude_keep_some_pairs_and_drop_some():
    plain = {"everything", "nothing"}
    for picture in pictures():
        kept = [cell for row in picture.mask for cell in row]
        assert picture.name in plain or (any(kept) and not all(kept)), picture.name
