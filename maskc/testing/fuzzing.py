"""`fuzz`: many calls of one pattern against the oracle, and the smallest one that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings

from maskc.testing.call import Call
from maskc.testing.calls import DTYPES, calls
from maskc.testing.oracle import assert_matches_dense

PATIENT = (
    *(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    HealthCheck.large_base_example,
)
"""What Hypothesis says of slow or large examples is no fault of the pattern."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The smallest failing call that was found, and what was wrong there."""

    pattern: str
    call: Call
    message: str


@dataclass(frozen=True, slots=True)
class FuzzReport:
    """How many calls were tried over all patterns, and the first pattern's failure, if any."""

    examples: int
    failure: Failure | None = None


def fuzz(
    target: Any,
    examples: int = 200,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    backend: str = "auto",
    device: str = "cpu",
    max_tokens: int = 200,
    dtypes: tuple[str, ...] = DTYPES,
    seed: int | None = None,
) -> FuzzReport:
    """What `examples` drawn calls of each pattern show.

    Args:
        target: a path of a `.attn` file, or a public pattern object.
        examples: how many calls to draw for each pattern.
        on_progress: called with (calls done, calls to do) after each; the first may pass the
            second while a failure is being shrunk.
        backend: as in a call.
        device: where the patterns run.
        max_tokens: the greatest number of queries and of keys.
        dtypes: names of torch dtypes.
        seed: for the same calls every time; None for fresh ones.

    Raises:
        MaskcError: where the file has errors.
        ValueError: where torch has no such device.

    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"device is {device!r}; wanted one that torch has here") from None
    patterns = _patterns(target)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, examples * len(patterns))

    for name, pattern in patterns.items():
        failure = _fuzz_one(
            name, pattern, examples, step, seed, max_tokens, dtypes, backend, device
        )
        if failure is not None:
            return FuzzReport(done, failure)
    return FuzzReport(done)


def _fuzz_one(
    name: str,
    pattern: Any,
    examples: int,
    step: Callable[[], None],
    seed: int | None,
    max_tokens: int,
    dtypes: tuple[str, ...],
    backend: str,
    device: str,
) -> Failure | None:
    failed: list[tuple[Call, str]] = []

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        print_blob=False,
        derandomize=seed is not None,
        suppress_health_check=PATIENT,
    )
    @given(calls(pattern, max_tokens, dtypes))
    def check(call: Call) -> None:
        step()
        try:
            assert_matches_dense(pattern, call, backend, device=device)
        except Exception as error:
            failed.append((call, f"{type(error).__name__}: {error}"))
            raise

    try:
        check()
    except Exception as error:
        if not failed:
            raise
        call, message = failed[-1]
        del error
        return Failure(name, call, message)
    return None


def _patterns(target: Any) -> dict[str, Any]:
    if not isinstance(target, str | Path):
        return {target.spec.name: target}
    from maskc import load

    return dict(vars(load(target)))
