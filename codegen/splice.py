"""Templates to kernels: a pattern's statements in the place of the holes, line by line.

The text of a template is kept as it stands, comments included; only lines that hold a hole change.
Same template and same filling, same bytes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")

KERNELS = {"forward": "forward", "dq": "backward", "dkdv": "backward"}
"""Kernel names and the template file each stands in."""

SHARED = ("arithmetic", "tile", "delta")
"""Template files without holes: one copy serves all patterns of a module."""

GIVEN = frozenset(
    {"q_pos", "k_pos", "batch", "head", "kv_head", "heads", "kv_heads", "n_q", "n_k", "s"}
)
"""Names that statements may read without an argument of their own. `q_pos` and `k_pos` are int
tensors of dtype POSITION that broadcast against each other, in either order of axes; the others
but `s` are int scalars."""


@dataclass(frozen=True, slots=True)
class Filling:
    """What one pattern puts into the templates.

    `mask`: statements; the last one binds `keep`, a bool that broadcasts to the tile.
    `score`: statements that bind `s` from the scaled logits `s`; empty where the logit is plain.
    `slope`: statements that bind `slope`, the derivative of the score, from the scaled logits `s`.
    `arguments`: kernel arguments beyond `GIVEN` that the statements read, in order, each a name
    (pointers, runtime scalars) or `NAME: tl.constexpr`.

    Statements bind no names of the templates: new names start with `x_`, but `keep`, `s`, `slope`.
    """

    mask: tuple[str, ...]
    score: tuple[str, ...] = ()
    slope: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


def kernel(name: str, pattern: str, filling: Filling) -> str:
    """The text of kernel `name` (of `KERNELS`) as `PATTERN_NAME`, without imports.

    Example:
        >>> text = kernel("forward", "causal", Filling(mask=("keep = k_pos <= q_pos",)))
        >>> text.splitlines()[1]
        'def causal_forward('

    """
    lines = _definition(KERNELS[name], name)
    text = "\n".join(line for source in lines for line in _filled(source, filling))
    scalars = "".join(f', "{name}"' for name in filling.arguments if _is_scalar(name))
    text = text.replace('"kv_heads"])', f'"kv_heads"{scalars}])', 1)
    return re.sub(rf"^def {name}\(", f"def {pattern}_{name}(", text, count=1, flags=re.M)


def shared(names: Collection[str] | None = None) -> str:
    """The text of the functions of these names that kernels call, or of all; without imports."""
    bodies = [
        "\n".join(_definition(file, node.name))
        for file in SHARED
        for node in _parsed(file).body
        if isinstance(node, ast.FunctionDef) and (names is None or node.name in names)
    ]
    return "\n\n\n".join(bodies)


def _is_scalar(argument: str) -> bool:
    """Whether an argument is a number that may change from call to call without compiling anew."""
    return ":" not in argument and not argument.startswith(("in_", "exact_"))


def _filled(line: str, filling: Filling) -> Iterator[str]:
    """The lines that stand for one line of a template."""
    indent = line[: len(line) - len(line.lstrip())]
    hole = re.fullmatch(r"\s*(\w+)(?:, \w+)* = hole\.(\w+)\(.*\)", line)
    if hole is None and line.strip() == "holes,":
        statements: tuple[str, ...] = tuple(f"{argument}," for argument in filling.arguments)
    elif hole is None:
        yield line
        return
    elif hole[2] == "mask":
        statements = filling.mask
    elif hole[2] == "score":
        statements = ("s = s * scale", *filling.score) if filling.score else ()
    elif hole[2] == "score_and_slope":
        statements = ("s = s * scale", *filling.slope, *filling.score) if filling.score else ()
    elif hole[2] == "chain":
        statements = ("ds = ds * slope",) if filling.score else ()
    else:
        assert hole[2] == "base_two", f"hole.{hole[2]} has nothing to fill it"
        factor = "log2e" if filling.score else "scale * log2e"
        statements = (f"{hole[1]} = {factor}",)
    for statement in statements:
        yield from (indent + part if part else "" for part in statement.split("\n"))


@cache
def _parsed(file: str) -> ast.Module:
    return ast.parse((TEMPLATES / f"{file}.py").read_text(encoding="utf-8"))


@cache
def _definition(file: str, name: str) -> tuple[str, ...]:
    """The lines of one function of a template file, its decorator first."""
    lines = (TEMPLATES / f"{file}.py").read_text(encoding="utf-8").splitlines()
    for node in _parsed(file).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return tuple(lines[node.decorator_list[0].lineno - 1 : node.end_lineno])
    raise AssertionError(f"{file}.py defines no {name}")
