"""The forward kernel of every pattern of the gallery, compiled for sm_90 without a GPU.

Kernels of one text are compiled once: patterns differ in the statements of their masks alone, and
some do not even in those.
"""

from __future__ import annotations

import pytest
import torch
from gallery.definition import DEFINITIONS, Definition
from gallery.test_gallery import patterns
from kernels.test_ahead_of_time import assert_fits

from benchmarks.ahead_of_time import MOST_SHARED, UNIT, compiled

ARCH, DIM, KERNEL = "sm90", 128, "forward"

READ_AT_PAIRS = frozenset(
    {
        *("aggregate", "broadcast", "longvq", "music_transformer", "local_music_transformer"),
        *("halonet_relative", "hat_windows", "hat_overlapping", "mobile_sam", "swin_with_bias"),
    }
)
"""Patterns that read a tensor at every pair of a tile: the default tile spills up to 1 KiB, or
needs more shared memory than there is and gives way to the next."""


def text_of(definition: Definition) -> str:
    """The forward kernel, its name aside."""
    kernel = patterns(definition.file)[definition.name].spec.kernels[KERNEL]
    return kernel.src.replace(f"{definition.name}_{KERNEL}", KERNEL)


def distinct() -> list[Definition]:
    """One definition for each text, in order of the files."""
    found: dict[str, Definition] = {}
    for definition in DEFINITIONS:
        found.setdefault(text_of(definition), definition)
    return sorted(found.values(), key=lambda each: (each.file, each.name))


def forward(definition: Definition, place: int = 0):
    """The compiled forward kernel."""
    pattern = patterns(definition.file)[definition.name]
    call = definition.calls[0]
    keywords = call.keywords()
    n_k = keywords.pop("n_k", None)
    inputs = {name: torch.from_numpy(value) for name, value in call.inputs.items()}
    bound = pattern.bind(call.n if call.n_q is None else call.n_q, n_k, **keywords, **inputs)
    return compiled(ARCH, KERNEL, DIM, pattern, bound, place=place)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["language", "vision", "video", "structured", "hybrid"])
def test_default_kernels_of_the_gallery_fit(family):
    members = [each for each in distinct() if each.file.startswith(family)]
    assert members
    for each in members:
        if each.name not in READ_AT_PAIRS:
            assert_fits(forward(each), UNIT[ARCH])


@pytest.mark.slow
def test_where_the_default_does_not_fit_another_tile_does():
    reading = [each for each in DEFINITIONS if each.name in READ_AT_PAIRS]
    assert {each.name for each in reading} == READ_AT_PAIRS
    for each in reading:
        kernel = forward(each, place=-1)
        assert kernel.shared <= MOST_SHARED[ARCH], (each.name, kernel)
        assert kernel.tensor_core == UNIT[ARCH], (each.name, kernel)
