"""Splicing: holes are filled, everything else stays."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from kernels import spliced

from maskc.codegen import splice
from maskc.codegen.render_triton import filled
from maskc.pipeline import check_text

FILLINGS = {
    "causal": spliced.CAUSAL,
    "window": spliced.WINDOW,
    "document": spliced.DOCUMENT,
    "score": spliced.SOFTCAP,
}


@pytest.mark.parametrize("name", splice.KERNELS)
@pytest.mark.parametrize("filling", FILLINGS.values(), ids=FILLINGS)
def test_no_hole_is_left(name, filling):
    text = splice.kernel(name, "p", filling)
    tree = ast.parse(text)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "hole"]
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == f"p_{name}"
    arguments = [argument.arg for argument in function.args.args]
    assert "holes" not in arguments
    assert all(argument.split(":")[0] in arguments for argument in filling.arguments)


@pytest.mark.parametrize("name", splice.KERNELS)
def test_comments_and_all_lines_without_a_hole_stay(name):
    file = splice.TEMPLATES / f"{splice.KERNELS[name]}.py"
    text = splice.kernel(name, name, spliced.WINDOW)
    kept = [line for line in text.splitlines() if line in file.read_text().splitlines()]
    new = [line.strip() for line in text.splitlines() if line not in kept]
    own = {
        *spliced.WINDOW.mask,
        "base_two = scale * log2e",
        f"def {name}_{name}(",
        "WINDOW: tl.constexpr,",
    }
    assert set(new) == own
    assert sum("#" in line for line in kept) >= 5


def test_a_mask_stands_only_in_the_loop_over_partial_runs():
    for name in splice.KERNELS:
        before, after = splice.kernel(name, "p", spliced.WINDOW).split("in range(full_first")
        assert "WINDOW" in before
        assert "keep" not in after


def test_a_plain_logit_leaves_no_trace_of_a_score():
    for name in splice.KERNELS:
        plain = splice.kernel(name, "p", spliced.CAUSAL)
        assert "s * scale" not in plain
        assert "slope" not in plain
        assert "s = s * scale" in splice.kernel(name, "p", spliced.SOFTCAP)


def test_the_same_filling_gives_the_same_text_in_every_process():
    code = (
        "from maskc.codegen import splice as s; import hashlib;"
        "f = s.Filling(mask=('keep = k_pos <= q_pos',));"
        "t = s.shared() + ''.join(s.kernel(n, 'p', f) for n in s.KERNELS);"
        "print(hashlib.sha256(t.encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] != ""


def test_splicing_imports_neither_torch_nor_triton():
    code = (
        "import sys; from maskc.codegen import splice;"
        "splice.kernel('dq', 'p', splice.Filling(mask=('keep = k_pos <= q_pos',)));"
        "assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", splice.KERNELS)
def test_a_runtime_number_never_compiles_anew(name, tmp_path):
    filling = splice.Filling(
        mask=("keep = (q_pos - k_pos < p_ptr) & (k_pos < in_doc_size_0)",),
        arguments=("p_ptr", "in_doc_ptr", "exact_a_ptr", "in_doc_size_0", "SINKS: tl.constexpr"),
    )
    kernel = getattr(spliced.module(filling, tmp_path), f"p_{name}")
    kept = {x.name for x in kernel.params if not x.is_constexpr and x.do_not_specialize}
    assert kept == {"n_q", "n_k", "q_start", "heads", "kv_heads", "p_ptr"}


def test_coordinates_of_keys_need_no_care_for_signs():
    (pattern,) = check_text("pattern p {\n    space grid(t, y, x)\n    mask k.y < 2\n}\n")
    filling, _ = filled(pattern)
    text = "\n".join(filling.mask)
    assert "tile_floor_div(k_pos, x_size_x, False), x_size_y, False)" in text
