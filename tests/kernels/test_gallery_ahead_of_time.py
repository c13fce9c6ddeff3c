"""The default kernels of every pattern of the gallery, compiled for sm_90 without a GPU.

Kernels of one text are compiled once: patterns differ in the statements of their masks alone, and
some do not even in those. Of 140 patterns 117 have texts of their own; of these all but two are
different to Triton too, by its IR without names.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from gallery.definition import DEFINITIONS, Definition
from gallery.test_gallery import patterns
from kernels.test_ahead_of_time import assert_fits

from benchmarks._ahead_of_time import KERNELS, UNIT, compiled

ARCH, DIM = "sm90", 128

SHARES = 40
"""Parts that the texts are compiled in, so that several processes can take some each."""


def bound(definition: Definition) -> tuple[Any, Any]:
    """The pattern of a definition, and its first call."""
    pattern = patterns(definition.file)[definition.name]
    call = definition.calls[0]
    keywords = call.keywords()
    n_k = keywords.pop("n_k", None)
    inputs = {name: torch.from_numpy(value) for name, value in call.inputs.items()}
    n_q = call.n if call.n_q is None else call.n_q
    return pattern, pattern.bind(n_q, n_k, **keywords, **inputs)


def compiled_from(definition: Definition, kernel: str) -> tuple[object, ...]:
    """What tells compiled kernels apart: text without name, constants, types of other arguments."""
    pattern, call = bound(definition)
    source = pattern.spec.kernels[kernel]
    constants = {parameter.name for parameter in source.params if parameter.is_constexpr}
    taken = tuple(
        (name, value if name in constants else getattr(value, "dtype", type(value)))
        for name, value in pattern.spec.kernels["arguments"](call).items()
    )
    return source.src.replace(f"{definition.name}_{kernel}", kernel), taken


@cache
def distinct(kernel: str) -> tuple[Definition, ...]:
    """One definition for each kernel that is not like another's, in order of the files."""
    found: dict[tuple[object, ...], Definition] = {}
    for definition in sorted(DEFINITIONS, key=lambda each: (each.file, each.name)):
        found.setdefault(compiled_from(definition, kernel), definition)
    return tuple(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("share", range(SHARES))
def test_default_kernels_of_the_gallery_fit(share, kernel):
    members = distinct(kernel)[share::SHARES]
    assert members
    for definition in members:
        assert_fits(compiled(ARCH, kernel, DIM, *bound(definition)), UNIT[ARCH])
