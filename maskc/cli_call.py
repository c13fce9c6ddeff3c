"""The commands about one call of a pattern: `show` and `explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskc import options, shell

if TYPE_CHECKING:
    from maskc import ir
    from maskc.setting import Setting

MOST_PICTURES = 16
TILES_A_SIDE = 48
DOCUMENT = 512
"""Mean length of the documents that `explain` makes up."""


@click.command(
    cls=shell.Word,
    examples=[
        "maskc show examples/streaming_llm.attn --shrink",
        "maskc show examples/streaming_llm.attn --param window=12 --param sinks=2",
        "maskc show examples/packed_documents.attn --input doc=0*10,1*20,2*18",
        "maskc show examples/bigbird.attn --tiles --n 4096",
    ],
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
        shell.print_json({**told, "block": block if tiles else 1, "heads": pictures})
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


@click.command(
    cls=shell.Word,
    examples=[
        "maskc explain examples/streaming_llm.attn --n 65536",
        "maskc explain examples/packed_documents.attn --n 16384 --json",
    ],
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
        shell.print_json(told)
        return
    from rich.table import Table

    click.echo(_caption(pattern, call))
    table = Table(show_header=False)
    for side in ("left", "right", "left"):
        table.add_column(justify=side)
    for row in rows(told):
        table.add_row(*row)
    shell.console().print(table)


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
