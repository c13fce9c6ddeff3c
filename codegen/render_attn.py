"""Expressions as `.attn`-like text, for `maskc compile --emit ir` and for people."""

from __future__ import annotations

from collections.abc import Sequence

from maskc import ir
from maskc.codegen import render
from maskc.codegen.render import Text
from maskc.ir import Const, Node, Op

OR, XOR, AND, NOT, COMPARE, SHIFT, SUM, PRODUCT, UNARY, ATOM = 1, 2, 3, 4, 5, 6, 7, 8, 9, 13
"""How tightly the language's operators bind (language.md section 4)."""

SYMBOLS = {
    "or": ("|", OR),
    "xor": ("^", XOR),
    "and": ("&", AND),
    "lt": ("<", COMPARE),
    "le": ("<=", COMPARE),
    "eq": ("==", COMPARE),
    "ne": ("!=", COMPARE),
    "shl": ("<<", SHIFT),
    "shr": (">>", SHIFT),
    "add": ("+", SUM),
    "sub": ("-", SUM),
    "mul": ("*", PRODUCT),
    "div": ("/", PRODUCT),
    "floordiv": ("//", PRODUCT),
    "mod": ("%", PRODUCT),
}

FUNCTIONS = {"to_float": "float", "alibi_slope": "alibi_slope"}

LENGTHS = {
    "n_q": "len(q)",
    "n_k": "len(k)",
    "heads": "len(head)",
    "kv_heads": "len(kv_head)",
    "n_layers": "len(layer)",
    "batches": "len(batch)",
}


class AttnTarget:
    """Writes nodes in the language's own words."""

    binding = "let "
    fuses = False

    def leaf(self, node: Node) -> Text:
        """A constant, variable or parameter."""
        if isinstance(node, Const):
            value = str(node.value).lower()
            return Text(value, UNARY if value.startswith("-") else ATOM)
        if isinstance(node, ir.Param):
            return Text(node.name)
        assert isinstance(node, ir.Var), f"{node!r} is no leaf"
        name = node.name.removeprefix("loop:")
        if name.startswith("size:"):
            return Text(f"len({name.removeprefix('size:')})")
        return Text(LENGTHS.get(name, name))

    def compound(self, node: Node, parts: Sequence[Text]) -> Text:
        """An operation or a read over the texts of its parts."""
        if isinstance(node, ir.Load):
            return Text(f"{node.tensor}[{', '.join(part.text for part in parts)}]")
        if isinstance(node, ir.Extreme):
            *leading, low, high = (part.text for part in parts)
            prefix, until = leading[: len(node.prefix)], leading[len(node.prefix) :]
            if until:
                prefix = [f"{a}..{b}" for a, b in zip(prefix, until, strict=True)]
            return Text(f"{node.kind}({node.tensor}[{', '.join([*prefix, f'{low}..{high}'])}])")
        if isinstance(node, ir.Tally):
            return Text(f"tally({parts[0].text}, {parts[1].text})")
        assert isinstance(node, Op), f"{node!r} has no text"
        if node.name == "not":
            return Text(f"!{parts[0].at(NOT + 1)}", NOT)
        if node.name == "neg":
            return Text(f"-{parts[0].at(UNARY)}", UNARY)
        if node.name == "select":
            condition, a, b = (part.text for part in parts)
            return Text(f"if {condition} then {a} else {b}", 0)
        if node.name in SYMBOLS:
            symbol, level = SYMBOLS[node.name]
            return render.infix(symbol, level, parts, loose=level == COMPARE)
        return render.call(FUNCTIONS.get(node.name, node.name), parts)

    def loop(self, fold: ir.Fold, result: str, low: str, high: str) -> tuple[str, tuple[str, ...]]:
        """The line that opens a quantifier; nothing stands before it."""
        variable = fold.variable.removeprefix("loop:")
        return "", (f"let {result} = {fold.kind}({variable} in {low}..{high} :",)

    def step(self, fold: ir.Fold, result: str, body: Text) -> str:
        """The line that holds a quantifier's body and closes it."""
        return f"{body.text})"


def ir_text(pattern: ir.Pattern) -> str:
    """The pattern's expressions after checking and passes: what is shared first, one a line."""
    names = [*(param.name for param in pattern.params), *(part.name for part in pattern.inputs)]
    lines = [f"pattern {pattern.name}({', '.join(map(_param, pattern.params))}) {{"]
    for tensor in pattern.inputs:
        axes = ", ".join(axis if isinstance(axis, str) else node_text(axis) for axis in tensor.axes)
        lines.append(f"    input {tensor.name}: {tensor.type.value}[{axes}]")
    for word, root in (
        ("score", pattern.score),
        ("sink_count", pattern.sink_count),
        ("mask", pattern.mask),
    ):
        if root is not None:
            lines += [f"    {line}" for line in _written(root, word, names)]
    return "\n".join([*lines, "}"])


def node_text(root: Node) -> str:
    """One expression as text, after lines for what it shares."""
    *lines, last = _written(root, "", [])
    return "\n".join([*lines, last.strip()])


def _written(root: Node, word: str, taken: Sequence[str]) -> list[str]:
    body = render.Body(AttnTarget(), render.Identifiers([*taken, "q", "k", "s"]))
    (text,) = body.write(root)
    return [*body.lines, f"{word} {text.text}"]


def _param(param: ir.Scalar) -> str:
    axes = "" if param.axes is None else f"[{', '.join(param.axes)}]"
    default = "" if param.default is None else f" = {str(param.default).lower()}"
    if param.derived is not None:
        default = f" = {node_text(param.derived).strip()}"
    dynamic = "dynamic " if param.dynamic else ""
    return f"{param.name}: {dynamic}{param.type.value}{axes}{default}"
