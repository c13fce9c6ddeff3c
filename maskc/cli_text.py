"""The commands that write specs: `fmt` and `new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maskc import options, shell
from maskc.diagnostics import MaskcError
from maskc.files import create

if TYPE_CHECKING:
    from maskc.formatting import Formatted


@click.command(
    cls=shell.Word,
    examples=[
        "maskc fmt examples/*.attn",
        "maskc fmt --check examples/*.attn",
        "maskc fmt - < draft.attn",
    ],
)
@options.files
@click.option("--check", is_flag=True, help="Write nothing; name the files that would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
def fmt(files: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Write FILES in the one form of the language.

    The files that change are named. Comments are kept, groups of statements are parted by one empty
    line, and the meaning is the same. A file with errors is left alone. `-` reads standard input
    and writes standard output. With --check or --diff the exit code is 1 where a file would change.
    """
    shell.alone(files)
    failed: list[MaskcError] = []
    changed = False
    for path in files:
        try:
            made = _formatted(path)
        except MaskcError as error:
            failed.append(error)
            continue
        changed = changed or made.changes
        if diff:
            for line in made.diff():
                click.echo(line)
        if check and made.changes:
            click.echo(made.name)
        if not check and not diff:
            _write(path, made)
    if failed:
        raise shell.together(failed)
    sys.exit(1 if changed and (check or diff) else 0)


@click.command(
    cls=shell.Word,
    examples=[
        "maskc new local",
        "maskc new local --in patterns",
    ],
)
@click.argument("name")
@click.option(
    "--in",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("."),
    help="Folder of the file, made where it is missing; the current one by default.",
)
def new(name: str, folder: Path) -> None:
    """Write NAME.attn, a small commented spec to start from.

    A file that is there already is left alone.
    """
    from maskc.starter import starter

    text = shell.answered(lambda: starter(name))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.attn"
    try:
        create(path, text.encode())
    except FileExistsError:
        raise shell.Said(f"{path} is there already") from None
    click.echo(str(path))


def _formatted(path: Path) -> Formatted:
    from maskc import pipeline
    from maskc.formatting import formatted, read

    if path == shell.DASH:
        return formatted(pipeline.standard_input(), pipeline.STDIN)
    return read(path)


def _write(path: Path, made: Formatted) -> None:
    from maskc.formatting import write

    if path == shell.DASH:
        sys.stdout.buffer.write(made.data())
    elif made.changes:
        write(path, made.data())
        click.echo(str(path))
