"""The `maskc` command: its words, their options and what they print.

Nothing heavy is imported before a command needs it: compiling starts neither rich nor torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from maskc import cli_call, cli_text, options, shell
from maskc.diagnostics import Diagnostic, MaskcError, render, to_json
from maskc.version import __version__

STAGES = ("tokens", "ast", "ir", "layout", "schedule", "kernel")


@click.group(
    cls=shell.Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        "maskc check examples/streaming_llm.attn",
        "maskc show examples/streaming_llm.attn --shrink",
        "maskc compile examples/*.attn -o build",
        "maskc new local",
    ],
)
@click.version_option(__version__, message="maskc %(version)s")
def main() -> None:
    """Compile attention patterns: a mask in a few lines, exact block-sparse attention out."""


@main.command(
    "compile",
    examples=[
        "maskc compile examples/*.attn -o build",
        "maskc compile examples/bigbird.attn --emit ir",
        "maskc compile examples/bigbird.attn --emit layout --pattern bigbird --n 8192",
    ],
)
@options.files
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("."),
    help="Folder for the modules, made where it is missing; the current one by default.",
)
@click.option("--emit", type=click.Choice(STAGES), help="Print one stage instead of writing.")
@click.option("--pattern", help="This pattern only, where the file has several.")
@options.length(4096)
def compile_files(
    files: tuple[Path, ...], out: Path, emit: str | None, pattern: str | None, n: int | None
) -> None:
    """Write one Python module for each of FILES.

    A module imports torch and triton, never maskc, and holds one object per pattern. It is
    written beside its place and renamed, so an interrupted run leaves the old one whole. With
    --emit, `-` reads standard input.
    """
    from maskc import pipeline

    if pattern and emit in pipeline.WHOLE:
        raise click.UsageError(f"--emit {emit} shows a whole file: leave out --pattern")

    def done(path: Path) -> Any:
        file = shell.spec(path)
        if pattern:
            names = [found.name for found in pipeline.check(file)]
            shell.among([pattern], names, f"{shell.name_of(file)} has no pattern")
        if emit:
            return pipeline.emit(emit, file, n=n, pattern=pattern)
        return pipeline.compile_file(path, out, pattern)

    shell.alone(files)
    if not emit:
        if shell.DASH in files:
            raise click.UsageError("`-`, standard input, has no name for a module: give --emit")
        shell.check_modules(files, out)
    failed: list[MaskcError] = []
    for path in files:
        try:
            click.echo(shell.needing("this stage", lambda path=path: done(path)))
        except MaskcError as error:
            failed.append(error)
    if failed:
        raise shell.together(failed)


@main.command(
    examples=[
        "maskc check examples/*.attn",
        "maskc check draft.attn --json",
        "maskc check - < draft.attn",
    ],
)
@options.files
@options.as_json
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Report every error of FILES with its place, cause and cure.

    `-` reads standard input. With --json: `ok`; `files`, each with its `patterns`; `errors`, each
    with `id`, `file`, `line`, `column`, `end_line`, `end_column` (from 1, in characters), `message`
    and `hint`; `omitted`, how many errors more there were; `warnings`, names that nothing uses or
    that Python cannot import.
    """
    from maskc import pipeline

    good: list[dict[str, Any]] = []
    warned: list[Diagnostic] = []
    failed: list[MaskcError] = []
    shell.alone(files)
    for path in files:
        try:
            file = shell.spec(path)
            patterns = pipeline.check(file)
            names = [pattern.name for pattern in patterns]
            warned += pipeline.warnings(file, patterns)
            good.append({"file": shell.name_of(file), "patterns": names})
        except MaskcError as error:
            failed.append(error)
    error = shell.together(failed)
    if as_json:
        errors = [to_json(diagnostic) for diagnostic in error.diagnostics]
        warnings = [to_json(diagnostic) for diagnostic in warned]
        told = {"ok": not failed, "files": good, "errors": errors, "omitted": error.omitted}
        shell.print_json({**told, "warnings": warnings})
        sys.exit(1 if failed else 0)
    for told in good:
        click.echo(f"{told['file']}: ok ({', '.join(told['patterns']) or 'no patterns'})")
    if warned:
        click.echo(render(warned, shell.colored(sys.stderr)), err=True)
    if failed:
        raise error


main.add_command(cli_call.show)
main.add_command(cli_call.explain)
main.add_command(cli_text.fmt)
main.add_command(cli_text.new)


@main.command(
    examples=[
        "maskc fuzz examples/longformer.attn --examples 500",
    ],
)
@options.file
@click.option(
    "--examples",
    type=click.IntRange(1, 1_000_000),
    default=200,
    show_default=True,
    help="Calls to draw for each pattern.",
)
@click.option("--seed", type=click.IntRange(0), help="Draw the same calls every time.")
@click.option(
    "--backend",
    type=click.Choice(["auto", "triton", "torch"]),
    default="auto",
    show_default=True,
    help="What runs the calls; auto is what suits the device.",
)
@click.option("--device", default="cpu", show_default=True, help="Where the patterns run.")
def fuzz(file: Path, examples: int, seed: int | None, backend: str, device: str) -> None:
    """Hold drawn calls of FILE against a float64 oracle.

    Each call has lengths, heads, dtypes, parameters and inputs of its own; out, log-sum-exp and all
    gradients must be as exact as those of dense attention. A failure is shrunk to the smallest call
    that shows it.
    """
    from maskc import pipeline

    pipeline.check(file)
    if backend == "triton" and device == "cpu" and os.environ.get("TRITON_INTERPRET") != "1":
        raise shell.Said("--backend triton on a CPU wants TRITON_INTERPRET=1; or name a --device")

    def fuzzed() -> Any:
        from rich.progress import Progress

        from maskc.testing import fuzz as run

        console = shell.console(stderr=True)
        with shell.interrupts() as check, Progress(console=console, transient=True) as progress:
            bar = progress.add_task(f"fuzzing {file.name}", total=None)

            def step(done: int, total: int) -> None:
                check()
                progress.update(bar, completed=done, total=max(done, total))

            return run(file, examples, step, backend=backend, device=device, seed=seed)

    try:
        told = shell.needing("fuzzing", fuzzed)
    except ValueError as error:
        raise shell.Said(str(error)) from None
    if told.failure is not None:
        failure = told.failure
        raise shell.Said(f"`{failure.pattern}` is wrong\n{failure.message}")
    click.echo(f"{file}: {told.examples} calls, all as exact as dense attention")


@main.command(
    "list",
    examples=[
        "maskc list",
        "maskc list window dilated",
    ],
)
@click.argument("names", nargs=-1)
@options.as_json
def list_prelude(names: tuple[str, ...], as_json: bool) -> None:
    """Show masks of the prelude, each with a picture.

    Those called NAMES, or all. With --json: a list of `name`, `signature`, `doc`, `call` and
    `mask`, rows of 0 and 1.
    """
    from maskc.pictures import masks, pictures
    from maskc.show import as_words, draw

    shell.among(names, [mask.name for mask in masks()], "the prelude has no mask")
    found = pictures(names)
    if as_json:
        keys = ("name", "signature", "doc", "call")
        told = [{**{k: getattr(p, k) for k in keys}, "mask": as_words(p.mask)} for p in found]
        shell.print_json(told)
        return
    plain = not shell.writes_blocks()
    for picture in found:
        _print_title(picture.signature)
        click.echo(f"{picture.doc}\n\n{picture.call}:")
        click.echo(draw(picture.mask, plain=plain) + "\n")


@main.command(
    "explain-error",
    examples=[
        "maskc explain-error unknown-name",
    ],
)
@click.argument("ids", nargs=-1)
def explain_error(ids: tuple[str, ...]) -> None:
    """Explain errors by their IDS, or list them all.

    Each comes with a program that has it, and the same program mended.
    """
    from maskc.mistakes import MISTAKES

    shell.among(ids, MISTAKES, "no error is called")
    if not ids:
        width = max(len(name) for name in MISTAKES)
        for mistake in MISTAKES.values():
            click.echo(f"{mistake.id:<{width}}  {mistake.meaning}")
    for mistake in (MISTAKES[name] for name in ids):
        _print_title(mistake.id)
        click.echo(mistake.meaning)
        for title, text in (("wrong", mistake.wrong), ("right", mistake.right)):
            click.echo(f"\n{title}:\n{_indented(text)}")


def _print_title(text: str) -> None:
    click.echo(click.style(text, bold=True), color=shell.colored(sys.stdout))


def _indented(text: str) -> str:
    lines = [line if len(line) <= 100 else line[:97] + "..." for line in text.splitlines()]
    return "\n".join(f"    {line}" for line in lines)
