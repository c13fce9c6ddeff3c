"""What `maskc new` writes: a spec to start from."""

from __future__ import annotations

import keyword
import re
import sys
from pathlib import Path

from maskc import pipeline, syntax
from maskc.diagnostics import MaskcError

TEXT = """\
## The first tokens, and the ones just before each query.
##
## This text becomes documentation of the generated module. It is the place to say where the mask
## comes from, and why its defaults are what they are.
pattern {name}(sinks: int >= 0 = 4, window: int >= 1 = 128) {{
    # A parameter has a type, rules and a default. Each call may choose: {name}(q, k, v, window=64).

    # A name for a part of the mask. `recent(window)` says the same: `maskc list` shows all such
    # functions, each with a picture.
    let near = 0 <= q - k < window

    # One `mask` says which pairs of a query q and a key k are kept.
    mask causal & (sink(sinks) | near)
}}

# Next:
#
#     maskc check {name}.attn             every error, with its place and its cure
#     maskc show {name}.attn --shrink     the mask as a picture
#     maskc compile {name}.attn -o build  the Python module
"""


class StarterError(ValueError):
    """A name that no new spec can have, in one sentence."""


def starter(name: str) -> str:
    """The text of a new spec with one pattern.

    Args:
        name: of the pattern, and of the module that it becomes.

    Raises:
        StarterError: where attn or Python does not take the name.

    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        near = re.sub(r"\W+|^(?=\d)", "_", Path(name).stem.lower(), flags=re.ASCII).strip("_")
        hint = f"; try `{near}`" if re.fullmatch(r"[a-z_][a-z0-9_]*", near) else ""
        raise StarterError(f"`{name}` is no name: wanted lowercase letters, digits and `_`{hint}")
    if keyword.iskeyword(name) or name in sys.stdlib_module_names | {"torch", "triton", "numpy"}:
        raise StarterError(f"`{name}` has a meaning in Python, so no module can be called so")
    if any(isinstance(d, syntax.Def) and d.name == name for d in pipeline.prelude().declarations):
        raise StarterError(f"`{name}` is a function of the prelude: `maskc list {name}` shows it")
    text = TEXT.format(name=name)
    try:
        pipeline.check_text(text)
    except MaskcError as error:
        raise StarterError(f"attn takes no such name: {error.diagnostics[0].message}") from None
    return text
