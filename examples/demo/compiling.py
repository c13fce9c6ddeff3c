"""Compiled examples as Python modules, the way a user's program gets them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from maskc import pipeline

EXAMPLES = Path(__file__).parents[1]
BUILD = EXAMPLES.parent / "build"


def compiled(name: str, folder: Path = BUILD) -> ModuleType:
    """The module of `examples/NAME.attn`, written into `folder` and imported from there."""
    pipeline.compile_file(EXAMPLES / f"{name}.attn", folder)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return importlib.import_module(name)
