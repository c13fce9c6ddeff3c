"""How the command meets its surroundings: errors as sentences, colours, terminals, file names."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from maskc.diagnostics import MaskcError, render
from maskc.extras import EXTRAS, missing

if TYPE_CHECKING:
    from rich.console import Console

    from maskc.source import Source

Result = TypeVar("Result")

NEEDED = ("numpy", "torch", "triton")
"""Packages that a module of the same name beside it would hide from a generated one."""


OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory")
"""What torch says where a CPU or a GPU has too little of it, in no class of its own."""

DASH = Path("-")
"""What stands for standard input."""


class Said(click.ClickException):
    """A mistake of the user's in one sentence; exit code 1."""

    def show(self, file: Any = None) -> None:
        """Print it as the compiler's own errors are printed."""
        error = click.style("error", fg="red", bold=True)
        click.echo(f"{error}: {self.format_message()}", err=True, color=colored(sys.stderr))


class Word(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, a line each."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


class Commands(Word, click.Group):
    """The group of commands, and the place where every exception becomes a sentence."""

    command_class = Word

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its whole sentence, over several lines in a narrow terminal."""
        names = self.list_commands(ctx)
        commands = [(name, self.get_command(ctx, name)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl([(n, c.get_short_help_str(limit=200)) for n, c in commands if c])

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the words before the command; `--help` and `--version` print here."""
        try:
            return super().make_context(*args, **options)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Said(_sentence(error)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; only click's own exceptions leave it."""
        _print_anything()
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except MaskcError as error:
            text = render(error.diagnostics, colored(sys.stderr), error.omitted)
            click.echo(text, err=True, color=True)
            ctx.exit(1)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(1)
        except Exception as error:
            if os.environ.get("MASKC_TRACEBACK"):
                raise
            raise Said(_sentence(error)) from None


@contextmanager
def interrupts() -> Iterator[Callable[[], None]]:
    """What it gives raises KeyboardInterrupt after an interrupt; a second one raises it at once.

    Python drops what an interrupt raises inside the collector's callbacks, and hypothesis has one.
    """
    came = 0

    def note(*_: object) -> None:
        nonlocal came
        came += 1
        if came > 1:
            raise KeyboardInterrupt

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before)


def colored(stream: TextIO) -> bool:
    """Whether text for `stream` is coloured: on terminals; NO_COLOR and FORCE_COLOR decide."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def print_json(told: Any) -> None:
    """One JSON document on standard output, in ASCII."""
    click.echo(json.dumps(told, indent=2))


def console(stderr: bool = False) -> Console:
    """A rich console for one of the two streams."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 100
    return Console(file=stream, no_color=not colored(stream), highlight=False, width=width)


def writes_blocks() -> bool:
    """Whether standard output takes the block characters of pictures."""
    try:
        "█▄▀▒·⣿".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def terminal_width() -> int:
    """Columns of the terminal, 0 where standard output is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0
    except OSError:
        return 0


def needing(what: str, answer: Callable[[], Result]) -> Result:
    """The answer, or a sentence where torch, triton or matplotlib is missing."""
    try:
        return answer()
    except ModuleNotFoundError as error:
        if error.name not in EXTRAS:
            raise
        raise Said(str(missing(what, error))) from None


def answered(answer: Callable[[], Result]) -> Result:
    """The answer, or the ValueError or TypeError of a wrong argument as a sentence."""
    try:
        return answer()
    except (TypeError, ValueError) as error:
        raise Said(str(error)) from None


def together(errors: Sequence[MaskcError]) -> MaskcError:
    """The errors of several files as one."""
    diagnostics = [d for error in errors for d in error.diagnostics]
    return MaskcError(diagnostics, omitted=sum(error.omitted for error in errors))


def pairs(words: Iterable[str], option: str) -> dict[str, str]:
    """Words of the form NAME=VALUE as a table, each name once."""
    table: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"`{word}` is not NAME=VALUE", param_hint=option)
        name = name.strip()
        if name in table:
            told = f"`{name}` is given twice: {table[name]} and {value}"
            raise click.BadParameter(told, param_hint=option)
        table[name] = value
    return table


def sizes(words: Iterable[str]) -> dict[str, int | tuple[int, ...]]:
    """Words of the form NAME=N, or NAME=N,N,... for the items of a packed grid, as a table."""
    table: dict[str, int | tuple[int, ...]] = {}
    for name, value in pairs(words, "--size").items():
        parts = value.split(",")
        if not all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
            raise click.BadParameter(f"`{value}` is not a size", param_hint="--size")
        table[name] = int(value) if len(parts) == 1 else tuple(map(int, parts))
    return table


def spec(path: Path) -> Path | Source:
    """A file as the compiler takes it: `-` is standard input, which can be read but once."""
    from maskc import pipeline

    return pipeline.piped() if path == DASH else path


def name_of(file: Path | Source) -> str:
    """What messages call a file."""
    return str(file) if isinstance(file, Path) else file.name


def alone(files: Sequence[Path]) -> None:
    """Refuse `-` beside other files."""
    if DASH in files and len(files) > 1:
        raise click.UsageError("`-`, standard input, stands alone")


def among(names: Iterable[str], known: Collection[str], what: str) -> None:
    """Refuse a name that is not known, with the nearest one that is."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise Said(f"{what} `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))


def check_modules(files: Sequence[Path], folder: Path) -> None:
    """Refuse files that cannot become modules side by side in one folder."""
    if folder.exists() and not folder.is_dir():
        raise Said(f"{folder} is a file, and modules go into a folder")
    taken: dict[str, Path] = {}
    for path in files:
        stem = path.stem
        if not stem.isidentifier() or not stem.isascii() or iskeyword(stem):
            raise Said(
                f"{path} would become the module `{stem}`, which Python cannot import: "
                "rename the file to letters, digits and `_`"
            )
        if stem in NEEDED or stem in sys.stdlib_module_names:
            raise Said(
                f"{path} would become the module `{stem}`, which hides another of that name: "
                "rename the file"
            )
        other = taken.setdefault(stem.lower(), path)
        if other is not path:
            raise Said(f"{other} and {path} would both become {folder / stem}.py")


def _print_anything() -> None:
    """Escape what a stream's encoding lacks, and drop what a closed one is told."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError | RecursionError) or OUT_OF_MEMORY.search(str(error)):
        return "this takes more memory than there is"
    return (
        f"maskc itself failed, which is a defect of it: {type(error).__name__}: {error}\n"
        "MASKC_TRACEBACK=1 shows where"
    )
