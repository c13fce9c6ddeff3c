"""How much smaller than usual the default tiles of a pattern's kernels are.

A thread keeps in registers what mask and score make of its pairs, and their addresses where a
tensor is read at every pair. The numbers are measured: with them no default kernel of the gallery
spills on sm_90.
"""

from __future__ import annotations

from maskc import ir
from maskc.analysis import dependence, pair_reads

MOST_OPERATIONS = 24
"""Operations on positions that a tile of the usual size has registers for."""


def halvings(pattern: ir.Pattern) -> int:
    """How often the default tiles are halved.

    Once for a long mask or score: of more than MOST_OPERATIONS, or with a loop over a length that
    only a call knows. Where tensors are read at every pair, once for each and once more.
    """
    roots = [root for root in (pattern.mask, pattern.score) if root is not None]
    reads = len(pair_reads(*roots))
    return reads + 1 if reads else int(_is_long(roots))


def _is_long(roots: list[ir.Node]) -> bool:
    names, nodes = dependence(), tuple(ir.postorder(*roots))
    operations = [node for node in nodes if isinstance(node, ir.Op | ir.Load)]
    of_positions = [node for node in operations if names(node) & set(ir.POSITIONS)]
    ends = [end for node in nodes if isinstance(node, ir.Fold) for end in (node.low, node.high)]
    open_ended = any(name.startswith("size:") for end in ends for name in names(end))
    return open_ended or len(of_positions) > MOST_OPERATIONS
