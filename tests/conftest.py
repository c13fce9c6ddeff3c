"""What all tests share: profiles of Hypothesis, one golden fixture, one place for made modules."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

SLOW_MACHINE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

settings.register_profile(
    "fast", max_examples=8, derandomize=True, deadline=None, suppress_health_check=SLOW_MACHINE
)
settings.register_profile(
    "ci",
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=SLOW_MACHINE,
)
settings.register_profile(
    "night", max_examples=3_000, deadline=None, suppress_health_check=SLOW_MACHINE
)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update-golden`: write goldens instead of comparing with them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files")


def pytest_configure(config: pytest.Config) -> None:
    """One thread of torch for each of several workers and for what they start.

    Said before torch is imported, which it is not here: pytest's own process has no need of it.
    """
    if os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["OMP_NUM_THREADS"] = "1"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look for garbage seldom, and never in what was imported: a tenth of the time went there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """A function that holds a text against a golden file, or writes it with `--update-golden`."""
    update = request.config.getoption("--update-golden")

    def hold(path: Path, text: str) -> None:
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        told = f"{path} is missing or old: look at the change and run pytest --update-golden"
        assert path.exists(), told
        assert path.read_text(encoding="utf-8") == text, told

    return hold
