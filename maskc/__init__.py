"""maskc: a compiler for attention patterns.

`maskc.load("x.attn")` and `maskc.loads(text)` return one attribute per pattern of the spec, each
exact masked attention; errors of a spec are one `maskc.MaskcError` with all its diagnostics.
"""

from maskc.diagnostics import Diagnostic, MaskcError
from maskc.pipeline import load, loads
from maskc.version import __version__

__all__ = ["Diagnostic", "MaskcError", "__version__", "load", "loads"]
