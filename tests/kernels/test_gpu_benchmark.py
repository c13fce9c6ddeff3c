"""The benchmark that needs a GPU, tried without one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_a_few_tokens(tmp_path):
    output = tmp_path / "gpu.json"
    command = [sys.executable, "-m", "benchmarks", "gpu", "--tiny", "-o", str(output)]
    command += ["--dtype", "float32"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    record = json.loads(output.read_text())
    assert {"device", "torch", "triton", "commit"} <= set(record["machine"])
    ours = {row["pattern"]: row for row in record["results"] if row["peer"] == "maskc"}
    assert set(ours) == {path.stem for path in (ROOT / "examples").glob("*.attn")}
    assert all(row["forward_ms"] > 0 and row["backward_ms"] > 0 for row in ours.values())
    checked = {row["pattern"] for row in record["results"] if row["note"] == "matches"}
    assert checked == set(ours)
    flex = [row for row in record["results"] if row["peer"] == "flex_attention"]
    assert len(flex) == len(ours)
    for row in flex:
        difference = float(row["note"].split()[4])
        assert difference < 1e-5, row


def test_without_a_gpu_the_benchmark_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    assert end.value.code == 2
    assert "there is no GPU here; --tiny tries the command without one" in capsys.readouterr().err
