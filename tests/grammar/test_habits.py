"""What newcomers bring from Python, PyTorch and paper is told what to write here."""

from __future__ import annotations

import pytest

from maskc.diagnostics import MaskcError
from maskc.grammar.parse import parse, source

MASKS = [
    ("k in [1, 2]", "`{1, 2}`"),
    ("k in (1, 2)", "`{1, 2}`"),
    ("k not in {1}", "`not k in ...`"),
    ("causal if q > 3 else nothing", "`if c then a else b`"),
    ("if (q > 3) causal else nothing", "`if c then a else b`"),
    ("if q > 3: causal else: nothing", "`if c then a else b`"),
    ("if q > 3 then causal", "`if c then a else b`"),
    ("match q { 0: causal }", "`=>`"),
    ("any(i 0..3 : k == i)", "`any(i in low..high : M)`"),
    ("any(i in 0..3 k == i)", "`any(i in low..high : M)`"),
    ("any(i in 0..3, k == i)", "`any(i in low..high : M)`"),
    ("at(q - 1) causal", "the mask follows"),
    ("at(q = q - 1, causal)", "the mask follows"),
    ("lambda b, h, q, k: q >= k", "write it plainly"),
    ('coarse(causal, 64, rule = "any")', "quotes stand only after `use`"),
    ("None", "`nothing`"),
    ("q / 2 == k", "`//`"),
    ("q \N{MINUS SIGN} k > 0", "`-`"),
    ("q \N{LESS-THAN OR EQUAL TO} k", "`<=`"),
    ("q\N{NO-BREAK SPACE}> k", "plain space"),
]

STATEMENTS = [
    ("mask = causal", "without `=`"),
    ("mask: causal", "without `:`"),
    ("space grid(y: 3, x)", "`y = ...`"),
    ("space a(3) + b(3)", "`++`"),
    ("space a(3), b(3)", "`++`"),
    ("space align end", "leave both words out"),
    ("space gird(y, x)", "`grid(y, ...)`"),
    ("space grid()", "`grid(y, x)`"),
    ("space packed text(n)", "`space packed grid(y, x)`"),
    ("space query: grid(y, x)", "`query: ..., key: ...`"),
    ("return causal", "`mask`"),
    ("for i in 0..3", "any(i in low..high"),
    ("if q > 3 then causal else nothing", "`mask if c then a else b`"),
    ("var w = 3", "`let name = ...`"),
]

DECLARATIONS = [
    ("import torch", "`use"),
    ("fn p() = causal", "`def"),
    ("pattern p: causal", "`pattern p = M`"),
    ("const c(n: int) = 3", "write `def`"),
    ("const a = [1, 2]", "`name: int[] = [1, 2]`"),
    ("pattern p(n: int % 4 = 8) = causal", "`% 4 == 0`"),
    ("pattern p(n: int >= 0, <= 3) = causal", "joined by `and`"),
    ("pattern p", "`pattern p = M`"),
    ("pattern my-mask = causal", "`my_mask`"),
    ("pattern p(int w = 3) = recent(w)", "`w: int`"),
    ("pattern p(dynamic w: int = 3) = recent(w)", "`name: dynamic int`"),
]

ALL = [
    *((f"pattern p = {mask}", hint) for mask, hint in MASKS),
    *((f"pattern p {{\n    {statement}\n}}", hint) for statement, hint in STATEMENTS),
    *DECLARATIONS,
]


@pytest.mark.parametrize(("text", "hint"), ALL, ids=[text for text, _ in ALL])
def test_the_first_error_has_the_cure(text, hint):
    with pytest.raises(MaskcError) as told:
        parse(source(text))
    assert hint in told.value.diagnostics[0].hint
