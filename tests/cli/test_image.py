"""`maskc show -o`: images of masks, drawn as the mask is, the same bytes each time."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from cli.shell import EXAMPLES, in_process, in_shell
from maskc import ir, pipeline
from maskc.neighbourhood import neighbourhood, views
from maskc.panels import ABSENT, DROPPED, FULL, KEPT, panels, side_of_cell, side_of_tile
from maskc.plot import COLORS, SEEN, Picture, image
from maskc.setting import Setting, setting
from maskc.show import Cells, cells

SLOW = pytest.mark.slow
STREAMING = EXAMPLES / "streaming_llm.attn"

GRIDS = """\
pattern plane {
    space grid(y, x)

    mask neighborhood(y, 3) & near(x, 1)
}

pattern volume {
    space text(n) ++ film: grid(t, y, x)

    mask q in film & k in film & near(t, 1) & same(y) & same(x)
}

pattern pooled {
    space query: grid(y, x), key: grid(y = cdiv(len(query.y), 2), x = cdiv(len(query.x), 2))

    mask q.y // 2 == k.y
}
"""


def call_of(text: str, n: int, name: str = "p", **more: object) -> tuple[ir.Pattern, Setting]:
    """A pattern of a spec, and a call of it."""
    (pattern,) = (p for p in pipeline.check_text(text) if p.name == name)
    return pattern, setting(pattern, n, **more)  # type: ignore[arg-type]


def coarse(mask: list[list[bool]], side: int) -> list[list[int]]:
    """The tiles of a mask, tile by tile: 0 without a pair, 2 with all, else 1."""
    tiles = []
    for top in range(0, len(mask), side):
        row = []
        for left in range(0, len(mask[0]), side):
            kept = [x for line in mask[top : top + side] for x in line[left : left + side]]
            row.append(2 if all(kept) else 1 if any(kept) else 0)
        tiles.append(row)
    return tiles


@pytest.mark.parametrize("cell", [1, 2, 4])
@pytest.mark.parametrize("n", [1, 13, 24])
def test_every_cell_has_the_kind_of_its_pairs_and_tile(cell, n):
    pattern, call = call_of("pattern p = recent(6) | k == 3 | q in 8..16 & k in 0..8", n)
    mask = cells(pattern, call)

    def layout(side: int) -> list[Cells]:
        return [coarse(mask, side)]

    (panel,) = panels(pattern, call, [0], 8, cell, layout)
    tiles, fine = coarse(mask, 8), coarse(mask, cell)
    for y, row in enumerate(panel.kinds):
        for x, kind in enumerate(row):
            tile = tiles[y * cell // 8][x * cell // 8]
            inside = KEPT if fine[y][x] else DROPPED
            assert kind == {0: ABSENT, 1: inside, 2: FULL}[tile]


def test_heads_with_one_mask_share_a_panel():
    pattern, call = call_of("pattern p = if head % 2 == 0 then causal else recent(2)", 8, heads=4)
    drawn = panels(pattern, call, range(4), 4, 1, lambda side: [])
    assert [panel.heads for panel in drawn] == [(0, 2), (1, 3)]
    assert [panel.density for panel in drawn] == [36 / 64, 15 / 64]


def test_tiles_and_cells_fit_the_length():
    assert [side_of_tile(n) for n in (1, 5, 48, 512, 4096, 1 << 20)] == [1, 1, 8, 64, 128, 128]
    assert [side_of_cell(n, 128) for n in (512, 513, 4096, 65536)] == [1, 2, 8, 128]
    assert side_of_cell(65537, 128) is None
    assert side_of_cell(1000, 7) == 7


def test_an_image_has_the_color_of_every_pair():
    pattern, call = call_of("pattern p = recent(3) | sink(2)", 16)
    drawn = panels(pattern, call, [0], 4, 1, lambda side: [])
    picture = Picture("p", [], drawn, 1, 4, 16, 16, (), 1)
    pixels = numpy.array(Image.open(io.BytesIO(image(picture, "png"))).convert("RGB"))
    colors = {kind: tuple(bytes.fromhex(color[1:])) for kind, color in COLORS.items()}
    dark = numpy.argwhere((pixels == colors[KEPT]).all(2))
    top, left = dark.min(0)
    side = round(4.4 * 200 / 16)
    for y in range(16):
        for x in range(16):
            middle = pixels[top + y * side + side // 2, left + x * side + side // 2]
            assert tuple(middle) == colors[drawn[0].kinds[y][x]]


def test_what_a_query_sees_is_its_row_on_the_grid():
    pattern, call = call_of(GRIDS, 20, "plane", sizes={"y": 4, "x": 5})
    near = neighbourhood(pattern, call, 0)
    assert near is not None
    assert (near.query, near.place, near.axes) == ((0, 2, 2), "y = 2, x = 2", ("", "y", "x"))
    mask = cells(pattern, call)
    assert [x for row in near.planes[0] for x in row] == mask[12]
    assert near.n_seen == 9
    corner = neighbourhood(pattern, call, 0, 0)
    assert corner is not None
    assert (corner.query, corner.n_seen) == ((0, 0, 0), 6)


def test_planes_of_a_grid_in_a_segment_are_drawn_apart():
    pattern, call = call_of(GRIDS, 15, "volume", sizes={"n": 3, "t": 3, "y": 2, "x": 2})
    near = neighbourhood(pattern, call, 0)
    assert near is not None
    assert (near.query, near.place) == ((1, 1, 1), "t = 1, y = 1, x = 1")
    assert near.planes == (((False, False), (False, True)),) * 3


def test_a_query_of_another_grid_has_no_place_in_that_of_the_keys():
    pattern, call = call_of(GRIDS, 4, "pooled", n_q=16, sizes={"query.y": 4, "query.x": 4})
    near = neighbourhood(pattern, call, 0)
    assert near is not None
    assert (near.query, near.place) == (None, "y = 2, x = 2")
    assert near.planes == (((False, False), (True, True)),)


MIXED = """\
pattern p {
    space text(2) ++ picture: grid(y = 2, x = 3) ++ registers(4)

    mask if q in picture & k in picture then same(y) else k > 0
}
"""


def test_keys_of_other_segments_are_counted_beside_those_of_the_grid(maskc, tmp_path):
    near = neighbourhood(*call_of(MIXED, 12), 0)
    assert near is not None
    assert (near.n_seen, near.n_elsewhere) == (3, 5)
    (tmp_path / "p.attn").write_text(MIXED)
    assert maskc("show", "p.attn", "-o", "a.svg", cwd=tmp_path).code == 0
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "seen by the query at y = 1, x = 1: 3 keys here, 5 elsewhere" in text


def test_a_headline_wider_than_its_grid_is_not_cut(maskc, tmp_path):
    (tmp_path / "p.attn").write_text(MIXED)
    assert maskc("show", "p.attn", "-o", "a.png", cwd=tmp_path).code == 0
    pixels = numpy.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert (pixels[:, -10:] == 255).all()


HEADS = """\
pattern p {
    space grid(y, x)

    mask if head % 2 == 0 then same(x) else same(y) & near(x, head)
}
"""


def test_what_a_query_sees_stands_once_for_each_group_of_heads_that_see_it():
    pattern, call = call_of(HEADS, 12, sizes={"y": 3, "x": 4}, heads=6)
    seen = views(pattern, call, [(0, 2, 4), (1,), (3,), (5,)])
    assert [(view.heads, view.near.n_seen) for view in seen] == [
        ((0, 2, 4), 3),
        ((1,), 3),
        ((3, 5), 4),
    ]
    assert all(view.near == neighbourhood(pattern, call, h) for view in seen for h in view.heads)
    assert views(*call_of("pattern p = causal", 8), [(0,)]) == ()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("--size", "y=3", "--heads", 4),
            ["heads 0, 2, seen", "head 1, seen", "head 3, seen"],
        ),
        (("--size", "y=3", "--heads", 4, "--head", 3), ["head 3, seen"]),
        (("--size", "y=3", "--heads", 1), ["seen"]),
        (("--size", "y=150", "--heads", 4), ["head 0, seen", "head 1, seen", "head 3, seen"]),
    ],
)
def test_what_a_query_sees_is_drawn_for_all_heads_and_names_them(maskc, words, told, tmp_path):
    """Where a cell holds several pairs, heads that are drawn alike may see other keys."""
    (tmp_path / "p.attn").write_text(HEADS)
    run = maskc("show", "p.attn", "--size", "x=4", *words, "-o", "a.svg", cwd=tmp_path)
    assert run.code == 0, run.err
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert re.findall(r">([^<>]*seen)(?= by the query)", text) == told


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (("y=2,3", "x=4,5"), "items of 2 x 4, 3 x 5"),
        (("y=1", "x=" + ",".join("1" * 14)), "items of " + "1 x 1, " * 12 + "2 more"),
        ((), "items of 4 x 4, 2 x 4, 1 x 24, made up"),
    ],
)
def test_an_image_names_the_items_of_a_packed_grid(maskc, sizes, told, tmp_path):
    (tmp_path / "p.attn").write_text(
        "pattern p {\n    space packed grid(y, x)\n    mask same(y)\n}\n"
    )
    words = [word for size in sizes for word in ("--size", size)]
    assert maskc("show", "p.attn", *words, "-o", "a.svg", cwd=tmp_path).code == 0
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    lines = re.findall(r">([^<>]+)</text>", text)
    assert told in " ".join(lines)
    assert text.count(">items of") == 1


def test_a_line_has_no_neighbourhood():
    assert neighbourhood(*call_of("pattern p = causal", 8), 0) is None


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("streaming_llm", ("--shrink",)),
        pytest.param("streaming_llm", ("--n", 4096), marks=SLOW),
        pytest.param("bigbird", ("--n", 4096), marks=SLOW),
        pytest.param("duo_attention", ("--shrink", "--heads", 8), marks=SLOW),
        pytest.param("packed_documents", ("--input", "doc=0*10,1*20,2*18"), marks=SLOW),
    ],
)
def test_two_runs_give_the_same_bytes(maskc, file, words, kind, tmp_path):
    files = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for draw, path in zip((in_process, maskc), files, strict=True):
        run = draw("show", EXAMPLES / f"{file}.attn", *words, "-o", path, cwd=tmp_path)
        assert (run.code, run.out) == (0, f"{path}\n")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [p.name for p in files]


def test_an_image_says_pattern_lengths_parameters_density_and_axes(maskc, tmp_path):
    (tmp_path / "grids.attn").write_text(GRIDS)
    words = ("--pattern", "plane", "--n", 20, "--size", "y=4", "--size", "x=5", "--query", 3)
    assert maskc("show", "grids.attn", *words, "-o", "a.svg", cwd=tmp_path).code == 0
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for said in ("plane", "20 tokens", "of pairs kept", "y = 4, x = 5", ">key<", ">query<"):
        assert said in text
    assert "seen by the query at y = 0, x = 3" in text
    assert SEEN.lower() not in text, "images hold the colors of cells"


def test_an_image_says_the_density_of_all_heads_and_what_was_made_up(maskc, tmp_path):
    (tmp_path / "p.attn").write_text(
        "pattern p(w: int[head], n: int >= 1) = recent(w) \\ sink(0 * n)\n"
    )
    words = ("--n", 4, "--param", "w=1,1,1,4", "-o", "a.svg")
    assert maskc("show", "p.attn", *words, cwd=tmp_path).code == 0
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert f"{(3 * 4 + 10) / 64:.2%} of pairs kept" in text
    assert text.count(" n = ") + text.count(">n = ") == 1


def test_an_image_says_the_side_of_a_cell_of_two(maskc, tmp_path):
    assert maskc("show", STREAMING, "--n", 600, "-o", tmp_path / "a.svg").code == 0
    assert "a cell is 2 x 2 pairs" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_thin_line_in_a_long_mask_still_shows():
    pattern, call = call_of("pattern p = k == 2000", 4096)

    def layout(side: int) -> list[Cells]:
        row = [1 if left <= 2000 < left + side else 0 for left in range(0, 4096, side)]
        return [[row] * len(row)]

    (panel,) = panels(pattern, call, [0], 128, 8, layout)
    assert (panel.kinds[:, 2000 // 8] == KEPT).all()
    assert (panel.kinds == KEPT).sum() == 512


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-o", "mask.jpg"), ".png or .svg"),
        (("-o", "mask"), ".png or .svg"),
        (("-o", "mask.png", "--json"), "--json"),
        (("-o", "mask.png", "--query", "48"), "0..48"),
        (("--query", "4"), "--out"),
    ],
)
def test_images_that_cannot_be_are_bad_usage(maskc, words, told, tmp_path):
    run = maskc("show", STREAMING, *words, cwd=tmp_path)
    assert run.code == 2
    assert told in run.err
    assert list(tmp_path.iterdir()) == []


def test_an_image_may_be_named_in_capitals(maskc, tmp_path):
    run = maskc("show", STREAMING, "--shrink", "-o", "A.SVG", cwd=tmp_path)
    assert run.code == 0, run.err
    assert b"<svg" in (tmp_path / "A.SVG").read_bytes()


def test_an_image_in_a_folder_that_is_not_there_is_told(maskc, tmp_path):
    run = maskc("show", STREAMING, "--shrink", "-o", "none/a.png", cwd=tmp_path)
    assert run.code == 1
    assert "No such file" in run.err


@pytest.mark.slow
def test_without_matplotlib_an_image_says_how_to_get_it(tmp_path: Path):
    script = "import sys; sys.modules['matplotlib'] = None; from maskc.cli import main; main()"
    words = ("show", STREAMING, "--shrink", "-o", tmp_path / "a.png")
    run = in_shell(*words, command=(sys.executable, "-c", script))
    assert run.code == 1
    assert "an image needs matplotlib: pip install 'maskc[plot]'" in run.err


@pytest.mark.slow
def test_the_terminals_pictures_need_no_matplotlib():
    script = (
        "import sys; from maskc.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'matplotlib', 'numpy'} & set(sys.modules)\n"
    )
    assert in_shell("show", STREAMING, command=(sys.executable, "-c", script)).code == 0
