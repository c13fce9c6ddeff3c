"""The `maskc` command as a shell runs it: its own process, the installed entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("maskc")
EXAMPLES = ROOT / "examples"
TIMEOUT = 120


@dataclass(frozen=True)
class Run:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both streams."""
        return self.out + self.err


def maskc(
    *words: str | Path,
    cwd: Path = ROOT,
    env: dict[str, str] | None = None,
    command: tuple[str, ...] = (str(COMMAND),),
) -> Run:
    """Run the command and hold it to what holds for every run: a known code and no traceback."""
    colors = {name: "" for name in ("NO_COLOR", "FORCE_COLOR", "MASKC_TRACEBACK")}
    done = subprocess.run(
        [*command, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **colors, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    run = Run(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in run.all, run.all
    assert "defect" not in run.all, run.all
    assert run.code in (0, 1, 2), run
    return run
