"""Files that use files, and patterns that call patterns."""

from __future__ import annotations

import pytest

from check.pointwise import checked, errors, mask, spans
from maskc.points import evaluate

VISION = """
use "parts/units.attn"
const side = 4
def near2(a: axis, r: int) = abs(q.a - k.a) <= r * unit
pattern local(r: int = 1) = near2(x, r)
"""
FILES = {"vision.attn": VISION, "parts/units.attn": "const unit = one\nconst one = 1"}


def told(text: str, files: dict[str, str] | None = None) -> list[tuple[str, str, int]]:
    return [(d.id, d.file, d.line) for d in errors(text, files or FILES)]


def test_names_of_a_used_file_are_known():
    used = checked('use "vision.attn"\npattern p = near2(x, 2) & local & k < side', FILES)[-1]
    own = checked("pattern p = near(x, 2) & near(x, 1) & k < 4")[-1]
    assert (mask(used, 6) == mask(own, 6)).all()


def test_an_alias_stands_before_the_names_of_its_file():
    used = checked('use "vision.attn" as v\npattern p = v.near2(x, 2) & v.local(r = 3)', FILES)[-1]
    assert (mask(used, 6) == mask(checked("pattern p = near(x, 2)")[-1], 6)).all()
    assert told('use "vision.attn" as v\npattern p = near2(x, 2)')[0][0] == "unknown-name"
    assert told('use "vision.attn" as v\npattern p = v.near3(x, 2)')[0][0] == "unknown-name"


def test_a_used_file_gives_its_own_names_only():
    assert told('use "vision.attn"\npattern p = k < unit') == [("unknown-name", "spec.attn", 2)]


def test_only_the_patterns_of_the_file_itself_are_exported():
    patterns = checked('use "vision.attn"\npattern p = local', FILES)
    assert [pattern.name for pattern in patterns] == ["p"]


def test_an_own_name_hides_the_prelude_in_its_file_only():
    files = {"a.attn": "def causal = k < q\ndef strict = causal"}
    (pattern,) = checked('use "a.attn" as a\npattern p = causal \\ a.strict', files)
    assert mask(pattern, 3).tolist() == [[i == j for j in range(3)] for i in range(3)]


@pytest.mark.parametrize(
    "text",
    [
        'use "vision.attn"\nconst side = 5\npattern p = causal',
        'use "vision.attn"\nuse "other.attn"\npattern p = causal',
        'use "vision.attn" as v\nuse "other.attn" as v\npattern p = causal',
    ],
)
def test_a_clash_shows_both_places(text):
    (found,) = errors(text, {**FILES, "other.attn": "const side = 4"})
    assert found.id == "duplicate-name"
    assert len(found.labels) == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('use "vision.attn"\nconst side = 5', "give the used file an alias"),
        ('use "vision.attn"\nuse "other.attn" as side', "give the used file an alias"),
        ('use "vision.attn" as v\nuse "other.attn" as v', "choose another alias"),
        ('def v = causal\nuse "vision.attn" as v', "choose another alias"),
        ('use "missing.attn" as v\nuse "vision.attn" as v', "choose another alias"),
        ("const v = 5\ndef v = causal", "rename one of them"),
    ],
)
def test_the_cure_of_a_clash_is_one_that_is_not_there_yet(text, hint):
    *_, found = errors(text, {**FILES, "other.attn": "const side = 4"})
    assert found.id == "duplicate-name"
    assert hint in found.hint


def test_one_file_used_twice_is_no_clash():
    text = 'use "vision.attn"\nuse "parts/../vision.attn"\npattern p = near2(x, side)'
    assert len(checked(text, FILES)) == 1


def test_a_circle_of_files_shows_its_way():
    files = {"a.attn": 'use "b.attn"', "b.attn": 'use "c.attn"', "c.attn": 'use "a.attn"'}
    (found,) = errors('use "a.attn"\npattern p = causal', files)
    assert (found.id, found.file) == ("use-cycle", "c.attn")
    assert [label.span.source.name for label in found.labels] == ["a.attn", "b.attn"]
    (own,) = errors('use "a.attn"\npattern p = causal', {"a.attn": 'use "spec.attn"'})
    assert own.id == "use-cycle"


def test_errors_of_a_used_file_are_told_in_it():
    assert told('use "a.attn"\npattern p = causal', {"a.attn": "def a = q & k"}) == [
        ("type-mismatch", "a.attn", 1),
        ("type-mismatch", "a.attn", 1),
    ]


def test_a_missing_file_is_told_at_its_use():
    assert told('use "missing.attn"\npattern p = causal') == [("missing-file", "spec.attn", 1)]


@pytest.mark.parametrize(
    ("use", "id", "place"),
    [
        ('use "gone.attn" as v', "missing-file", '1:5 "gone.attn"'),
        ('use "spec.attn"', "use-cycle", '1:5 "spec.attn"'),
        ('use "vision.attn" as len', "reserved-name", "1:22 len"),
        ('use "side.attn" as side\nuse "vision.attn"', "duplicate-name", '2:5 "vision.attn"'),
        ('use "vision.attn"\nuse "side.attn" as side', "duplicate-name", "2:20 side"),
    ],
)
def test_an_error_of_a_use_points_at_its_path_or_alias(use, id, place):
    (found,) = errors(f"{use}\npattern p = causal", {**FILES, "side.attn": ""})
    assert found.id == id
    assert f"{found.line}:{found.column} {found.span.text}" == place


def test_files_may_use_each_other_200_deep_and_no_deeper():
    files = {f"f{i}.attn": f'use "f{i + 1}.attn"' for i in range(300)} | {"f300.attn": ""}
    assert {d.id for d in errors('use "f0.attn"\npattern p = causal', files)} == {"too-deep"}
    shallow = {**files, "f190.attn": ""}
    assert errors('use "f0.attn"\npattern p = causal', shallow) == ()


INNER = """
pattern inner(n: int >= 1 = 2) {
    input doc: int[batch, token]
    let close = recent(n)
    mask close & doc[q] == doc[k]
}
"""


def test_a_called_pattern_brings_its_inputs():
    pattern = checked(INNER + "pattern p = inner(3) | sink(1)")[-1]
    assert [tensor.name for tensor in pattern.inputs] == ["doc"]
    got = mask(pattern, 4, tensors={"doc": [[1, 1, 2, 2]]})
    wanted = [[k == 0 or (0 <= q - k < 3 and q // 2 == k // 2) for k in range(4)] for q in range(4)]
    assert got.tolist() == wanted


def test_inputs_of_one_name_and_type_are_one():
    body = "pattern p {\n    input doc: int[batch, token]\n    mask inner | doc[k] == 9\n}"
    assert [tensor.name for tensor in checked(INNER + body)[-1].inputs] == ["doc"]
    after = "pattern p {\n    let m = inner\n    input doc: int[batch, token]\n    mask m\n}"
    assert [tensor.name for tensor in checked(INNER + after)[-1].inputs] == ["doc"]


def test_a_callee_reads_its_own_defaults():
    text = (
        "pattern inner(w: int[head] = [1, 3], r: int[] = [0, 2]) = recent(w) | q - k in r\n"
        "pattern p = inner"
    )
    pattern = checked(text)[-1]
    assert pattern.params == ()
    for head, width in enumerate((1, 3, 0)):
        got = mask(pattern, 5, head=head, heads=3)
        wanted = [[0 <= q - k < width or q - k in (0, 2) for k in range(5)] for q in range(5)]
        assert got.tolist() == wanted


def test_a_callee_takes_lists_and_tables_by_name():
    text = (
        "pattern inner(w: int[head], r: int[]) = recent(w) | q - k in r\n"
        "pattern p(t: int[head] = [1, 3], s: int[] = [4]) = inner(t, r = s)"
    )
    pattern = checked(text)[-1]
    got = mask(pattern, 6, tensors={"t": [1, 3], "s": [4]}, head=1, heads=2)
    assert got.tolist() == [[q - k in (0, 1, 2, 4) for k in range(6)] for q in range(6)]


def test_a_rule_of_a_def_becomes_one_of_the_parameter_it_is_given():
    (pattern,) = checked("pattern p(size: int = 4) = block(size)")
    ((rule, text),) = pattern.params[0].rules
    assert text == "b >= 1 (of block)"
    assert [evaluate(rule, {"size": size}) for size in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('use "gone.attn"\npattern p = theirs(3) & k < page & casual', ["casual"]),
        ('use "gone.attn" as v\npattern p = v.theirs(3) & k < v.page & page', ["page"]),
        ('use "round.attn"\npattern p = theirs & casual', ["casual"]),
    ],
)
def test_what_a_file_that_cannot_be_read_may_define_is_not_told(text, names):
    files = {"round.attn": 'use "round.attn"\ndef theirs = nobody_knows'}
    found = errors(text, files)
    assert [d.span.text for d in found if d.id == "unknown-name" and d.span] == names
    assert len(found) == len(names) + 1


def test_a_rule_of_the_length_of_a_list_waits_for_the_list():
    text = "def f(n: int >= 1) = k < n\npattern p(r: int[] = []) = f(len(r))"
    assert checked(text)[0].params[0].rules == ()


def test_a_rule_with_a_quantifier_stays_at_the_call():
    odd = "count(i in 0..w : i % 2 == 1)"
    (pattern,) = checked(f"def f(n: int >= 1) = k < n\npattern p(w: int = 4) = f({odd})")
    assert pattern.params[0].rules == ()


@pytest.mark.parametrize("space", ["grid(y, x)", "cross", "align start", "a(4) ++ b"])
def test_a_pattern_without_a_space_has_another_one(space):
    text = f"pattern base = causal\npattern p {{\n space {space}\n mask base\n}}"
    assert spans(text) == [("spaces-differ", "base")]
