"""A module whose patterns come first: for patterns that are named like something it uses itself."""

from __future__ import annotations

import sys
import types
from typing import Any


class PublicModule(types.ModuleType):
    """A generated module as seen from outside: a pattern's name means the pattern."""

    def __getattribute__(self, name: str) -> Any:
        """The pattern of that name, else the module's own attribute; Python's own names stay."""
        if name[:2] == name[-2:] == "__":
            return super().__getattribute__(name)
        patterns = super().__getattribute__("__dict__").get("PATTERNS", {})
        return patterns[name] if name in patterns else super().__getattribute__(name)


def put_patterns_first(module: str) -> None:
    """Make the patterns of a loaded module its first attributes; its own code is not touched."""
    sys.modules[module].__class__ = PublicModule
