"""Every command of `maskc` does what its help says, through the installed entry point."""

from __future__ import annotations

import json
import re

import pytest

from cli.shell import EXAMPLES, in_process, in_shell
from maskc import pipeline, testing
from maskc.mistakes import MISTAKES
from maskc.testing import Call, Failure, FuzzReport
from maskc.version import __version__
from subjects import slow

COMMANDS = ("check", "compile", "explain", "explain-error", "fmt", "fuzz", "list", "new", "show")
FILES = sorted(EXAMPLES.glob("*.attn"))
STREAMING = EXAMPLES / "streaming_llm.attn"
TWO = "pattern a = recent(2)\npattern b = sink(1)\n"


def test_version_is_the_packages(maskc):
    assert maskc("--version").out == f"maskc {__version__}\n"


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_ends_with_examples_of_the_command(maskc, command):
    run = maskc(*command.split(), "--help")
    assert run.code == 0
    examples = run.out.split("Examples:\n")[1].splitlines()
    assert examples
    assert all(example.startswith(f"  maskc {command}".rstrip()) for example in examples)


def test_compiling_the_gallery_writes_one_module_a_file(maskc, tmp_path):
    run = maskc("compile", *FILES, "-o", tmp_path / "new" / "build")
    assert (run.code, run.err) == (0, "")
    written = sorted((tmp_path / "new" / "build").iterdir())
    assert [path.name for path in written] == [f"{file.stem}.py" for file in FILES]
    assert run.out.split() == [str(path) for path in written]
    assert STREAMING.stem in written[-1].read_text(encoding="utf-8")


@pytest.mark.parametrize("stage", list(pipeline.STAGES))
def test_every_stage_is_printed(maskc, stage):
    run = maskc("compile", STREAMING, "--emit", stage, "--n", "512")
    assert (run.code, run.err) == (0, "")
    assert len(run.out) > 50


def test_emitting_writes_no_file(maskc, tmp_path):
    maskc("compile", STREAMING, "--emit", "ir", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_check_names_the_patterns_of_good_files(maskc):
    run = maskc("check", STREAMING, EXAMPLES / "bigbird.attn")
    assert run.code == 0
    assert "(streaming_llm)" in run.out
    assert "(bigbird)" in run.out


def test_check_reports_errors_of_all_files_and_names_the_good(maskc, tmp_path):
    for name, text in (("a", "pattern a = casual"), ("b", "pattern b = sikn(4)"), ("c", TWO)):
        (tmp_path / f"{name}.attn").write_text(text)
    run = maskc("check", "a.attn", "b.attn", "c.attn", cwd=tmp_path)
    assert run.code == 1
    assert "--> a.attn:1:13" in run.err
    assert "--> b.attn:1:13" in run.err
    assert run.out == "c.attn: ok (a, b)\n"


def test_check_as_data_has_every_place(maskc, tmp_path):
    (tmp_path / "a.attn").write_text("pattern a = casual\n")
    run = maskc("check", "a.attn", "--json", cwd=tmp_path)
    told = json.loads(run.out)
    assert run.code == 1
    assert not told["ok"]
    error = told["errors"][0]
    assert (error["id"], error["file"]) == ("unknown-name", "a.attn")
    assert (error["line"], error["column"], error["end_column"]) == (1, 13, 19)


def test_check_warns_of_what_is_not_used(maskc, tmp_path):
    (tmp_path / "a.attn").write_text("pattern a(w: int = 3, u: int = 4) = recent(w)\n")
    run = maskc("check", "a.attn", cwd=tmp_path)
    assert (run.code, run.out) == (0, "a.attn: ok (a)\n")
    assert run.err.startswith("warning[unused-name]: parameter `u` is declared and not used")
    told = json.loads(maskc("check", "a.attn", "--json", cwd=tmp_path).out)
    assert [(w["line"], w["column"]) for w in told["warnings"]] == [(1, 23)]


def test_check_warns_of_every_file(maskc, tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.attn").write_text(f"pattern {name}(unused: int = 1) = causal\n")
    run = maskc("check", "a.attn", "b.attn", cwd=tmp_path)
    assert [run.err.count(f"--> {name}.attn:1:11") for name in "ab"] == [1, 1]


def test_check_warns_of_a_pattern_that_python_cannot_import(maskc, tmp_path):
    (tmp_path / "a.attn").write_text("pattern lambda(class: int = 4) = recent(class)\n")
    run = maskc("check", "a.attn", cwd=tmp_path)
    assert (run.code, run.out) == (0, "a.attn: ok (lambda)\n")
    assert run.err.startswith("warning[keyword-name]: `lambda` is a keyword of Python")
    assert 'help: rename it, or write `getattr(module, "lambda")`' in run.err


def test_a_dash_reads_standard_input():
    text = 'use "streaming_llm.attn"\npattern near(lambda: int = 2) = recent(lambda)\n'
    for words in (
        ("check", "-"),
        ("compile", "-", "--emit", "ir", "--pattern", "near"),
        ("show", "-", "--n", 6),
        ("explain", "-", "--n", 64),
    ):
        run = in_process(*words, cwd=EXAMPLES, stdin=text.encode())
        assert (run.code, run.err) == (0, ""), words
        assert "near" in run.out, words


def test_what_is_wrong_on_standard_input_is_told():
    for words in (("check",), ("compile", "--emit", "ir"), ("show",), ("explain",), ("fmt",)):
        run = in_process(*words, "-", stdin=b"pattern p = casual(\n")
        assert (run.code, "--> <stdin>:1:" in run.err) == (1, True), words
        run = in_process(*words, "-", stdin=b" " * (1 << 21))
        assert (run.code, "`<stdin>` is larger than" in run.err) == (1, True), words
    for words in (("check",), ("compile", "--emit", "ir"), ("fmt", "--check")):
        run = in_process(*words, "-", STREAMING, stdin=b"pattern p = causal\n")
        assert (run.code, "stands alone" in run.err) == (2, True), words
    run = in_process("compile", "-", stdin=b"pattern p = causal")
    assert (run.code, "give --emit" in run.err) == (2, True)


def test_show_draws_the_pairs_that_are_kept(maskc):
    run = maskc("show", STREAMING, "--n", 6, "--param", "window=2", "--param", "sinks=1", "--json")
    rows = json.loads(run.out)["heads"][0]["rows"]
    assert rows == ["100000", "110000", "111000", "101100", "100110", "100011"]


def test_show_draws_queries_of_a_decode_at_the_end(maskc):
    run = maskc("show", STREAMING, "--n", 6, "--n-q", 2, "--param", "window=2", "--json")
    assert json.loads(run.out)["heads"][0]["rows"] == ["111110", "111111"]


def test_show_draws_given_documents(maskc):
    run = maskc(
        "show", EXAMPLES / "packed_documents.attn", "--n", 4, "--input", "doc=7,1*2,7", "--json"
    )
    assert json.loads(run.out)["heads"][0]["rows"] == ["1001", "0110", "0110", "1001"]


def test_show_draws_tables_by_head(maskc):
    words = (
        "--n",
        3,
        "--param",
        "retrieval=[false, true]",
        "--param",
        "sinks=0",
        "--param",
        "window=1",
    )
    run = maskc("show", EXAMPLES / "duo_attention.attn", *words, "--json")
    heads = [head["rows"] for head in json.loads(run.out)["heads"]]
    assert heads == [["100", "010", "001"], ["100", "110", "111"]]


def test_lengths_and_layers_follow_from_the_words(maskc, tmp_path):
    text = "pattern p(w: int[layer]) {\n    space grid(y, x)\n    mask near(x, w)\n}\n"
    (tmp_path / "p.attn").write_text(text)
    words = ("p.attn", "--size", "y=2", "--size", "x=3", "--param", "w=0,2", "--layer", "1")
    told = json.loads(maskc("show", *words, "--json", cwd=tmp_path).out)
    assert (told["n_q"], told["n_k"], told["heads"][0]["rows"]) == (6, 6, ["1" * 6] * 6)
    assert json.loads(maskc("explain", *words, "--json", cwd=tmp_path).out)["pairs"] == 36
    fixed = text.replace("y, x", "y = 2, x = 3").replace("w)", "1)").replace("w: int[layer]", "")
    (tmp_path / "p.attn").write_text(fixed)
    assert "6 tokens" in maskc("show", "p.attn", cwd=tmp_path).out
    assert maskc("compile", "p.attn", "--emit", "layout", cwd=tmp_path).code == 0


def test_show_says_what_it_made_up(maskc):
    out = maskc("show", EXAMPLES / "duo_attention.attn", "--n", 16, "--shrink").out
    assert "window = 2, shrunk from 256" in out
    assert "retrieval = [true, false], made up" in out


def test_show_draws_the_tiles_of_the_layout(maskc):
    run = maskc(
        "show", EXAMPLES / "dense_causal.attn", "--tiles", "--n", 64, "--block", 16, "--json"
    )
    assert json.loads(run.out)["heads"][0]["rows"] == ["1000", "2100", "2210", "2221"]


def test_shrinking_is_for_pictures_of_pairs(maskc):
    told = "window = 1024 reaches past 48 tokens: --shrink shows the shape\n"
    assert maskc("show", STREAMING, "--n", 48).err == told
    for option in ("--shrink", "--tiles", "--json"):
        assert maskc("show", STREAMING, "--n", 48, option).err == ""


def test_show_asks_which_of_several_patterns(maskc, tmp_path):
    (tmp_path / "two.attn").write_text(TWO)
    assert maskc("show", tmp_path / "two.attn").code == 2
    run = maskc("show", tmp_path / "two.attn", "--pattern", "b", "--n", 2, "--json")
    assert json.loads(run.out)["heads"][0]["rows"] == ["10", "10"]


def test_explain_counts_what_the_mask_keeps(maskc):
    run = maskc("explain", STREAMING, "--n", 4096, "--json")
    told = json.loads(run.out)
    kept = sum(min(q + 1, 1024) + min(max(q - 1023, 0), 4) for q in range(4096))
    assert told["kept_pairs"] == kept
    assert told["density"] == kept / 4096**2
    assert told["full_tiles"] + told["partial_tiles"] + told["empty_tiles"] == told["tiles"]
    assert told["dense_mask_bytes"] == 4096**2


def test_explain_prints_a_table(maskc):
    out = maskc("explain", STREAMING, "--n", 4096).out
    assert re.search(r"density\W+21\.\d+%", out)
    assert "amplification" in out


@pytest.mark.parametrize("file", [*FILES[:3], *slow(FILES[3:])], ids=lambda path: path.stem)
def test_every_example_is_drawn_and_explained(file):
    assert in_process("show", file, "--shrink", "--n", 24).code == 0
    assert in_process("explain", file, "--n", 1024).code == 0


@pytest.mark.slow
def test_fuzz_holds_a_pattern_against_the_oracle():
    run = in_shell("fuzz", EXAMPLES / "dense_causal.attn", "--examples", 3, "--seed", 0)
    assert run.code == 0, run.all
    assert "3 calls, all as exact as dense attention" in run.out


def test_fuzz_says_what_is_wrong(monkeypatch):
    asked = []

    def fuzzed(file, examples, step, **options):
        asked.append((file, examples, options))
        step(examples, examples)
        return FuzzReport(examples, Failure("near", Call(n_q=2, n_k=2), "out is off"))

    monkeypatch.setattr(testing, "fuzz", fuzzed)
    run = in_process("fuzz", STREAMING, "--examples", 7, "--seed", 3, "--backend", "torch")
    assert (run.code, run.out) == (1, "")
    assert run.err.endswith("error: `near` is wrong\nout is off\n")
    assert asked == [(STREAMING, 7, {"backend": "torch", "device": "cpu", "seed": 3})]


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_fuzz_on_a_device_that_is_not_there_draws_no_call(device):
    run = in_process("fuzz", STREAMING, "--device", device)
    assert run.code == 1
    assert run.err.endswith(f"error: device is '{device}'; wanted one that torch has here\n")


def test_list_has_a_picture_of_every_public_def(maskc):
    told = json.loads(maskc("list", "--json").out)
    text = pipeline.PRELUDE.read_text(encoding="utf-8")
    assert [entry["name"] for entry in told] == re.findall(r"^def ([a-z]\w*)", text, re.MULTILINE)
    assert all(entry["doc"] for entry in told)
    assert all(any("1" in row for row in entry["mask"]) for entry in told)


def test_list_shows_only_what_is_named(maskc):
    told = json.loads(maskc("list", "window", "sink", "--json").out)
    assert [entry["name"] for entry in told] == ["window", "sink"]


def test_explain_error_shows_a_wrong_and_a_right_program(maskc):
    out = maskc("explain-error", "unknown-name").out
    assert "wrong:\n    pattern p = casual" in out
    assert "right:\n    pattern p = causal" in out


def test_explain_error_cuts_long_lines(maskc):
    run = maskc("explain-error", "too-large")
    assert max(map(len, run.out.splitlines())) == 104
    assert run.out.count("...\n") == 1


def test_explain_error_lists_every_id(maskc):
    listed = [line.split()[0] for line in maskc("explain-error").out.splitlines()]
    assert listed == list(MISTAKES)
