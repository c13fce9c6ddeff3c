"""Reading: what each form of the language becomes, with its place."""

from __future__ import annotations

import pytest

from maskc import syntax as s
from maskc.grammar.parse import parse, source
from maskc.grammar.unparse import unparse
from maskc.tree import children


def file(text: str) -> s.File:
    """The tree of a text."""
    return parse(source(text))


def expression(text: str) -> s.Expression:
    """The tree of one expression."""
    declaration = file(f"const it = {text}").declarations[0]
    assert isinstance(declaration, s.Const)
    return declaration.value


def statement(text: str) -> s.Statement:
    """The tree of one statement of a pattern."""
    pattern = file(f"pattern p {{\n{text}\n}}").declarations[0]
    assert isinstance(pattern, s.Pattern)
    (only,) = pattern.statements
    return only


def grouped(text: str) -> str:
    """An expression with all its parentheses."""
    return _grouped(expression(text))


def _grouped(node: s.Node) -> str:
    match node:
        case s.Chain(operands, operators) | s.Compare(operands, operators):
            parts = [_grouped(operands[0])]
            for operator, operand in zip(operators, operands[1:], strict=True):
                parts += [operator, _grouped(operand)]
            return f"({' '.join(parts)})"
        case s.Unary(operator, operand):
            return f"({operator} {_grouped(operand)})"
        case s.In(value, s.Range(low, high)):
            return f"({_grouped(value)} in {_grouped(low)}..{_grouped(high)})"
        case s.If(((condition, result),), otherwise):
            return f"(if {_grouped(condition)} {_grouped(result)} {_grouped(otherwise)})"
    return unparse(node)


EXAMPLE = """\
## Attention sinks plus a recent window (arXiv 2309.17453).
pattern streaming_llm(sinks: int >= 0 = 4, window: int >= 1 = 1024) =
    causal & (sink(sinks) | recent(window))
"""


def test_the_example_of_the_language_page_is_read() -> None:
    def parameter(name: str, low: int, default: int) -> s.Parameter:
        rule = s.Compare((s.Name(name), s.Number(low)), (">=",))
        return s.Parameter(name, s.TypeRef("int"), (s.Refinement(rule),), s.Number(default))

    def call(name: str, argument: str) -> s.Call:
        return s.Call(s.Name(name), (s.Argument(None, s.Name(argument)),))

    kept = s.Chain((call("sink", "sinks"), call("recent", "window")), ("|",))
    assert file(EXAMPLE) == s.File(
        (
            s.Pattern(
                "streaming_llm",
                (parameter("sinks", 0, 4), parameter("window", 1, 1024)),
                (s.Mask(s.Chain((s.Name("causal"), kept), ("&",))),),
                True,
                doc="Attention sinks plus a recent window (arXiv 2309.17453).",
            ),
        )
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("-a.b", "(- a.b)"),
        ("-a * b", "((- a) * b)"),
        ("a * b // c % d", "(a * b // c % d)"),
        ("a + b * c", "(a + (b * c))"),
        ("a - b + c", "(a - b + c)"),
        ("a << b + c", "(a << (b + c))"),
        ("x in a << 1..b + 2", "(x in (a << 1)..(b + 2))"),
        ("a + 1 < b << 2", "((a + 1) < (b << 2))"),
        ("0 <= q - k < w", "(0 <= (q - k) < w)"),
        ("not a == b", "(not (a == b))"),
        ("!a in 0..4", "(not (a in 0..4))"),
        ("not a & not b", "((not a) & (not b))"),
        ("a & b \\ c and d", "(a & b \\ c & d)"),
        ("a & b ^ c \\ d", "((a & b) ^ (c \\ d))"),
        ("a ^ b | c xor d or e", "((a ^ b) | (c ^ d) | e)"),
        ("if a then b else c | d", "(if a b (c | d))"),
        ("a | if b then c else d & e", "(a | (if b c (d & e)))"),
        ("-if a then b else c + d", "(- (if a b (c + d)))"),
        ("if a then if b then c else d else e", "(if a (if b c d) e)"),
    ],
)
def test_operators_bind_as_the_language_says(text: str, tree: str) -> None:
    assert grouped(text) == tree


def test_else_if_is_one_flat_node() -> None:
    names = [s.Name(name) for name in "abcde"]
    a, b, c, d, e = names
    assert expression("if a then b else if c then d else e") == s.If(((a, b), (c, d)), e)
    nested = s.If(((a, b),), s.If(((c, d),), e))
    assert expression("if a then b else (if c then d else e)") == nested


def test_match_takes_ranges_sets_values_and_the_rest() -> None:
    tree = expression("match head { 0..4 => a, {6, 7,} => b, 9 => c,\n _ => d, }")
    zero, four, six, seven, nine = (s.Number(n) for n in (0, 4, 6, 7, 9))
    patterns = (s.Range(zero, four), s.SetOf((six, seven)), nine, s.Wildcard())
    arms = zip(patterns, "abcd", strict=True)
    arms_ = tuple(s.MatchArm(pattern, s.Name(name)) for pattern, name in arms)
    assert tree == s.Match(s.Name("head"), arms_)


def test_quantifiers_and_at_are_read_where_they_mean_something() -> None:
    body = s.Compare((s.Name("i"), s.Name("n")), (">",))
    over = s.Range(s.Number(0), s.Number(4))
    assert expression("count(i in 0..4 : i > n)") == s.Quantifier("count", "i", over, body)
    moved = s.At((s.Argument("q", s.Name("e")),), s.Call(s.Name("routed"), (_given("r"),)))
    assert expression("at(q = e) routed(r)") == moved


def _given(name: str) -> s.Argument:
    return s.Argument(None, s.Name(name))


@pytest.mark.parametrize("word", ["any", "all", "count", "at", "grid", "align", "as", "dynamic"])
def test_soft_words_are_names_elsewhere(word: str) -> None:
    assert expression(f"{word} + f({word}, rule = {word})").operands[0] == s.Name(word)
    declared = file(f"pattern {word}({word}: int) = x").declarations[0]
    assert isinstance(declared, s.Pattern) and declared.parameters[0].name == word


@pytest.mark.parametrize("word", ["grid", "query", "key", "cross", "align", "start", "packed"])
def test_axes_and_segments_may_be_called_as_the_words_of_spaces(word: str) -> None:
    first = "grid: grid(y)" if word == "grid" else f"{word}(4)"
    tree = statement(f"space {first} ++ image: grid({word}, x = len({word}))")
    layout = s.Grid((s.Axis("y"),)) if word == "grid" else s.Number(4)
    named = s.Segment(word, layout)
    length = s.Call(s.Name("len"), (_given(word),))
    image = s.Segment("image", s.Grid((s.Axis(word), s.Axis("x", length))))
    assert tree == s.SpaceStatement("one", False, s.Space((named, image)))


GRID = s.Grid((s.Axis("y"), s.Axis("x", s.Number(4))))
ONE = s.Space((s.Segment(None, GRID),))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("space grid(y, x = 4)", s.SpaceStatement("one", query=ONE)),
        ("space align start", s.SpaceStatement("one", align_start=True)),
        ("space align start grid(y, x = 4)", s.SpaceStatement("one", True, ONE)),
        ("space cross", s.SpaceStatement("cross")),
        (
            "space packed grid(y, x = 4)",
            s.SpaceStatement("one", query=s.Space((s.Segment(None, s.Grid(GRID.axes, True)),))),
        ),
        (
            "space text(n) ++ image: grid(y, x = 4) ++ extra(4)",
            s.SpaceStatement(
                "one",
                query=s.Space(
                    (
                        s.Segment("text", s.Name("n")),
                        s.Segment("image", GRID),
                        s.Segment("extra", s.Number(4)),
                    )
                ),
            ),
        ),
        (
            "space query: a, key: a ++ pool(m),",
            s.SpaceStatement(
                "two",
                query=s.Space((s.Segment("a"),)),
                key=s.Space((s.Segment("a"), s.Segment("pool", s.Name("m")))),
            ),
        ),
    ],
)
def test_spaces_are_read(text: str, tree: s.SpaceStatement) -> None:
    assert statement(text) == tree


def test_a_route_holds_its_units_options_and_score() -> None:
    route = statement(
        "route far = topk(q: blocks(64), k: diagonals, n = 16, score = mean(Q) . mean(K),\n"
        "    per = kv_head, within = causal)"
    )
    assert isinstance(route, s.Route)
    assert (route.name, route.selector) == ("far", "topk")
    assert route.units == (("q", s.Unit("blocks", (s.Number(64),))), ("k", s.Unit("diagonals")))
    assert [option.name for option in route.options] == ["n", "per", "within"]
    mean = s.Name("mean")
    parts = (s.Call(mean, (_given("Q"),)), s.Call(mean, (_given("K"),)))
    assert route.score == s.RouteScore("dot", parts)


@pytest.mark.parametrize(
    ("text", "kind"),
    [("bound(Q, K)", "call"), ("last(64)", "call"), ("a[q] == a[k]", "expression")],
)
def test_scores_of_routes_have_their_kinds(text: str, kind: str) -> None:
    route = statement(f"route r = topp(0.5, q: tokens, k: all, score = {text})")
    assert isinstance(route, s.Route) and route.score and route.score.kind == kind


def test_parameters_have_types_rules_and_defaults() -> None:
    (pattern,) = file(
        "pattern p(a: dynamic int >= 16 and % 16 == 0 = 32, b: float in 0.0..1.0,\n"
        "  c: int[] = [4, -4,], d: int[layer, head] = [[1], [2]], e: bool,) = m"
    ).declarations
    assert isinstance(pattern, s.Pattern)
    a, b, c, d, e = pattern.parameters
    own = s.Name("a")
    low = s.Compare((own, s.Number(16)), (">=",))
    even = s.Compare((s.Chain((own, s.Number(16)), ("%",)), s.Number(0)), ("==",))
    assert [rule.rule for rule in a.refinements] == [low, even]
    assert a.type == s.TypeRef("int", dynamic=True) and a.default == s.Number(32)
    within = s.In(s.Name("b"), s.Range(s.Number(0.0), s.Number(1.0)))
    assert [rule.rule for rule in b.refinements] == [within]
    assert c.type == s.TypeRef("int", axes=()) and c.default == (
        s.Number(4),
        s.Unary("-", s.Number(4)),
    )
    assert d.type == s.TypeRef("int", axes=(s.Name("layer"), s.Name("head")))
    assert d.default == ((s.Number(1),), (s.Number(2),))
    assert e == s.Parameter("e", s.TypeRef("bool"))


def test_declarations_and_statements_of_every_kind_are_read() -> None:
    tree = file(
        'use "vision.attn"\nuse "vision.attn" as v\nconst page = 16\n'
        "def near2(a: axis, r: int) = abs(q.a - k.a) <= r\n"
        "pattern p {\n"
        "  input doc: int[batch, len(k)]\n  let w = 3\n  let same(a: int) = a == w\n"
        "  score s + 1.5\n  sink_logit w\n  sink_count 4\n  mask v.near(q)\n}\npattern r() {}"
    )
    kinds = [type(d).__name__ for d in tree.declarations]
    assert kinds == ["Use", "Use", "Const", "Def", "Pattern", "Pattern"]
    assert tree.declarations[1] == s.Use("vision.attn", "v")
    pattern = tree.declarations[4]
    assert isinstance(pattern, s.Pattern) and not pattern.short
    kinds = [type(statement).__name__ for statement in pattern.statements]
    assert kinds == ["Input", "Let", "Let", "Score", "SinkLogit", "SinkCount", "Mask"]


@pytest.mark.parametrize(
    "text",
    [
        "pattern p = a & b",
        "pattern p =\n a & b",
        "pattern p\n = a &\n\n b",
        "pattern p = a # why\n   # more\n   & b",
        "pattern p = (a\n & b)",
        "pattern p = a and\n b",
        "pattern p = a\n and b",
        "\ufeffpattern p = a\r\n & b\r\n",
        "pattern\tp = a & b\n\n\n",
    ],
)
def test_a_line_goes_on_around_operators_and_in_brackets(text: str) -> None:
    assert file(text) == file("pattern p = a & b\n")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("mask if a\n then b\n else c", "mask if a then b else c"),
        ("mask if a then\n b else\n c", "mask if a then b else c"),
        ("mask match h\n {\n 0 =>\n a,\n _ => b\n }", "mask match h { 0 => a, _ => b }"),
        ("mask a\n - b", "mask a - b"),
        ("mask x in {\n 1,\n 2\n }", "mask x in {1, 2}"),
        ("mask a\n in 0..\n 4", "mask a in 0..4"),
        ("mask f(\n a,\n b,\n)", "mask f(a, b)"),
        ("let x\n = 3", "let x = 3"),
        ("space query: a,\n key: b", "space query: a, key: b"),
        ("space a(1)\n ++ b(2) ++\n c(3)", "space a(1) ++ b(2) ++ c(3)"),
    ],
)
def test_statements_go_on_over_lines(text: str, same: str) -> None:
    assert statement(text) == statement(same)


def test_a_body_may_stand_on_one_line_and_its_brace_on_the_next() -> None:
    assert file("pattern p\n{ mask a }") == file("pattern p {\n  mask a\n}\n")


def test_numbers_have_their_spellings() -> None:
    said = {
        "0": 0,
        "007": 7,
        "4_096": 4096,
        "4Ki": 4096,
        "1Mi": 2**20,
        "9223372036854775807": 2**63 - 1,
        "0.5": 0.5,
        "1e-3": 0.001,
        "1_0.2_5E+2": 1025.0,
    }
    for text, number in said.items():
        tree = expression(text)
        assert tree == s.Number(number) and type(tree.value) is type(number), text


def test_a_range_of_integers_is_no_float() -> None:
    assert expression("x in 0..4") == s.In(s.Name("x"), s.Range(s.Number(0), s.Number(4)))


def test_documentation_goes_to_what_follows() -> None:
    tree = file(
        "## About the file.\n##\n##  Indented.\n\n"
        "## Of page.\n# no documentation\n### nor this\nconst page = 16 ## nor this\n\n"
        "## Too far up.\n\n## Of p,\n## in two lines.\n"
        "pattern p(\n  ## Of n.\n  n: int,\n) {\n  ## Of w.\n  let w = 3\n  ## Of the mask.\n"
        "  mask a\n}\n## Of nothing.\n"
    )
    assert tree.doc == "About the file.\n\n Indented."
    page, pattern = tree.declarations
    assert isinstance(page, s.Const) and isinstance(pattern, s.Pattern)
    assert (page.doc, pattern.doc) == ("Of page.", "Of p,\nin two lines.")
    assert pattern.parameters[0].doc == "Of n."
    assert [statement.doc for statement in pattern.statements] == ["Of w.", "Of the mask."]


def test_documentation_right_above_a_first_declaration_is_its_own() -> None:
    tree = file("## Of a.\nconst a = 1\n")
    assert (tree.doc, tree.declarations[0].doc) == ("", "Of a.")


def test_places_are_exact_and_hold_the_parentheses() -> None:
    tree = file("pattern p {\n  mask (a & b) | not f(x, 3)[q.y]\n}\n")
    pattern = tree.declarations[0]
    assert isinstance(pattern, s.Pattern)
    mask = pattern.statements[0]
    assert isinstance(mask, s.Mask) and isinstance(mask.value, s.Chain)
    left, right = mask.value.operands
    assert isinstance(right, s.Unary) and isinstance(right.operand, s.Index)
    shown = [node.span.text if node.span else "" for node in (left, right, right.operand.value)]
    assert shown == ["(a & b)", "not f(x, 3)[q.y]", "f(x, 3)"]
    assert mask.span and mask.span.source.place(mask.span.start) == (2, 3)
    assert pattern.span and pattern.span.text.startswith("pattern") and pattern.span.end == 47


def test_every_node_of_a_read_tree_has_a_place() -> None:
    stack: list[s.Node] = [file(EXAMPLE)]
    while stack:
        node = stack.pop()
        assert node.span is not None, node
        stack.extend(children(node))
