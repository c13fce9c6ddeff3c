"""The `maskc` command: as a shell runs it, and in this process, many times faster."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from maskc.cli import main

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("maskc")
EXAMPLES = ROOT / "examples"
TIMEOUT = 120
PLAIN = {name: "" for name in ("NO_COLOR", "FORCE_COLOR", "MASKC_TRACEBACK")}


@dataclass(frozen=True)
class Run:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        """Hold every run to what holds for all of them: a known code and no traceback."""
        assert "Traceback" not in self.all, self.all
        assert "defect" not in self.all, self.all
        assert self.code in (0, 1, 2), self

    @property
    def all(self) -> str:
        """Both streams."""
        return self.out + self.err


def in_shell(
    *words: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    command: tuple[str, ...] = (str(COMMAND),),
) -> Run:
    """Run the installed command in a process of its own."""
    done = subprocess.run(
        [*command, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **PLAIN, **(env or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def in_process(
    *words: str | Path,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> Run:
    """Run the function behind the command in this process, as a shell would see it."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    before = Path.cwd()
    os.chdir(cwd)
    try:
        with (
            mock.patch.dict(os.environ, {**PLAIN, **(env or {})}),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = exit_code([str(word) for word in words])
    finally:
        os.chdir(before)
    return Run(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))


def exit_code(words: list[str]) -> int:
    """The code that the command ends with."""
    try:
        main(words, prog_name="maskc")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
