"""Calls of the prelude's functions, with arguments that their refinements allow."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from hypothesis import strategies as st

from maskc.pipeline import prelude
from maskc.syntax import Def, Expression, Name
from maskc.testing.choices import Draw, call, rarely, small

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
argument but wants the space's axes in sight, a pair of ints bounds a literal (both inclusive). A
function that is not here is called with all its arguments.
"""

WORDS = {"axis": "axis", "input": "document"}
"""The word for an argument of each type; `size` of others."""


def prelude_call(
    draw: Draw, absent: Collection[str], argument: Callable[[str], Expression]
) -> Expression:
    """A call of a prelude function.

    Args:
        draw: of Hypothesis.
        absent: words that no argument can be given for.
        argument: an argument for a word.

    """
    functions, calls = _functions(), _calls()
    groups = [g for g, words in calls.items() if not {*words} & {*absent}]
    group = draw(st.sampled_from(groups))
    name = group.split()[0]
    arguments: list[Expression] = []
    for word in calls[group]:
        if isinstance(word, tuple):
            arguments.append(small(draw, *word))
        elif word != "all axes":
            arguments.append(argument(word))
    if not arguments and not functions[name].parameters:
        return Name(name)
    if not rarely(draw):
        return call(name, *arguments)
    named = [p.name for p in functions[name].parameters][len(arguments) - 1 :]
    return call(name, *arguments[:-1], **dict(zip(named, arguments[-1:], strict=False)))


@cache
def _functions() -> dict[str, Def]:
    """The functions of the prelude that a spec may call."""
    found = (d for d in prelude().declarations if isinstance(d, Def))
    return {d.name: d for d in found if not d.name.startswith("_")}


@cache
def _calls() -> dict[str, tuple[Any, ...]]:
    """Calls of every function, as PRELUDE_ARGUMENTS."""
    known = {group.split()[0] for group in PRELUDE_ARGUMENTS}
    others = {
        name: tuple(WORDS.get(p.type.name if p.type else "int", "size") for p in d.parameters)
        for name, d in _functions().items()
        if name not in known
    }
    return {**PRELUDE_ARGUMENTS, **others}
