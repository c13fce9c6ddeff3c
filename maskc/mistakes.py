"""Every error by its id, for `maskc explain-error`: what it means, a wrong program, a right one.

Errors of meaning are told where they are found (`maskc.check.catalogue`); here are those of the
text, of files and of the compiler as a whole.
"""

from __future__ import annotations

from maskc.check.catalogue import MISTAKES as OF_MEANING
from maskc.check.catalogue import Mistake

RIGHT = "pattern p = causal & window(128, 0)"

_WORDS = (
    Mistake(
        "syntax",
        "a word or sign that cannot stand there",
        "pattern p(window: int >= 1 = 4 = recent(window)\npattern r q = causal",
        "pattern p(window: int >= 1 = 4) = recent(window)\npattern r = causal",
    ),
    Mistake(
        "unknown-statement",
        "a line that starts no declaration or statement",
        "pattern p {\n    w = 8\n    mask recent(w)\n}",
        "pattern p {\n    let w = 8\n    mask recent(w)\n}",
    ),
    Mistake(
        "missing-expression",
        "an operator, a comma or `=` with nothing where a value belongs",
        "pattern p = causal & ",
        RIGHT,
    ),
    Mistake(
        "missing-operator",
        "two values side by side with nothing between them",
        "pattern p = causal window(128, 0)",
        RIGHT,
    ),
    Mistake(
        "foreign-operator",
        "an operator or value of another language",
        "pattern p = causal && window(128, 0)",
        RIGHT,
    ),
    Mistake(
        "equal-sign",
        "`=` where values are compared",
        "pattern p = q % 2 = 0",
        "pattern p = q % 2 == 0",
    ),
    Mistake(
        "chained-in",
        "a comparison or another `in` after an `in`",
        "pattern p = q in 0..4 == k in 0..4",
        "pattern p = (q in 0..4) == (k in 0..4)",
    ),
    Mistake(
        "loose-not",
        "`not` after an operator that binds tighter than it",
        "pattern p = causal == not sink(4)",
        "pattern p = causal == (not sink(4))",
    ),
    Mistake(
        "misplaced-range",
        "a range that is not right of `in` and no arm of a `match`",
        "pattern p = k == 0..4",
        "pattern p = k in 0..4",
    ),
    Mistake(
        "misplaced-set",
        "a set that is not right of `in` and no arm of a `match`",
        "pattern p = k == {0, 4}",
        "pattern p = k in {0, 4}",
    ),
    Mistake(
        "bare-match",
        "a `match` without parentheses as an operand that is not the last one",
        "pattern p = match head { 0 => causal, _ => everything } & window(128, 0)",
        "pattern p = (match head { 0 => causal, _ => everything }) & window(128, 0)",
    ),
    Mistake(
        "duplicate-score",
        "a route with two scores",
        "pattern p {\n    route r = topk(q: tokens, k: tokens, n = 4, score = mean(Q) . mean(K),"
        " score = bound(Q, K))\n    mask routed(r)\n}",
        "",
    ),
)

_SIGNS = (
    Mistake(
        "unknown-character",
        "a character that means nothing in attn",
        "pattern p = causal ? window(128, 0)",
        RIGHT,
    ),
    Mistake(
        "control-character",
        "a character that a terminal would obey, or that turns text round and so hides a spec",
        "pattern p = causal # \u202e",
        "pattern p = causal",
    ),
    Mistake(
        "unclosed-bracket",
        "a bracket that is never closed, or closed by another kind",
        "pattern p = window(128, 0",
        "pattern p = window(128, 0)",
    ),
    Mistake(
        "stray-bracket",
        "a closing bracket that closes nothing",
        "pattern p = window(128, 0))",
        "pattern p = window(128, 0)",
    ),
    Mistake(
        "unclosed-string",
        "a path whose quote does not end on its line",
        'use "vision.attn\npattern p = causal',
        'use "vision.attn"\npattern p = causal',
        {"vision.attn": "def a = causal"},
    ),
    Mistake(
        "bad-number",
        "digits that are no number of attn",
        "pattern p = recent(4K)",
        "pattern p = recent(4Ki)",
    ),
    Mistake(
        "number-too-large",
        "a number that 64 bits do not hold",
        "pattern p = recent(9_223_372_036_854_775_808)",
        "pattern p = recent(9_223_372_036_854_775_807)",
    ),
    Mistake(
        "uppercase-name",
        "a name with capital letters",
        "pattern Local = causal",
        "pattern local = causal",
    ),
    Mistake(
        "name-too-long",
        "a name of more than 200 characters",
        f"pattern {'a' * 201} = causal",
        f"pattern {'a' * 200} = causal",
    ),
    Mistake(
        "too-deep",
        "an expression that nests more than 200 levels",
        f"pattern p = {'abs(' * 300}q{')' * 300} == 0",
        f"pattern p = {'abs(' * 100}q{')' * 100} == 0",
    ),
)

_FILES = (
    Mistake("missing-file", "there is no such file", "", ""),
    Mistake("cannot-read", "the path is a folder, or the file may not be read", "", ""),
    Mistake("file-too-large", "a file of more than 2^20 bytes, or 131,072 words and signs", "", ""),
    Mistake("bad-utf8", "the file is not UTF-8", "", ""),
    Mistake("not-text", "the file holds a zero byte: it is no text", "", ""),
    Mistake("no-pattern", "a file without patterns is compiled", "def a = causal", RIGHT),
)

_WARNINGS = (
    Mistake(
        "unused-name",
        "a warning: a parameter, input or name that nothing reads",
        "",
        "pattern p(w: int = 4) = recent(w)",
    ),
    Mistake(
        "keyword-name",
        'a warning: Python reads a pattern of this name only as `getattr(module, "lambda")`',
        "",
        RIGHT,
    ),
    Mistake(
        "share-range",
        "a warning: a share below 0 or above 100 percent, which every tile has or none",
        "",
        "pattern p = coarse(causal, 64, rule = share(100))",
    ),
    Mistake(
        "early-at",
        "a warning: an `at` that ends before a position that it replaces, as in "
        "`at(q = k, k = q) k <= q`",
        "",
        "pattern p = at(q = k, k = q) (k <= q)",
    ),
)

MISTAKES: dict[str, Mistake] = {
    **OF_MEANING,
    **{mistake.id: mistake for mistake in (*_WORDS, *_SIGNS, *_FILES, *_WARNINGS)},
}
"""Every error's explanation, by id."""
