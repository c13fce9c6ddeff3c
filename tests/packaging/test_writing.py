"""A module is written whole, or the old one stays."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.shell import in_process

from maskc import pipeline

KILLED = """
import os, signal, sys
from pathlib import Path
from maskc import pipeline
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
pipeline.compile_file(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spec.attn"
    path.write_text("pattern p = causal\n")
    return path


@pytest.fixture
def old(spec: Path) -> Path:
    """A module that stands where the new one goes."""
    path = spec.parent / "out" / "spec.py"
    path.parent.mkdir()
    path.write_text("old = True\n")
    return path


@pytest.mark.slow
def test_a_killed_compile_leaves_the_old_module(spec, old):
    """In the last moment before the new one takes its place."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(spec), str(old.parent)])
    assert done.returncode == -signal.SIGKILL
    assert old.read_text() == "old = True\n"


@pytest.mark.parametrize("failing", ["fdopen", "chmod", "replace"])
def test_an_interrupted_compile_leaves_the_old_module_and_nothing_else(
    spec, old, failing, monkeypatch
):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, failing, interrupt)
    with pytest.raises(KeyboardInterrupt):
        pipeline.compile_file(spec, old.parent)
    assert [path.name for path in old.parent.iterdir()] == ["spec.py"]
    assert old.read_text() == "old = True\n"


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_the_old_module(spec, old):
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = [sys.executable, "-c", "from maskc.cli import main; main()", "compile", str(spec)]
    command += ["-o", str(old.parent)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=small)
    assert done.returncode == 1
    assert f"{old}: File too large" in done.stderr
    assert [path.name for path in old.parent.iterdir()] == ["spec.py"]
    assert old.read_text() == "old = True\n"


def test_a_folder_in_the_modules_place_is_told_by_its_name(spec, tmp_path):
    (tmp_path / "out" / "spec.py").mkdir(parents=True)
    run = in_process("compile", spec, "-o", tmp_path / "out")
    assert run.code == 1
    assert run.err.strip() == f"error: {tmp_path / 'out' / 'spec.py'}: Is a directory"


@pytest.mark.parametrize("out", ["spec.attn", "spec.attn/below", "/proc/nowhere"])
def test_a_place_that_takes_no_files_is_told(spec, tmp_path, out):
    run = in_process("compile", spec, "-o", tmp_path / out)
    assert run.code == 1
    assert run.err.startswith("error: ")
    assert out.split("/")[-1] in run.err


def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path):
    path = tmp_path / f"{'a' * 250}.attn"
    path.write_text("pattern p = causal\n")
    assert pipeline.compile_file(path, tmp_path / "out").exists()


def test_a_compiled_file_is_readable_by_all_whatever_stood_there(spec, tmp_path):
    target = tmp_path / "elsewhere.py"
    target.write_text("mine = True\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "spec.py").symlink_to(target)
    written = pipeline.compile_file(spec, tmp_path / "out")
    assert written.stat().st_mode & 0o777 == 0o644 and not written.is_symlink()
    assert target.read_text() == "mine = True\n"
