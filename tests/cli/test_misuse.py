"""Whatever a user does wrong gets a sentence and the right exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.shell import COMMAND, EXAMPLES, in_shell
from maskc import shell as shell_of_command

STREAMING = EXAMPLES / "streaming_llm.attn"
GOOD = "pattern p = causal\n"


@pytest.mark.parametrize("command", ["check", "compile", "show", "explain", "fuzz"])
@pytest.mark.parametrize("file", ["missing.attn", ".", "/dev/null/x", "a\nb", "/dev/zero"])
def test_unreadable_files_are_an_error_of_the_user(maskc, command, file, tmp_path):
    run = maskc(command, file, cwd=tmp_path)
    assert run.code == 1
    assert run.err.startswith("error")
    assert not run.out


@pytest.mark.parametrize("command", ["check", "compile", "show", "explain", "fuzz"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00p",
        b"pattern",
        b"pattern p = ",
        b"(" * 100_000,
        b"\x00" * 100,
        b"x " * 50_000,
    ],
    ids=["empty", "binary", "word", "cut", "brackets", "zeros", "words"],
)
def test_files_that_are_no_spec_are_told(maskc, command, content, tmp_path):
    (tmp_path / "x.attn").write_bytes(content)
    run = maskc(command, "x.attn", cwd=tmp_path)
    assert run.code == (0 if command == "check" and not content else 1)
    assert len(run.err.splitlines()) < 1_000


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("compile",),
        ("compile", STREAMING, "--emit", "nonsense"),
        ("show", STREAMING, "--n", "0"),
        ("show", STREAMING, "--n", "many"),
        ("show", STREAMING, "--param", "window"),
        ("show", STREAMING, "--head", "5"),
        ("show", STREAMING, "--size", "y=-1"),
        ("show", STREAMING, "--tiles", "--n", "100000", "--block", "1"),
        ("explain", STREAMING, "--head-dim", "-1"),
        ("fuzz", STREAMING, "--examples", "0"),
    ],
    ids=lambda words: " ".join(str(word) for word in words).replace(str(EXAMPLES), "") or "nothing",
)
def test_bad_usage_exits_with_2(maskc, words):
    run = maskc(*words)
    assert run.code == 2
    assert "Usage" in run.all


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--param", "widow=4"), "did you mean `window`"),
        (("--param", "window=0"), "window is 0; wanted window >= 1"),
        (("--param", "window=four"), "cannot read `four`"),
        (("--param", "window=1.5"), "window is 1.5; wanted int"),
        (("--param", "window=" + "9" * 5000), "window"),
        (("--param", "window=[[1]]"), "window"),
        (("--input", "doc=1"), "it has no inputs"),
        (("--n", "100000"), "at most"),
        (("--heads", "3", "--kv-heads", "2"), "3 heads are no multiple of 2"),
        (("--layer", "4", "--n-layers", "2"), "layer 4 is outside 0..2"),
        (("--pattern", "streming_llm"), "did you mean `streaming_llm`"),
    ],
)
def test_wrong_settings_are_named(maskc, words, told):
    run = maskc("show", STREAMING, *words)
    assert run.code == 1
    assert told in run.err


MIXED = """\
pattern p(n: int = 1, f: float = 1.0, some: int[] = [1], w: int[head] = 1) {
    space grid(y, x)
    input t: float[k]
    score s * f
    mask k in some & t[k] > 0.0 | recent(w) & k * n < q
}
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--param", "n=9223372036854775808"), "n is 9223372036854775808; wanted at most 64 bits"),
        (("--param", "n=-9223372036854775809"), "wanted at most 64 bits"),
        (("--param", "n=NaN"), "n is NaN; wanted int"),
        (("--param", "n=٤"), "n: cannot read `٤`"),
        (("--param", "n=--4Ki"), "n: cannot read `--4Ki`"),
        (("--param", "f=" + "9" * 400), "wanted at most 64 bits"),
        (("--param", "f=[]"), "f is []; wanted one float"),
        (("--param", "some=[[1], 2]"), "some is nested deeper than its axes"),
        (("--param", "some=" + "[" * 3000), "some: cannot read"),
        (("--param", "w=[[1], [2]]"), "w is nested deeper than its axes"),
        (("--param", "w=" + "[" * 900 + "]" * 900), "w: cannot read"),
        (("--param", "w=" + "[" * 60 + "1" + "]" * 60), "w has 1 entries along `head`; wanted 2"),
        (("--input", "t=@/dev/zero"), "t: /dev/zero has more than 64 MiB"),
        (("--input", "t=@/"), "t: cannot read /: Is a directory"),
        (("--input", "t=@/dev/null"), "t: cannot read /dev/null: not JSON"),
        (("--input", "t=1*1e9"), "`1*1e9` is not an entry"),
        (("--size", "x=999999999"), "the sizes make 1,999,999,998 positions"),
        (("--size", "x=0"), "the space has 0 positions; there are 48 keys"),
        (("--size", "x=2,3"), "x has 2 sizes; only a packed grid has several"),
    ],
    ids=lambda words: str(words)[:40],
)
def test_hostile_values_are_told_in_a_sentence(maskc, words, told, tmp_path):
    (tmp_path / "p.attn").write_text(MIXED)
    run = maskc("show", "p.attn", "--size", "y=2", *words, cwd=tmp_path)
    assert (run.code, run.out) == (1, "")
    assert told in run.err
    assert len(run.err) < 500


def test_the_least_integer_is_one(maskc, tmp_path):
    (tmp_path / "p.attn").write_text("pattern p(n: int = 0) = k > n")
    run = maskc("show", "p.attn", "--n", 2, "--param", "n=-9223372036854775808", cwd=tmp_path)
    assert run.code == 0, run.err


def test_a_size_is_written_in_ascii(maskc, tmp_path):
    (tmp_path / "p.attn").write_text(MIXED)
    for word in ("x=٤", "x=+4", "x=4_0", "x=4Ki", "x=-1", "x=", "x=1,"):
        run = maskc("show", "p.attn", "--size", "y=2", "--size", word, cwd=tmp_path)
        assert (run.code, "is not a size" in run.err) == (2, True), word


def test_tiles_of_many_queries_are_not_drawn(maskc, tmp_path):
    (tmp_path / "p.attn").write_text("pattern p {\n space cross\n mask everything\n}\n")
    run = maskc("show", "p.attn", "--tiles", "--n", 4, "--n-q", 513, "--block", 1, cwd=tmp_path)
    assert (run.code, "more than 512 tiles a side" in run.err) == (2, True)


@pytest.mark.parametrize("option", ["--size", "--param", "--input"])
def test_a_name_is_given_once(maskc, tmp_path, option):
    (tmp_path / "p.attn").write_text(MIXED)
    run = maskc("show", "p.attn", option, "n=3", option, "y=5", option, " n=4", cwd=tmp_path)
    assert (run.code, run.out) == (2, "")
    assert f"Invalid value for {option}: `n` is given twice: 3 and 4" in run.err


def test_a_float_parameter_may_be_infinite_and_is_a_number(maskc, tmp_path):
    text = "pattern p(x: float = 0.5, y: float[] = [0.5]) = x > 1.0 | y[q] > 1.0\n"
    (tmp_path / "p.attn").write_text(text)
    for name, word in (("x", "NaN"), ("y", "1.0,NaN")):
        run = maskc("show", "p.attn", "--n", 2, "--param", f"{name}={word}", cwd=tmp_path)
        assert (run.code, run.err) == (1, f"error: {name} is NaN; wanted a number\n")
    run = maskc("show", "p.attn", "--n", 2, "--param", "x=Infinity", "--json", cwd=tmp_path)
    assert '"11"' in run.out, run.err


def test_a_path_of_any_length_is_told_in_short(maskc, tmp_path):
    (tmp_path / "p.attn").write_text(f'use "{"a" * 900_000}"\nuse "{"./" * 9_000}p.attn"\n')
    run = maskc("check", "p.attn", cwd=tmp_path)
    assert run.code == 1
    assert len(run.err) < 3_000


def test_an_input_too_large_to_make_up_is_refused(maskc, tmp_path):
    text = "pattern p {\n    input t: int[batch, head, q, k]\n    mask t[q, k] > 0\n}\n"
    (tmp_path / "p.attn").write_text(text)
    run = maskc("explain", "p.attn", "--n", 65536, cwd=tmp_path)
    assert run.code == 1
    assert "t has 8,589,934,592 entries; at most 67,108,864 are made up" in run.err


def test_what_torch_says_of_too_little_memory_is_no_defect():
    sentence = "this takes more memory than there is"
    for text in ("DefaultCPUAllocator: can't allocate memory: you", "CUDA out of memory. Tried"):
        assert shell_of_command._sentence(RuntimeError(text)) == sentence


@pytest.mark.slow
@pytest.mark.parametrize("words", ["--help", "--version", "check --help", "list", "check x.attn"])
def test_a_full_disk_is_told(words, tmp_path):
    (tmp_path / "x.attn").write_text(GOOD)
    script = f"'{COMMAND}' {words} > /dev/full"
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "error: No space left on device\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["compile x.attn", "show x.attn -o x.svg", "new y", "fmt x.attn", "new z --in made/up"],
)
def test_a_file_that_does_not_fit_the_disk_is_not_begun(words, tmp_path):
    """Files may have no more than a few bytes here, as on a disk that is nearly full."""
    (tmp_path / "x.attn").write_text("pattern  p=causal\n")
    script = f"ulimit -f 0; '{COMMAND}' {words}"
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and "File too large" in run.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.attn"]
    assert (tmp_path / "x.attn").read_text() == "pattern  p=causal\n"


@pytest.mark.parametrize(
    "values", ["0*3", "0*99999999999", "a", "", "@missing.json", "[[0, 1], [1]]", "1.5*48", "0*-1"]
)
def test_wrong_inputs_are_named(maskc, values):
    words = ("--n", 48, "--input", f"doc={values}")
    run = maskc("show", EXAMPLES / "packed_documents.attn", *words)
    assert run.code == 1
    assert "doc" in run.err


def test_unknown_names_come_with_the_nearest_one(maskc):
    assert "did you mean `window`?" in maskc("list", "widow").err
    assert "did you mean `unknown-name`?" in maskc("explain-error", "unknown-nam").err


@pytest.mark.parametrize("stem", ["my-mask", "class", "4k", "torch", "random", "mäske", "a b"])
def test_names_that_python_cannot_import_are_refused(maskc, stem, tmp_path):
    (tmp_path / f"{stem}.attn").write_text(GOOD)
    run = maskc("compile", f"{stem}.attn", "-o", "build", cwd=tmp_path)
    assert run.code == 1
    assert "rename the file" in run.err
    assert not (tmp_path / "build").exists()


def test_two_files_of_one_name_are_refused_before_any_is_written(maskc, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.attn").write_text(GOOD)
    run = maskc("compile", "a/x.attn", "b/x.attn", "-o", "build", cwd=tmp_path)
    assert run.code == 1
    assert "would both become build/x.py" in run.err
    assert not (tmp_path / "build").exists()


def test_an_output_folder_that_is_a_file_is_refused(maskc, tmp_path):
    (tmp_path / "x.attn").write_text(GOOD)
    (tmp_path / "build").write_text("mine")
    run = maskc("compile", "x.attn", "-o", "build", cwd=tmp_path)
    assert run.code == 1
    assert "build is a file" in run.err
    assert (tmp_path / "build").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(maskc, tmp_path):
    (tmp_path / "x.attn").write_text(GOOD)
    (tmp_path / "file").write_text("mine")
    run = maskc("compile", "x.attn", "-o", "file/build", cwd=tmp_path)
    assert run.code == 1
    assert "Not a directory" in run.err or "File exists" in run.err


def test_a_module_that_cannot_be_replaced_leaves_nothing_beside_it(maskc, tmp_path):
    (tmp_path / "x.attn").write_text(GOOD)
    (tmp_path / "build" / "x.py").mkdir(parents=True)
    run = maskc("compile", "x.attn", "-o", "build", cwd=tmp_path)
    assert run.code == 1
    assert "x.py" in run.err
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["x.py"]


def test_one_bad_file_does_not_hide_the_others(maskc, tmp_path):
    (tmp_path / "good.attn").write_text(GOOD)
    (tmp_path / "bad.attn").write_text("pattern p = casual")
    run = maskc("compile", "bad.attn", "good.attn", "-o", "build", cwd=tmp_path)
    assert run.code == 1
    assert "error[unknown-name]" in run.err
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["good.py"]


@pytest.mark.slow
def test_a_reader_that_leaves_early_ends_the_command_quietly(tmp_path):
    script = f"'{COMMAND}' list 2> told | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("1\n", "")
    assert (tmp_path / "told").read_text() == ""


def test_kernels_are_not_fuzzed_where_they_cannot_run(maskc):
    run = maskc("fuzz", STREAMING, "--backend", "triton", env={"TRITON_INTERPRET": "0"})
    assert run.code == 1
    assert "--backend triton on a CPU wants TRITON_INTERPRET=1" in run.err


@pytest.mark.slow
def test_an_interrupt_ends_the_command_without_a_traceback():
    process = subprocess.Popen(
        [COMMAND, "fuzz", EXAMPLES / "bigbird.attn", "--examples", "100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's job in the background ignores interrupts, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        time.sleep(6)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "Traceback" not in out + err


def test_colours_follow_the_environment(maskc, tmp_path):
    (tmp_path / "x.attn").write_text("pattern p = casual")
    colored = maskc("check", "x.attn", cwd=tmp_path, env={"FORCE_COLOR": "1"})
    assert "\x1b[" in colored.err
    for env in ({}, {"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        assert "\x1b" not in maskc("check", "x.attn", cwd=tmp_path, env=env).all


@pytest.mark.slow
def test_a_terminal_of_another_encoding_gets_plain_characters():
    run = in_shell("show", STREAMING, "--n", 2, env={"PYTHONIOENCODING": "ascii"})
    assert "#.\n##" in run.out


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["triton"] = None
from maskc.cli import main
main()
"""


@pytest.fixture
def without_torch(tmp_path: Path) -> tuple[str, ...]:
    """A command in whose process torch cannot be imported."""
    (tmp_path / "run.py").write_text(WITHOUT_TORCH)
    return (sys.executable, str(tmp_path / "run.py"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("check", STREAMING),
        ("show", STREAMING, "--shrink"),
        ("compile", STREAMING, "--emit", "kernel"),
        ("list", "window"),
        ("explain-error",),
    ],
    ids=lambda words: words[0],
)
def test_the_compiler_needs_no_torch(words, without_torch):
    run = in_shell(*words, command=without_torch)
    assert run.code == 0, run.all


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("explain", STREAMING),
        ("show", STREAMING, "--tiles"),
        ("compile", STREAMING, "--emit", "layout"),
        ("fuzz", STREAMING),
    ],
    ids=lambda words: words[0],
)
def test_what_needs_torch_says_how_to_get_it(words, without_torch):
    run = in_shell(*words, command=without_torch)
    assert run.code == 1
    assert "pip install 'maskc[run]'" in run.err


@pytest.mark.slow
def test_compiling_imports_neither_torch_nor_rich(tmp_path):
    script = (
        "import sys; from maskc.cli import main\n"
        "try: main(['compile', sys.argv[1], '-o', sys.argv[2]])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'triton', 'rich', 'numpy', 'hypothesis'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    words = [sys.executable, "-c", script, str(STREAMING), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
