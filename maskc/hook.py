"""`import maskc.hook`: afterwards `from patterns import x` compiles `patterns/x.attn`.

A Python module of the same name wins. The compiled module holds one object per pattern; errors of
the spec are the `maskc.MaskcError` of the import. Patterns run on torch:
`pip install 'maskc[run]'`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType


class SpecLoader(InspectLoader):
    """Runs the generated module of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def get_source(self, fullname: str) -> str:
        """The generated module's text."""
        from maskc import pipeline

        return pipeline.module_text(self.file)

    def exec_module(self, module: ModuleType) -> None:
        """Compile the file and run what comes out."""
        from maskc.modules import run

        run(module, self.get_source(module.__name__))


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
                return spec_from_loader(fullname, SpecLoader(file), origin=str(file))
        return None


def install() -> None:
    """Find `.attn` files on import, from now on."""
    if not any(isinstance(finder, SpecFinder) for finder in sys.meta_path):
        sys.meta_path.append(SpecFinder())


install()
