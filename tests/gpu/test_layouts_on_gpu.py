"""What a layout's inputs on a GPU cost a call that finds its layout."""

from __future__ import annotations

import pytest
import torch

import maskc

pytestmark = pytest.mark.gpu


def test_a_known_input_is_not_waited_for():
    packed = maskc.loads("pattern packed {\n input doc: int[k]\n mask document(doc)\n}").packed
    doc = torch.arange(4096, device="cuda") // 100
    call = packed.bind(4096, doc=doc, device="cuda")
    layout = packed.layouts.layout(packed.spec, call, (128, 128))
    torch.cuda.set_sync_debug_mode("error")
    try:
        assert packed.layouts.layout(packed.spec, call, (128, 128)) is layout
    finally:
        torch.cuda.set_sync_debug_mode("default")
    doc.zero_()
    assert packed.layouts.layout(packed.spec, call, (128, 128)) is not layout
