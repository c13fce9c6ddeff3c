"""Pictures of masks in text: one cell a pair, or one a tile, drawn with block characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maskc import ir, points
from maskc.setting import Setting, SettingError

MOST_TOKENS = 512
"""Longest side of a mask that is drawn pair by pair."""

MOST_STEPS = 20_000_000
"""Evaluations of single operations that one picture may take: a few seconds."""

HALVES = " ▄▀█"
"""A character by its lower (1) and upper (2) cell."""

BRAILLE = (0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)
"""Bits of the dots of a Braille character: left column from top to bottom, right column."""

TILES, NARROW = ("· ", "▒▒", "██"), ("·", "▒", "█")
"""An absent, a partial and a full tile, and the same in one column each."""

Cells = Sequence[Sequence[int]]
"""Rows of cells: kept or not, or kinds of tiles."""


def cells(pattern: ir.Pattern, call: Setting, head: int = 0) -> list[list[bool]]:
    """The mask of one head, row by row, by the points reading: it needs no torch.

    Raises:
        SettingError: where drawing would take more than a few seconds.

    """
    whole = steps(pattern.mask) * call.n_q * call.n_k
    if max(call.n_q, call.n_k) > MOST_TOKENS or whole > MOST_STEPS:
        most = min(MOST_TOKENS, int((MOST_STEPS / max(1, steps(pattern.mask))) ** 0.5))
        raise SettingError(
            f"a picture pair by pair shows at most {most} tokens of `{pattern.name}`: "
            "give a smaller --n, or --tiles"
        )
    values, tensors = call.values(head), call.tensors()
    start = call.n_k - call.n_q if pattern.space.align == "end" else 0
    return [
        [
            points.evaluate(pattern.mask, {**values, "q": row + start, "k": k}, tensors)
            for k in range(call.n_k)
        ]
        for row in range(call.n_q)
    ]


def draw(mask: Cells, width: int = 0, plain: bool = False) -> str:
    """A mask as text: queries downwards, keys to the right, a mark where the pair is kept.

    Args:
        mask: rows of kept or not.
        width: columns of the terminal, 0 for any; a wider mask is drawn in Braille dots.
        plain: with `#` and `.` alone, one row a line.

    Example:
        >>> print(draw([[k <= q for k in range(4)] for q in range(4)]))
        █▄
        ███▄
        >>> print(draw([[True, False], [True, True]], plain=True))
        #.
        ##

    """
    if plain:
        return "\n".join("".join("#" if cell else "." for cell in row) for row in mask)
    columns = len(mask[0]) if mask else 0
    if width and columns > width:
        return _braille(mask)
    blank = [False] * columns
    rows = [*mask, blank] if len(mask) % 2 else list(mask)
    return "\n".join(
        "".join(
            HALVES[2 * bool(up) + bool(low)] for up, low in zip(upper, lower, strict=True)
        ).rstrip()
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    )


def draw_tiles(tiles: Cells, width: int = 0, plain: bool = False) -> str:
    """The tiles of a layout as text: `██` full, `▒▒` partial, `·` absent (plain: `# + .`).

    Args:
        tiles: rows of 0 absent, 1 partial, 2 full.
        width: columns of the terminal, 0 for any; where two for a tile are too many, it has one.
        plain: with `# + .` alone.

    Example:
        >>> print(draw_tiles([[1, 0], [2, 1]]))
        ▒▒·
        ██▒▒

    """
    narrow = width and tiles and 2 * len(tiles[0]) > width
    marks = (".", "+", "#") if plain else NARROW if narrow else TILES
    return "\n".join("".join(marks[kind] for kind in row).rstrip() for row in tiles)


def as_words(mask: Cells) -> list[str]:
    """The cells as one string of digits a row, for `--json`."""
    return ["".join(str(int(cell)) for cell in row) for row in mask]


def _braille(mask: Cells) -> str:
    lines = []
    for top in range(0, len(mask), 4):
        rows = mask[top : top + 4]
        line = []
        for left in range(0, len(rows[0]), 2):
            bits = 0
            for y, row in enumerate(rows):
                for x, cell in enumerate(row[left : left + 2]):
                    bits |= BRAILLE[x][y] if cell else 0
            line.append(chr(0x2800 + bits))
        lines.append("".join(line).rstrip(chr(0x2800)))
    return "\n".join(lines)


def steps(node: ir.Node) -> int:
    """Operations that one evaluation takes at most; a quantifier of unknown length counts 64."""
    known: dict[ir.Node, int] = {}
    for part in ir.postorder(node):
        inner = sum(known[child] for child in ir.children(part)) if _loops(part) else 0
        known[part] = _rounds(part) * inner if _loops(part) else 1
    return sum(known.values())


def _loops(node: ir.Node) -> bool:
    return isinstance(node, ir.BINDERS)


def _rounds(node: Any) -> int:
    ends = (node.low, node.high)
    if all(isinstance(end, ir.Const) for end in ends):
        return max(1, int(node.high.value) - int(node.low.value))
    return 64
