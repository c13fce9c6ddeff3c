"""The commands about one call of a pattern: `show` and `explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskc import options, shell
from maskc.files import replace

if TYPE_CHECKING:
    from maskc import ir
    from maskc.panels import Panel
    from maskc.setting import Setting
    from maskc.show import Cells
    from maskc.source import Source

IMAGES = (".png", ".svg")

MOST_ITEMS = 12
"""Items of a packed grid that an image names."""

MOST_PICTURES = 16
TILES_A_SIDE = 48
DRAWN, COUNTED = 48, 65536
"""Keys of `show` and of `explain`, where nothing says how many."""

DOCUMENT = 512
"""Greatest mean length of the documents that `explain` makes up."""


@click.command(
    cls=shell.Word,
    examples=[
        "maskc show examples/streaming_llm.attn --shrink",
        "maskc show examples/streaming_llm.attn --param window=12 --param sinks=2",
        "maskc show examples/packed_documents.attn --input doc=0*10,1*20,2*18",
        "maskc show examples/bigbird.attn --tiles --n 4096",
        "maskc show examples/duo_attention.attn --n 4096 -o mask.svg",
    ],
)
@options.file
@options.length(DRAWN)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Write an image, .png or .svg: the mask on its tiles, head by head.",
)
@click.option("--tiles", is_flag=True, help="Draw the layout: full, partial and empty tiles.")
@click.option("--block", type=options.LENGTH, help="Side of a tile, with --tiles or --out.")
@click.option("--head", type=click.IntRange(0), help="One head only.")
@click.option(
    "--query", type=click.IntRange(0), help="With --out: the row whose view of a grid is drawn."
)
@click.option("--shrink", is_flag=True, help="Shrink default sizes that do not fit the picture.")
@options.call
@options.as_json
def show(
    file: Path,
    n: int | None,
    out: Path | None,
    tiles: bool,
    block: int | None,
    head: int | None,
    query: int | None,
    shrink: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Draw the mask of FILE, in the terminal or as an image.

    `-` reads standard input. Queries go downwards, keys to the right. Parameters have the spec's
    defaults; what has no default is made up, and said. Where keys stand on a grid, an image also
    shows what one query sees there. With --json: `pattern`, `n_q`, `n_k`, `made_up`, `block` (1 for
    pairs) and `heads`, each with `head` and `rows` of 0 and 1, or of 0 absent, 1 partial, 2 full
    with --tiles.
    """
    if out is not None and (as_json or tiles):
        raise click.UsageError("--out stands without --json and --tiles")
    if out is not None and out.suffix.lower() not in IMAGES:
        raise click.BadParameter(f"wanted a name in {' or '.join(IMAGES)}", param_hint="--out")
    if query is not None and out is None:
        raise click.UsageError("--query is for an image: give --out")
    from maskc.stand_in import large_sizes

    spec = shell.spec(file)
    pattern, call = pattern_and_call(spec, n, chosen, otherwise=DRAWN, shrink=shrink)
    for name, index, length in (("--head", head, call.heads), ("--query", query, call.n_q)):
        if index is not None and index >= length:
            raise click.BadParameter(f"{index} is outside 0..{length}", param_hint=name)
    heads = range(call.heads) if head is None else range(head, head + 1)
    if out is not None:
        write = partial(_write_image, out, spec, pattern, call, heads, block, query)
        click.echo(str(shell.needing("an image", write)))
    else:
        _print_masks(spec, pattern, call, heads, tiles, block, as_json)
    large = large_sizes(pattern, call.n_k, shell.pairs(chosen["params"], ""))
    if large and not (as_json or tiles or shrink):
        name = max(large, key=lambda name: large[name])
        told = f"{name} = {large[name]} reaches past {call.n_k} tokens: --shrink shows the shape"
        click.echo(told, err=True)


@click.command(
    cls=shell.Word,
    examples=[
        "maskc explain examples/streaming_llm.attn --n 65536",
        "maskc explain examples/packed_documents.attn --n 16384 --json",
    ],
)
@options.file
@options.length(COUNTED)
@click.option(
    "--head-dim", type=options.COUNT, default=64, show_default=True, help="Of q, k and v."
)
@click.option(
    "--block", type=options.LENGTH, help="Side of a tile; by default what the call would take."
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="Where the call would run; by default on a GPU where there is one.",
)
@options.call
@options.as_json
def explain(
    file: Path,
    n: int | None,
    head_dim: int,
    block: int | None,
    device: str | None,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Say what FILE costs: density, tiles, bytes and FLOPs.

    Each stands beside what dense attention takes. `-` reads standard input. With --json: `pattern`,
    `n_q`, `n_k`, `heads`, `head_dim`, `made_up`, `device`, `back_end`, `why`, `block` (queries,
    keys), `pairs`, `kept_pairs`, `density`, `tiles`, `full_tiles`, `partial_tiles`, `empty_tiles`,
    `computed_pairs`, `amplification`, `layout_bytes`, `dense_mask_bytes`, `flops`, `dense_flops`.
    """
    from maskc.explain import figures, rows

    spec = shell.spec(file)
    pattern, call = pattern_and_call(spec, n, chosen, otherwise=COUNTED, document=DOCUMENT)
    attention = _attention(spec, pattern.name, "explain")
    told = shell.answered(
        lambda: figures(attention, call, head_dim=head_dim, block=block, device=device)
    )
    if as_json:
        shell.print_json(told)
        return
    from rich.table import Table

    click.echo(_caption(pattern, call))
    table = Table(show_header=False)
    table.add_column(min_width=len("amplification"), overflow="fold")
    table.add_column(justify="right", overflow="fold")
    table.add_column(overflow="fold")
    for row in rows(told):
        table.add_row(*row)
    shell.console().print(table)


def _print_masks(
    file: Path | Source,
    pattern: ir.Pattern,
    call: Setting,
    heads: range,
    tiles: bool,
    block: int | None,
    as_json: bool,
) -> None:
    """The masks of some heads in the terminal, or as data."""
    from maskc.show import as_words, cells, draw, draw_tiles

    if len(heads) > MOST_PICTURES:
        raise click.UsageError(f"{len(heads)} heads are too many to draw: choose one with --head")
    plain, width = not shell.writes_blocks(), shell.terminal_width()
    most = min(TILES_A_SIDE, width or TILES_A_SIDE)
    side = (block or max(1, -(-call.n_k // most))) if tiles else 1
    if tiles:
        drawn = _layout(file, pattern, call, heads, side)
    else:
        drawn = shell.answered(lambda: [cells(pattern, call, head) for head in heads])
    if as_json:
        rows = [as_words(mask) for mask in drawn]
        told = [{"head": head, "rows": words} for head, words in zip(heads, rows, strict=True)]
        lengths = {"pattern": pattern.name, "n_q": call.n_q, "n_k": call.n_k}
        shell.print_json({**lengths, "made_up": call.made_up, "block": side, "heads": told})
        return
    click.echo(_caption(pattern, call))
    for head, mask in zip(heads, drawn, strict=True):
        if call.heads > 1:
            click.echo(f"head {head}:")
        click.echo((draw_tiles if tiles else draw)(mask, width, plain))


def _write_image(
    out: Path,
    file: Path | Source,
    pattern: ir.Pattern,
    call: Setting,
    heads: range,
    block: int | None,
    query: int | None,
) -> Path:
    """Write the image and return its path."""
    from maskc.neighbourhood import views
    from maskc.panels import panels, side_of_cell, side_of_tile
    from maskc.plot import Picture, image
    from maskc.setting import by_head

    n = max(call.n_q, call.n_k)
    block = block or side_of_tile(n)
    cell = side_of_cell(n, block)
    if cell is None:
        raise click.UsageError(f"{n} tokens have more than 512 tiles a side: give a larger --block")
    tiles = partial(_layout, file, pattern, call, heads)
    shown = shell.answered(lambda: panels(pattern, call, heads, block, cell, tiles))
    if len(shown) > MOST_PICTURES:
        raise click.UsageError(f"{len(shown)} masks are too many to draw: choose one with --head")
    same = cell == 1 or not by_head(pattern)
    groups = (panel.heads if same else panel.heads[:1] for panel in shown)
    picture = Picture(
        title=pattern.name,
        told=_told(file, pattern, call, heads, block, cell, shown),
        panels=shown,
        cell=cell,
        block=block,
        n_q=call.n_q,
        n_k=call.n_k,
        views=views(pattern, call, groups, query),
        n_heads=call.heads,
    )
    return replace(out, image(picture, out.suffix.lower()[1:]))


def _told(
    file: Path | Source,
    pattern: ir.Pattern,
    call: Setting,
    heads: range,
    block: int,
    cell: int,
    shown: Sequence[Panel],
) -> list[str]:
    """The lines under the title of an image: lengths, parameters, density, what was made up."""
    if cell == 1:
        density = sum((p.density or 0) * len(p.heads) for p in shown) / len(heads)
    else:
        from maskc.explain import figures

        density = figures(_attention(file, pattern.name, "an image"), call, block=block)["density"]
    told = [_lengths(call), f"{density:.2%} of pairs kept", f"tiles of {block} x {block}"]
    if cell > 1:
        told.append(f"a cell is {cell} x {cell} pairs, marked where any is kept")
    settings = {**call.keywords(), **call.sizes}
    named = {sentence.split(" = ")[0] for sentence in call.made_up}
    values = [f"{n} = {json.dumps(x)}" for n, x in settings.items() if n not in named]
    if isinstance(call.grid, tuple) and not any(told.startswith("items") for told in call.made_up):
        values += _items(call.grid)
    return [line for line in (", ".join(told), ", ".join(values), "; ".join(call.made_up)) if line]


def _items(grid: Sequence[tuple[int, ...]]) -> list[str]:
    """The extents of the items of a packed grid, in words."""
    shown = [" x ".join(map(str, item)) for item in grid[:MOST_ITEMS]]
    more = [f"{len(grid) - MOST_ITEMS:,} more"] if len(grid) > MOST_ITEMS else []
    return [f"items of {', '.join([*shown, *more])}"] if grid else []


def _layout(
    file: Path | Source, pattern: ir.Pattern, call: Setting, heads: range, block: int
) -> list[Cells]:
    """The tiles of some heads."""
    from maskc.explain import tiles_of

    if max(call.n_q, call.n_k) > block * 512:
        raise click.UsageError("more than 512 tiles a side: give a larger --block")
    attention = _attention(file, pattern.name, "a layout")
    tiles = shell.answered(lambda: tiles_of(attention, call, block, heads))
    return list(tiles)


def pattern_and_call(
    file: Path | Source, n: int | None, chosen: dict[str, Any], **more: Any
) -> tuple[ir.Pattern, Setting]:
    """The pattern that the options choose, and the call that they describe."""
    from maskc import pipeline
    from maskc.setting import setting

    patterns = {pattern.name: pattern for pattern in pipeline.check(file)}
    if not patterns:
        raise shell.Said(f"{shell.name_of(file)} has no pattern")
    name = chosen["pattern"]
    if name is None and len(patterns) > 1:
        several = f"{shell.name_of(file)} has several patterns"
        raise click.UsageError(f"{several}: --pattern {'|'.join(patterns)}")
    name = name or next(iter(patterns))
    shell.among([name], patterns, f"{shell.name_of(file)} has no pattern")
    pattern = patterns[name]
    given = {
        "params": shell.pairs(chosen["params"], "--param"),
        "inputs": shell.pairs(chosen["inputs"], "--input"),
        "sizes": shell.sizes(chosen["sizes"]),
        **{key: chosen[key] for key in ("n_q", "heads", "kv_heads", "layer", "n_layers")},
    }
    return pattern, shell.answered(lambda: setting(pattern, n, **given, **more))


def _attention(file: Path | Source, name: str, what: str) -> Any:
    """The public object of a pattern, which `what` needs."""
    from maskc import pipeline

    return getattr(shell.needing(what, lambda: pipeline.load(file)), name)


def _caption(pattern: ir.Pattern, call: Setting) -> str:
    made_up = "".join(f"\n  {told}" for told in call.made_up)
    return f"{pattern.name}, {_lengths(call)}{made_up}"


def _lengths(call: Setting) -> str:
    same = call.n_q == call.n_k
    queries = "1 query" if call.n_q == 1 else f"{call.n_q:,} queries"
    return f"{call.n_k:,} tokens" if same else f"{queries}, {call.n_k:,} keys"
