"""A generated module where Triton is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
sys.modules["triton"] = None
import torch
import maskc
local = maskc.loads("pattern local(w: int >= 1 = 4) = recent(w)").local
x = torch.randn(1, 1, 20, 16)
print(torch.allclose(local(x, x, x), local(x, x, x, backend="dense"), atol=1e-5))
try:
    local(x, x, x, backend="triton")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_module_imports_and_computes_without_triton():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert lines[0] == "True"
    assert "wants" in lines[1]
