"""Every operator and built-in of ints, with operands that keep each part within 64 bits.

The table of the language itself is the list: a new operator or built-in is drawn by itself, with
operands of any kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from maskc import ir
from maskc.check.builtins import SCORE_ONLY, SIGNATURES
from maskc.grammar.pieces import LEVELS, SHIFT
from maskc.syntax import Chain, Expression, Number, Unary
from maskc.testing.choices import Choice, Draw, binary, call, rarely, small

WHOLE = 60
"""A drawn int is less than 2^WHOLE, and so is each of its parts."""

PLAIN = 16
"""Positions, parameters, lengths and entries of inputs are less than 2^PLAIN."""

OPERATORS = (*(sign for sign, level in LEVELS.items() if level >= SHIFT), NEGATION := "-x")

SPECIAL = ("distance_squared",)
"""Built-ins that are leaves."""

BUILT_IN = tuple(n for n in SIGNATURES if n not in (*SCORE_ONLY, *SPECIAL))

PREDICATES = tuple(n for n in BUILT_IN if ir.type_of(ir.Op(n, (ir.Const(0),))) is ir.BOOL)

OPERANDS: dict[str, tuple[str, ...]] = {
    NEGATION: ("same",),
    "*": ("half", "half"),
    "//": ("same", "divisor"),
    "%": ("any", "modulus"),
    "<<": ("shifted", "few"),
    ">>": ("same", "few or any"),
    "abs": ("same",),
    "min": ("same", "same", "*"),
    "max": ("same", "same", "*"),
    "sign": ("any",),
    "cdiv": ("same", "divisor"),
    "clamp": ("same", "same", "same"),
    "log2": ("any",),
    "is_pow2": ("any",),
    "pow2": ("exponent",),
    "popcount": ("any",),
    "low_bit": ("same",),
    "hash": ("any", "any", "*"),
}
"""What the operands may be; of others, each has one bit less than the result.

`same`, `half`, `any`: their bits, from those of the result; `shifted`: six bits less. `divisor` is
a size of either sign or any varying int, `modulus` one no greater than the result may be, `few` is
in 0..6, `exponent` no greater than the result has bits. `*` gives up to two more of the last kind.
"""

LEAST = {"*": 2 * PLAIN, "<<": PLAIN + 6, "hash": 33, "pow2": 12}
"""The fewest bits of a result that an operation is drawn for; PLAIN + 1 of others."""


@dataclass(frozen=True)
class Source:
    """Where operands come from.

    `varying(bits)` and the simpler `plain(bits)` depend on the pair, the others on the call. One
    operand of each operation is `varying`, so that trees grow deep and not wide.
    """

    varying: Callable[[int], Expression]
    plain: Callable[[int], Expression]
    constant: Choice
    size: Choice


def operations(draw: Draw, room: int, source: Source, built_in: bool) -> list[Choice]:
    """A choice for each operator, or for each built-in, whose result has `room` bits at most."""
    names = [n for n in BUILT_IN if n not in PREDICATES] if built_in else OPERATORS
    return [
        lambda n=n: operation(draw, n, room, source)
        for n in names
        if room >= LEAST.get(n, PLAIN + 1)
    ]


def operation(draw: Draw, name: str, room: int, source: Source) -> Expression:
    """One operation of a varying int and others."""
    words = list(OPERANDS.get(name, ("less",) * len(SIGNATURES.get(name, "ab"))))
    if words[-1] == "*":
        words[-1:] = [words[-2]] * (rarely(draw) + rarely(draw))
    lead = draw(st.integers(0, len(words) - 1)) if rarely(draw) else 0
    operands = tuple(_operand(draw, word, room, source, i == lead) for i, word in enumerate(words))
    if name == NEGATION:
        return Unary("-", *operands)
    if name not in OPERATORS:
        return call(name, *operands)
    if name in "+-" and rarely(draw):
        return Chain((*operands, small(draw, 1, 5)), (name, draw(st.sampled_from("+-"))))
    if name in ("//", "%") and rarely(draw):
        return Chain((*operands, source.size()), (name, draw(st.sampled_from(["//", "%"]))))
    return Chain(operands, (name,))


def narrow(found: Expression, room: int) -> Expression:
    """An int of PLAIN bits as one of `room` bits."""
    return found if room >= PLAIN else binary(found, "%", Number(2**room))


def _operand(draw: Draw, word: str, room: int, source: Source, leads: bool) -> Expression:
    bits = {"less": room - 2, "half": room // 2, "any": WHOLE, "shifted": room - 6}.get(word, room)
    varying = source.varying if leads else source.plain
    match word:
        case "exponent":
            return call("min", varying(WHOLE), small(draw, 0, min(room - 2, 40)))
        case "few" | "few or any":
            few = [lambda: small(draw, 0, 3), lambda: binary(varying(bits), "%", Number(7))]
            return varying(bits) if leads and "any" in word else few[leads or rarely(draw)]()
        case "divisor" | "modulus":
            if leads or rarely(draw):
                return varying(WHOLE if word == "divisor" else room)
            return Unary("-", source.size()) if rarely(draw) else source.size()
    return varying(bits) if leads or rarely(draw) else source.constant()
