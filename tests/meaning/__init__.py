"""What a spec means, read from the syntax tree by an interpreter of its own.

Written from the language page alone, in plain Python, numpy and torch, and sharing no code with
the checker, the IR or any reading: every property test that says "the compiler is right" compares
with `Meaning`.
"""

from meaning.spec import Meaning

__all__ = ["Meaning"]
