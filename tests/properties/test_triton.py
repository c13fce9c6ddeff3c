"""Runs `tests/interpreted` where Triton interprets its kernels: in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INTERPRETED = Path(__file__).parents[1] / "interpreted"


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(INTERPRETED.glob("test_*.py")), ids=lambda p: p.stem)
def test_kernels_hold_under_the_interpreter(file, request):
    profile = request.config.getoption("--hypothesis-profile") or "ci"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--hypothesis-profile={profile}", str(file)]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
