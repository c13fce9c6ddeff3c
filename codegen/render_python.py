"""Expressions over a call's numbers alone, as plain Python functions of a generated module."""

from __future__ import annotations

from collections.abc import Mapping

from maskc import ir
from maskc.bounds import signs_of
from maskc.codegen import render
from maskc.codegen.render_torch import TAKEN, Function, TorchTarget


def rule_functions(pattern: ir.Pattern, param: ir.Scalar) -> tuple[Function, ...]:
    """`P_NAME_rule_I(value, params)`: whether a value of a parameter meets each of its rules."""
    doc = f"Whether a value of `{param.name}` is allowed, given the scalar parameters by name."
    return tuple(
        _function(
            pattern,
            f"{param.name}_rule_{i}(value, params)",
            doc,
            rule,
            {
                f"param:{node.name}": "value"
                if node.name == param.name
                else f'params["{node.name}"]'
                for node in ir.postorder(rule)
                if isinstance(node, ir.Param)
            },
        )
        for i, (rule, _) in enumerate(param.rules)
    )


def default_function(pattern: ir.Pattern, param: ir.Scalar) -> Function | None:
    """`P_NAME_default(params)`: a default that is made of other parameters; None for any other."""
    if param.derived is None:
        return None
    doc = f"The default of `{param.name}`, given the scalar parameters before it by name."
    used = (node.name for node in ir.postorder(param.derived) if isinstance(node, ir.Param))
    return _function(
        pattern,
        f"{param.name}_default(params)",
        doc,
        param.derived,
        {f"param:{name}": f'params["{name}"]' for name in used},
    )


def length_function(pattern: ir.Pattern, name: str, size: ir.Node) -> Function:
    """`P_NAME(call)`: the size that the spec gives an axis of an input or an extent."""
    doc = "The length that the spec gives in a call."
    return _function(pattern, f"{name}(call)", doc, size, _of_call(size))


def period_function(pattern: ir.Pattern, i: int, modulus: ir.Node) -> Function:
    """`P_period_I(call)`: the modulus of a periodic term of the mask."""
    doc = "The modulus of a periodic term of the mask."
    return _function(pattern, f"period_{i}(call)", doc, modulus, _of_call(modulus))


def _of_call(root: ir.Node) -> dict[str, str]:
    """Where a function of the call reads each parameter."""
    return {
        f"param:{node.name}": f'call.params["{node.name}"]'
        for node in ir.postorder(root)
        if isinstance(node, ir.Param)
    }


def _function(
    pattern: ir.Pattern, signature: str, doc: str, root: ir.Node, locals: Mapping[str, str]
) -> Function:
    identifiers = render.Identifiers((*TAKEN, "value", "params"))
    target = TorchTarget(locals, signs_of(pattern.params), scalar=True)
    body = render.Body(target, identifiers)
    (result,) = body.write(root)
    lines = [f'"""{doc}"""', *body.lines, f"return {result.text}"]
    name = f"{pattern.name}_{signature}"
    text = "\n".join([f"def {name}:", *(f"    {line}" for line in lines)])
    return Function(name.partition("(")[0], text + "\n")
