"""What the checker leaves means what the syntax tree means to an independent interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from check.pointwise import checked, mask, mask_of
from maskc import ir
from maskc.grammar.parse import parse, source
from meaning import Meaning


def body(*statements: str, head: str = "p") -> str:
    return f"pattern {head} {{\n" + "\n".join(f"    {s}" for s in statements) + "\n}"


LINE = [
    "pattern p = k <= q",
    "pattern p = (q - k) // 3 == -1 | (k - q) % 4 == 2",
    "pattern p = -7 // 2 == -4 & (q - 5) >> 1 == k - 3",
    "pattern p = q << 1 == k | (q - 1) << (k - 2) == 4",
    "pattern p = causal \\ recent(2) & k > 0",
    "pattern p = causal ^ sink(1) ^ recent(3)",
    "pattern p = !(k > q) | q == 1 & !(k == 2)",
    "pattern p = if k > q then k == q + 1 else if q - k > 2 then false else q % 2 == 0",
    "pattern p = (if q > k then q else k) % 3 == 1",
    "pattern p = match q % 4 { 0 => causal, 1..3 => sink(2), 3 => k == 0 }",
    "pattern p = match head { 0..len(head) => k % len(head) == head }",
    "pattern p = match head { {0, 2} => causal, 1 => recent(2), _ => nothing }",
    "pattern p = (match k { 0..2 => 5, _ => k }) <= q",
    "pattern p = match q > k { true => k % 2 == 0, false => k == q }",
    "pattern p = k in {0, 2, q} | q in 1..k",
    "pattern p = k in q..0",
    "pattern p = any(i in 0..3 : q - k == i * i)",
    "pattern p = all(i in 1..4 : (q + k) % i == 0)",
    "pattern p = count(i in 0..5 : (q + i) % 3 == k % 3) == 2",
    "pattern p = any(i in 0..3 : all(j in 0..i : k != q - j))",
    "pattern p = any(i in {1, 1, 4} : q - k == i)",
    "const n = count(i in 0..5 : any(j in 0..i : j == 2))\npattern p = k < n",
    "pattern p = count(i in 3..0 : true) == 0 & all(i in 2..2 : false)",
    "pattern p = min(q, k, 3) == max(q - 2, k - 2, 1) | sign(q - k) == -1",
    "pattern p = cdiv(q, 3) == cdiv(k, 3) & clamp(q, 2, 5) >= clamp(k, 5, 2)",
    "pattern p = log2(q - k) == 1 | is_pow2(q - k) | pow2(q - k) == 8",
    "pattern p = popcount(q - k) == 2 | low_bit(q) == low_bit(k)",
    "pattern p = bit_and(q, k) == 0 | bit_xor(q - 3, k) == -1 | bit_or(q, 1) == k",
    "pattern p = hash(7, q, k) % 3 == 0 ^ hash(k) % 2 == 0",
    "pattern p = at(q = q - 1) causal & at(q = k, k = q) recent(3)",
    "pattern p = at(k = q + q - k) (k == 0 | at(q = 2) causal)",
    body("let f(a: axis, w: int) = len(a) <= w | tile(a, w)", "mask f(x, 3)"),
    "pattern p = near(x, 2) & len(x) - q.x > 1 & len(q) <= len(k)",
    "pattern p = kv_head == 0 & layer < len(layer) & batch < len(batch) & causal",
    "pattern p = coarse(k == q, 2)",
    "pattern p = coarse(causal, q = 3, k = 2, rule = all)",
    "pattern p = coarse(recent(3), q = 2, rule = center)",
    "pattern p = coarse(causal, 3, rule = center)",
    "pattern p = coarse(q % 3 == k % 3, 3, rule = all) | coarse(q == 5, q = 4, rule = share(26))",
    "pattern p = coarse(q == 6, q = 4) ^ coarse(q == 3, q = 4, rule = center)",
    "pattern p = coarse(recent(2) | sink(1), q = 2, k = 3, rule = share(40))",
    "pattern p = coarse(hash(1, q, k) % 5 == 0, 2) & coarse(coarse(k == q, k = 2), q = 3)",
    "pattern p = coarse(any(i in 0..3 : q - k == i), 4, rule = share(50))",
    "def f(a: int, b: int = a + 1) = a <= k < b\npattern p = f(q) | f(b = 3, a = 0)",
    "def f(a: int) = at(q = q + 1) (a == q - 1 | k == a)\npattern p = f(q)",
    "def g(m: bool, n: int) = m & k % n == 0\npattern p = g(causal, 2) | g(k > q, len(k))",
    "def w(r: int) = near2(x, r)\ndef near2(a: axis, r: int) = abs(q.a - k.a) <= r\n"
    "pattern p = w(head + 1)",
    "const a = b * 2\nconst b = 3 + len_of\nconst len_of = 1\npattern p = k < a",
    "def causal = k < q\npattern p = causal | prefix(1)",
    "pattern a(n: int = 2) = recent(n)\npattern p = a(3) ^ a | a(n = q)",
    "pattern a(n: int = 2) {\n let m = recent(n)\n mask m\n}\npattern p = a(3) ^ a(1)",
    "pattern p(w: int >= 1 = 4, on: bool = true) = recent(w) & on",
    body("let w = 2", "let near(r: int, m: bool) = abs(q - k) <= r & m", "mask near(w, k >= w)"),
    body("let m = k <= q", "let n = at(q = q - 2) m", "mask m \\ n"),
    body("space align start", "mask causal"),
    body("space cross", "mask k <= q & near(x, 3)"),
    body("space align start", "mask coarse(causal, 2, rule = all)"),
    body("space cross", "mask coarse(k == q, 3)"),
    "pattern p(offsets: int[] = [0, 2, 5]) = q - k in offsets | len(offsets) == k",
    "pattern p(r: int[] = [2, 3]) = any(i in r : (q - k) % i == 0) & count(i in r : k > i) < 2",
    "pattern p(w: int[head] = 3) = recent(w) | k == w[head]",
    "pattern p(w: int[head] = [1, 4]) = recent(w) | recent(w[1 - head])",
    "pattern p(w: int[layer, head] = [[1, 2], [3, 4]]) = recent(w)",
    "pattern p(m: bool[head] = [true, false]) = if m then causal else everything",
    "pattern p(t: float = 0.5) = (if t > 0.25 then q else k) == 3",
    "pattern p(n: dynamic int in 0..9 = 3) = any(i in 0..n : k == q - i * 2)",
    "pattern p(n: dynamic int in 0..9 = 3) = all(i in 1..n : k != q - i * 2)",
    "pattern p(n: dynamic int in 0..9 = 3) = count(i in 1..n : k > i) == 1",
    "pattern p = 1_000 > q & 4Ki > k & 0 - 3 < k",
    "pattern p = q // (k - 2) == 0 & q % (k - 1) == 0",
    "pattern p = -q < -k",
]


@pytest.mark.parametrize("text", LINE)
def test_a_mask_on_a_line_means_what_it_says(text):
    pattern, tree = checked(text)[-1], parse(source(text, "spec.attn"))
    tables = {s.name: filled(s) for s in pattern.params if s.axes}
    for n_q, n_k in ((6, 6), (3, 7), (7, 4)):
        meaning = Meaning(
            *(tree, "p"),
            **{"n_q": n_q, "n_k": n_k, "batch": 1, "heads": 2, "kv_heads": 1},
            **{"layer": 1, "n_layers": 2},
        ).mask()
        for head in range(2):
            got = mask(
                *(pattern, n_q, n_k, tables),
                **{"head": head, "heads": 2, "kv_heads": 1, "layer": 1, "n_layers": 2},
            )
            assert np.array_equal(got, meaning[0, head]), (n_q, n_k, head)


def filled(scalar: Any) -> Any:
    """A default of a table, one value for all entries written out."""
    return scalar.default if isinstance(scalar.default, tuple) else [scalar.default] * 2


DOC = [[5, 5, 3, 3, 3, 8], [1, 2, 2, 2, 9, 9]]
ROWS = [[4, 0, 2], [1, 1, 5]]
INPUTS = [
    ("int[batch, token]", DOC, "doc[q] == doc[k]"),
    ("int[batch, token]", DOC, "doc[batch, q] == doc[k + 1]"),
    ("int[batch, token]", DOC, "doc[1 - batch, q] < doc[1, k]"),
    ("int[batch, k]", DOC, "at(q = q + 2) doc[q] == doc[k]"),
    ("int[batch, q]", ROWS, "doc[q] >= k"),
    ("int[batch, q]", ROWS, "doc[k] >= q | doc[q - 1] == k"),
    ("int[batch]", [2, 4], "k < doc"),
    ("int[batch]", [2, 4], "k < doc[1 - batch]"),
    ("bool[token]", [True, False, False, True, True, False], "doc[k] | doc[q] & k == q"),
    ("float[token]", [0.5, -1.0, 2.0, 0.0, 0.25, 9.0], "doc[k] > 0.25 & doc[q] <= doc[k]"),
    ("int[m]", [3, 1, 4, 1], "doc[k % len(m)] <= q | k >= len(m)"),
    ("int[4]", [3, 1, 4, 1], "doc[k] == q"),
    ("int[m, n]", [[3, 1, 4], [1, 5, 9]], "doc[k % len(m), q % len(n)] > 2"),
    ("int[len(k), 2]", [[3, 1], [4, 1], [5, 9], [2, 6], [5, 3], [5, 8]], "doc[k, q % 2] > 4"),
]


@pytest.mark.parametrize(("type", "entries", "expression"), INPUTS, ids=[i[2] for i in INPUTS])
@pytest.mark.parametrize("align", ["", "space align start"])
def test_an_input_reads_what_it_says(type, entries, expression, align):
    text = body(*([align] if align else []), f"input doc: {type}", f"mask {expression}")
    (pattern,) = checked(text)
    meaning = Meaning(
        *(parse(source(text, "spec.attn")), "p", 3, 6, 2), inputs={"doc": np.array(entries)}
    ).mask()
    shape = np.array(entries).shape
    sizes = {f"size:{n}": shape[i] for i, n in enumerate(("m", "n")) if i < len(shape)}
    for batch in range(2):
        got = mask(pattern, 3, 6, {"doc": entries}, batch=batch, batches=2, **sizes)
        assert np.array_equal(got, meaning[batch, 0])


def test_positions_before_the_first_read_0():
    text = body("input doc: int[token]", "mask doc[q] == doc[k]")
    (pattern,) = checked(text)
    got = mask(pattern, 4, 2, {"doc": [0, 7]})
    assert got.tolist() == [[True, False], [True, False], [True, False], [False, True]]


GRIDS: list[tuple[str, str, int, int, dict[str, int]]] = [
    ("grid(y, x)", "near(y, 1) & near(x, 1)", 12, 12, {"y": 3, "x": 4}),
    ("grid(y, x)", "neighborhood(y, 3) & q.x >= k.x", 5, 12, {"y": 4, "x": 3}),
    ("grid(t, y = 2, x = 3)", "same(t) | disk(1)", 12, 12, {"t": 2}),
    ("grid(y = 2, x)", "at(q = k, k = q) q.y < k.y | q.x == len(x) - 1", 8, 8, {"x": 4}),
    ("grid(y, x)", "coarse(same(y), 2)", 9, 9, {"y": 3, "x": 3}),
    ("grid(y, x)", "coarse(near(x, 1), q = 2, k = 4, rule = share(50))", 9, 9, {"y": 3, "x": 3}),
    ("align start grid(y, x)", "q.y >= k.y", 5, 9, {"y": 3, "x": 3}),
    ("align start grid(y, x)", "coarse(q.x == k.x, 2, rule = center)", 5, 9, {"y": 3, "x": 3}),
    ("query: grid(y, x), key: grid(y = cdiv(len(query.y), 2), x = 2)",
     "q.y // 2 == k.y & k.x <= q.x", 12, 4, {"query.y": 4, "query.x": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("space", "expression", "n_q", "n_k", "sizes"), GRIDS)
def test_a_mask_on_a_grid_means_what_it_says(space, expression, n_q, n_k, sizes):
    text = body(f"space {space}", f"mask {expression}")
    (pattern,) = checked(text)
    tree = parse(source(text, "spec.attn"))
    meaning = Meaning(tree, "p", n_q, n_k, grid=list(sizes.values())).mask()
    free = [
        extent.name
        for side in dict.fromkeys((pattern.space.query, pattern.space.key))
        for _, extents in side.segments
        for extent in extents
        if extent.value == ir.Var(f"size:{extent.name}")
    ]
    assert free == list(sizes)
    got = mask(pattern, n_q, n_k, **{f"size:{name}": size for name, size in sizes.items()})
    assert np.array_equal(got, meaning[0, 0])


SEGMENTS = [
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)", "q in text & k in extra", {}),
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "if q in text then causal else q in image & k in image & near(y, 1) & near(x, 1)", {}),
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "!(q in image & k in image) | q.image.x == k.x", {}),
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "match q in extra { true => k in extra, false => k in text & k.text == 1 }", {}),
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "match q in text { true => k == q.text, false => !(q in image) | q.y == k - 3 }", {}),
    ("text(2) ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "(q in image) == true & (k in image) != false & q.x < k.x", {}),
    ("prefix(window) ++ s(3)", "if q in prefix then k in prefix else q.s >= k - 6", {"window": 6}),
    ("text ++ image: grid(y = 2, x = 3) ++ extra(1)",
     "q in image & (if k in image then q.y == k.y else if k in text then k.text == q.x"
     " else k.extra == 0)", {"text": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("space", "expression", "segments"), SEGMENTS)
def test_a_mask_on_segments_means_what_it_says(space, expression, segments):
    text = body(f"space {space}", f"mask {expression}")
    (pattern,) = checked(text)
    tree = parse(source(text, "spec.attn"))
    meaning = Meaning(tree, "p", 9, 9, segments=segments).mask()
    sizes = {f"size:{name}": size for name, size in segments.items()}
    assert np.array_equal(mask(pattern, 9, **sizes), meaning[0, 0])


def test_the_query_side_may_derive_from_the_key_side():
    text = body("space query: grid(y = len(key.y), x = 2), key: grid(y, x)", "mask q.y == k.y")
    (pattern,) = checked(text)
    got = mask(pattern, 4, 6, **{"size:key.y": 2, "size:key.x": 3})
    assert got.tolist() == [[q // 2 == k // 3 for k in range(6)] for q in range(4)]


def test_segments_of_two_sides_share_a_length_by_name():
    text = body("space query: a, key: a ++ pool(m)", "mask k in pool | k in a & q.a == k.a")
    (pattern,) = checked(text)
    got = mask(pattern, 3, 5, **{"size:a": 3, "size:m": 2})
    assert got.tolist() == [[i == j or j > 2 for j in range(5)] for i in range(3)]


def test_a_set_counts_each_value_once():
    (pattern,) = checked("pattern p = count(i in {1, 1, q, k} : i < 3) == 2")
    got = mask(pattern, 5)
    assert got.tolist() == [
        [len([i for i in {1, q, k} if i < 3]) == 2 for k in range(5)] for q in range(5)
    ]


def test_a_packed_position_reads_its_item():
    text = body("space packed grid(y, x)", "mask q.item == k.item & q.y >= k.y & q.x == k.x")
    (pattern,) = checked(text)
    shapes, items, starts = [(1, 2), (2, 2)], [0, 0, 1, 1, 1, 1], [0, 2]
    tables = {
        **{"packed.item": items, "packed.start": starts},
        **{"packed.y": [y for y, _ in shapes], "packed.x": [x for _, x in shapes]},
    }

    def place(p: int) -> tuple[int, int, int]:
        item = items[p]
        offset, width = p - starts[item], shapes[item][1]
        return item, offset // width, offset % width

    def kept(q: int, k: int) -> bool:
        (i, y, x), (j, v, u) = place(q), place(k)
        return i == j and y >= v and x == u

    assert mask(pattern, 6, tensors=tables).tolist() == [
        [kept(q, k) for k in range(6)] for q in range(6)
    ]
    (wrapped,) = checked(body("space packed grid(y, x)", "mask q.y + k.y == len(y)"))
    assert mask(wrapped, 6, tensors=tables).tolist() == [
        [place(q)[1] + place(k)[1] == shapes[items[k]][0] for k in range(6)] for q in range(6)
    ]
    assert pattern.space.query is not None and pattern.space.query.packed
    of_item = mask_of(body("space packed grid(y, x)", "mask same(item)"), 6, tensors=tables)
    assert of_item.tolist() == [[items[q] == items[k] for k in range(6)] for q in range(6)]


def test_an_extent_may_derive_from_what_stands_before_it():
    text = body("space grid(y, x = 2 * len(y))", "mask q.y == k.y & len(x) == 6")
    got = mask_of(text, 18, **{"size:y": 3})
    assert got.tolist() == [[q // 6 == k // 6 for k in range(18)] for q in range(18)]
    text = body("space text(n) ++ extra(len(n) + len(text))", "mask q in extra & len(extra) == 4")
    got = mask_of(text, 6, **{"size:n": 2})
    assert got.tolist() == [[q >= 2] * 6 for q in range(6)]
