"""The functions that only a layout's builder asks, as text: what repeats, and where to split."""

from __future__ import annotations

from collections.abc import Iterable

from maskc import ir
from maskc.analysis import analyse
from maskc.bounds import ranges_of
from maskc.bounds.cuts import Cuts, cuts
from maskc.bounds.periodic import Repetition, repetition
from maskc.bounds.rectangle import Rectangles
from maskc.bounds.seams import Seam, seams
from maskc.bounds.shifted import Repeats, repeats
from maskc.bounds.slices import slice_keys
from maskc.codegen.render_python import period_function
from maskc.codegen.render_torch import Function, torch_function
from maskc.ir import Node

CORNERS = "q0, q1, k0, k1"

ZERO = ir.Const(0)

Functions = dict[str, Function | tuple[Function, ...]]
"""By the field of the Spec that holds them."""


def layout_functions(pattern: ir.Pattern) -> Functions:
    """The functions of a pattern's layouts, in the order of the module."""
    known = ranges_of(pattern.params)
    found: Functions = {}
    if repeated := repetition(pattern.mask, known):
        found |= uniform_functions(pattern, repeated)
    if analyse(pattern.mask).split == "q":
        found["cuts"] = tuple(cut_functions(pattern, cuts(pattern.mask, known)))
    has_coordinates = pattern.space.query is not None or pattern.space.key is not None
    of_q, of_k = seams(pattern.mask, Rectangles(known)) if has_coordinates else ((), ())
    if of_q or of_k:
        found["seams"] = (
            seam_function(pattern, "seams_of_q", of_q),
            seam_function(pattern, "seams_of_k", of_k),
        )
    if keys := slice_keys(pattern.mask):
        found["slice_keys"] = slices_function(pattern, keys)
    moved = repeats(pattern.mask, known)
    if moved is not None and moved.units:
        found |= repeat_functions(pattern, moved)
    return found


def uniform_functions(pattern: ir.Pattern, found: Repetition) -> Functions:
    """`P_uniform(q0, q1, k0, k1, call, tables)` and `P_period_I(call)`, of residues alone."""
    doc = "Rectangles whose mask depends on q and k modulo the periods alone: a bool tensor [n]."
    return {
        "uniform": torch_function(
            pattern, "uniform", f"{CORNERS}, call, tables", doc, [found.uniform]
        ),
        "periods": tuple(
            period_function(pattern, i, modulus) for i, modulus in enumerate(found.moduli)
        ),
    }


def cut_functions(pattern: ir.Pattern, found: Iterable[Cuts]) -> Iterable[Function]:
    """`P_cuts_I(q0, q1, index, call)` and `P_cuts_I_range(call)`, see `maskc.bounds.cuts`."""
    doc = "Keys where the mask may change over queries q0..q1, for one index of the range."
    range_doc = "The half-open range of the index."
    for at, group in enumerate(found):
        suffix = f"cuts_{at}"
        keys = _numbered("KEY", group.keys)
        yield torch_function(pattern, suffix, "q0, q1, index, call", doc, group.keys, keys)
        ends = [group.low, group.high]
        yield torch_function(
            pattern, f"{suffix}_range", "call", range_doc, ends, ("low", "high"), scalar=True
        )


def seam_function(pattern: ir.Pattern, suffix: str, found: tuple[Seam, ...]) -> Function:
    """`P_seams_of_q(call)` or `P_seams_of_k(call)`, see `maskc.bounds.seams`."""
    doc = "Where a coordinate starts anew: positions and, of those that come again, the steps."
    ends = [end for seam in found or ((ZERO, ZERO),) for end in seam]
    names = [f"{end}_{i}" for i in range(len(ends) // 2) for end in ("FIRST", "STEP")]
    return torch_function(pattern, suffix, "call", doc, ends, names)


def slices_function(pattern: ir.Pattern, keys: tuple[Node, ...]) -> Function:
    """`P_slice_keys(call)`: what the mask of a slice hangs on."""
    doc = "What the mask of the slices hangs on: slices with equal keys have equal masks."
    return torch_function(pattern, "slice_keys", "call", doc, keys, _numbered("KEY", keys))


def repeat_functions(pattern: ir.Pattern, found: Repeats) -> Functions:
    """`P_moved(q0, q1, k0, k1, moved_by, call, tables)`, `P_still`, `P_strides`, `P_borders`."""
    arguments = f"{CORNERS}, moved_by, call, tables"
    functions: Functions = {}
    for field, node, what in (
        ("moved", found.same, "it moved"),
        ("still", found.still, "it further down"),
    ):
        if node is not None:
            doc = f"Rectangles that hold a pair just where they hold {what}: a bool tensor [n]."
            functions[field] = torch_function(pattern, field, arguments, doc, [node])
    for field, nodes, scalar, doc in (
        ("strides", found.units, False, "What `moved_by` should be a multiple of."),
        ("borders", found.borders, True, "Keys where the mask may change for all queries."),
    ):
        if nodes:
            names = _numbered(field[:-1].upper(), nodes)
            functions[field] = torch_function(
                pattern, field, "call", doc, nodes, names, scalar=scalar
            )
    return functions


def _numbered(label: str, nodes: tuple[Node, ...]) -> tuple[str, ...]:
    return tuple(f"{label}_{i}" for i in range(len(nodes)))
