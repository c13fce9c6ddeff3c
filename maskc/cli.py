"""The `maskc` command: its words, their options and what they print.

Nothing heavy is imported before a command needs it: compiling starts neither rich nor torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskc import options, shell
from maskc.diagnostics import MaskcError, to_json
from maskc.version import __version__

if TYPE_CHECKING:
    from maskc import ir
    from maskc.setting import Setting

STAGES = ("tokens", "ast", "ir", "layout", "schedule", "kernel")
MOST_PICTURES = 16
TILES_A_SIDE = 48
DOCUMENT = 512
"""Mean length of the documents that `explain` makes up."""


@click.group(
    cls=shell.Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=[
        "maskc check examples/streaming_llm.attn",
        "maskc show examples/streaming_llm.attn --shrink",
        "maskc compile examples/*.attn -o build",
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
@click.option("--n", type=options.LENGTH, default=4096, help="Tokens of the layout to print.")
def compile_files(files: tuple[Path, ...], out: Path, emit: str | None, n: int) -> None:
    """Write one Python module for each of FILES.

    A module imports torch and triton, never maskc, and holds one object per pattern. It is
    written beside its place and renamed, so an interrupted run leaves the old one whole.
    """
    from maskc import pipeline

    def done(path: Path) -> Any:
        return pipeline.emit(emit, path, n=n) if emit else pipeline.compile_file(path, out)

    if not emit:
        shell.check_modules(files, out)
    failed: list[MaskcError] = []
    for path in files:
        try:
            click.echo(shell.needing_torch("this stage", lambda path=path: done(path)))
        except MaskcError as error:
            failed.append(error)
    if failed:
        raise shell.together(failed)


@main.command(
    examples=[
        "maskc check examples/*.attn",
        "maskc check draft.attn --json",
    ],
)
@options.files
@options.as_json
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Report every error of FILES with its place, cause and cure."""
    from maskc import pipeline

    good: list[dict[str, Any]] = []
    failed: list[MaskcError] = []
    for path in files:
        try:
            names = [pattern.name for pattern in pipeline.check(path)]
            good.append({"file": str(path), "patterns": names})
        except MaskcError as error:
            failed.append(error)
    error = shell.together(failed)
    if as_json:
        errors = [to_json(diagnostic) for diagnostic in error.diagnostics]
        _print_json({"ok": not failed, "files": good, "errors": errors, "omitted": error.omitted})
        sys.exit(1 if failed else 0)
    for told in good:
        click.echo(f"{told['file']}: ok ({', '.join(told['patterns']) or 'no patterns'})")
    if failed:
        raise error


@main.command(
    examples=[
        "maskc show examples/streaming_llm.attn --shrink",
        "maskc show examples/streaming_llm.attn --param window=12 --param sinks=2",
        "maskc show examples/packed_documents.attn --input doc=0*10,1*20,2*18",
        "maskc show examples/bigbird.attn --tiles --n 4096",
    ]
)
@options.file
@click.option("--n", type=options.LENGTH, default=48, show_default=True, help="Keys.")
@click.option("--tiles", is_flag=True, help="Draw the layout: full, partial and empty tiles.")
@click.option("--block", type=options.LENGTH, help="Side of a tile, with --tiles.")
@click.option("--head", type=click.IntRange(0), help="One head only.")
@click.option("--shrink", is_flag=True, help="Shrink default sizes that do not fit the picture.")
@options.call
@options.as_json
def show(
    file: Path,
    n: int,
    tiles: bool,
    block: int | None,
    head: int | None,
    shrink: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Draw the mask of FILE: queries downwards, keys to the right.

    Parameters have the spec's defaults; what has no default is made up, and said.
    """
    from maskc.show import as_words, cells, draw, draw_tiles
    from maskc.stand_in import large_sizes

    block = block or max(1, -(-n // TILES_A_SIDE))
    pattern, call = _pattern_and_call(file, n, chosen, shrink=shrink)
    if head is not None and head >= call.heads:
        raise click.BadParameter(f"{head} is outside 0..{call.heads}", param_hint="--head")
    heads = range(call.heads) if head is None else range(head, head + 1)
    if len(heads) > MOST_PICTURES:
        raise click.UsageError(f"{len(heads)} heads are too many to draw: choose one with --head")
    if tiles:
        from maskc.explain import tiles_of

        if max(call.n_q, call.n_k) > block * 512:
            raise click.UsageError("more than 512 tiles a side: give a larger --block")
        attention = _attention(file, pattern.name, "a layout")
        drawn = shell.answered(lambda: tiles_of(attention, call, block, heads))
    else:
        drawn = shell.answered(lambda: [cells(pattern, call, h) for h in heads])
    if as_json:
        rows = [as_words(mask) for mask in drawn]
        pictures = [{"head": h, "rows": words} for h, words in zip(heads, rows, strict=True)]
        told = {"pattern": pattern.name, "n_q": call.n_q, "n_k": call.n_k, "made_up": call.made_up}
        _print_json({**told, "block": block if tiles else 1, "heads": pictures})
        return
    plain, width = not shell.writes_blocks(), shell.terminal_width()
    click.echo(_caption(pattern, call))
    for h, mask in zip(heads, drawn, strict=True):
        if call.heads > 1:
            click.echo(f"head {h}:")
        click.echo(draw_tiles(mask, plain) if tiles else draw(mask, width, plain))
    large = {} if tiles or shrink else large_sizes(pattern, n, shell.pairs(chosen["params"], ""))
    if large:
        name = max(large, key=lambda name: large[name])
        told = f"{name} = {large[name]} reaches past {n} tokens: --shrink shows the shape"
        click.echo(told, err=True)


@main.command(
    examples=[
        "maskc explain examples/streaming_llm.attn --n 65536",
        "maskc explain examples/packed_documents.attn --n 16384 --json",
    ]
)
@options.file
@click.option("--n", type=options.LENGTH, default=65536, show_default=True, help="Keys.")
@click.option(
    "--head-dim", type=options.COUNT, default=64, show_default=True, help="Of q, k and v."
)
@click.option("--block", type=options.LENGTH, help="Side of a tile; the pattern's own by default.")
@options.call
@options.as_json
def explain(
    file: Path, n: int, head_dim: int, block: int | None, as_json: bool, **chosen: Any
) -> None:
    """Say what FILE costs at a length: density, tiles, bytes and FLOPs against dense."""
    from maskc.explain import figures, rows

    pattern, call = _pattern_and_call(file, n, chosen, document=min(DOCUMENT, max(n // 4, 1)))
    attention = _attention(file, pattern.name, "explain")
    told = shell.answered(lambda: figures(attention, call, head_dim=head_dim, block=block))
    if as_json:
        _print_json(told)
        return
    from rich.table import Table

    click.echo(_caption(pattern, call))
    table = Table(show_header=False)
    for side in ("left", "right", "left"):
        table.add_column(justify=side)
    for row in rows(told):
        table.add_row(*row)
    shell.console().print(table)


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
@click.option("--backend", type=click.Choice(["auto", "triton", "torch"]), default="auto")
@click.option("--device", default="cpu", show_default=True, help="Where the patterns run.")
def fuzz(file: Path, examples: int, seed: int | None, backend: str, device: str) -> None:
    """Hold drawn calls of FILE against the dense float64 oracle, forward and backward.

    A failure is shrunk to the smallest call that shows it.
    """
    from maskc import pipeline

    pipeline.check(file)

    def fuzzed() -> Any:
        from rich.progress import Progress

        from maskc.testing import fuzz as run

        with Progress(console=shell.console(stderr=True), transient=True) as progress:
            bar = progress.add_task(f"fuzzing {file.name}", total=None)

            def step(done: int, total: int) -> None:
                progress.update(bar, completed=done, total=max(done, total))

            return run(file, examples, step, backend=backend, device=device, seed=seed)

    told = shell.needing_torch("fuzzing", fuzzed)
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
    """Show the masks of the prelude, or those called NAMES, each with a small picture."""
    from maskc.pictures import masks, pictures
    from maskc.show import as_words, draw

    shell.among(names, [mask.name for mask in masks()], "the prelude has no mask")
    found = pictures(names)
    if as_json:
        keys = ("name", "signature", "doc", "call")
        told = [{**{k: getattr(p, k) for k in keys}, "mask": as_words(p.mask)} for p in found]
        _print_json(told)
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
    """Explain the errors called IDS: a program that has each, and the same one mended.

    Without IDS, list them all.
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


def _pattern_and_call(
    file: Path, n: int, chosen: dict[str, Any], **more: Any
) -> tuple[ir.Pattern, Setting]:
    """The pattern that the options choose, and the call that they describe."""
    from maskc import pipeline
    from maskc.setting import setting

    patterns = {pattern.name: pattern for pattern in pipeline.check(file)}
    if not patterns:
        raise shell.Said(f"{file} has no pattern")
    name = chosen["pattern"]
    if name is None and len(patterns) > 1:
        raise click.UsageError(f"{file} has several patterns: --pattern {'|'.join(patterns)}")
    name = name or next(iter(patterns))
    shell.among([name], patterns, f"{file} has no pattern")
    pattern = patterns[name]
    given = {
        "params": shell.pairs(chosen["params"], "--param"),
        "inputs": shell.pairs(chosen["inputs"], "--input"),
        "sizes": shell.sizes(chosen["sizes"]),
        **{key: chosen[key] for key in ("n_q", "heads", "kv_heads", "layer", "n_layers")},
    }
    return pattern, shell.answered(lambda: setting(pattern, n, **given, **more))


def _attention(file: Path, name: str, what: str) -> Any:
    """The public object of a pattern, which `what` needs."""
    from maskc import pipeline

    return getattr(shell.needing_torch(what, lambda: pipeline.load(file)), name)


def _caption(pattern: ir.Pattern, call: Setting) -> str:
    lengths = f"{call.n_q:,} x {call.n_k:,}" if call.n_q != call.n_k else f"{call.n_k:,} tokens"
    made_up = "".join(f"\n  {told}" for told in call.made_up)
    return f"{pattern.name}, {lengths}{made_up}"


def _print_title(text: str) -> None:
    click.echo(click.style(text, bold=True), color=shell.colored(sys.stdout))


def _print_json(told: Any) -> None:
    click.echo(json.dumps(told, indent=2))


def _indented(text: str) -> str:
    lines = [line if len(line) <= 100 else line[:97] + "..." for line in text.splitlines()]
    return "\n".join(f"    {line}" for line in lines)
