"""Seconds that a function takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

BUDGET = 4.0
"""Seconds after which no further run is started."""


def seconds(run: Callable[[], Any], device: str, times: int = 5) -> float:
    """The median time of at most `times` runs, after one that does not count."""
    taken: list[float] = []
    while len(taken) <= times and (len(taken) < 2 or sum(taken) < BUDGET):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
