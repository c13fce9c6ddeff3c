"""How what the generators make is written: all of it or nothing, and one line where it fails."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from maskc.diagnostics import MaskcError


class MissingError(Exception):
    """Something that has to be made first; the message says by what."""


def write(made: Mapping[Path, bytes]) -> None:
    """Replace those of the files that differ, none of them before all are on the disk.

    Args:
        made: the bytes of each file; folders are made where there are none.

    Raises:
        OSError: that names the file which cannot be written; all are as they were.

    """
    beside: dict[Path, str] = {}
    try:
        for path, data in made.items():
            if not path.is_file() or path.read_bytes() != data:
                beside[path] = _beside(path, data)
        for path, staged in beside.items():
            _rename(staged, path)
    finally:
        for staged in beside.values():
            Path(staged).unlink(missing_ok=True)


def _rename(staged: str, path: Path) -> None:
    try:
        os.replace(staged, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _beside(path: Path, data: bytes) -> str:
    """A new file in the folder of `path` with its bytes to be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(dir=path.parent, prefix=".maskc-")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(staged, 0o644)
    except OSError as error:
        os.unlink(staged)
        raise OSError(error.errno, error.strerror, str(path)) from error
    return staged


def run(main: Callable[[], None], name: str) -> int:
    """The exit code of a generator: 1, after one line on standard error, where it cannot do it."""
    try:
        main()
    except MissingError as error:
        print(f"{name}: {error}", file=sys.stderr)
    except MaskcError as error:
        print(error, file=sys.stderr)
    except click.ClickException as error:
        print(f"{name}: {error.format_message()}", file=sys.stderr)
    except OSError as error:
        print(f"{name}: {error.filename}: {error.strerror}", file=sys.stderr)
    else:
        return 0
    return 1
