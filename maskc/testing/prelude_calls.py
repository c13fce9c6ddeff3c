"""Calls of the prelude's functions, with arguments that their refinements allow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from hypothesis import strategies as st

from maskc.syntax import Expression, Name
from maskc.testing.choices import Draw, call, small

PRELUDE_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "causal": (),
    "recent": ("length",),
    "window": ("reach",),
    "window both": ("reach", "reach"),
    "sink": ("length",),
    "global": ("length",),
    "prefix": ("length",),
    "block": ("length",),
    "block_causal": ("length",),
    "block_window": ("size", "reach"),
    "block_window both": ("size", "reach", "reach"),
    "dilated": ("size", "size"),
    "strided": ("size",),
    "columns": ("size",),
    "columns offset": ((4, 6), (0, 3)),
    "fixed": ("size",),
    "fixed c": ("size", (0, 4)),
    "powers": (),
    "powers base": ((2, 5),),
    "random": ("size", (0, 3)),
    "random_blocks": ((1, 7), (0, 3), (0, 3)),
    "document": ("document",),
    "same": ("axis",),
    "near": ("axis", "length"),
    "near_wrap": ("axis", "size"),
    "neighborhood": ("axis", "size"),
    "neighborhood dilated": ("axis", "size", (1, 3)),
    "tile": ("axis", "size", (0, 4)),
    "tile_wrap": ("axis", "size", (0, 4)),
    "tile_swin": ("axis", "size", (0, 4)),
    "halo": ("axis", "size", (0, 4)),
    "residue": ("axis", "size"),
    "disk": ("all axes", (0, 5)),
}
"""What each prelude function is called with; a second word tells calls of one function apart.

`size` is constant and >= 1, `length` may depend on the pair, `reach` is any int, `all axes` is no
argument but wants the space's axes in sight, a pair of ints bounds a literal (both inclusive).
"""


def prelude_call(
    draw: Draw, absent: Collection[str], argument: Callable[[str], Expression]
) -> Expression:
    """A call of a prelude function.

    Args:
        draw: of Hypothesis.
        absent: words that no argument can be given for.
        argument: an argument for a word.

    """
    groups = [g for g, words in PRELUDE_ARGUMENTS.items() if not {*words} & {*absent}]
    group = draw(st.sampled_from(groups))
    arguments: list[Expression] = []
    for word in PRELUDE_ARGUMENTS[group]:
        if isinstance(word, tuple):
            arguments.append(small(draw, *word))
        elif word != "all axes":
            arguments.append(argument(word))
    return call(group.split()[0], *arguments) if arguments else Name(group)
