"""The Triton text of masks and scores says what the expressions say, negatives included."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
import triton.language as tl
from hypothesis import given, settings
from readings.expressions import LENGTH, Place, bools, largest, places
from readings.test_torch_text import MOST_HASH, SCORES, call_of, functions, pattern_of

from maskc import ir
from maskc.bounds.rectangle import signs
from maskc.codegen import kernel_arguments, render_triton, splice
from maskc.codegen.runtime import arithmetic
from maskc.ir import Const, Node, Op, Var
from maskc.passes.slope import slope

SIZE = 16

FAR = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40)
"""Numbers about the ends of 32 bits."""

PROBE = """
@triton.jit
def probe(
    keep_ptr, s_ptr, slope_ptr,
    q_start, n_q, n_k, batch, head, kv_head, heads, kv_heads,
    {arguments}
    SIZE: tl.constexpr,
    POSITION: tl.constexpr,
):
    place = tl.arange(0, SIZE)[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    q_pos = (tl.arange(0, SIZE).to(POSITION) + q_start)[:, None]
    k_pos = tl.arange(0, SIZE).to(POSITION)[None, :]
    s = tl.load(s_ptr + place)
{mask}
    tl.store(keep_ptr + place, tl.broadcast_to(keep, [SIZE, SIZE]).to(tl.int8))
{slope}
{score}
    tl.store(s_ptr + place, tl.broadcast_to(s, [SIZE, SIZE]))
    tl.store(slope_ptr + place, tl.broadcast_to(slope, [SIZE, SIZE]))
"""

HEADER = "from __future__ import annotations\n\nimport triton\nimport triton.language as tl\n\n\n"

_made = 0


def launched(
    pattern: ir.Pattern, place: Place, s: torch.Tensor, wide: bool, folder: Path
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Kept pairs, logits and slopes [SIZE, SIZE] that the pattern's text gives at a place."""
    global _made
    _made += 1
    by_s = None if pattern.score is None else slope(pattern.score)
    filling, arguments = render_triton.filled(pattern, by_s)
    text = PROBE.format(
        arguments="".join(f"{argument}, " for argument in filling.arguments),
        mask=indented(filling.mask),
        score=indented(filling.score),
        slope=indented(filling.slope or ("slope = s",)),
    )
    values = kernel_arguments.arguments_function(pattern, arguments).text
    path = folder / f"probe_{_made}.py"
    path.write_text(f"{HEADER}{splice.shared()}\n\n{text}")
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[path.stem] = module
    found.loader.exec_module(module)
    scope = dict(vars(arithmetic))
    exec(compile(values, "arguments", "exec"), scope)
    call = call_of(place)
    keep = torch.full((SIZE, SIZE), 7, dtype=torch.int8)
    slopes = torch.zeros((SIZE, SIZE))
    s = s.clone()
    module.probe[(1,)](
        keep,
        s,
        slopes,
        place.q_start,
        call.n_q,
        call.n_k,
        *(place.values[name] for name in ("batch", "head", "kv_head")),
        call.heads,
        call.kv_heads,
        *scope[f"{pattern.name}_arguments"](call).values(),
        SIZE=SIZE,
        POSITION=tl.int64 if wide else tl.int32,
    )
    return keep, s, slopes


def indented(statements: tuple[str, ...]) -> str:
    return "\n".join(f"    {line}" for line in statements)


def assert_text_is_the_mask(mask: Node, place: Place, folder: Path) -> None:
    reach = 0
    expected = torch.full((SIZE, SIZE), 7, dtype=torch.int8)
    for row in range(SIZE):
        for k in range(LENGTH):
            here = {**place.values, "q": row + place.q_start, "k": k}
            size = largest(mask, here, place.tensors)
            if size < 2**61:
                expected[row, k] = place.read(mask, q=row + place.q_start, k=k)
                reach = max(reach, size)
    zeros = torch.zeros((SIZE, SIZE))
    last = LENGTH - 1
    span = functions(pattern_of(mask))["p_span"](place.q_start, last, 0, last, call_of(place))
    assert reach <= max(span, MOST_HASH)
    for wide in {True, span >= 2**31}:
        keep, _, _ = launched(pattern_of(mask), place, zeros, wide, folder)
        known = expected != 7
        assert torch.equal(keep[known], expected[known])


@settings(max_examples=100, deadline=None)
@given(bools(3), places())
def test_mask_text_is_the_mask(tmp_path_factory, mask: Node, place: Place) -> None:
    assert_text_is_the_mask(mask, place, tmp_path_factory.mktemp("probe"))


@pytest.mark.parametrize("at_run_time", [False, True])
@pytest.mark.parametrize("size", [0, 1, 7, -7, *FAR, *(-size for size in FAR)])
@settings(max_examples=1, deadline=None)
@given(place=places())
def test_a_hash_has_the_remainder_by_any_number(tmp_path_factory, size, at_run_time, place) -> None:
    by_length = Op("add", (Var("n_k"), Const(size - place.values["n_k"])))
    drawn = Op("hash", (Const(3), Var("q"), Var("k")))
    rest = Op("mod", (drawn, by_length if at_run_time else Const(size)))
    mask = Op("eq", (Op("mod", (rest, Const(3))), Const(1)))
    assert_text_is_the_mask(mask, place, tmp_path_factory.mktemp("probe"))


def test_a_number_of_blocks_is_known_not_to_be_negative() -> None:
    blocks = Op("neg", (Op("floordiv", (Op("neg", (Var("n_k"),)), ir.Param("size"))),))
    assert signs({"size": (1, None)})(blocks).at_least(0)


@pytest.mark.parametrize("name", SCORES)
@settings(max_examples=5, deadline=None)
@given(places())
def test_score_text_is_the_score(tmp_path_factory, name: str, place: Place) -> None:
    score = SCORES[name]
    s = torch.linspace(-6.05, 6.15, SIZE * SIZE).view(SIZE, SIZE)
    pattern = pattern_of(ir.TRUE, score)
    _, found, slopes = launched(pattern, place, s, False, tmp_path_factory.mktemp("probe"))
    by_s = slope(score)
    for row in range(SIZE):
        for k in range(0, SIZE, 5):
            here = {"s": s[row, k].item(), "q": row + place.q_start, "k": k}
            wanted = torch.tensor([place.read(score, **here), place.read(by_s, **here)])
            got = torch.stack([found[row, k], slopes[row, k]])
            assert torch.allclose(got, wanted, rtol=2e-5, atol=2e-5), (name, here)
