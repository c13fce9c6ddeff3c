"""How files are written: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, data: bytes, mode: int = 0o644) -> Path:
    """Write a file beside its place and rename it, so that an interrupt leaves the old one.

    Args:
        path: the file, in a folder that is there.
        data: its bytes.
        mode: its permissions.

    Returns:
        `path`.

    Raises:
        OSError: that names `path`, not what stood in for it.

    """
    replace_all({path: data}, mode)
    return path


def replace_all(made: Mapping[Path, bytes], mode: int = 0o644) -> None:
    """`replace` each file, none of them before all are on the disk."""
    beside: dict[Path, str] = {}
    try:
        for path, data in made.items():
            with naming(path):
                handle, beside[path] = tempfile.mkstemp(dir=path.parent, prefix=".maskc-")
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                os.chmod(beside[path], mode)
        for path, staged in beside.items():
            with naming(path):
                os.replace(staged, path)
    finally:
        for staged in beside.values():
            Path(staged).unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of what is done for `path` names it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def create(path: Path, data: bytes) -> Path:
    """Write a new file; one that cannot be written whole is not there afterwards.

    Returns:
        `path`.

    Raises:
        FileExistsError: where it is there already; it is left alone.
        OSError: where it cannot be written.

    """
    with open(path, "xb") as file:
        try:
            file.write(data)
            file.flush()
        except BaseException:
            os.unlink(path)
            raise
    return path
