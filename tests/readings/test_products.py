"""Products of products: their rectangle reading stays as small as what is written."""

from __future__ import annotations

from check.pointwise import checked

from maskc import ir
from maskc.bounds import bounds
from maskc.bounds.span import span

LEVELS = 12


def test_the_reading_of_a_product_of_products_grows_with_its_nodes():
    steps = (f"def f{i + 1}(n: int) = f{i}(n + 1) * f{i}(n + 2)\n" for i in range(LEVELS))
    text = f"def f0(n: int) = n + k\n{''.join(steps)}pattern p = f{LEVELS}(1) > q"
    (pattern,) = checked(text)
    reading = bounds(pattern.mask)
    size = span(pattern.mask, reading=(reading.every, reading.some, reading.hit, reading.miss))
    assert len(list(ir.postorder(size))) < 1_000


def test_a_product_of_few_factors_keeps_its_ends():
    (pattern,) = checked("pattern p = " + " * ".join(f"(k + {i})" for i in range(16)) + " > q")
    reading = bounds(pattern.mask)
    assert reading.some != ir.TRUE
    assert reading.every != ir.FALSE
