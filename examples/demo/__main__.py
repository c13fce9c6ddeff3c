"""`python -m examples.demo`: both parts of the demonstration, on whatever this machine has."""

from __future__ import annotations

import sys

import torch
from rich.console import Console

from examples.demo import exactness, sentences


def main() -> int:
    """Print both tables; 0 where everything is as exact as it should be."""
    console = Console(highlight=False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = (
        torch.cuda.get_device_name() if device == "cuda" else f"{torch.get_num_threads()} threads"
    )
    console.print(f"\nmaskc on {device} ({name}), torch {torch.__version__}\n")
    good = exactness.show(console, device)
    console.print()
    return 0 if sentences.show(console, device) and good else 1


if __name__ == "__main__":
    sys.exit(main())
