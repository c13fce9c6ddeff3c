"""Large and hostile programs: shared where they can be, else refused with a sentence."""

from __future__ import annotations

import pytest

from check.pointwise import checked, errors, mask
from maskc import ir, points
from maskc.check import check, patterns
from maskc.check.nodes import MOST_DEPTH, MOST_NODES, Nodes
from maskc.check.spaces import plan_of
from maskc.diagnostics import MaskcError
from maskc.grammar.parse import parse, source
from subjects import slow

N = 60


def chain(first: str, step: str, last: str, n: int = N) -> str:
    steps = "".join(step.format(here=i + 1, before=i) for i in range(n))
    return f"{first}\n{steps}{last.format(last=n)}"


SHARED = [
    chain("def a0 = q == k", "def a{here} = a{before} & a{before}\n", "pattern p = a{last}"),
    chain(
        "def a0 = q == k",
        "def a{here} = at(q = q + 1) a{before} & at(k = k + 1) a{before}\n",
        "pattern p = a{last}",
        n=30,
    ),
    chain("def a0(x: int) = x + x", "def a{here}(x: int) = a{before}(a{before}(x))\n", "")
    + "pattern p = a5(q) == k",
    chain("def a0 = q == k", "def a{here} = a{before} | k == {here}\n", "pattern p = a{last}", 240),
    "pattern p = " + " + ".join("q" for _ in range(9_000)) + " == k",
    "pattern p = " + " - ".join("q" for _ in range(9_000)) + " == k",
    "pattern p = match q % 2000 { " + ", ".join(f"{i} => k == {i}" for i in range(2_000)) + " }",
]
MORE_SHARED = [
    "pattern p = " + " | ".join(f"q == {i}" for i in range(9_000)),
    "pattern p = "
    + " else ".join(f"if q == {i} then k == {i}" for i in range(3_000))
    + " else true",
]


@pytest.mark.parametrize("text", [*SHARED, *slow(MORE_SHARED)], ids=range(9))
def test_what_can_be_shared_compiles(text):
    (pattern,) = checked(text)
    assert len(list(ir.postorder(pattern.mask))) <= MOST_NODES
    assert depth(pattern.mask) <= MOST_DEPTH


def depth(root: ir.Node) -> int:
    found: dict[ir.Node, int] = {}
    for node in ir.postorder(root):
        found[node] = 1 + max((found[part] for part in ir.children(node)), default=0)
    return found[root]


REFUSED = [
    chain(
        "def a0(x: int) = x == k",
        "def a{here}(x: int) = a{before}(2 * x) & a{before}(2 * x + 1)\n",
        "pattern p = a{last}(q)",
    ),
    "pattern p = " + " // ".join("q" for _ in range(2_000)) + " == k",
    "pattern p = " + "coarse(" * 100 + "causal" + ", 2)" * 100,
    "pattern p = " + "coarse(" * 9 + "causal" + ", 2)" * 9,
    "pattern p(n: dynamic int in 0..2) = "
    + "".join(f"any(i{i} in 0..n : " for i in range(17))
    + " + ".join(f"i{i}" for i in range(17))
    + " == k"
    + ")" * 17,
    "pattern p {\n space grid(" + ", ".join(f"a{i}" for i in range(3_000)) + ")\n mask causal\n}",
]
MORE_REFUSED = [
    chain("def a0(x: int) = x + 1", "def a{here}(x: int) = a{before}(a{before}(x))\n", "")
    + f"pattern p = a{N}(q) == k",
    chain(
        "def a0(x: int) = x == k",
        "def a{here}(x: int) = a{before}(x + 1)\n",
        "pattern p = a{last}(q)",
        n=3_000,
    ),
    "pattern p = k < a0\n"
    + "".join(f"const a{i} = a{i + 1} + 1\n" for i in range(4_000))
    + "const a4000 = 1",
    "pattern p = " + " | ".join(f"q == {i}" for i in range(11_000)),
]


@pytest.mark.parametrize("text", [*REFUSED, *slow(MORE_REFUSED)], ids=range(10))
def test_what_grows_without_end_is_refused(text):
    assert [d.id for d in errors(text)] == ["too-large"]


def test_a_space_that_cannot_agree_is_not_read_for_each_call(monkeypatch):
    read = []
    monkeypatch.setattr(patterns, "plan_of", lambda *a: (read.append(a[0]), plan_of(*a))[1])
    space = " ++ ".join(f"s{i}: grid(y, x)" for i in range(40))
    callers = "".join(f"pattern p{i} = base\n" for i in range(30))
    found = errors(f"pattern base {{\n space {space}\n mask causal\n}}\n{callers}")
    assert [d.id for d in found] == ["spaces-differ"] * 30
    assert len([node for node in read if node is not None]) == 1


def test_a_space_that_is_read_for_each_call_counts():
    axes = ", ".join(f"a{i}" for i in range(64))
    space = " ++ ".join(f"s{i}: grid({axes})" for i in range(80))
    base = f"pattern base(n: int) {{\n space {space}\n mask k < n\n}}\n"
    calls = " | ".join(f"base({i})" for i in range(8))
    (found,) = errors(f"{base}pattern p {{\n space {space}\n mask {calls}\n}}")
    assert (found.id, found.span and found.span.text) == ("too-large", "pattern p")


def test_what_follows_calls_of_patterns_without_end_is_read_too():
    step = "pattern a{here}(x: int) = a{before}(2 * x) & a{before}(2 * x + 1)\n"
    files = {"a.attn": chain("pattern a0(x: int) = x == k", step, "")}
    found = errors(f'use "a.attn"\ndef d = a{N}(q) & casual\npattern p = causal', files)
    assert [(d.id, d.span and d.span.text) for d in found] == [("unknown-name", "casual")]


def test_the_variable_of_a_quantifier_is_a_constant_bound_of_another():
    (pattern,) = checked("pattern p = any(i in 70..73 : any(j in i - 66..i : k == q - j))")
    assert mask(pattern, 1, 80).tolist() == [[4 <= 79 - k < 72 for k in range(80)]]


def test_a_const_is_read_once_however_many_name_it(monkeypatch):
    read, op = [], Nodes.op
    monkeypatch.setattr(Nodes, "op", lambda *a: (read.append(a[1]), op(*a))[1])
    checked(chain("const a0 = 1", "const a{here} = a{before} + a{before} - a0\n", ""))
    assert read == ["add", "sub"] * N


CALLERS = [
    chain("pattern p0 = causal", "pattern p{here} = p{before}\n", "", 600),
    chain(
        "pattern p0(w: int >= 1 = 4) = recent(w)",
        "pattern p{here}(w: int >= 1 = 4) = p{before}(w + 1)\n",
        "",
        300,
    ),
    "pattern p {\n"
    + "".join(f" let a{i} = {i}\n" for i in range(500))
    + " mask causal\n}\n"
    + "".join(f"pattern p{i} = p\n" for i in range(300)),
    "".join(f"pattern p{i} = " + "coarse(" * 4 + "causal" + ", 2)" * 4 + "\n" for i in range(900)),
]


@pytest.mark.parametrize("text", CALLERS, ids=range(4))
def test_patterns_that_are_too_large_together_are_refused_once(text):
    (error,) = errors(text)
    assert error.id == "too-large"
    assert error.message.endswith("expand to more than 80,000 operations together")


def test_a_chain_of_two_hundred_patterns_is_read():
    text = chain("pattern p0 = causal", "pattern p{here} = p{before}\n", "", 200)
    assert len(checked(text)) == 201


def test_a_rule_of_a_long_expression_is_read_once(monkeypatch):
    read, apply = [], points.apply
    monkeypatch.setattr(points, "apply", lambda *a: (read.append(a[0]), apply(*a))[1])
    lets = "".join(f" let a{i + 1} = a{i} * w % 7\n" for i in range(N))
    asked = " | ".join(f"recent(a{i})" for i in range(1, N))
    checked(f"pattern p(w: int >= 1 = 4) {{\n let a0 = w\n{lets} mask {asked}\n}}")
    assert len(read) <= 4 * N


def test_a_default_that_squares_itself_stops_at_64_bits(monkeypatch):
    read, apply = [], points.apply
    monkeypatch.setattr(points, "apply", lambda *a: (read.append(a), apply(*a))[1])
    lets = "".join(f" let a{i + 1} = a{i} * a{i}\n" for i in range(20))
    checked(f"pattern p(w: int >= 2 = 4) {{\n let a0 = w\n{lets} mask recent(a20)\n}}")
    squared = [values[0] for name, values in read if name == "mul"]
    assert squared == [4**2**i for i in range(5)]


def test_quantifiers_of_constants_are_evaluated_up_to_a_limit(monkeypatch):
    evaluated, evaluate = [], points.evaluate
    monkeypatch.setattr(points, "evaluate", lambda *a: (evaluated.append(a), evaluate(*a))[1])
    counts = "".join(f"const c{i} = count(j in 0..4096 : j % {i + 2} == 1)\n" for i in range(90))
    (pattern,) = checked(counts + "pattern p = k < c89")
    assert pattern.mask == ir.Op("lt", (ir.Var("k"), ir.Const(45)))
    assert len(evaluated) < 20
    used = " + ".join(f"c{i}" for i in range(90))
    assert [d.id for d in errors(f"{counts}pattern p = k < {used}")] == ["too-large"]


def test_a_set_repeats_no_more_than_the_limit():
    body = " + ".join("1" for _ in range(1_000))
    elements = ", ".join(str(i) for i in range(100))
    text = f"pattern p = any(i in {{{elements}}} : {body} == k)"
    assert [d.id for d in errors(text)] == ["too-large"]


def test_thousands_of_errors_are_counted():
    tree = parse(source("pattern p = " + " | ".join(f"b{i}" for i in range(12_000)), "spec.attn"))
    with pytest.raises(MaskcError) as told:
        check(tree)
    assert len(told.value.diagnostics) == 1_000
    assert told.value.omitted == 11_000
    assert [d.span.text for d in told.value.diagnostics[:3] if d.span] == ["b0", "b1", "b2"]


def test_a_huge_constant_is_never_built():
    text = "const a = 1 << 9_000_000_000\nconst b = 1 << 62 << 62\npattern p = k < a + b"
    assert [d.id for d in errors(text)] == ["undefined-constant", "overflow"]
