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
    tile_q = sorted({p // n for p in queries})
    tile_k = sorted({p // w for p in range(m.n_k)})
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
    table: dict[tuple[int, int], np.ndarray] = {}
    for i, t in enumerate(tile_q):
        for j, u in enumerate(tile_k):
            if word == "center":
                table[t, u] = fine[:, :, i, j]
                continue
            rows = [p // n == t for p in queries]
            tile = fine[:, :, rows][..., [p // w == u for p in range(m.n_k)]]
            tile = tile.reshape(*lead, -1)
            if word == "any":
                table[t, u] = tile.any(-1)
            elif word == "all":
                table[t, u] = tile.all(-1)
            else:
                assert isinstance(rule, syntax.Call)
                share = value(m, rule.arguments[0].value, scope)
                table[t, u] = tile.sum(-1) * 100 >= share * tile.shape[-1]
    shape = (*lead, *np.broadcast_shapes(np.shape(scope.q), np.shape(scope.k), (1,) * 4)[2:])
    result = np.zeros(shape, dtype=bool)
    of_q = np.broadcast_to(values.arithmetic("//", scope.q, n), shape)
    of_k = np.broadcast_to(values.arithmetic("//", scope.k, w), shape)
    for (t, u), kept in table.items():
        here = (of_q == t) & (of_k == u)
        result |= here & kept[:, :, None, None]
    return result
