"""What `make run` shows is true: packing loses nothing, and both parts find no difference."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from examples.demo import exactness, sentences, timing

ROWS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=20), min_size=1, max_size=12)


@given(ROWS, st.integers(20, 50))
def test_packing_keeps_every_token_once_and_restarts_positions(rows, longest):
    batch = sentences.packed(rows, longest)
    assert batch.ids.shape[1] <= longest
    unpacked: dict[int, list[int]] = {}
    for ids, position, doc, order in zip(
        batch.ids.tolist(), batch.position.tolist(), batch.doc.tolist(), batch.order, strict=True
    ):
        for place, index in enumerate(order):
            tokens = [i for i, d in enumerate(doc) if d == place]
            unpacked[index] = [ids[i] for i in tokens]
            assert [position[i] for i in tokens] == list(range(len(tokens)))
    assert [unpacked[i] for i in range(len(rows))] == rows


def test_the_sentences_are_a_few_hundred_of_many_lengths():
    lengths = {len(sentence) for sentence in sentences.sentences()}
    assert len(sentences.sentences()) >= 200
    assert len(lengths) > 100
    assert min(lengths) < 20 < 250 < max(lengths)


@pytest.fixture(autouse=True)
def _few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are shown, not tested: one run each."""
    monkeypatch.setattr(timing, "BUDGET", 0.0)


@pytest.mark.slow
def test_the_first_part_finds_maskc_as_exact_as_dense_attention():
    out = io.StringIO()
    assert exactness.show(Console(file=out, width=100), "cpu", n=1088), out.getvalue()
    assert "density" in out.getvalue()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_second_part_finds_the_embeddings_equal():
    out = io.StringIO()
    assert sentences.show(Console(file=out, width=100), "cpu"), out.getvalue()
    assert "297" in out.getvalue()
