"""After `import maskc.hook`, `.attn` files are modules."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import maskc
import maskc.hook


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path, forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    importlib.invalidate_caches()
    return tmp_path


def test_a_spec_in_a_folder_is_a_module(folder):
    (folder / "hooked").mkdir()
    (folder / "hooked" / "local.attn").write_text("pattern near_by(w: int = 2) = recent(w)")
    module = importlib.import_module("hooked.local")
    assert module.near_by.dense_mask(3)[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_a_python_module_of_the_same_name_wins(folder):
    (folder / "twice.attn").write_text("pattern p = causal")
    (folder / "twice.py").write_text("p = 'python'")
    assert importlib.import_module("twice").p == "python"


def test_errors_of_the_spec_are_errors_of_the_import(folder):
    (folder / "wrong_spec.attn").write_text("pattern p = casual")
    with pytest.raises(maskc.MaskcError, match="casual"):
        importlib.import_module("wrong_spec")


def test_other_missing_modules_are_still_missing(folder):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_anywhere")


def test_installing_twice_leaves_one_finder():
    maskc.hook.install()
    assert sum(isinstance(f, maskc.hook.SpecFinder) for f in sys.meta_path) == 1
