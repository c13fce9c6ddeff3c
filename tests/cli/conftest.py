"""The command that most tests of it run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cli import shell


@pytest.fixture(
    params=[
        pytest.param(shell.in_process, id="process"),
        pytest.param(shell.in_shell, id="shell", marks=pytest.mark.slow),
    ]
)
def maskc(request: pytest.FixtureRequest) -> Callable[..., shell.Run]:
    """The command, to be called with its words: in this process, and as a shell runs it."""
    return request.param
