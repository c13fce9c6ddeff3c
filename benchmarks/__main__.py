"""Runs one measurement: `python -m benchmarks NAME ...` is `benchmarks/NAME.py`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Hand the command line to the measurement that it names."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m benchmarks {{{','.join(names)}}} ...", file=sys.stderr)
        sys.exit(2)
    name = sys.argv.pop(1)
    importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
