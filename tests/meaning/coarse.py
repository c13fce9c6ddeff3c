"""`coarse(M, ...)`: a mask read tile by tile over the whole sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from maskc import syntax
from meaning import values
from meaning.scope import Scope
from meaning.values import Value, integers

if TYPE_CHECKING:
    from meaning.spec import Meaning


def coarse(m: Meaning, e: syntax.Call, scope: Scope, value: Callable[..., Any]) -> Value:
    """The value of a call of `coarse`; `value` reads an expression."""
    named = {a.name: a.value for a in e.arguments[1:] if a.name is not None}
    both = [a.value for a in e.arguments[1:] if a.name is None]
    of_side = (both[0] if both else named.get(s) for s in ("q", "k"))
    n, w = (1 if e is None else value(m, e, scope) for e in of_side)
    queries = range(min(m.q_start, 0), m.n_q if m.two_sided else max(m.q_start + m.n_q, m.n_k))
    q = integers(list(queries)).reshape(1, 1, -1, 1)
    k = integers(list(range(m.n_k))).reshape(1, 1, 1, -1)
    tile_q, first_q = np.unique([p // n for p in queries], return_index=True)
    tile_k, first_k = np.unique([p // w for p in range(m.n_k)], return_index=True)
    rule = named.get("rule", syntax.Name("any"))
    word = rule.name if isinstance(rule, syntax.Name) else "share"
    at_q, at_k = q, k
    if word == "center":
        last_q, last_k = queries[-1], m.n_k - 1
        at_q = integers([min(t * n + n // 2, last_q) for t in tile_q]).reshape(1, 1, -1, 1)
        at_k = integers([min(t * w + w // 2, last_k) for t in tile_k]).reshape(1, 1, 1, -1)
    inner = value(m, e.arguments[0].value, replace(scope, q=at_q, k=at_k))
    lead = (m.batch, m.heads)
    fine = np.broadcast_to(inner, (*lead, at_q.shape[2], at_k.shape[3]))
    if word == "center":
        tiles = fine
    else:
        counts = np.add.reduceat(fine.astype(np.int64), first_q, axis=2)
        counts = np.add.reduceat(counts, first_k, axis=3)
        rows, columns = np.diff([*first_q, len(queries)]), np.diff([*first_k, m.n_k])
        pairs = rows[:, None] * columns
        if word == "any":
            tiles = counts > 0
        elif word == "all":
            tiles = counts == pairs
        else:
            assert isinstance(rule, syntax.Call)
            tiles = counts * 100 >= value(m, rule.arguments[0].value, scope) * pairs
    shape = (*lead, *np.broadcast_shapes(np.shape(scope.q), np.shape(scope.k), (1,) * 4)[2:])
    of_q, row = _found(values.arithmetic("//", scope.q, n), tile_q, shape)
    of_k, column = _found(values.arithmetic("//", scope.k, w), tile_k, shape)
    batch, head = (np.arange(size).reshape(-1, *(1,) * (3 - i)) for i, size in enumerate(lead))
    return of_q & of_k & tiles[batch, head, row, column]


def _found(tile: Value, tiles: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Whether each tile is one of `tiles`, and which: bool and int arrays of `shape`."""
    wanted = np.broadcast_to(tile, shape).astype(np.int64)
    index = np.minimum(np.searchsorted(tiles, wanted), len(tiles) - 1)
    return tiles[index] == wanted, index
