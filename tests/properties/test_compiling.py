"""Compiled text: the same bytes every time, and nothing of a user's text ever runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import maskc
from maskc.grammar.unparse import unparse
from maskc.pipeline import compile_text
from maskc.testing import specs
from subjects import EXAMPLES, share, slow

HOSTILE = (
    '"""\nraise SystemExit(3)\n"""',
    "'''\nraise SystemExit(3)\n'''",
    '\\"""; raise SystemExit(3) #',
    "x\\",
    "{raise_}{0} %s %(x)s",
    "\\N{BULLET} \\x00 \\u0000",
    "# hole.mask(q_pos, k_pos)",
    "$name ${name} <<name>>",
    '"""',
    "\\",
)
"""Texts that break out of a string, a comment or a template, where one is made carelessly."""


@settings(max_examples=share(4))
@given(specs())
def test_two_compiles_give_the_same_bytes(tree):
    text = unparse(tree)
    assert compile_text(text) == compile_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_bytes_do_not_depend_on_the_process(path, tmp_path):
    made = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        program = "from maskc.cli import main; main()"
        command = [sys.executable, "-c", program, "compile", str(path), "-o", str(folder)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(command, env=environment, check=True, capture_output=True)
        made.append((folder / f"{path.stem}.py").read_bytes())
    assert made[0] == made[1]
    assert b"import maskc" not in made[0] and b"from maskc" not in made[0]


@pytest.mark.parametrize("hostile", [*HOSTILE[:3], *slow(HOSTILE[3:])])
def test_no_doc_comment_escapes_its_string(hostile):
    lines = "".join(f"## {line}\n" for line in hostile.split("\n"))
    text = (
        f"{lines}pattern p(\n{lines}    w: int >= 1 = 2) {{\n"
        f"{lines}    input doc: int[token]\n{lines}    let m = recent(w)\n    mask m\n}}\n"
    )
    compile(compile_text(text), "made.py", "exec")
    pattern = maskc.loads(text).p
    assert hostile.split("\n")[0].strip() in pattern.spec.doc


printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@settings(max_examples=share(4))
@given(printable, printable)
def test_any_doc_comment_is_only_text(first, second):
    text = f"## {first}\n## {second}\npattern p = causal\n"
    module = compile_text(text)
    compile(module, "made.py", "exec")
    assert maskc.loads(text).p.spec.name == "p"


@pytest.mark.parametrize(
    "name", ['a"""b.attn', "a'b.attn", "a\\b.attn", "a{0}b.attn", "a\nimport os.attn"]
)
def test_no_file_name_escapes_its_string(name, tmp_path):
    path = tmp_path / name
    path.write_text("pattern p = causal\n", encoding="utf-8")
    assert maskc.load(path).p.dense_mask(2)[0, 0].tolist() == [[True, False], [True, True]]


PYTHON_WORDS = (
    "class",
    "lambda",
    "def_",
    "import",
    "none",
    "async",
    "print",
    "torch",
    "tl",
    "self",
    "call",
)


@pytest.mark.slow
@pytest.mark.parametrize("word", PYTHON_WORDS)
def test_words_of_python_are_fine_as_names(word):
    text = (
        f"pattern {word}_({word}: int >= 1 = 2) {{\n    let {word}x = recent({word})\n"
        f"    mask {word}x\n}}\n"
    )
    mask = getattr(maskc.loads(text), f"{word}_").dense_mask(3, **{word: 1})
    assert mask[0, 0].int().tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_module_says_what_made_it():
    head = compile_text("pattern p = causal")[:1000]
    assert maskc.__version__ in head
    assert "maskc compile spec.attn" in head
