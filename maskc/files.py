"""How files are written: whole or not at all."""

from __future__ import annotations

import os
import tempfile
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
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".maskc-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(beside, mode)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


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
