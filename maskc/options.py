"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

LENGTH = click.IntRange(1, 1 << 24)
COUNT = click.IntRange(1, 1024)


def file(command: Command) -> Command:
    """One file."""
    return click.argument("file", type=click.Path(path_type=Path))(command)


def files(command: Command) -> Command:
    """One file or more."""
    kind = click.Path(path_type=Path)
    return click.argument("files", nargs=-1, required=True, type=kind)(command)


def as_json(command: Command) -> Command:
    """`--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(command)


def length(otherwise: int) -> Callable[[Command], Command]:
    """`--n`, the number of keys; `otherwise`: what it is where nothing says it."""
    told = f"Keys; by default as many as sizes make or an input has entries, else {otherwise:,}."
    return click.option("--n", type=LENGTH, help=told)


def call(command: Command) -> Command:
    """The options that say which call of which pattern is meant."""
    several: dict[str, Any] = {"multiple": True, "metavar": "NAME=VALUE"}
    options = [
        click.option("--pattern", help="The pattern, where the file has several."),
        click.option("--n-q", type=LENGTH, help="Queries, where not as many as keys."),
        click.option(
            "--heads", type=COUNT, help="Query heads; by default as many as a table has entries."
        ),
        click.option(
            "--kv-heads", type=COUNT, help="Key heads; by default likewise, else as many as heads."
        ),
        click.option(
            "--layer",
            type=click.IntRange(0, 1023),
            default=0,
            show_default=True,
            help="Which layer.",
        ),
        click.option("--n-layers", type=COUNT, help="Number of layers; by default likewise."),
        click.option(
            "--param", "params", help="A parameter: 4Ki, true, 4,4,8, [[1,2]].", **several
        ),
        click.option("--input", "inputs", help="An input: 0*20,1*28, or @file.json.", **several),
        click.option(
            "--size",
            "sizes",
            help="A free size of a grid or segment; of a packed grid one for each item: y=4,2.",
            **several,
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command
