"""Expressions and what Python says of the same pair: written from the language page alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from check.pointwise import checked, mask

BITS = 2**64 - 1
HALF = 2**32 - 1


def div(a: int, b: int) -> int:
    return a // b if b else 0


def rem(a: int, b: int) -> int:
    return a % b if b else 0


def log2(x: int) -> int:
    return x.bit_length() - 1 if x > 0 else -1


def is_pow2(x: int) -> bool:
    return x > 0 and x & (x - 1) == 0


def pow2(x: int) -> int:
    return 2**x if 0 <= x <= 62 else 0


def popcount(x: int) -> int:
    return (x & BITS).bit_count()


def clamp(x: int, low: int, high: int) -> int:
    return min(max(x, low), high)


def mix(x: int) -> int:
    x ^= x >> 16
    x = x * 0x85EBCA6B & HALF
    x ^= x >> 13
    x = x * 0xC2B2AE35 & HALF
    return x ^ x >> 16


def hash32(seed: int, *arguments: int) -> int:
    h = mix(seed & HALF ^ 0x9E3779B9)
    for a in arguments:
        h = mix(h * 0x9E3779B1 + (a & HALF) & HALF)
    return h


MEANINGS = [
    ("true", "True"),
    ("false", "False"),
    ("everything", "True"),
    ("nothing", "False"),
    ("everything() & causal()", "k <= q"),
    ("q // (k - 3) == 0", "div(q, k - 3) == 0"),
    ("q % (k - 3) == 0", "rem(q, k - 3) == 0"),
    ("log2(q - 3) == -1", "q <= 3"),
    ("is_pow2(q - 3)", "q - 3 in (1, 2, 4)"),
    (
        "pow2(q - 3) == 0 & pow2(q * 10) == 0 | pow2(62) > 0 & q == 0",
        "q < 3 and q * 10 > 62 or q == 0",
    ),
    ("1 << (q - 3) == 0", "q < 3"),
    ("8 >> (q - 3) == 0", "q < 3 or q - 3 > 3"),
    ("(0 - 1) >> (k * 10) == 0", "k * 10 > 62"),
    ("(k - 5) >> 1 == -2", "k - 5 >> 1 == -2"),
    ("if q > 100 then 5 // 0 == 0 else causal", "k <= q"),
    ("q > 100 & 5 % 0 == 0 | causal", "k <= q"),
    ("match q { 0 => 1 << 63 == 0, _ => causal }", "True if q == 0 else k <= q"),
    ("-q // 2 == -2", "-q // 2 == -2"),
    ("-q % 3 == 1", "-q % 3 == 1"),
    ("- -q == q & --k == k", "True"),
    ("q - k // 2 * 3 % 4 == 1", "q - k // 2 * 3 % 4 == 1"),
    ("q + 1 << 1 == k", "q + 1 << 1 == k"),
    ("q << 1 + 1 == k", "q << 2 == k"),
    ("q << 1 >> 1 == k", "q == k"),
    ("q in k - 1..k + 1", "k - 1 <= q < k + 1"),
    ("q in 1 << 1..1 << 2", "2 <= q < 4"),
    ("not q == k", "q != k"),
    ("!q == k", "q != k"),
    ("not q < k & k < 5", "not q < k and k < 5"),
    ("not not causal", "k <= q"),
    ("!!causal", "k <= q"),
    ("not !causal", "k <= q"),
    ("q < 3 ^ k < 3 & q < 5 | k == 8", "(q < 3) != (k < 3 and q < 5) or k == 8"),
    ("q < 3 xor k < 3 and q < 5 or k == 8", "(q < 3) != (k < 3 and q < 5) or k == 8"),
    (r"everything \ causal & k > 3", "not k <= q and k > 3"),
    (r"everything \ causal \ sink(8)", "not k <= q and k >= 8"),
    (r"causal & sink(4) \ recent(2)", "k <= q and k < 4 and (not 0 <= q - k < 2)"),
    (r"causal \ recent(2) & sink(4)", "k <= q and (not 0 <= q - k < 2) and (k < 4)"),
    (r"causal | sink(2) \ recent(2)", "k <= q or (k < 2 and (not 0 <= q - k < 2))"),
    ("0 <= q - k < 3", "0 <= q - k < 3"),
    ("0 < k < q <= 6 != 4", "0 < k < q <= 6"),
    ("q == k == 3", "q == k == 3"),
    ("q != k != 3", "q != k and k != 3"),
    ("8 > q >= k > 0", "8 > q >= k > 0"),
    ("(k < 3) == (q < 3)", "(k < 3) == (q < 3)"),
    ("causal == (k <= q)", "True"),
    (
        "if q < 3 then causal else if q < 6 then k == 0 else k == 1 | k == 2",
        "k <= q if q < 3 else k == 0 if q < 6 else k in (1, 2)",
    ),
    (
        "causal & if q < 3 then k == 0 else k == 1 | k == 2",
        "k <= q and (k == 0 if q < 3 else k in (1, 2))",
    ),
    ("(if q < 3 then k else q) == 2", "(k if q < 3 else q) == 2"),
    ("(if q < 3 then k == 1 else causal) & k < 5", "(k == 1 if q < 3 else k <= q) and k < 5"),
    ("k < 2 + if q < 3 then 1 else 2", "k < 2 + (1 if q < 3 else 2)"),
    ("k < 2 + match q { 0..3 => 1, _ => 2 }", "k < 2 + (1 if q < 3 else 2)"),
    (
        "causal & match q { 0..3 => k == 0, _ => k == 1 }",
        "k <= q and (k == 0 if q < 3 else k == 1)",
    ),
    ("(match q { 0..3 => 1, _ => 2 }) + k < 4", "(1 if q < 3 else 2) + k < 4"),
    ("match q % 3 { 0 => causal, 1 => sink(2), 2 => k == 5 }", "[k <= q, k < 2, k == 5][q % 3]"),
    (
        "match q { 0..4 => causal, {6, 7} => k == 1, 8 => k == 2, _ => k == 3 }",
        "k <= q if q < 4 else k == 1 if q in (6, 7) else k == 2 if q == 8 else k == 3",
    ),
    ("match q { 0..6 => k == 0, 2..9 => k == 1, _ => nothing }", "k == 0 if q < 6 else k == 1"),
    ("match q { k => true, _ => false }", "q == k"),
    ("match q { k..k + 2 => true, _ => false }", "k <= q < k + 2"),
    ("match k < 3 { true => causal, false => k == q }", "k <= q if k < 3 else k == q"),
    ("match head { 0..2 => causal, _ => k == 0 }", "k <= q if head < 2 else k == 0"),
    ("match head { 0..len(head) => causal }", "k <= q"),
    ("match head % 2 { 0 => causal, 1 => k == 0 }", "k <= q if head % 2 == 0 else k == 0"),
    ("match q { _ => causal }", "k <= q"),
    ("match q { 0 => true, _ => match k { 0 => true, _ => false } }", "q == 0 or k == 0"),
    ("q - k in 0..3", "0 <= q - k < 3"),
    ("q in {k, k + 2, 0}", "q in (k, k + 2, 0)"),
    ("k in 5..3", "False"),
    ("k in q..q", "False"),
    ("!(k in {1, 2})", "k not in (1, 2)"),
    ("not k in {1, 2}", "k not in (1, 2)"),
    ("q in 0..len(k) // 2", "q < 4"),
    ("head in {0, 2} & causal", "head in (0, 2) and k <= q"),
    ("any(i in 0..3 : q - k == i * i)", "q - k in (0, 1, 4)"),
    ("all(i in 1..4 : (q + k) % i == 0)", "(q + k) % 6 == 0"),
    (
        "count(i in 0..5 : (q + i) % 3 == k % 3) == 2",
        "sum(((q + i) % 3 == k % 3 for i in range(5))) == 2",
    ),
    ("any(i in {1, 4, 4} : q - k == i)", "q - k in (1, 4)"),
    (
        "any(i in 0..3 : any(j in 0..i + 1 : q - k == i * j))",
        "any((q - k == i * j for i in range(3) for j in range(i + 1)))",
    ),
    ("any(i in 0..3 : k == i) & all(i in 0..0 : false)", "k < 3"),
    ("abs(q - k) <= 2", "abs(q - k) <= 2"),
    ("min(q, k, 4) == max(1, q - 3, k - 3)", "min(q, k, 4) == max(1, q - 3, k - 3)"),
    ("sign(q - k) == -1", "q < k"),
    ("cdiv(q - 4, 3) == cdiv(k - 4, 3)", "-(-(q - 4) // 3) == -(-(k - 4) // 3)"),
    ("cdiv(q, k - 3) == 2", "(0 if k == 3 else -(-q // (k - 3))) == 2"),
    ("cdiv(q - 4, -3) == k - 4", "-(-(q - 4) // -3) == k - 4"),
    ("(q - 4) // -3 == k - 4", "(q - 4) // -3 == k - 4"),
    ("(q - 4) % -3 == k - 4", "(q - 4) % -3 == k - 4"),
    (
        "(q - 4) // (k - 4) == -2 | (q - 4) % (k - 4) == -1",
        "k != 4 and ((q - 4) // (k - 4) == -2 or (q - 4) % (k - 4) == -1)",
    ),
    ("clamp(q, 2, 5) == clamp(k, 5, 2)", "clamp(q, 2, 5) == clamp(k, 5, 2)"),
    ("log2(q - k) == 1 | log2(q) == 3", "log2(q - k) == 1 or log2(q) == 3"),
    ("is_pow2(q - k)", "is_pow2(q - k)"),
    ("pow2(q - 4) == k", "pow2(q - 4) == k"),
    (
        "popcount(q - k) == 2 | popcount(k - q) == 62",
        "popcount(q - k) == 2 or popcount(k - q) == 62",
    ),
    ("low_bit(q - 4) == low_bit(k)", "q - 4 & -(q - 4) == k & -k"),
    (
        "bit_and(q - 4, k) == 4 | bit_or(q - 4, k) == -1 | bit_xor(q - 4, k - 4) == -1",
        "q - 4 & k == 4 or q - 4 | k == -1 or q - 4 ^ k - 4 == -1",
    ),
    ("hash(7, q - 5, k * 1000003) % 3 == 0", "hash32(7, q - 5, k * 1000003) % 3 == 0"),
    (
        "hash(q) % 2 == 0 & hash(1, q) > 2147483648 & hash(k, 1, 2, 3, 4, 5) % 3 > 0",
        "hash32(q) % 2 == 0 and hash32(1, q) > 2 ** 31 and (hash32(k, 1, 2, 3, 4, 5) % 3 > 0)",
    ),
    ("hash(42, q - 1, 100000) == 2386792942", "q == 0"),
    ("hash(3, head, q, k) // 4 % 5 == 1", "hash32(3, head, q, k) // 4 % 5 == 1"),
    ("hash(3, q, k) >> 3 < 100000000", "hash32(3, q, k) >> 3 < 100000000"),
    ("bit_and(hash(3, q, k), 255) < 100", "hash32(3, q, k) & 255 < 100"),
    ("hash(9223372036854775807, q * 4294967296 + k) % 2 == 0", "hash32(2 ** 63 - 1, k) % 2 == 0"),
    ("at(q = q - 1) causal", "k <= q - 1"),
    ("at(k = q, q = k) recent(3)", "0 <= k - q < 3"),
    ("at(q = q + 1) causal & k < 3", "k <= q + 1 and k < 3"),
    ("at(q = q + 1) (causal & k < q)", "k < q + 1"),
    ("at(q = k) at(k = q + 1) (q == k)", "False"),
    ("at(q = 0) recent(3)", "0 <= -k < 3"),
    ("at(q = q - 2, k = k - 2) sink(1)", "k - 2 < 1"),
    ("(k < 3) != (q < 3) == true", "(k < 3) != (q < 3) and (q < 3) == True"),
]


@pytest.mark.parametrize(("text", "python"), MEANINGS, ids=[text for text, _ in MEANINGS])
def test_an_expression_means_what_python_says(text, python):
    (pattern,) = checked(f"pattern p = {text}")
    said = compile(python, "<python>", "eval")
    for n_q, head in itertools.product((9, 5), range(4) if "head" in text else (0,)):
        got = mask(pattern, n_q, 9, head=head, heads=4)
        names: dict[str, Any] = {**globals(), "head": head}
        for row in range(n_q):
            for k in range(9):
                wanted = eval(said, {**names, "q": row + 9 - n_q, "k": k})
                assert got[row, k] == wanted, (n_q, row, k)
