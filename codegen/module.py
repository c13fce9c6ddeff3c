"""One whole Python module from the patterns of a file: spec part, runtime, public objects."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from maskc import ir
from maskc.analysis import analyse
from maskc.codegen import paste, splice
from maskc.codegen.halvings import halvings
from maskc.codegen.kernel_arguments import arguments_function
from maskc.codegen.literals import (
    bracketed,
    call_of,
    dict_of,
    docstring,
    list_of,
    quoted,
    string_of,
    tuple_of,
    value_of,
)
from maskc.codegen.render_layout import layout_functions
from maskc.codegen.render_python import default_function, length_function, rule_functions
from maskc.codegen.render_torch import (
    sinks_function,
    torch_functions,
)
from maskc.codegen.render_triton import filled
from maskc.passes.slope import slope

WIDTH = 100
DEFAULTS = {
    **dict.fromkeys(("terms", "params", "inputs", "slices", "cuts", "periods"), "()"),
    **dict.fromkeys(("uses_layer", "uses_n_layers"), "False"),
    **{"align": '"end"', "split": '"both"', "halvings": "0"},
}
"""Fields of a Spec that need no saying where they have these values."""

FIRST = "triton_import"
"""The runtime file that kernels need; the others stand behind the spec part."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a module comes from: the spec's file name and text, and the compiler's version.

    `only` names the one pattern of several that was asked for.
    """

    name: str
    text: str
    version: str
    only: str | None = None


def generate(patterns: Sequence[ir.Pattern], origin: Origin) -> str:
    """The text of the module: same patterns and origin, same bytes.

    It holds what the spec says first (one function for each reading), then the kernels, then what
    these reach of the runtime, then one public object for each pattern.
    """
    names = [pattern.name for pattern in patterns]
    written = _written(patterns)
    own = [part for each in written for part in each.functions()]
    own += [part for each in written for part in each.spliced()]
    objects = {each.name: each.public() for each in written}
    public = [f"PATTERNS = {dict_of(objects)}", _exports(names)]
    reached = paste.reached("\n".join([*own, *public]))
    rooms = {room.stem: room for room in paste.rooms(reached)}
    parts = [
        "\n\n".join(
            [
                _header(patterns, origin),
                paste.import_lines(reached),
                rooms.pop(FIRST).body,
                f"\n__all__ = {list_of(map(quoted, names))}",
            ]
        ),
        *own,
        _title("What kernels call"),
        splice.shared(reached),
        *(part for room in rooms.values() for part in (_title(room.title), room.body)),
        _title("Public objects"),
        *public,
    ]
    return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"


def _written(patterns: Sequence[ir.Pattern]) -> list[_Written]:
    """The text of each pattern; its functions are named after it, and none as anything else is."""
    taken = set(paste.taken())
    found = []
    for pattern in patterns:
        each = _Written(pattern, pattern.name)
        while each.defined & taken:
            each = _Written(replace(each.pattern, name=f"{each.pattern.name}_"), pattern.name)
        taken |= each.defined
        found.append(each)
    return found


class _Written:
    """The text of one pattern: its functions and kernels, and the expression of its object.

    `name` is what the public object is called; the functions are named after that of `pattern`.
    """

    def __init__(self, pattern: ir.Pattern, name: str) -> None:
        self.pattern, self.name = pattern, name
        derivative = None if pattern.score is None else slope(pattern.score)
        self.spec_functions = torch_functions(pattern, derivative)
        self.of_layout = layout_functions(pattern)
        self.rules = {param.name: rule_functions(pattern, param) for param in pattern.params}
        self.derived = {param.name: default_function(pattern, param) for param in pattern.params}
        self.axes = {
            (tensor.name, i): length_function(pattern, f"{tensor.name}_axis_{i}", axis)
            for tensor in pattern.inputs
            for i, axis in enumerate(tensor.axes)
            if not isinstance(axis, str | ir.Const) and _shape_binds(axis) is None
        }
        self.extents = {}
        for extent in _extents(pattern.space):
            if not isinstance(extent.value, ir.Const) and not _is_free(extent):
                suffix = f"extent_{len(self.extents)}"
                self.extents[extent] = length_function(pattern, suffix, extent.value)
        self.sinks = None if pattern.sink_count is None else sinks_function(pattern)
        filling, arguments = filled(pattern, derivative)
        self.arguments = arguments_function(pattern, arguments)
        self.kernels = tuple(splice.kernel(name, pattern.name, filling) for name in splice.KERNELS)
        self.analysis = analyse(pattern.mask)

    @property
    def defined(self) -> set[str]:
        """The names of all functions and kernels."""
        text = "\n".join([*self.functions(), *self.spliced()])
        return set(re.findall(r"^def (\w+)", text, re.MULTILINE))

    def functions(self) -> Iterator[str]:
        """The functions of the pattern, under a title."""
        yield _title(f"Pattern {self.name}")
        for function in self.spec_functions:
            yield function.text
        for found in self.of_layout.values():
            yield from (x.text for x in (found if isinstance(found, tuple) else (found,)))
        for rules in self.rules.values():
            yield from (function.text for function in rules)
        derived = (function for function in self.derived.values() if function is not None)
        for function in (*derived, *self.axes.values(), *self.extents.values()):
            yield function.text
        if self.sinks is not None:
            yield self.sinks.text

    def spliced(self) -> Iterator[str]:
        """The kernels of the pattern and what gives them their arguments, under a title."""
        yield _title(f"Kernels of {self.name}")
        yield self.arguments.text
        yield from self.kernels

    def public(self) -> str:
        """The expression that makes the pattern's public object."""
        pattern, found = self.pattern, self.analysis
        names = {function.name.removeprefix(f"{pattern.name}_") for function in self.spec_functions}
        terms = sorted(
            (name for name in names if name.startswith("term_")), key=lambda n: int(n[5:])
        )
        fields = {
            "name": quoted(self.name),
            "doc": string_of(pattern.doc),
            **{
                name: f"{pattern.name}_{name}"
                for name in ("keep", "bounds", "outline", "span", "score", "score_slope")
                if name in names
            },
            **self._parts(),
            "terms": tuple_of(f"{pattern.name}_{name}" for name in terms),
            "params": tuple_of(map(self._param, pattern.params)),
            "inputs": tuple_of(map(self._input, pattern.inputs)),
            **self._space(),
            "align": quoted(pattern.space.align),
            "slices": tuple_of(map(quoted, found.slices)),
            "uses_layer": repr(self._reads("layer")),
            "uses_n_layers": repr(self._reads("n_layers")),
            "mask_inputs": tuple_of(map(quoted, found.tensors)),
            "split": quoted(found.split),
            **{
                field: tuple_of(x.name for x in given) if isinstance(given, tuple) else given.name
                for field, given in self.of_layout.items()
            },
            "kernels": dict_of(
                {
                    **{name: f"{pattern.name}_{name}" for name in splice.KERNELS},
                    "row_delta": "row_delta",
                    "arguments": self.arguments.name,
                }
            ),
            "halvings": repr(halvings(pattern)),
        }
        said = {name: text for name, text in fields.items() if DEFAULTS.get(name) != text}
        return bracketed("Attention(", [call_of("Spec", said)], ")")

    def _reads(self, name: str) -> bool:
        pattern = self.pattern
        roots = (pattern.mask, pattern.score, pattern.sink_count)
        sink = {given.name: given for given in pattern.inputs}.get(pattern.sink_logit or "")
        if sink is not None and name in sink.axes:
            return True
        return ir.Var(name) in set(ir.postorder(*(root for root in roots if root is not None)))

    def _parts(self) -> dict[str, str]:
        """The fields for the score's float inputs, range tables and sinks, where there are."""
        pattern, fields = self.pattern, {}
        nodes = ir.postorder(pattern.score) if pattern.score is not None else ()
        read = {node.tensor for node in nodes if isinstance(node, ir.Load)}
        floats = [x.name for x in pattern.inputs if x.type is ir.FLOAT and x.name in read]
        if floats:
            fields["score_inputs"] = tuple_of(map(quoted, floats))
        text = "".join(self.functions())
        if "tables." in text:
            fields["tables"] = "RangeTables" if "tables.range_" in text else "Tables"
        sinks = {}
        if pattern.sink_logit is not None:
            (declared,) = (given for given in pattern.inputs if given.name == pattern.sink_logit)
            sinks["logit"] = quoted(declared.name)
            sinks["axes"] = tuple_of(quoted(str(axis)) for axis in declared.axes)
        if self.sinks is not None:
            sinks["count"] = self.sinks.name
        if sinks:
            fields["sinks"] = call_of("RowSinks", sinks)
        return fields

    def _space(self) -> dict[str, str]:
        """The field for the space, none of a plain line."""
        space = self.pattern.space
        sides = {"key": space.key}
        if space.align == "cross":
            sides["query"] = space.query
        given = {name: side for name, side in sides.items() if side is not None}
        if not given:
            return {}
        if any(side.packed for side in given.values()):
            ((_, axes),) = given["key"].segments
            return {"space": call_of("PackedGrid", {"axes": tuple_of(map(self._extent, axes))})}
        return {"space": call_of("Segments", {k: self._side(side) for k, side in given.items()})}

    def _side(self, side: ir.Side) -> str:
        return tuple_of(
            call_of(
                "Segment",
                {
                    "name": "None" if name is None else quoted(name),
                    "extents": tuple_of(map(self._extent, extents)),
                    "is_grid": repr(extents[0].is_axis),
                },
            )
            for name, extents in side.segments
        )

    def _extent(self, extent: ir.Extent) -> str:
        value, size = extent.value, _size_of(extent.value)
        if isinstance(value, ir.Const):
            text = repr(value.value)
        elif _is_free(extent) and size is not None:
            text = quoted(size)
        else:
            text = self.extents[extent].name
        return f"Extent({quoted(extent.name)}, {text})"

    def _param(self, param: ir.Scalar) -> str:
        fields = {"name": quoted(param.name), "type": quoted(param.type.value)}
        if param.axes is not None:
            fields["axes"] = tuple_of(map(quoted, param.axes))
        if param.dynamic:
            fields["dynamic"] = "True"
        if param.default is not None:
            fields["default"] = value_of(param.default)
        if (derived := self.derived[param.name]) is not None:
            fields["derived"] = derived.name
        if param.rules:
            fields["rules"] = tuple_of(
                f"({function.name}, {string_of(text)})"
                for function, (_, text) in zip(self.rules[param.name], param.rules, strict=True)
            )
        if param.doc:
            fields["doc"] = string_of(param.doc)
        return call_of("Param", fields)

    def _input(self, tensor: ir.Tensor) -> str:
        fields = {
            "name": quoted(tensor.name),
            "type": quoted(tensor.type.value),
            "axes": tuple_of(self._axis(tensor, i) for i in range(len(tensor.axes))),
        }
        if tensor.doc:
            fields["doc"] = string_of(tensor.doc)
        return call_of("Input", fields)

    def _axis(self, tensor: ir.Tensor, i: int) -> str:
        axis = tensor.axes[i]
        if isinstance(axis, str):
            return quoted(axis)
        if isinstance(axis, ir.Const):
            return repr(axis.value)
        if (size := _shape_binds(axis)) is not None:
            return quoted(size)
        return self.axes[tensor.name, i].name


def _size_of(node: ir.Node) -> str | None:
    """The name of a size that stands alone, which a call may bind."""
    if not isinstance(node, ir.Var) or not node.name.startswith("size:"):
        return None
    return node.name.removeprefix("size:")


def _shape_binds(axis: ir.Node) -> str | None:
    """The size that an input's shape binds, or meets; an axis called `token` is not one."""
    size = _size_of(axis)
    return None if size == "token" else size


def _extents(space: ir.Space) -> Iterator[ir.Extent]:
    """Every extent of a space, each once."""
    sides = dict.fromkeys(side for side in (space.query, space.key) if side is not None)
    found = (extent for side in sides for _, extents in side.segments for extent in extents)
    yield from dict.fromkeys(found)


def _is_free(extent: ir.Extent) -> bool:
    """Whether the call gives the extent: an axis its own, a segment that or one of another name."""
    size = _size_of(extent.value)
    return size is not None and (size == extent.name or not extent.is_axis)


def _header(patterns: Sequence[ir.Pattern], origin: Origin) -> str:
    digest = hashlib.sha256(origin.text.encode()).hexdigest()[:16]
    name = ascii(origin.name)[1:-1]
    command = f"maskc compile {shlex.quote(name)}"
    command += f" --pattern {origin.only}" if origin.only else ""
    lines = [f"Exact attention kernels of {name}, written by maskc {origin.version}.", ""]
    for pattern in patterns:
        lines += [pattern.name, *textwrap.indent(pattern.doc, "    ").splitlines(), ""]
    lines += [
        f"Spec sha256 {digest}. Edit the spec, not this file; to write it again:",
        f"    {command}",
        "",
        "What the spec says comes first, then its kernels, what they need of the runtime, and the",
        "public objects. All that is imported is torch, triton and the standard library.",
    ]
    return f"{docstring(lines)}\n\nfrom __future__ import annotations"


def _title(text: str) -> str:
    return f"# --- {text} ".ljust(WIDTH - 2, "-").rstrip()


def _exports(names: Sequence[str]) -> str:
    """Statements that give the module its public names, also those that it uses itself.

    Names such as `__spec__` stay what Python means by them; PATTERNS has the pattern.
    """
    own = paste.taken() | {*dir(builtins), *keyword.kwlist, "PATTERNS"}
    free = [name for name in names if not re.fullmatch("__.*__", name)]
    lines = [f'{name} = PATTERNS["{name}"]' for name in free if name not in own]
    if len(lines) < len(free):
        lines.append("put_patterns_first(__name__)")
    return "\n".join(lines)
