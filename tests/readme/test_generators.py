"""The generators write all or nothing, and say in one line what stands in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docs import gallery, generate, writing

SPEC = """# system: S001
# explain: --n 256

## A window.
pattern near_by(n: int >= 1 = 16) = recent(n)
"""


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gallery of one file that has not been measured."""
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / "near.attn").write_text(SPEC, encoding="utf-8")
    (folder / "systems.json").write_text('{"S001": {"title": "Windows"}}', encoding="utf-8")
    monkeypatch.setattr(gallery, "EXAMPLES", folder)
    monkeypatch.setattr(gallery, "PICTURES", folder / "pictures")
    monkeypatch.setattr(gallery, "FIGURES", folder / "gallery.json")
    monkeypatch.setattr(gallery, "SYSTEMS", folder / "systems.json")
    monkeypatch.setattr("sys.argv", ["docs.gallery"])
    return folder


def names(folder: Path) -> set[str]:
    """All files under a folder."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_measured_file_has_its_figures_and_its_picture(examples: Path):
    assert writing.run(gallery.main, "docs.gallery") == 0
    told = json.loads((examples / "gallery.json").read_text(encoding="utf-8"))
    assert told["near.attn"]["rows"][0]["n_q"] == 256
    assert (examples / "pictures" / "near_by.png").read_bytes().startswith(b"\x89PNG")
    assert "near_by" in gallery.page()


def test_a_file_is_measured_again_if_it_changes_or_loses_its_picture(examples: Path, capsys):
    def measured() -> str:
        assert writing.run(gallery.main, "docs.gallery") == 0
        return capsys.readouterr().out

    assert [measured(), measured()] == ["near.attn\n", ""]
    (examples / "pictures" / "near_by.png").unlink()
    assert [measured(), measured()] == ["near.attn\n", ""]
    (examples / "near.attn").write_text(SPEC.replace("16", "8"), encoding="utf-8")
    assert [measured(), measured()] == ["near.attn\n", ""]


def test_a_digest_covers_used_files_and_those_that_they_use(examples: Path):
    spec = examples / "near.attn"
    alone = gallery.digest(spec)
    (examples / "parts").mkdir()
    (examples / "far.attn").write_text("def far = k == 0\n", encoding="utf-8")
    middle = 'use "../far.attn"\nuse "../near.attn"\ndef both = far\n'
    (examples / "parts" / "middle.attn").write_text(middle, encoding="utf-8")
    assert gallery.digest(spec) == alone
    spec.write_text(f'{SPEC}use "parts/middle.attn"\n', encoding="utf-8")
    digests = [gallery.digest(spec)]
    for path in (spec, examples / "parts" / "middle.attn", examples / "far.attn"):
        path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        digests.append(gallery.digest(spec))
    assert len({alone, *digests}) == 5


def test_figures_are_not_written_where_pictures_cannot_be(examples: Path, capsys):
    (examples / "pictures").write_text("a file, not a folder", encoding="utf-8")
    before = names(examples)
    assert writing.run(gallery.main, "docs.gallery") == 1
    told = capsys.readouterr().err
    assert told.startswith("docs.gallery: ")
    assert told.count("\n") == 1
    assert "near_by.png" in told
    assert names(examples) == before


def test_pictures_are_not_written_where_figures_cannot_be(examples: Path, monkeypatch, capsys):
    gone = examples / "near.attn" / "gallery.json"
    monkeypatch.setattr(gallery, "FIGURES", gone)
    before = names(examples)
    assert writing.run(gallery.main, "docs.gallery") == 1
    assert capsys.readouterr().err.startswith(f"docs.gallery: {gone}: ")
    assert names(examples) == before


@pytest.mark.parametrize(
    ("kept", "said"),
    [(None, "is not there"), ("{", "is no JSON"), ("{}", "has not been measured")],
)
def test_pages_without_figures_say_what_makes_them(
    examples: Path, kept: str | None, said: str, capsys
):
    if kept is not None:
        (examples / "gallery.json").write_text(kept, encoding="utf-8")
    assert writing.run(generate.main, "docs.generate") == 1
    told = capsys.readouterr().err
    assert said in told
    assert "`python -m docs.gallery`" in told
    assert told.count("\n") == 1


def test_an_example_with_an_error_is_told_as_maskc_tells_it(examples: Path, capsys):
    (examples / "near.attn").write_text(SPEC.replace("recent", "recnt"), encoding="utf-8")
    assert writing.run(gallery.main, "docs.gallery") == 1
    assert "error[unknown-name]" in capsys.readouterr().err


def test_a_setting_that_explain_refuses_is_told_in_its_words(examples: Path, capsys):
    (examples / "near.attn").write_text(SPEC.replace("--n 256", "--n many"), encoding="utf-8")
    assert writing.run(gallery.main, "docs.gallery") == 1
    told = capsys.readouterr().err
    assert told.startswith("docs.gallery: ")
    assert "many" in told


def test_files_that_are_written_together_are_all_old_or_all_new(tmp_path: Path):
    first, second = tmp_path / "first", tmp_path / "file" / "second"
    first.write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(OSError, match="second"):
        writing.write({first: b"new", second: b"new"})
    assert first.read_bytes() == b"old"
    assert names(tmp_path) == {"first", "file"}
    writing.write({first: b"new"})
    assert first.read_bytes() == b"new"


def test_a_file_that_does_not_differ_is_left_alone(tmp_path: Path):
    (tmp_path / "page").write_bytes(b"same")
    before = (tmp_path / "page").stat().st_ino
    writing.write({tmp_path / "page": b"same"})
    assert (tmp_path / "page").stat().st_ino == before
