"""Specs written by hand, as the compiler writes them, for the tests of the runtime."""

from __future__ import annotations

import torch

from maskc.codegen.runtime.call import Call, Input, Param, Spec
from maskc.codegen.runtime.tables import RangeTables, Tables

AT_LEAST_0 = (lambda value, _: value >= 0, "sinks >= 0")
AT_LEAST_1 = (lambda value, _: value >= 1, "window >= 1")


def _less(a0, a1, b0, b1):
    """Bounds of a < b from the ranges of a and b, which are independent."""
    every, some = a1 < b0, a0 < b1
    return every, some, some, ~every


def _and(a, b):
    every, some = a[0] & b[0], a[1] & b[1]
    return every, some, every | (a[0] & b[2]) | (a[2] & b[0]), a[3] | b[3]


def _or(a, b):
    every, some = a[0] | b[0], a[1] | b[1]
    return every, some, a[2] | b[2], ~some | (~a[1] & b[3]) | (a[3] & ~b[1])


def causal_keep(q, k, call):
    """K <= q."""
    return k <= q


def causal_bounds(q0, q1, k0, k1, call, tables):
    """Exact."""
    return _less(k0, k1, q0 + 1, q1 + 1)


def streaming_keep(q, k, call):
    """Causal and (window or sinks)."""
    return (k <= q) & ((q - k < call.params["window"]) | (k < call.params["sinks"]))


def streaming_bounds(q0, q1, k0, k1, call, tables):
    """Window and causal together are one range of q - k."""
    low, high = q0 - k1, q1 - k0
    window, sinks = call.params["window"], call.params["sinks"]
    every = (low >= 0) & ((high < window) | (k1 < sinks))
    some = (high >= 0) & ((low < window) | (k0 < sinks))
    hit = ((high >= 0) & (low < window)) | ((k0 < sinks) & (q1 >= k0))
    miss = (low < 0) | ((k1 >= sinks) & (q1 - k0.clamp(min=sinks) >= window))
    return every, some, hit, miss


def blind_bounds(q0, q1, k0, k1, call, tables):
    """Sound, and proves nothing about hits and misses."""
    every, some, _, _ = streaming_bounds(q0, q1, k0, k1, call, tables)
    return every, some, torch.zeros_like(every), torch.zeros_like(every)


def document_keep(q, k, call):
    """Same document and causal; `doc` is int[batch, token]."""
    doc = call.tensors["doc"]
    n = doc.shape[1]
    q_doc = torch.where((q >= 0) & (q < n), doc[call.batch, q.clamp(0, max(n - 1, 0))], 0)
    k_doc = doc[call.batch, k]
    return (q_doc == k_doc) & (k <= q)


def document_bounds(q0, q1, k0, k1, call, tables):
    """Ranges of labels; the ends of a range are labels that occur."""
    name, b = "doc", (call.batch,)
    ql, qh = tables.range_min(name, b, q0, q1), tables.range_max(name, b, q0, q1)
    kl, kh = tables.range_min(name, b, k0, k1), tables.range_max(name, b, k0, k1)
    every = (ql == qh) & (kl == kh) & (ql == kl)
    some = (ql <= kh) & (kl <= qh)
    hit = (ql == kl) | (ql == kh) | (qh == kl) | (qh == kh)
    same = every, some, hit, ~every
    return _and(same, causal_bounds(q0, q1, k0, k1, call, tables))


def powers_term(t, call):
    """Whether t is 0 or a power of two."""
    return (t >= 0) & ((t & (t - 1)) == 0)


def powers_keep(q, k, call):
    """Q - k is 0 or a power of two."""
    return powers_term(q - k, call)


def powers_bounds(q0, q1, k0, k1, call, tables):
    """Every difference from q0 - k1 to q1 - k0 occurs in the rectangle."""
    low, high = q0 - k1, q1 - k0
    count = tables.tally(0, low, high)
    some, every = count > 0, count == high - low + 1
    return every, some, some, ~every


def heads_keep(q, k, call):
    """Head h sees a window of `width[h]`."""
    return (k <= q) & (q - k < call.tensors["width"][call.head])


def heads_bounds(q0, q1, k0, k1, call, tables):
    """As a window, by head."""
    low, high, width = q0 - k1, q1 - k0, call.tensors["width"][call.head]
    every, some = (low >= 0) & (high < width), (high >= 0) & (low < width)
    return every, some, some, ~every


def strided_keep(q, k, call):
    """Causal, and q - k a multiple of 8."""
    return (k <= q) & ((q - k) % 8 == 0)


def strided_bounds(q0, q1, k0, k1, call, tables):
    """Differences in a rectangle are a whole range."""
    low, high = (q0 - k1).clamp(min=0), q1 - k0
    first = -(-low // 8) * 8
    some = first <= high
    return some & (q0 == q1) & (k0 == k1), some, some, ~some | (q0 != q1) | (k0 != k1)


def strided_period(call):
    """Of q - k."""
    return 8


def strided_uniform(q0, q1, k0, k1, call, tables):
    """Wholly on one side of the diagonal."""
    return (k1 <= q0) | (k0 > q1)


def drawn(t, call):
    """The block of 24 keys that each block of 24 queries draws, by a hash without bounds."""
    return (t // 24 * 0x9E3779B1 >> 7) % (call.n_k // 24 + 1)


def drawn_keep(q, k, call):
    """Block of the key is the one drawn, or its own."""
    return (k // 24 == drawn(q, call)) | (k // 24 == q // 24)


def drawn_bounds(q0, q1, k0, k1, call, tables):
    """Exact over one block of queries, opaque over two."""
    one = q0 // 24 == q1 // 24
    draw, low, high = drawn(q0, call), k0 // 24, k1 // 24
    own_every, own_some = one & (low == high) & (low == q0 // 24), (low <= q1 // 24)
    own_some &= q0 // 24 <= high
    hit = (one & (low <= draw) & (draw <= high)) | own_some
    every = own_every | (one & (low == high) & (low == draw))
    apart = one & (low != high) & ~((high - low == 1) & (low != draw) & (low != q0 // 24))
    miss = (one & ~hit) | (apart & (high - low >= 2))
    return every, ~one | hit, hit, miss


WINDOW = Param("window", "int", default=1024, rules=(AT_LEAST_1,))
SINKS = Param("sinks", "int", default=4, rules=(AT_LEAST_0,))


def spec(name: str, keep, bounds, **fields) -> Spec:
    """A Spec of these functions."""
    return Spec(name=name, doc=f"The mask {name}.", keep=keep, bounds=bounds, **fields)


CAUSAL = spec("causal", causal_keep, causal_bounds)
STREAMING = spec("streaming", streaming_keep, streaming_bounds, params=(SINKS, WINDOW))
BLIND = spec("blind", streaming_keep, blind_bounds, params=(SINKS, WINDOW))
DOCUMENTS = spec(
    "documents",
    document_keep,
    document_bounds,
    tables=RangeTables,
    inputs=(Input("doc", "int", ("batch", "token")),),
    slices=("batch",),
)
POWERS = spec("powers", powers_keep, powers_bounds, terms=(powers_term,), tables=Tables)
HEADS = spec(
    "heads",
    heads_keep,
    heads_bounds,
    params=(Param("width", "int", axes=("head",), default=16, rules=(AT_LEAST_1,)),),
    slices=("head",),
)
DRAWN = spec("drawn", drawn_keep, drawn_bounds, split="q")
STRIDED = spec(
    "strided",
    strided_keep,
    strided_bounds,
    periods=(strided_period,),
    uniform=strided_uniform,
)


def mask_of(spec: Spec, call: Call) -> torch.Tensor:
    """The dense mask straight from `keep`: bool [batches, heads, n_q, n_k]."""
    q = torch.arange(call.n_q).view(1, 1, -1, 1) + call.q_start
    k = torch.arange(call.n_k).view(1, 1, 1, -1)
    kept = spec.keep(q, k, call.everywhere())
    return kept.expand(call.batches, call.heads, call.n_q, call.n_k)
