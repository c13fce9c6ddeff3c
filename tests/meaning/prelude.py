"""The table of language.md section 6, formula by formula, over exact integer arrays.

Each function takes `here` (a `Here`: the positions and the call) and then the arguments of the
prelude function under their own names.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

from meaning.values import Value, both, hash_of, pointwise, truth


class Here(Protocol):
    """What a mask depends on, at one place of an expression."""

    q: Value
    k: Value
    head: Value
    n_k: int

    def coordinates(self, axis: str) -> tuple[Value, Value]:
        """The coordinate on `axis` of the query and of the key."""

    def extent(self, axis: str) -> Value:
        """`len(axis)`."""

    def axes(self) -> tuple[str, ...]:
        """All axes of the space."""

    def read(self, tensor: Any, position: Value) -> Value:
        """An input's entry at a position."""


def exactly(function: Any, *arguments: Value) -> Value:
    """A predicate on Python ints at every place."""
    return truth(pointwise(function, *arguments))


def everything(here: Here) -> Value:
    return True


def nothing(here: Here) -> Value:
    return False


def causal(here: Here) -> Value:
    return exactly(lambda q, k: k <= q, here.q, here.k)


def recent(here: Here, n: Value) -> Value:
    return exactly(lambda q, k, n: 0 <= q - k < n, here.q, here.k, n)


def window(here: Here, left: Value, right: Value | None = None) -> Value:
    right = left if right is None else right
    return exactly(lambda q, k, a, b: -b <= q - k <= a, here.q, here.k, left, right)


def sink(here: Here, n: Value) -> Value:
    return exactly(lambda k, n: k < n, here.k, n)


def global_(here: Here, n: Value) -> Value:
    return exactly(lambda q, k, n: q < n or k < n, here.q, here.k, n)


def prefix(here: Here, n: Value) -> Value:
    return exactly(lambda q, k, n: k < n or k <= q, here.q, here.k, n)


def block(here: Here, b: Value) -> Value:
    return exactly(lambda q, k, b: q // b == k // b, here.q, here.k, b)


def block_causal(here: Here, b: Value) -> Value:
    return exactly(lambda q, k, b: k // b <= q // b, here.q, here.k, b)


def block_window(here: Here, b: Value, left: Value, right: Value = 0) -> Value:
    return exactly(
        lambda q, k, b, low, high: -high <= q // b - k // b <= low, here.q, here.k, b, left, right
    )


def dilated(here: Here, n: Value, rate: Value) -> Value:
    return exactly(
        lambda q, k, n, r: abs(q - k) < n * r and (q - k) % r == 0, here.q, here.k, n, rate
    )


def strided(here: Here, stride: Value) -> Value:
    return exactly(lambda q, k, s: (q - k) % s == 0, here.q, here.k, stride)


def columns(here: Here, stride: Value, offset: Value | None = None) -> Value:
    if offset is None:
        return exactly(lambda k, s: k % s == s - 1, here.k, stride)
    return exactly(lambda k, s, o: k % s == o, here.k, stride, offset)


def fixed(here: Here, stride: Value, c: Value = 1) -> Value:
    return exactly(lambda q, k, s, c: q // s == k // s or k % s >= s - c, here.q, here.k, stride, c)


def powers(here: Here, base: Value = 2) -> Value:
    def kept(q: int, k: int, base: int) -> bool:
        d = q - k
        while d > 1 and d % base == 0:
            d //= base
        return d in (0, 1)

    return exactly(kept, here.q, here.k, base)


def random(here: Here, one_in: Value, seed: Value = 0) -> Value:
    return exactly(
        lambda h, q, k, n, seed: hash_of(seed, h, q, k) % n == 0,
        *(here.head, here.q, here.k, one_in, seed),
    )


def random_blocks(here: Here, b: Value, n: Value, seed: Value = 0) -> Value:
    @cache
    def draws(h: int, row: int, b: int, n: int, seed: int) -> set[int]:
        blocks = -(-here.n_k // b)
        return {hash_of(seed, h, row, i) % blocks for i in range(n)}

    def kept(h: int, q: int, k: int, b: int, n: int, seed: int) -> bool:
        return k // b in draws(h, q // b, b, n, seed)

    return exactly(kept, here.head, here.q, here.k, b, n, seed)


def document(here: Here, doc: Any) -> Value:
    return exactly(lambda a, b: a == b, here.read(doc, here.q), here.read(doc, here.k))


def same(here: Here, a: str) -> Value:
    return exactly(lambda x, y: x == y, *here.coordinates(a))


def near(here: Here, a: str, r: Value) -> Value:
    return exactly(lambda x, y, r: abs(x - y) <= r, *here.coordinates(a), r)


def near_wrap(here: Here, a: str, r: Value) -> Value:
    return exactly(
        lambda x, y, r, n: min((x - y) % n, (y - x) % n) <= r,
        *(*here.coordinates(a), r, here.extent(a)),
    )


def neighborhood(here: Here, a: str, kernel: Value, dilation: Value = 1) -> Value:
    def kept(x: int, y: int, kernel: int, dilation: int, n: int) -> bool:
        if x % dilation != y % dilation:
            return False
        length = len(range(x % dilation, n, dilation))
        first = min(max(x // dilation - kernel // 2, 0), max(length - kernel, 0))
        return first <= y // dilation < first + min(kernel, length)

    return exactly(kept, *here.coordinates(a), kernel, dilation, here.extent(a))


def tile(here: Here, a: str, w: Value, shift: Value = 0) -> Value:
    return exactly(lambda x, y, w, s: (x - s) // w == (y - s) // w, *here.coordinates(a), w, shift)


def tile_wrap(here: Here, a: str, w: Value, shift: Value = 0) -> Value:
    return exactly(
        lambda x, y, w, s, n: (x - s) % n // w == (y - s) % n // w,
        *(*here.coordinates(a), w, shift, here.extent(a)),
    )


def tile_swin(here: Here, a: str, w: Value, shift: Value) -> Value:
    sides = exactly(lambda x, y, s: (x >= s) == (y >= s), *here.coordinates(a), shift)
    return both(tile_wrap(here, a, w, shift), sides)


def halo(here: Here, a: str, b: Value, h: Value) -> Value:
    return exactly(
        lambda x, y, b, h: b * (x // b) - h <= y < b * (x // b) + b + h,
        *(*here.coordinates(a), b, h),
    )


def residue(here: Here, a: str, r: Value) -> Value:
    return exactly(lambda x, y, r: x % r == y % r, *here.coordinates(a), r)


def disk(here: Here, r: Value) -> Value:
    total: Value = 0
    for axis in here.axes():
        x, y = here.coordinates(axis)
        total = pointwise(lambda t, x, y: t + (x - y) ** 2, total, x, y)
    return exactly(lambda t, r: t <= r * r, total, r)


PRELUDE = {
    function.__name__.rstrip("_"): function
    for function in (
        *(everything, nothing, causal, recent, window, sink, global_, prefix),
        *(block, block_causal, block_window, dilated, strided, columns, fixed, powers),
        *(random, random_blocks, document, same, near, near_wrap, neighborhood),
        *(tile, tile_wrap, tile_swin, halo, residue, disk),
    )
}
AXIS_ARGUMENTS = ("a",)
