"""Loaded patterns: the same code as a compiled file, without a file, in any process."""

from __future__ import annotations

import copy
import importlib.util
import inspect
import os
import pickle
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType

import pytest
import torch

import maskc
from maskc import modules, pipeline
from subjects import EXAMPLES, slow

LOCAL = "pattern local(w: int >= 1 = 4) = recent(w)\npattern all_of_them = causal"


def in_another_process(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_a_loaded_pattern_is_unpickled_in_another_process(tmp_path):
    """Also one whose file uses another one beside it."""
    (tmp_path / "library.attn").write_text("def near(w: int) = recent(w)")
    (tmp_path / "spec.attn").write_text('use "library.attn"\npattern p(w: int >= 1 = 2) = near(w)')
    patterns = (maskc.loads(LOCAL).local, maskc.load(tmp_path / "spec.attn").p)
    (tmp_path / "pickled").write_bytes(pickle.dumps(patterns))
    code = (
        "import pickle, sys\n"
        "for p in pickle.load(open(sys.argv[1], 'rb')):\n"
        "    print(p, p.dense_mask(3, w=2)[0, 0].int().tolist())"
    )
    band = "[[1, 0, 0], [1, 1, 0], [0, 1, 1]]"
    told = in_another_process(code, str(tmp_path / "pickled"))
    assert told == f"<attention local(w=4)> {band}\n<attention p(w=2)> {band}\n"


def test_a_copy_of_a_pattern_is_the_pattern(tmp_path):
    """Of a loaded one, and of one in a module that nothing can import by its name."""
    path = tmp_path / "spec.attn"
    path.write_text(LOCAL)
    written = pipeline.compile_file(path, tmp_path)
    found = importlib.util.spec_from_file_location("nameless", written)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["nameless"] = module
    found.loader.exec_module(module)
    del sys.modules["nameless"]
    for local in (maskc.loads(LOCAL).local, module.local):
        assert copy.deepcopy({"p": local})["p"] is local
        assert copy.copy(local) is local
    loaded = maskc.loads(LOCAL).local
    assert pickle.loads(pickle.dumps(loaded)) is loaded


def test_only_so_many_modules_are_kept(monkeypatch):
    """A pattern that someone holds lives on, and is pickled as before."""
    monkeypatch.setattr(modules, "MOST_MODULES", 3)
    monkeypatch.setattr(modules, "_kept", OrderedDict())
    before = {name for name in sys.modules if name.startswith("maskc_generated_")}
    held = [maskc.loads(f"pattern p = recent({width})").p for width in range(1, 6)]
    added = {name for name in sys.modules if name.startswith("maskc_generated_")} - before
    assert len(added) <= 3 and len(modules._kept) == 3
    for width, pattern in enumerate(held, 1):
        assert pattern.dense_mask(9)[0, 0, 8].sum() == width
        assert pickle.loads(pickle.dumps(pattern)).dense_mask(9)[0, 0, 8].sum() == width
    x = torch.randn(1, 1, 9, 16)
    assert held[0](x, x, x).shape == x.shape


def test_one_text_is_one_module_also_for_threads():
    found = []

    def load() -> None:
        found.append(maskc.loads("pattern p = recent(17)").p)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(map(id, found))) == 1


@pytest.mark.slow
def test_loading_writes_nothing_and_needs_no_home(tmp_path):
    """Nor a working temporary folder."""
    code = (
        "import maskc\n"
        "print(maskc.loads('pattern p = causal').p.dense_mask(2)[0, 0].int().tolist())"
    )
    nowhere = str(tmp_path / "nowhere")
    empty = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), nowhere)
    assert in_another_process(code, **empty) == "[[1, 0], [1, 1]]\n"
    assert not Path(nowhere).exists()


def test_the_source_of_a_loaded_pattern_can_be_read():
    keep = maskc.loads(LOCAL).local.spec.keep
    assert inspect.getsource(keep).startswith("def local_keep(q, k, call):")
    with pytest.raises(ValueError, match="w is 0") as error:
        maskc.loads(LOCAL).local.bind(4, w=0)
    assert "raise ValueError" in str(error.traceback[-1].statement)


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """All code below a code, in its order."""
    for inner in filter(lambda x: isinstance(x, CodeType), code.co_consts):
        yield inner
        yield from codes_of(inner)


def said(code: CodeType) -> tuple[object, ...]:
    """What a code says and where; its steps may hang on what the text before it imports."""
    plain = [x for x in code.co_consts if not isinstance(x, CodeType)]
    lines = sorted({line for *_, line in code.co_lines() if line})
    names = (code.co_name, code.co_names, code.co_varnames, code.co_freevars, code.co_flags)
    return (*names, repr(plain), code.co_filename, code.co_firstlineno, lines)


@pytest.mark.parametrize("path", [*EXAMPLES[:2], *slow(EXAMPLES[2:])], ids=lambda path: path.stem)
def test_code_of_shared_parts_is_that_of_the_whole_text(path):
    text = pipeline.module_text(path)
    whole = compile(text, "made.py", "exec", dont_inherit=True)
    parts = modules.code_of(text, "made.py")
    assert len(parts) > 100
    found = [said(code) for part in parts for code in codes_of(part)]
    assert found == [said(code) for code in codes_of(whole)]


@pytest.mark.parametrize(
    "text",
    [
        'x = """a\n\n\ndef f():\n    pass\n\n\nb"""\n',
        "x = (\n\n\n1,\n\n\n2)\n",
        "def f():\n    y = 1\n\n\n    return y\n\n\nx = f()\n",
        "if 1 > 2:\n    x = 1\n\n\nelse:\n    x = 2\n",
        "@str\n\n\nclass x:\n    pass\n",
        "from __future__ import annotations\n\n\nx = lambda: 0\n\n\ny: nowhere = 1\n\n\nx = str(y)",
    ],
)
def test_a_text_runs_as_a_whole_wherever_it_has_empty_lines(text):
    whole: dict[str, object] = {"__name__": "made"}
    exec(compile(text, "made.py", "exec", dont_inherit=True), whole)
    made = ModuleType("made")
    modules.run(made, text)
    assert str(made.x) == str(whole["x"])


@pytest.mark.parametrize("wrong", [b"pattern p = causal", 3, None])
def test_what_is_no_text_and_no_path_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="wanted a str"):
        maskc.loads(wrong)
    with pytest.raises(TypeError, match=r"path|str"):
        maskc.load(wrong)


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["triton"] = None
sys.path.insert(0, sys.argv[1])
import maskc, maskc.hook
for name, load in {
    "load": lambda: maskc.load(sys.argv[1] + "/spec.attn"),
    "loads": lambda: maskc.loads("pattern p = causal"),
    "hook": lambda: __import__("spec"),
    "testing": lambda: __import__("maskc.testing"),
    "wrong": lambda: maskc.loads("pattern p = casual"),
}.items():
    try:
        load()
    except (ModuleNotFoundError, maskc.MaskcError) as error:
        print(name, str(error).splitlines()[0], error.__suppress_context__)
"""


@pytest.mark.slow
def test_without_torch_loading_says_how_to_get_it(tmp_path):
    """Errors of the spec come first; no traceback leads through what maskc does inside."""
    (tmp_path / "spec.attn").write_text(LOCAL)
    told = in_another_process(WITHOUT_TORCH, str(tmp_path)).splitlines()
    sentence = "a compiled pattern needs torch: pip install 'maskc[run]' True"
    assert told[:3] == [f"{name} {sentence}" for name in ("load", "loads", "hook")]
    assert told[3] == "testing maskc.testing needs torch: pip install 'maskc[run]' True"
    assert told[4].startswith("wrong error[unknown-name]")


def test_a_module_that_fails_to_run_leaves_nothing_behind():
    before = set(sys.modules)
    with pytest.raises(ZeroDivisionError):
        modules.module_of("1 / 0")
    assert set(sys.modules) == before
