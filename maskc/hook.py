"""`import maskc.hook`: afterwards `from patterns import x` compiles `patterns/x.attn`.

A Python module of the same name wins. The compiled module holds one object per pattern; errors of
the spec are the `maskc.MaskcError` of the import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType


class SpecFinder(MetaPathFinder):
    """Finds `.attn` files where Python looks for modules, after everything else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The generated module of a file called like the last part of `fullname`, or None."""
        name = f"{fullname.rpartition('.')[2]}.attn"
        for folder in sys.path if path is None else path:
            file = Path(folder or ".") / name
            if file.is_file():
                from maskc import pipeline

                written = pipeline.cached_module(file)
                return spec_from_file_location(
                    fullname, written, loader=SourceFileLoader(fullname, str(written))
                )
        return None


def install() -> None:
    """Find `.attn` files on import, from now on."""
    if not any(isinstance(finder, SpecFinder) for finder in sys.meta_path):
        sys.meta_path.append(SpecFinder())


install()
