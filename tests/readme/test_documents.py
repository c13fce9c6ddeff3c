"""What the documents say is so: commands run, snippets run, generated pages are up to date."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli.shell import COMMAND, in_process, in_shell

from docs import figures, gallery, generate
from subjects import slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "examples" / "README.md"])


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


COMMANDS = [
    line.split("#")[0].strip() for block in blocks(README, "shell") for line in block.splitlines()
]


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("maskc")])
def test_commands_of_the_readme_run(command, tmp_path):
    words = ["bash", "-c", command.replace("maskc", f"'{COMMAND}'", 1)]
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_readme_starts_with_the_two_commands():
    assert [command for command in COMMANDS[:2]] == ["make run", "make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)
    named = re.findall(
        r"\bmake ([a-z-]+)\b(?=`|$|\s+#)", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert set(named) <= set(targets)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_are_run_exist(page):
    named = re.findall(r"\bpython -m (\w+(?:\.\w+)*)(?: (\w+))?", page.read_text(encoding="utf-8"))
    for module, command in named:
        assert importlib.util.find_spec(module) is not None
        if module == "benchmarks" and command:
            assert importlib.util.find_spec(f"benchmarks.{command}") is not None


def test_the_picture_of_the_readme_is_what_show_draws():
    command = next(c for c in COMMANDS if c.startswith("maskc show"))
    drawn = in_process(*command.split()[1:]).out
    assert drawn.rstrip("\n") == blocks(README, "text")[0].rstrip("\n")


def test_the_spec_of_the_readme_is_the_example():
    spec = (ROOT / "examples" / "streaming_llm.attn").read_text(encoding="utf-8")
    assert blocks(README, "attn")[0] in spec


@pytest.mark.slow
def test_snippets_of_the_readme_run(tmp_path, monkeypatch):
    in_shell("compile", ROOT / "examples" / "streaming_llm.attn", "-o", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    source = "\n".join(blocks(README, "python"))
    test = doctest.DocTestParser().get_doctest(source, {}, "README.md", "README.md", 0)
    told: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert results.attempted > 10
    assert results.failed == 0, "".join(told)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    missing = [x for x in links if x and ":" not in x and not (page.parent / x).exists()]
    assert missing == []


SPECS = {
    page: found for page in PAGES if (found := blocks(page.read_text(encoding="utf-8"), "attn"))
}


@pytest.mark.parametrize("page", SPECS, ids=lambda page: page.name)
def test_specs_in_documents_compile(page, tmp_path):
    for i, text in enumerate(SPECS[page]):
        (tmp_path / f"block_{i}.attn").write_text(text, encoding="utf-8")
        run = in_process("check", tmp_path / f"block_{i}.attn")
        assert run.code == 0, f"{text}\n{run.err}"


def test_generated_pages_are_up_to_date():
    for path, text in generate.outputs().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is old: make docs"


@pytest.mark.parametrize("file", gallery.files(), ids=lambda file: file.stem)
def test_figures_of_examples_are_of_the_files_as_they_are(file):
    name = file.relative_to(gallery.EXAMPLES).as_posix()
    kept = json.loads(gallery.FIGURES.read_text(encoding="utf-8"))[name]
    assert kept["sha256"] == gallery.digest(file), "it has changed: python -m docs.gallery"
    assert kept["rows"]
    assert all(gallery.picture(file, row).is_file() for row in kept["rows"])


@pytest.mark.parametrize(
    "name", ["streaming_llm.attn", *slow(["vision/dinat.attn", "hybrid/rat.attn"])]
)
def test_figures_of_examples_are_measured_again(name):
    file = gallery.EXAMPLES / name
    kept = json.loads(gallery.FIGURES.read_text(encoding="utf-8"))[name]
    found = gallery.measured(file)
    for row in found["rows"]:
        drawn = gallery.png(row.pop("drawn"))
        assert gallery.picture(file, row).read_bytes() == drawn
    assert found == kept


def test_times_in_the_readme_are_those_that_are_kept():
    kept = json.loads((figures.RESULTS / "cpu.json").read_text(encoding="utf-8"))["results"]
    by_call = {(row["pattern"], row["tokens"], row["dtype"]): row for row in kept}
    table = README.split("| pattern | float32 |")[1].split("\n\n")[0].splitlines()[2:]
    assert table
    for line in table:
        name, *told = (cell.strip(" `") for cell in line.strip("|").split("|"))
        rows = [by_call[name, 16384, dtype] for dtype in ("float32", "bfloat16")]
        times = [row[key] for row in rows for key in ("maskc_ms", "flex_ms")]
        assert told == [f"{time:,.0f}" for time in times]
    ratios = [row["backward_ms"] / row["maskc_ms"] for row in kept]
    assert f"takes {min(ratios):.1f} to {max(ratios):.1f} times the forward" in README


def test_every_system_is_written_or_said_not_to_be():
    systems = json.loads(gallery.SYSTEMS.read_text(encoding="utf-8"))
    written = {key for file in gallery.files() for key in gallery.systems_of(file)}
    outside = {key for key, system in systems.items() if "outside" in system}
    assert written | outside == systems.keys()
    assert not written & outside


def test_numbers_of_examples_in_the_documents_are_right():
    words = {11: "Eleven"}
    files = list((ROOT / "examples").glob("*.attn"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"{words[len(files)]} examples to begin with" in changelog
