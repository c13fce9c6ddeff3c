"""The Triton kernels of every pattern of the gallery against dense attention."""

from __future__ import annotations

import pytest
from gallery.attention import assert_as_dense
from gallery.definition import DEFINITIONS, Definition
from gallery.test_gallery import patterns


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: f"{d.file}-{d.name}")
@pytest.mark.filterwarnings("ignore:the gradient of input:UserWarning")
def test_kernels_of_the_gallery_attend_as_dense_attention(definition: Definition):
    pattern = patterns(definition.file)[definition.name]
    assert_as_dense(pattern, definition.calls[0], "triton")
