"""`maskc fmt` and `maskc new`: files change as promised, and only then."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.shell import COMMAND, EXAMPLES, ROOT, in_process, in_shell
from maskc import pipeline
from maskc.cli import main

LOOSE = "pattern p=causal&  sink( 3 ) # why\n"
NEAT = "pattern p = causal & sink(3)  # why\n"
WRONG = "pattern p = (\n"


def file(folder: Path, text: str | bytes, name: str = "x.attn") -> Path:
    """A file with exactly these bytes."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_files_take_the_form_and_are_named(maskc, tmp_path):
    loose, neat = file(tmp_path, LOOSE, "a.attn"), file(tmp_path, NEAT, "b.attn")
    before = neat.stat().st_mtime_ns
    run = maskc("fmt", "a.attn", "b.attn", cwd=tmp_path)
    assert (run.code, run.out, run.err) == (0, "a.attn\n", "")
    assert loose.read_text() == neat.read_text() == NEAT
    assert neat.stat().st_mtime_ns == before
    assert maskc("fmt", "a.attn", cwd=tmp_path).out == ""
    assert sorted(os.listdir(tmp_path)) == ["a.attn", "b.attn"]


def test_checking_names_what_would_change_and_writes_nothing(maskc, tmp_path):
    path = file(tmp_path, LOOSE)
    run = maskc("fmt", "--check", "x.attn", cwd=tmp_path)
    assert (run.code, run.out) == (1, "x.attn\n")
    run = maskc("fmt", "--diff", "x.attn", cwd=tmp_path)
    assert run.code == 1
    assert run.out.splitlines()[-2:] == [f"-{LOOSE[:-1]}", f"+{NEAT[:-1]}"]
    assert path.read_text() == LOOSE
    path.write_text(NEAT)
    for option in ("--check", "--diff"):
        run = maskc("fmt", option, "x.attn", cwd=tmp_path)
        assert (run.code, run.all) == (0, "")


def test_checking_several_files_fails_where_any_would_change(maskc, tmp_path):
    file(tmp_path, LOOSE)
    (tmp_path / "y.attn").write_text(NEAT)
    for option in ("--check", "--diff"):
        assert maskc("fmt", option, "x.attn", "y.attn", cwd=tmp_path).code == 1


def test_a_diff_says_where_the_last_line_has_no_end(maskc, tmp_path):
    file(tmp_path, LOOSE[:-1])
    lines = maskc("fmt", "--diff", "x.attn", cwd=tmp_path).out.splitlines()
    assert lines[-3:] == [f"-{LOOSE[:-1]}", "\\ No newline at end of file", f"+{NEAT[:-1]}"]


def test_a_file_with_errors_is_left_and_the_others_are_written(maskc, tmp_path):
    wrong, loose = file(tmp_path, WRONG, "a.attn"), file(tmp_path, LOOSE, "b.attn")
    run = maskc("fmt", "a.attn", "b.attn", cwd=tmp_path)
    assert run.code == 1
    assert "error[unclosed-bracket]" in run.err
    assert (wrong.read_text(), loose.read_text()) == (WRONG, NEAT)


def test_a_name_without_meaning_is_no_error_of_the_form(maskc, tmp_path):
    path = file(tmp_path, "pattern p=casual")
    assert maskc("fmt", path).code == 0
    assert path.read_text() == "pattern p = casual\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_line_ends_and_byte_order_mark_stay(maskc, mark, end, tmp_path):
    path = file(tmp_path, mark + LOOSE.encode().replace(b"\n", end))
    assert maskc("fmt", path).code == 0
    assert path.read_bytes() == mark + NEAT.encode().replace(b"\n", end)
    assert maskc("fmt", "--check", path).code == 0


def test_line_ends_of_two_kinds_become_those_of_the_first(maskc, tmp_path):
    path = file(tmp_path, b"const a = 1\r\nconst b = 2\n")
    assert maskc("fmt", path).code == 0
    assert path.read_bytes() == b"const a = 1\r\nconst b = 2\r\n"


def test_permissions_and_links_stay(maskc, tmp_path):
    path = file(tmp_path, LOOSE)
    path.chmod(0o751)
    (tmp_path / "link.attn").symlink_to(path)
    assert maskc("fmt", tmp_path / "link.attn").code == 0
    assert (tmp_path / "link.attn").is_symlink()
    assert path.read_text() == NEAT
    assert path.stat().st_mode & 0o777 == 0o751


def test_a_file_that_may_not_be_written_is_told_and_stays(tmp_path, monkeypatch):
    path = file(tmp_path, LOOSE)
    # Root may write every file, so the system's answer is given here.
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
    run = CliRunner().invoke(main, ["fmt", str(path)])
    assert run.exit_code == 1
    assert "may not be written" in run.output
    assert path.read_text() == LOOSE


def test_standard_input_goes_to_standard_output():
    loose = LOOSE.encode()
    assert in_process("fmt", "-", stdin=loose).out == NEAT
    marked = in_process("fmt", "-", stdin=b"\xef\xbb\xbfconst a=1\r\n")
    assert marked.out == "\ufeffconst a = 1\r\n"
    checked = in_process("fmt", "--check", "-", stdin=loose)
    assert (checked.code, checked.out) == (1, "<stdin>\n")
    wrong = in_process("fmt", "-", stdin=WRONG.encode())
    assert (wrong.code, wrong.out) == (1, "")
    assert "--> <stdin>:1:" in wrong.err
    assert in_process("fmt", "-", "x.attn").code == 2


@pytest.mark.slow
def test_standard_input_keeps_its_bytes_in_a_shell():
    words, data = [COMMAND, "fmt", "-"], b"\xef\xbb\xbfconst a=1\r\n"
    done = subprocess.run(words, input=data, capture_output=True, check=True)
    assert done.stdout == b"\xef\xbb\xbfconst a = 1\r\n"


@pytest.mark.slow
def test_letters_that_the_terminal_lacks_are_escaped_not_fatal(tmp_path):
    file(tmp_path, "const a=1 # 大\n")
    run = in_shell("fmt", "--diff", "x.attn", cwd=tmp_path, env={"PYTHONIOENCODING": "cp437"})
    assert run.code == 1
    assert "+const a = 1  # \\u5927" in run.out


def test_a_new_spec_is_right_and_in_the_form(maskc, tmp_path):
    run = maskc("new", "local", "--in", "a/b", cwd=tmp_path)
    assert (run.code, run.out) == (0, "a/b/local.attn\n")
    path = tmp_path / "a" / "b" / "local.attn"
    assert maskc("check", path).out == f"{path}: ok (local)\n"
    assert maskc("fmt", "--check", path).code == 0
    assert maskc("compile", path, "-o", tmp_path).code == 0
    for line in path.read_text().splitlines():
        if line.startswith("#     maskc"):
            words = line[1:].split("  ")[2].split()
            assert maskc(*words[1:], cwd=path.parent).code == 0


def test_a_new_spec_replaces_no_file(maskc, tmp_path):
    file(tmp_path, LOOSE, "local.attn")
    run = maskc("new", "local", cwd=tmp_path)
    assert (run.code, run.err) == (1, "error: local.attn is there already\n")
    assert (tmp_path / "local.attn").read_text() == LOOSE


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Local", "try `local`"),
        ("my-mask.attn", "try `my_mask`"),
        ("4x", "is no name"),
        ("../x", "try `x`"),
        ("", "is no name"),
        ("größe", "is no name"),
        ("class", "Python"),
        ("random", "Python"),
        ("torch", "Python"),
        ("causal", "prelude"),
        ("q", "attn"),
        ("mask", "attn"),
        ("a" * 201, "attn"),
    ],
)
def test_names_that_no_spec_can_have_are_refused(maskc, name, told, tmp_path):
    run = maskc("new", name, cwd=tmp_path)
    assert run.code == 1
    assert told in run.err
    assert os.listdir(tmp_path) == []


def test_every_spec_of_ours_is_in_the_form(maskc):
    files = [pipeline.PRELUDE, *sorted(EXAMPLES.rglob("*.attn"))]
    run = maskc("fmt", "--check", *files, cwd=ROOT)
    assert (run.code, run.out) == (0, "")
