"""Every error of the checker by id: what it means, a program that has it and its cure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mistake:
    """One kind of error.

    `wrong` is a program with exactly this error, `right` the same program mended. `files`: other
    files that `wrong` and `right` use, by path.
    """

    id: str
    meaning: str
    wrong: str
    right: str
    files: Mapping[str, str] = field(default_factory=dict)


_NAMES = (
    Mistake(
        "unknown-name",
        "a name that nothing defines, here or in the prelude",
        "pattern p = casual & window(128, 0)",
        "pattern p = causal & window(128, 0)",
    ),
    Mistake(
        "used-before-definition",
        "a name is used above the statement that defines it",
        "pattern p {\n    mask recent(w)\n    let w = 8\n}",
        "pattern p {\n    let w = 8\n    mask recent(w)\n}",
    ),
    Mistake(
        "duplicate-name",
        "one name is defined twice in one place",
        "const page = 16\ndef page = k <= q\npattern p = causal",
        "const page = 16\ndef earlier = k <= q\npattern p = causal",
    ),
    Mistake(
        "reserved-name",
        "a name that the language or every generated function uses for something else",
        "pattern p(scale: int = 4) = recent(scale)",
        "pattern p(size: int = 4) = recent(size)",
    ),
    Mistake(
        "cycle",
        "definitions that reach themselves; they are inlined, so this would never end",
        "def a = b\ndef b = a\npattern p = causal",
        "def a = b\ndef b = k <= q\npattern p = a",
    ),
    Mistake(
        "use-cycle",
        "files that use each other in a circle",
        'use "a.attn"\npattern p = causal',
        'use "b.attn"\npattern p = causal',
        {"a.attn": 'use "a.attn"\ndef a = causal', "b.attn": "def b = causal"},
    ),
    Mistake(
        "alias-as-value",
        "the alias of a used file stands where a value is needed",
        'use "b.attn" as v\npattern p = v',
        'use "b.attn" as v\npattern p = v.b',
        {"b.attn": "def b = causal"},
    ),
    Mistake(
        "unknown-member",
        "a dot after something that has no members",
        "pattern p = head.x == 0",
        "pattern p = q.x == 0",
    ),
    Mistake(
        "size-as-value",
        "the name of a size, which only `len` reads, is used as a number",
        "pattern p {\n    input t: int[m]\n    mask k < m\n}",
        "pattern p {\n    input t: int[m]\n    mask k < len(m)\n}",
    ),
    Mistake(
        "no-length",
        "`len` of something that has no length",
        "pattern p = k < len(doc)",
        "pattern p = k < len(q)",
    ),
)

_CALLS = (
    Mistake(
        "missing-argument",
        "a call leaves out a parameter that has no default",
        "pattern p = recent",
        "pattern p = recent(4)",
    ),
    Mistake(
        "too-many-arguments",
        "a call has more arguments than there are parameters",
        "pattern p = recent(4, 5)",
        "pattern p = window(4, 5)",
    ),
    Mistake(
        "unknown-argument",
        "a keyword that names no parameter",
        "pattern p = window(left = 4, rigth = 0)",
        "pattern p = window(left = 4, right = 0)",
    ),
    Mistake(
        "duplicate-argument",
        "one parameter gets two values",
        "pattern p = window(4, left = 5)",
        "pattern p = window(4, right = 5)",
    ),
    Mistake(
        "wrong-arguments",
        "a built-in with arguments of its own form is called in another",
        "pattern p = hash() % 2 == 0",
        "pattern p = hash(1, q) % 2 == 0",
    ),
    Mistake(
        "not-a-function",
        "something that takes no arguments is called",
        "const page = 16\npattern p = block(page(2))",
        "const page = 16\npattern p = block(page)",
    ),
    Mistake(
        "broken-refinement",
        "a constant that the rule of its parameter excludes",
        "pattern p = block(0)",
        "pattern p = block(16)",
    ),
    Mistake(
        "spaces-differ",
        "a pattern calls one that stands in another index space",
        "pattern a {\n    space align start\n    mask causal\n}\npattern p = a & recent(4)",
        "pattern a {\n    mask causal\n}\npattern p = a & recent(4)",
    ),
    Mistake(
        "callee-score",
        "a pattern that changes the score is called as a mask",
        "pattern a {\n    score s * 0.5\n    mask causal\n}\npattern p = a & recent(4)",
        "def a = causal\npattern p = a & recent(4)",
    ),
    Mistake(
        "input-types-differ",
        "a pattern and one that it calls declare an input of one name with two types",
        "pattern a {\n    input t: int[k]\n    mask t[k] == 0\n}\n"
        "pattern p {\n    input t: bool[k]\n    mask t[k] & a\n}",
        "pattern a {\n    input t: int[k]\n    mask t[k] == 0\n}\n"
        "pattern p {\n    input t: int[k]\n    mask t[k] == 1 & a\n}",
    ),
)

_TYPES = (
    Mistake(
        "type-mismatch",
        "a value of one type stands where another is needed; only ints in scores convert",
        "pattern p = q & k",
        "pattern p = q > 0 & k > 0",
    ),
    Mistake(
        "int-as-float",
        "an int meets a float in a mask, where nothing converts",
        "pattern p = k < 0.5",
        "pattern p = k < 1",
    ),
    Mistake(
        "score-only",
        "a function of floats stands in a mask, which is exact integers",
        "pattern p = alibi(head) < 0.5",
        "pattern p {\n    score s + alibi(head)\n    mask causal\n}",
    ),
    Mistake(
        "axis-as-value",
        "an axis or segment stands where a value is needed",
        "pattern p = x == 0",
        "pattern p = q.x == 0",
    ),
    Mistake(
        "wrong-type",
        "a type that this declaration cannot have",
        "pattern p(n: dynamic bool) = causal",
        "pattern p(n: dynamic int) = recent(n)",
    ),
    Mistake(
        "wrong-default",
        "a default that does not fit its parameter's form",
        "pattern p(n: int[] = 4) = k in n",
        "pattern p(n: int[] = [4]) = k in n",
    ),
    Mistake(
        "not-constant",
        "a value that only a call knows stands where a constant is needed",
        "const page = len(k)\npattern p = causal",
        "const page = 16\npattern p = block(page)",
    ),
    Mistake(
        "not-a-collection",
        "right of `in` stands something that holds no values",
        "pattern p = k in 4",
        "pattern p = k in {4}",
    ),
)

_TENSORS = (
    Mistake(
        "missing-index",
        "a tensor or list is used as if it were one value",
        "pattern p {\n    input doc: int[batch, token]\n    mask doc == 0\n}",
        "pattern p {\n    input doc: int[batch, token]\n    mask doc[k] == 0\n}",
    ),
    Mistake(
        "wrong-index-count",
        "an index for some axes, but neither for all nor for all but this pair's own",
        "pattern p {\n    input doc: int[batch, token]\n    mask doc[0, q, k] == 0\n}",
        "pattern p {\n    input doc: int[batch, token]\n    mask doc[q] == doc[k]\n}",
    ),
    Mistake(
        "not-indexable",
        "an index after something that is no input, table or list",
        "pattern p = q[0] == k",
        "pattern p = q == k",
    ),
    Mistake(
        "token-axis",
        "an axis `token` where queries and keys are two sequences",
        "pattern p {\n    space cross\n    input t: int[token]\n    mask t[k] == 0\n}",
        "pattern p {\n    space cross\n    input t: int[k]\n    mask t[k] == 0\n}",
    ),
    Mistake(
        "wrong-sink",
        "a sink whose input or count has the wrong form",
        "pattern p {\n    input z: float[k]\n    sink_logit z\n    mask causal\n}",
        "pattern p {\n    input z: float[head]\n    sink_logit z\n    mask causal\n}",
    ),
)

_CONSTANTS = (
    Mistake(
        "undefined-constant",
        "constants for which an operation has no value, outside any guard",
        "pattern p = q // 0 == k",
        "pattern p = q // 2 == k",
    ),
    Mistake(
        "overflow",
        "a constant that 64 bits do not hold",
        "const big = 9_223_372_036_854_775_807 + 1\npattern p = causal",
        "const big = 9_223_372_036_854_775_806 + 1\npattern p = causal",
    ),
    Mistake(
        "not-covered",
        "a `match` without `_` whose arms may leave a value out",
        "pattern p = match head { 0..4 => causal, 4..8 => recent(64) }",
        "pattern p = match head { 0..4 => causal, _ => recent(64) }",
    ),
    Mistake(
        "unbounded-quantifier",
        "a quantifier whose number of rounds is not known before the call",
        "pattern p = any(i in 0..len(k) : k == i * i)",
        "pattern p = any(i in 0..64 : k == i * i)",
    ),
    Mistake(
        "too-many-iterations",
        "quantifiers that run more than 4,096 rounds, nested ones together",
        "pattern p = any(i in 0..5000 : k == i * i)",
        "pattern p = any(i in 0..500 : k == i * i)",
    ),
    Mistake(
        "too-large",
        "an expression that grows past 20,000 distinct nodes or past any sensible depth",
        "def a(x: int) = b(2 * x) + b(2 * x + 1)\ndef b(x: int) = c(2 * x) + c(2 * x + 1)\n"
        "def c(x: int) = count(i in 0..64 : x % 97 == i)\n"
        + "pattern p = "
        + " | ".join(f"a(q + {i}) == k" for i in range(1500)),
        "def a(x: int) = count(i in 0..64 : x % 97 == i)\npattern p = a(q) == k",
    ),
)

_SPACES = (
    Mistake(
        "unknown-axis",
        "an axis that the index space does not have",
        "pattern p {\n    space grid(y, x)\n    mask near(z, 3)\n}",
        "pattern p {\n    space grid(y, x)\n    mask near(y, 3)\n}",
    ),
    Mistake(
        "ambiguous-axis",
        "an axis name that stands in several segments, or for several lengths",
        "pattern p {\n    space a: grid(y, x) ++ b: grid(y, x)\n"
        "    mask q in a & k in a & q.y == k.y\n}",
        "pattern p {\n    space a: grid(y, x) ++ b: grid(y, x)\n"
        "    mask q in a & k in a & q.a.y == k.a.y\n}",
    ),
    Mistake(
        "unknown-segment",
        "a segment that this side of the space does not have",
        "pattern p {\n    space query: a, key: a ++ pool(m)\n    mask q in pool\n}",
        "pattern p {\n    space query: a, key: a ++ pool(m)\n    mask k in pool\n}",
    ),
    Mistake(
        "unknown-space",
        "a space of one word that is none; most often another word, spelt wrong",
        "pattern p {\n    space corss\n    mask k <= q\n}",
        "pattern p {\n    space cross\n    mask k <= q\n}",
    ),
    Mistake(
        "unguarded-coordinate",
        "a coordinate of a segment is read where the token may be in another one",
        "pattern p {\n    space text(n) ++ image: grid(y, x)\n    mask q.y == k.y\n}",
        "pattern p {\n    space text(n) ++ image: grid(y, x)\n"
        "    mask q in image & k in image & q.y == k.y\n}",
    ),
    Mistake(
        "wrong-extent",
        "an extent or a tile size that no sequence can have",
        "pattern p {\n    space grid(y = -4, x)\n    mask causal\n}",
        "pattern p {\n    space grid(y = 4, x)\n    mask causal\n}",
    ),
    Mistake(
        "duplicate-statement",
        "a statement that stands once at most stands twice",
        "pattern p {\n    mask causal\n    mask recent(4)\n}",
        "pattern p {\n    mask causal & recent(4)\n}",
    ),
    Mistake(
        "missing-mask",
        "a pattern that says no mask",
        "pattern p {\n    let w = 4\n}",
        "pattern p {\n    let w = 4\n    mask recent(w)\n}",
    ),
    Mistake(
        "not-yet",
        "a part of the language that this version does not compile",
        "pattern p {\n    route far = topk(q: blocks(64), k: blocks(64), n = 4,"
        " score = mean(Q) . mean(K))\n    mask causal\n}",
        "pattern p = causal",
    ),
)

MISTAKES: dict[str, Mistake] = {
    mistake.id: mistake for mistake in (*_NAMES, *_CALLS, *_TYPES, *_TENSORS, *_CONSTANTS, *_SPACES)
}
"""Every mistake by its id."""
