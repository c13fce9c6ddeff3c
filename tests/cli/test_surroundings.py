"""The command in narrow terminals, odd locales and odd folders, and its output for programs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import click
import pytest

from cli.shell import COMMAND, EXAMPLES, in_shell
from maskc import cli, pipeline
from maskc.explain import call_arguments, figures
from maskc.setting import setting

STREAMING = EXAMPLES / "streaming_llm.attn"
TWO = "pattern a = recent(2)\npattern b = sink(1)\n"
COMMANDS = sorted(cli.main.commands)


def in_terminal(columns: int, *words: str | Path) -> str:
    """What the command writes to a terminal of some width, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    env.pop("COLUMNS", None)
    with subprocess.Popen([COMMAND, *words], stdin=theirs, stdout=theirs, env=env):
        os.close(theirs)
        out = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.decode("utf-8")).replace("\r", "")


def _read(screen: int) -> bytes:
    """What came to the screen; nothing once nobody writes any more."""
    try:
        return os.read(screen, 1 << 16)
    except OSError:
        return b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("show", STREAMING, "--shrink"),
        ("show", STREAMING, "--shrink", "--tiles", "--n", "400"),
        ("explain", STREAMING, "--n", "2048"),
    ],
    ids=["pairs", "tiles", "explain"],
)
def test_pictures_and_tables_fit_a_narrow_terminal(words):
    lines = in_terminal(40, *words).splitlines()
    assert len(lines) > 8
    assert max(map(len, lines)) <= 40
    assert not any("…" in line for line in lines)


def test_help_in_a_narrow_terminal_cuts_no_sentence():
    text = in_terminal(40, "--help")
    assert "..." not in text.split("Commands:")[1]
    for name, command in cli.main.commands.items():
        first = (command.help or "").split("\n\n")[0]
        assert " ".join(first.split()) in " ".join(text.split()), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_line_of_help(name):
    options = [p for p in cli.main.commands[name].params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize(
    "words",
    [
        ("check", STREAMING),
        ("show", STREAMING, "--n", "4"),
        ("show", STREAMING, "--n", "64", "--tiles", "--block", "16"),
        ("explain", STREAMING, "--n", "256"),
        ("list", "window"),
    ],
)
def test_json_is_one_document_whose_keys_the_help_names(maskc, words):
    run = maskc(*words, "--json")
    told = json.loads(run.out)
    assert (run.code, run.err) == (0, "")
    text = maskc(words[0], "--help").out
    for key in told if isinstance(told, dict) else told[0]:
        assert f"`{key}`" in text


def test_one_of_several_patterns_is_compiled(maskc, tmp_path):
    (tmp_path / "two.attn").write_text(TWO)
    assert maskc("compile", "two.attn", "--pattern", "b", cwd=tmp_path).code == 0
    module = (tmp_path / "two.py").read_text(encoding="utf-8")
    assert "maskc compile two.attn --pattern b\n" in module
    assert "def b_keep" in module
    assert "def a_keep" not in module
    out = maskc("compile", "two.attn", "--pattern", "a", "--emit", "ir", cwd=tmp_path).out
    assert (
        out
        == maskc("compile", "two.attn", "--emit", "ir", cwd=tmp_path).out.split("\n\n")[0] + "\n"
    )


def test_a_pattern_that_is_not_there_is_named(maskc, tmp_path):
    (tmp_path / "two.attn").write_text("pattern near = recent(2)\npattern b = sink(1)\n")
    run = maskc("compile", "two.attn", "--pattern", "nea", cwd=tmp_path)
    assert run.code == 1
    assert "two.attn has no pattern `nea`; did you mean `near`?" in run.err
    assert not (tmp_path / "two.py").exists()
    assert maskc("compile", "two.attn", "--pattern", "b", "--emit", "ast", cwd=tmp_path).code == 2


def test_explain_counts_the_tiles_that_the_call_takes(maskc):
    (pattern,) = pipeline.check(STREAMING)
    attention, call = pipeline.load(STREAMING).streaming_llm, setting(pattern, 1000)
    told = figures(attention, call, device="cpu")
    layout = attention.layout(1000, block=tuple(told["block"]), **call_arguments(attention, call))
    assert (told["device"], told["back_end"], told["block"]) == ("cpu", "torch", [64, 64])
    assert told["full_tiles"] == layout.full_tiles
    on_gpu = figures(attention, call, device="cuda")
    assert (on_gpu["back_end"], on_gpu["block"]) == ("triton", list(attention.spec.block))
    out = maskc("explain", STREAMING, "--n", "1000", "--device", "cpu").out
    assert "full tiles of 64x64" in out
    assert "block-sparse torch" in out


@pytest.mark.parametrize("name", ["a mask.attn", "größe 大.attn", "-x.attn", "a'b\"c.attn"])
def test_files_may_have_any_name(maskc, name, tmp_path):
    shutil.copy(STREAMING, tmp_path / name)
    for words in (("check",), ("show", "--shrink"), ("fmt", "--check")):
        run = maskc(*words, f"./{name}", cwd=tmp_path)
        assert run.code == 0, run.all


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_any_encoding_of_the_terminal_will_do(encoding, tmp_path):
    (tmp_path / "大.attn").write_text("pattern p = casual # 大\n", encoding="utf-8")
    (tmp_path / "b.attn").write_text("pattern p = causal # 大\n", encoding="utf-8")
    env = {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    assert in_shell("check", "大.attn", cwd=tmp_path, env=env).code == 1
    assert in_shell("check", "b.attn", cwd=tmp_path, env=env).code == 0
    assert in_shell("fmt", "--diff", "b.attn", cwd=tmp_path, env=env).code == 1
    assert in_shell("list", "window", env=env).code == 0


def test_a_folder_in_place_of_a_file_is_told(maskc, tmp_path):
    for command in COMMANDS:
        if command not in ("list", "explain-error", "new"):
            run = maskc(command, tmp_path)
            assert (run.code, "is a folder" in run.err) == (1, True), command


@pytest.mark.slow
@pytest.mark.parametrize("words", ["check x.attn", "show x.attn", "explain x.attn --n 64", "list"])
def test_closed_streams_hide_what_is_said_and_nothing_else(words, tmp_path):
    (tmp_path / "x.attn").write_text("pattern p = causal\n")
    run = subprocess.run(
        ["bash", "-c", f"'{COMMAND}' {words} >&-"], cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert (run.returncode, run.stderr) == (0, b"")
    wrong = subprocess.run(["bash", "-c", f"'{COMMAND}' check none.attn 2>&-"], cwd=tmp_path)
    assert wrong.returncode not in (0, None)
