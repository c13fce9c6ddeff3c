"""No name of a spec, of a file or of a comment means anything to Python."""

from __future__ import annotations

import ast
import re

import pytest
import torch

import maskc
from maskc.codegen import paste
from maskc.pipeline import compile_text
from subjects import slow

WORDS = ("class", "torch", "call", "p_keep")
MORE_WORDS = (
    *("__debug__", "self", "t0", "streaming"),
    *("lambda", "print", "match_", "__class__", "__builtins__", "__name__"),
    *("triton", "tl", "tables", "load", "attend_torch", "checked_int"),
    *("q0", "x_t0", "find_attention", "put_patterns_first"),
)
HOSTILE = ('"""', "\\", "{0} %s $x")
MORE_HOSTILE = ("'''", '\\"""', "\u2028x", "\u2029", "\ufeff", "\U0001f600")
FILES = ('a"""b', "a\nimport os", "$(reboot)")
MORE_FILES = ("a'b", "a\\b", "a{0}b", "a b; ls", "\udcff", "\u2028")
BAND = torch.ones(4, 4).tril().triu(-1).bool()


def spec(word: str) -> str:
    """A spec that has the word as the name of everything that has one."""
    return f"""
def {word}_def({word}: int) = q - k < {word}
pattern {word}({word}: int >= 1 = 2) {{
    mask causal & {word}_def({word})
}}
pattern input_ {{
    input {word}: int[{word}_size, k]
    let {word}_let = {word}[0, k] == 0
    mask causal & q - k < 2 & {word}_let
}}
pattern axis_ {{
    space grid(y, {word})
    mask causal & q - k < 2 & q.{word} >= 0 & q.y >= 0
}}
pattern bound_ {{
    mask causal & any({word} in 0..2 : q - k == {word})
}}
"""


@pytest.mark.parametrize("word", [*WORDS, *slow(MORE_WORDS)])
def test_a_name_of_python_or_of_the_runtime_is_only_a_name(word):
    found = vars(maskc.loads(spec(word)))
    zeros = torch.zeros(1, 4, dtype=torch.int64)
    calls = {word: {word: 2}, "input_": {"inputs": {word: zeros}}, "axis_": {"grid": (2, 2)}}
    x = torch.randn(1, 1, 4, 16)
    for name in (word, "input_", "axis_", "bound_"):
        pattern, given = found[name], calls.get(name, {})
        assert torch.equal(pattern.dense_mask(4, **given)[0, 0], BAND)
        torch.testing.assert_close(
            pattern(x, x, x, **given), pattern(x, x, x, backend="dense", **given)
        )


def test_functions_of_a_pattern_give_way_to_names_of_the_runtime(monkeypatch):
    """And those of one pattern to those of another."""
    taken = paste.taken() | {"p_keep", "p_dkdv"}
    monkeypatch.setattr(paste, "taken", lambda: taken)
    text = compile_text("pattern p = causal\npattern p_ = causal")
    assert "def p__keep(" in text and "def p___keep(" in text
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert len(names) == len(set(names))
    found = vars(maskc.loads("pattern p = causal\npattern p_ = recent(2)"))
    assert [x.spec.name for x in found.values()] == ["p", "p_"]
    assert torch.equal(found["p_"].dense_mask(4)[0, 0], BAND)


def test_a_pattern_may_be_called_as_a_function_of_the_runtime_begins():
    ends = re.compile("(.+)_(keep|bounds|outline|span|score|sinks|arguments|forward|dq|dkdv)")
    begins = {found[1] for name in paste.taken() if (found := ends.fullmatch(name))}
    for name in sorted(name for name in begins if re.fullmatch("[a-z_][a-z0-9_]*", name)):
        assert torch.equal(
            vars(maskc.loads(f"pattern {name} = recent(2)"))[name].dense_mask(4)[0, 0], BAND
        )


@pytest.mark.parametrize("text", [*HOSTILE, *slow(MORE_HOSTILE)])
def test_what_a_comment_says_is_in_a_string(text):
    line = f"## {text} raise SystemExit(3) {text}\n"
    module = compile_text(f"{line}pattern p({line} w: int = 2) = recent(w)")
    compile(module, "made.py", "exec")
    assert not any(isinstance(node, ast.Raise) for node in ast.parse(module).body)


@pytest.mark.parametrize("text", ["\0", "\x1b", "\u202e", "\u2066"])
def test_control_characters_are_refused_in_comments_too(text):
    with pytest.raises(maskc.MaskcError):
        compile_text(f"## {text}\npattern p = causal")


@pytest.mark.parametrize("name", [*FILES, *slow(MORE_FILES)])
def test_what_a_file_is_called_is_in_a_string(name):
    """And in the command that writes the module again it is one word of a shell."""
    module = compile_text("pattern p = causal", f"{name}.attn")
    tree = ast.parse(module)
    assert [type(node) for node in tree.body[:2]] == [ast.Expr, ast.ImportFrom]
    assert module.isascii()
    command = re.search("maskc compile (.*)", ast.get_docstring(tree) or "")
    assert command is not None
    assert re.fullmatch(r"[\w.]+|'.*'", command[1]), command[1]


def test_an_input_of_a_mask_may_have_the_beginning_of_another_ones_name():
    inputs = "\n".join(
        f"    input a{ending}: float[token]" for ending in ("", "_exact", "_ptr", "_size_0")
    )
    read = "mask a[k] + a_ptr[k] < a_size_0[k]\n    score s + a_exact[k]"
    assert maskc.loads(f"pattern p {{\n{inputs}\n    {read}\n}}").p.spec.kernels


def test_a_default_may_be_infinite():
    spec = "pattern p(a: float = 1e308 * 10.0, b: float = -a) = b < a"
    pattern = maskc.loads(spec).p
    assert pattern.spec.params[0].default == float("inf")
    assert pattern.dense_mask(2).all()
