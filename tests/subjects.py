"""What properties run over: drawn specs with drawn calls, and the examples of the gallery."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

import maskc
from maskc import syntax
from maskc.grammar.parse import parse, source
from maskc.grammar.unparse import unparse
from maskc.testing import FEATURES, Call, assert_matches_dense, calls, specs
from maskc.testing.trees import NAME
from meaning import Meaning

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.attn"))


def share(of: int) -> int:
    """One of `of` parts of the profile's number of examples, for what is slow or needs few."""
    return max(settings.default.max_examples // of, 2)


def many(times: int) -> int:
    """So many times the profile's number of examples, for what takes next to no time."""
    return settings.default.max_examples * times


def slow(values: Iterable[Any]) -> list[Any]:
    """Values of a parametrised test that say the same as others, once more: not for each edit."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def tiles_of(mask: torch.Tensor, block: tuple[int, int]) -> torch.Tensor:
    """The tiles of a dense mask: uint8 [n_q_tiles, n_k_tiles], 0 absent, 1 partial, 2 full.

    Args:
        mask: bool [n_q, n_k]; pairs that a last tile has beyond it do not count.
        block: the sides of a tile.

    """
    n_rows, n_columns = (-(-n // size) for n, size in zip(mask.shape, block, strict=True))

    def tiles(beyond: bool) -> torch.Tensor:
        whole = mask.new_full((n_rows * block[0], n_columns * block[1]), beyond)
        whole[: mask.shape[0], : mask.shape[1]] = mask
        return whole.view(n_rows, block[0], n_columns, block[1]).transpose(1, 2).flatten(2)

    return tiles(False).any(-1).to(torch.uint8) + tiles(True).all(-1)


@dataclass(frozen=True, repr=False)
class Case:
    """A spec, its compiled pattern and one call."""

    tree: syntax.File
    pattern: Any = field(compare=False)
    call: Call

    def __repr__(self) -> str:
        """The `.attn` text and the call, to paste."""
        return f"\n{unparse(self.tree)}\n{self.call!r}"

    @property
    def meaning(self) -> Meaning:
        """What the spec means under the call, independently of the compiler."""
        return meaning_of(self.tree, self.pattern.spec.name, self.call)

    def mask(self) -> torch.Tensor:
        """The mask by that meaning: bool [batch, heads, n_q, n_k]."""
        return torch.from_numpy(self.meaning.mask())

    def score(self, s: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The logits by that meaning: float64 [batch, heads, n_q, n_k]."""
        return meaning_of(self.tree, self.pattern.spec.name, self.call, inputs).score(s)

    def sinks(self, inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The logits of all sinks by that meaning: each broadcasts to [batch, heads, n_q]."""
        meaning = meaning_of(self.tree, self.pattern.spec.name, self.call, inputs)
        logit = meaning.sink_logit()
        count = torch.from_numpy(meaning.sink_count().astype("float64")).clamp(min=0).log()
        return (count[..., 0],) if logit is None else (count[..., 0], logit[..., 0])

    def assert_matches(self, backend: str) -> None:
        """Out and gradients are those of the meaning."""
        assert_matches_dense(
            *(self.pattern, self.call, backend),
            mask=self.mask(),
            score=self.score,
            sinks=self.sinks,
        )


def meaning_of(
    tree: syntax.File, name: str, call: Call, inputs: Mapping[str, torch.Tensor] | None = None
) -> Meaning:
    """The meaning of one pattern of a tree under a call, with some inputs in place of its own."""
    return Meaning(
        tree,
        name,
        n_q=call.n_q,
        n_k=call.n_k,
        batch=call.batch,
        heads=call.heads,
        kv_heads=call.kv_heads,
        layer=call.layer,
        n_layers=call.n_layers,
        params=call.params,
        inputs=call.input_tensors() | dict(inputs or {}),
        grid=call.grid,
        segments=call.segments or {},
    )


def tree_of(text: str) -> syntax.File:
    """The syntax tree of a text."""
    return parse(source(text, "spec.attn"))


@st.composite
def cases(
    draw: Any,
    max_tokens: int = 40,
    dtypes: Sequence[str] = ("float32",),
    head_dims: Sequence[tuple[int, int]] = ((16, 16),),
    features: Collection[str] = FEATURES,
) -> Case:
    """A drawn spec, compiled, with a drawn call."""
    tree = draw(specs(features))
    pattern = getattr(maskc.loads(unparse(tree)), NAME)
    return Case(tree, pattern, draw(calls(pattern, max_tokens, dtypes, head_dims)))


@cache
def example(path: Path) -> tuple[syntax.File, dict[str, Any]]:
    """The tree of an example and its compiled patterns by name."""
    return tree_of(path.read_text(encoding="utf-8")), vars(maskc.load(path))


@st.composite
def example_cases(draw: Any, path: Path, max_tokens: int = 40, **options: Any) -> Case:
    """A drawn call of one pattern of an example."""
    tree, patterns = example(path)
    name = draw(st.sampled_from(sorted(patterns)))
    return Case(tree, patterns[name], draw(calls(patterns[name], max_tokens, **options)))
