"""The layout against the dense mask, tile by tile."""

from __future__ import annotations

import dataclasses

import handmade
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc.codegen.runtime.binding import bind
from maskc.codegen.runtime.layout import Layout
from maskc.codegen.runtime.runs import row_of_runs
from maskc.codegen.runtime.subdivide import build_layout
from subjects import many, tiles_of

CPU = torch.device("cpu")
BLOCKS = ((16, 16), (16, 32), (32, 16), (48, 16), (5, 7))


def call_of(spec, n_q, n_k, batches=1, heads=1, kv_heads=None, **given):
    """A Call on the CPU."""
    return bind(
        spec,
        given,
        n_q=n_q,
        n_k=n_k,
        batches=batches,
        heads=heads,
        kv_heads=kv_heads or heads,
        device=CPU,
    )


@st.composite
def calls(draw):
    """A spec written by hand, with a call of it."""
    n_k = draw(st.integers(1, 150))
    n_q = draw(st.one_of(st.just(n_k), st.integers(1, 150)))
    batches, heads = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    spec = draw(
        st.sampled_from(
            [
                *(handmade.CAUSAL, handmade.STREAMING, handmade.BLIND, handmade.DOCUMENTS),
                *(handmade.POWERS, handmade.HEADS, handmade.STRIDED, handmade.DRAWN),
            ]
        )
    )
    given = {}
    if spec.params and spec is not handmade.HEADS:
        given = {"window": draw(st.integers(1, 80)), "sinks": draw(st.integers(0, 20))}
    if spec is handmade.HEADS:
        width = st.sampled_from([1, 9, 40, 200])
        given = {"width": draw(st.lists(width, min_size=heads, max_size=heads))}
    if spec is handmade.DOCUMENTS:
        label = st.integers(0, 3)
        doc = draw(st.lists(label, min_size=n_k, max_size=n_k))
        doc = sorted(doc) if draw(st.booleans()) else doc
        rows = [doc if draw(st.booleans()) else doc[::-1] for _ in range(batches)]
        given = {"doc": torch.tensor(rows)}
    return spec, call_of(spec, n_q, n_k, batches, heads, **given)


def expanded(start, runs, n_rows, n_columns, index):
    """Bool [n_rows, n_columns] of the runs of one class, and that they are in order."""
    out = torch.zeros(n_rows, n_columns, dtype=torch.bool)
    for row in range(n_rows):
        first, last = start[index * n_rows + row], start[index * n_rows + row + 1]
        end = -1
        for a, b in runs[first:last].tolist():
            assert end < a < b <= n_columns, "runs are sorted, disjoint and do not touch"
            out[row, a:b] = True
            end = b
    return out


@settings(max_examples=many(5))
@given(calls(), st.sampled_from(BLOCKS))
def test_tiles_are_what_the_points_of_the_mask_say(spec_call, block):
    """FULL, PARTIAL and absent are exact, for every slice, by rows and by columns."""
    spec, call = spec_call
    layout = build_layout(spec, call, block)
    mask = handmade.mask_of(spec, call)
    shape = layout.n_q_tiles, layout.n_k_tiles
    for batch in range(call.batches):
        for head in range(call.heads):
            wanted = tiles_of(mask[batch, head], block)
            assert torch.equal(layout.tiles(batch, head), wanted)
            index = layout.class_index(batch, head)
            for value, name in ((1, "partial"), (2, "full")):
                rows = getattr(layout.rows, name + "_start"), getattr(layout.rows, name)
                columns = getattr(layout.columns, name + "_start"), getattr(layout.columns, name)
                assert torch.equal(expanded(*rows, *shape, index), wanted == value)
                assert torch.equal(expanded(*columns, *shape[::-1], index).T, wanted == value)
    assert all(a.dtype == torch.int32 for a in (*layout.rows.arrays, *layout.columns.arrays))


@settings(max_examples=many(2))
@given(calls(), st.sampled_from(BLOCKS))
def test_counts_of_tiles_and_pairs_are_exact(spec_call, block):
    """Tiles, kept and computed pairs are summed over all batches and heads."""
    spec, call = spec_call
    layout = build_layout(spec, call, block)
    mask = handmade.mask_of(spec, call)
    tiles = [tiles_of(m, block) for m in mask.flatten(0, 1)]
    covers = [
        t.repeat_interleave(block[0], 0)[: call.n_q].repeat_interleave(block[1], 1)[:, : call.n_k]
        for t in tiles
    ]
    assert layout.full_tiles == sum(int((t == 2).sum()) for t in tiles)
    assert layout.partial_tiles == sum(int((t == 1).sum()) for t in tiles)
    assert layout.kept_pairs == int(mask.sum())
    assert layout.computed_pairs == sum(int((c > 0).sum()) for c in covers)
    assert layout.density == pytest.approx(mask.float().mean().item())


@settings(max_examples=many(2))
@given(calls(), st.sampled_from(["q", "k"]))
def test_the_split_hint_changes_no_layout(spec_call, split):
    """Splitting one side first gives the same runs."""
    spec, call = spec_call
    wanted = build_layout(spec, call, (16, 16))
    got = build_layout(dataclasses.replace(spec, split=split), call, (16, 16))
    for a, b in zip(
        wanted.rows.arrays + wanted.columns.arrays,
        got.rows.arrays + got.columns.arrays,
        strict=True,
    ):
        assert torch.equal(a, b)


def test_million_tokens_of_window_and_sinks_have_the_published_tiles():
    """57,316 full and 24,559 partial tiles within 1 MiB."""
    layout = build_layout(
        handmade.STREAMING, call_of(handmade.STREAMING, 1 << 20, 1 << 20), (128, 128)
    )
    assert (layout.full_tiles, layout.partial_tiles) == (57_316, 24_559)
    assert layout.nbytes <= 1 << 20


def test_million_tokens_of_causal_cost_runs_not_tiles():
    """33 million full tiles are 8,191 runs."""
    layout = build_layout(handmade.CAUSAL, call_of(handmade.CAUSAL, 1 << 20, 1 << 20), (128, 128))
    assert layout.full_tiles == 8192 * 8191 // 2
    assert layout.rows.full.shape == (8191, 2)
    assert layout.columns.full.shape == (8191, 2)


def test_million_tokens_of_a_period_are_proved_without_reading_each_tile():
    """Where hits hold for every tile of a rectangle, mixed rectangles are kept whole."""
    layout = build_layout(handmade.STRIDED, call_of(handmade.STRIDED, 1 << 20, 1 << 20), (128, 128))
    assert layout.partial_tiles == 8192 * 8193 // 2
    assert layout.rows.partial.shape == (8192, 2)


def test_heads_with_equal_masks_share_a_class():
    """Classes are numbered by their first slice."""
    call = call_of(handmade.HEADS, 200, 200, 2, 4, width=[5, 90, 5, 90])
    layout = build_layout(handmade.HEADS, call, (16, 16))
    assert layout.class_of.tolist() == [[0, 1, 0, 1], [0, 1, 0, 1]]
    assert layout.class_of.dtype == torch.int32
    assert layout.rows.full_start.numel() == 2 * layout.n_q_tiles + 1


def test_kept_pairs_differ_inside_a_class():
    """Two heads of one layout may keep different pairs."""
    call = call_of(handmade.HEADS, 64, 64, 1, 2, width=[5, 6])
    layout = build_layout(handmade.HEADS, call, (16, 16))
    assert layout.n_classes == 1
    assert layout.kept_pairs == int(handmade.mask_of(handmade.HEADS, call).sum())


@pytest.mark.parametrize("lengths", [(0, 5), (5, 0), (0, 0)])
@pytest.mark.parametrize(
    ("spec", "given"), [(handmade.CAUSAL, {}), (handmade.HEADS, {"width": [1, 2, 3]})]
)
def test_no_queries_or_no_keys_give_an_empty_layout(lengths, spec, given):
    """Nothing is read and nothing is kept."""
    layout = build_layout(spec, call_of(spec, *lengths, 2, 3, **given), (16, 16))
    assert layout.full_tiles == layout.partial_tiles == layout.kept_pairs == 0
    assert layout.tiles(1, 2).shape == (layout.n_q_tiles, layout.n_k_tiles)
    assert layout.amplification == 1.0


@given(calls())
def test_saving_and_loading_keeps_everything(tmp_path_factory, spec_call):
    """A loaded layout has equal arrays and knows its kept pairs."""
    spec, call = spec_call
    layout = build_layout(spec, call, (16, 32))
    path = tmp_path_factory.mktemp("layout") / "x.layout"
    layout.save(path)
    loaded = Layout.load(path)
    assert loaded.explain() == layout.explain()
    for a, b in zip(layout.columns.arrays, loaded.columns.arrays, strict=True):
        assert torch.equal(a, b)
    assert [p.name for p in path.parent.iterdir()] == ["x.layout"]


@given(calls())
def test_compressed_rows_and_block_map_agree_with_the_tiles(spec_call):
    """Other forms of the layout hold the same tiles."""
    spec, call = spec_call
    layout = build_layout(spec, call, (16, 16))
    tiles = layout.tiles(call.batches - 1, call.heads - 1)
    start, tile, kind = layout.to_csr(call.batches - 1, call.heads - 1)
    rebuilt = torch.zeros_like(tiles)
    rebuilt[row_of_runs(start), tile] = kind
    assert torch.equal(rebuilt, tiles)
    assert torch.equal(layout.to_block_map()[-1, -1], tiles > 0)


def test_the_printed_layout_names_pattern_tiles_and_bytes():
    """A small table, of a few lines."""
    layout = build_layout(handmade.STREAMING, call_of(handmade.STREAMING, 4096, 4096), (128, 128))
    text = repr(layout)
    assert text.startswith("Layout of streaming: 4,096 queries x 4,096 keys, tiles 128 x 128")
    assert f"full     {layout.full_tiles:>14,}" in text
    assert len(text.splitlines()) == 6


def test_a_slice_that_is_not_there_is_an_error():
    """Batch and head are checked."""
    layout = build_layout(handmade.CAUSAL, call_of(handmade.CAUSAL, 32, 32), (16, 16))
    with pytest.raises(ValueError, match=r"slice \(0, 1\) is outside \[1, 1\]"):
        layout.tiles(0, 1)


@settings(max_examples=many(2))
@given(calls(), st.sampled_from(BLOCKS), st.sampled_from(["both", "q", "k"]))
def test_columns_found_from_the_borders_of_rows_are_those_of_the_pieces(spec_call, block, split):
    """A pile of many pieces gives the same runs, whichever way it was filled."""
    from maskc.codegen.runtime import runs

    spec, call = spec_call
    spec = dataclasses.replace(spec, split=split)
    wanted = build_layout(spec, call, block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "MOST_PIECES", 0)
        got = build_layout(spec, call, block)
    for a, b in zip(
        (*wanted.rows.arrays, *wanted.columns.arrays),
        (*got.rows.arrays, *got.columns.arrays),
        strict=True,
    ):
        assert torch.equal(a, b)


def test_tile_rows_are_cut_where_the_reading_is_blind_over_a_whole_one():
    """Two blocks of 24 queries in a tile of 48: parts of 24 are read, and make the same tiles."""
    from maskc.codegen.runtime.reader import Reader
    from maskc.codegen.runtime.subdivide import tile_parts

    call = call_of(handmade.DRAWN, 700, 700)
    assert tile_parts(Reader(handmade.DRAWN, call, (48, 32))) == (2, 1)
    assert tile_parts(Reader(handmade.DRAWN, call, (24, 32))) == (1, 1)
    layout = build_layout(handmade.DRAWN, call, (48, 32))
    mask = handmade.mask_of(handmade.DRAWN, call)[0, 0]
    assert torch.equal(layout.tiles(), tiles_of(mask, (48, 32)))
    assert layout.kept_pairs == int(mask.sum())
    columns = expanded(layout.columns.full_start, layout.columns.full, 22, 15, 0).T
    assert torch.equal(columns, layout.tiles() == 2)


def test_slices_are_told_apart_by_floats_and_by_what_a_layer_leaves_out():
    floats = maskc.loads(
        "pattern p {\n input r: float[head]\n mask if r > 0.5 then q - k < 3 else k < 2\n}"
    ).p
    found = floats.layout(300, heads=3, r=torch.tensor([0.7, 0.1, 0.7]), block=(16, 16))
    assert found.class_of.tolist() == [[0, 1, 0]]
    shifted = maskc.loads(
        "pattern p {\n let w = if head == 1 then 8 else 99\n"
        " let shift = if layer == 1 then w // 2 else 0\n"
        " mask (q - shift) // w == (k - shift) // w\n}"
    ).p
    for layer in range(2):
        found = shifted.layout(300, heads=3, layer=layer, n_layers=2, block=(16, 16))
        assert found.class_of.tolist() == [[0, 1, 0]]
