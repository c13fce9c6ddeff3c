"""How what the generators make is written: all of it or nothing, and one line where it fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from maskc import files
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
    changed = {
        path: data for path, data in made.items() if not path.is_file() or path.read_bytes() != data
    }
    for path in changed:
        with files.naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
    files.replace_all(changed)


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
