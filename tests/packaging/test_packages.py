"""What is installed is what stands in the tree, and the pins cover it for every Python."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
HOMES = {"maskc": ROOT / "maskc", "grammar": ROOT / "grammar", "codegen": ROOT / "codegen"}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
DATA = {".attn", ".lark", ".json"}

PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]

ONLY_NEWER = {"jax", "jaxlib", "ml-dtypes", "opt-einsum", "scipy"}
ONLY_OLDER = {"exceptiongroup", "six", "tomli"}
"""Packages that are needed from Python 3.11 on, and before it."""


def strings(key: str) -> list[str]:
    """The strings of a list in pyproject.toml (Python 3.10 has no reader of it)."""
    found = re.search(rf"^{key} = \[(.*?)\]$", PROJECT, re.DOTALL | re.MULTILINE)
    assert found, f"pyproject.toml has no list {key}"
    return [quoted.strip('"') for quoted in re.findall(r"\"[^\"]*\"", found[1])]


def packages_of_the_tree() -> list[str]:
    """Every folder with Python files, by its installed name."""
    names = set()
    for home, folder in HOMES.items():
        for file in folder.rglob("*.py"):
            parts = file.parent.relative_to(ROOT).parts
            names.add(".".join(parts if home == "maskc" else ("maskc", *parts)))
    return sorted(names)


def test_the_package_list_is_the_tree():
    assert strings("packages") == packages_of_the_tree()


def test_every_package_is_one():
    missing = [
        str(file.parent)
        for folder in HOMES.values()
        for file in folder.rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    ]
    assert missing == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The files of the wheel that `pip install .` builds."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder)]
    copy = folder / "source"
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    for name in ("maskc", "grammar", "codegen", "pyproject.toml", "README.md"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(copy)], check=True)
    subprocess.run([sys.executable, "-m", "pip", *words, str(copy)], check=True, cwd=folder)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(wheel):
    wanted = {
        "/".join((*(() if home == "maskc" else ("maskc",)), *file.relative_to(ROOT).parts))
        for home, folder in HOMES.items()
        for file in folder.rglob("*")
        if file.suffix in DATA | {".py"}
    }
    assert wanted - set(wheel) == set()


@pytest.mark.slow
def test_the_wheel_leaks_no_other_top_level_name(wheel):
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"maskc"}


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_has_one_pin_for_each_python(python):
    environment = {**default_environment(), "python_version": python}
    names = [pin.name for pin in PINS if not pin.marker or pin.marker.evaluate(environment)]
    assert sorted(set(names)) == sorted(names)
    assert {pin.name for pin in PINS} - set(names) <= ONLY_NEWER | ONLY_OLDER


def test_the_pins_satisfy_the_projects_own_requirements():
    wanted = [Requirement(text) for key in ("dependencies", "run", "plot", "test", "dev", "demo")
              for text in strings(key)]  # fmt: skip
    assert wanted
    for requirement in wanted:
        pins = [pin for pin in PINS if pin.name == requirement.name]
        assert pins, requirement
        for pin in pins:
            (exact,) = pin.specifier
            assert exact.operator == "=="
            assert Version(exact.version) in requirement.specifier


def test_the_compiler_depends_on_neither_torch_nor_triton():
    names = {Requirement(text).name for text in strings("dependencies")}
    assert names == {"lark", "networkx", "click", "rich"}


def test_ci_runs_the_readmes_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^make test\b", readme, re.MULTILINE)
    assert re.search(r"^make test$", script, re.MULTILINE)
