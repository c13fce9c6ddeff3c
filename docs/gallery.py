"""Measures the gallery: what each example costs at its published setting, and its picture.

A file of `examples/` says which system it is and at what setting it is shown, by comments:

    # system: S014
    # explain: --n 3136 --size y=56 --size x=56

Where a file has several patterns, a line with `--pattern NAME` is that pattern's, and one without
is that of all others. `python -m docs.gallery` runs `maskc explain` with those words and draws the
tiles of that call, for files that changed, or that use one that did, and for all with `--all`.
It writes `examples/gallery.json` and `examples/pictures/`, of which `docs/generate.py` makes the
page. What would be too fine to see at the length that is measured is drawn of a shorter one, by a
line `# picture: ...` of that form.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from docs import writing
from docs.thumbnail import Panel, of_mask, of_view, png
from maskc import pipeline, syntax
from maskc.cli import main as maskc
from maskc.cli_call import explain, pattern_and_call
from maskc.explain import tiles_of
from maskc.grammar.parse import read
from maskc.neighbourhood import neighbourhood

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
PICTURES = EXAMPLES / "pictures"
FIGURES = EXAMPLES / "gallery.json"

SYSTEMS = EXAMPLES / "systems.json"
"""Titles of the published systems by key, and why some are not written."""

FAMILIES = {
    "": "First examples",
    "language": "Language",
    "vision": "Pictures",
    "video": "Video",
    "structured": "Structured and multi-modal",
    "hybrid": "Softmax parts of hybrids",
}
"""Folders of `examples/` and their titles."""

MEASURE = "run `python -m docs.gallery`"

TILE = 128
"""Side of the tiles that are counted, those of the kernels for a GPU."""

SIDE = 256
"""Cells of a mask along its shorter side, at most."""

MOST_PANELS = 4

MOST_STRETCHED = 8
"""How much longer one side of a grid may be than the other for a view of it."""

INTRODUCTION = """# Examples

<!-- written by docs/generate.py from the files of this folder -->

Published attention patterns, each written from its paper; a file says where its numbers come from
and what is not covered, and a test holds its mask against a definition in numpy.

Figures are of the setting at the top of the file, and so are pictures, but where a shorter one
shows more. Black is kept whole, grey in part; queries go down, keys to the right; a much shorter
side is stretched, and of several heads those are drawn that differ, up to four. Where keys are a
picture or a volume, what one query (orange) sees of it stands beside the mask in blue, frame by
frame. *Tiles* are full and partial ones of all, of 128 x 128 pairs; *amplification* is pairs
computed by pairs kept."""

COLUMNS = """| | pattern | system | tokens | density | tiles | amplification |
|---|---|---|---|---|---|---|
"""


def files() -> list[Path]:
    """The files of the gallery, by family."""
    return [file for family in FAMILIES for file in sorted((EXAMPLES / family).glob("*.attn"))]


def header(file: Path, word: str) -> list[str]:
    """What a file's comments `# WORD: ...` say."""
    text = file.read_text(encoding="utf-8")
    return re.findall(rf"^# {word}: (.+)$", text, re.MULTILINE)


def systems_of(file: Path) -> list[str]:
    """The keys of the systems that a file is; none where it is shared by others."""
    return [key for key in header(file, "system") if key != "shared"]


def digest(file: Path) -> str:
    """What tells whether a file, or one that it uses, has changed."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in used(file))).hexdigest()[:16]


def used(file: Path) -> list[Path]:
    """A file, and all that it uses directly or through others, each once."""
    found = [file.resolve()]
    for path in found:
        for node in pipeline.parse(read(path)).declarations:
            if isinstance(node, syntax.Use):
                other = (path.parent / node.path).resolve()
                found += [other] if other not in found else []
    return found


def measured(file: Path) -> dict[str, Any]:
    """The figures of a file, one row for each of its settings, with the panels of its pictures."""
    rows, pictured = [], settings(file, "picture")
    for name, words in settings(file, "explain").items():
        told = answer("explain", file, f"{words} --block {TILE}")
        kept = ("pattern", "n_q", "n_k", "heads", "block", "density", "tiles", "full_tiles")
        row = {key: told[key] for key in (*kept, "partial_tiles", "amplification")}
        rows.append({"options": words, **row, "drawn": drawn(file, pictured.get(name, words))})
    return {"sha256": digest(file), "rows": rows}


def drawn(file: Path, words: str) -> list[Panel]:
    """The panels of a picture: masks of heads that differ, and what a query sees of a grid."""
    chosen = options(file, words)
    pattern, call = pattern_and_call(file, chosen["n"], chosen)
    side = 1 << (min(call.n_q, call.n_k) - 1).bit_length()
    attention = getattr(pipeline.load(file), pattern.name)
    tiles = tiles_of(attention, call, max(side // SIDE, 1), range(call.heads))
    masks = {of_mask(mask).tobytes(): (head, mask) for head, mask in reversed([*enumerate(tiles)])}
    found = sorted(masks.values(), key=lambda named: named[0])[:MOST_PANELS]
    views = [neighbourhood(pattern, call, head) for head, _ in found[: MOST_PANELS // 2]]
    told = [of_view(view) for view in views if view is not None and view.n_seen]
    if len(told) < len(views) or _is_stretched(told[0]):
        return [of_mask(mask) for _, mask in found]
    pairs = zip(found, told, strict=False)
    return [panel for (_, mask), view in pairs for panel in (of_mask(mask), view)]


def _is_stretched(panel: Panel) -> bool:
    return max(panel.shape) > MOST_STRETCHED * min(panel.shape)


def settings(file: Path, word: str) -> dict[str, str]:
    """What follows `# WORD:` for each pattern of a file that has a setting, by its name."""
    lines = header(file, word)
    found = {}
    for pattern in pipeline.check(file):
        chosen = f"--pattern {pattern.name}"
        own = [line for line in lines if f"{chosen} " in f"{line} "]
        shared = [f"{line} {chosen}" for line in lines if "--pattern" not in line]
        if own or shared:
            found[pattern.name] = (own or shared)[0]
    return found


def options(file: Path, words: str) -> dict[str, Any]:
    """What `maskc explain FILE WORDS` takes the words for, by the names of its options."""
    return explain.make_context("explain", [str(file), *shlex.split(words)]).params


def answer(command: str, file: Path, words: str) -> dict[str, Any]:
    """What `maskc COMMAND FILE WORDS --json` prints."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        maskc([command, str(file), *shlex.split(words), "--json"], standalone_mode=False)
    return json.loads(told.getvalue())


def picture(file: Path, row: dict[str, Any]) -> Path:
    """Where the picture of a row is kept."""
    family = file.parent.relative_to(EXAMPLES).as_posix().strip(".")
    return PICTURES / "-".join(filter(None, (family, f"{row['pattern']}.png")))


def page() -> str:
    """`examples/README.md`, of what is kept in `gallery.json` and `systems.json`."""
    figures = kept_figures()
    systems = json.loads(SYSTEMS.read_text(encoding="utf-8"))
    parts = [INTRODUCTION]
    for family, title in FAMILIES.items():
        rows = [
            _row(file, row, systems)
            for file in files()
            if file.parent == EXAMPLES / family
            for row in _rows(figures, file)
        ]
        parts.append(f"## {title}\n\n{COLUMNS}" + "\n".join(rows))
    outside = [
        f"- {key}, {system['title']}: {system['outside']}"
        for key, system in systems.items()
        if "outside" in system
    ]
    parts.append("## Not written\n\n" + "\n".join(outside))
    return "\n\n".join(parts) + "\n"


def kept_figures() -> dict[str, Any]:
    """What `gallery.json` holds, by the names of files in `examples/`.

    Raises:
        MissingError: where it is not there, or is no JSON.

    """
    try:
        return json.loads(FIGURES.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise writing.MissingError(f"{FIGURES} is not there: {MEASURE}") from None
    except ValueError:
        raise writing.MissingError(f"{FIGURES} is no JSON: remove it, then {MEASURE}") from None


def _rows(figures: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    name = file.relative_to(EXAMPLES).as_posix()
    if name not in figures:
        raise writing.MissingError(f"{file} has not been measured: {MEASURE}")
    return figures[name]["rows"]


def _row(file: Path, row: dict[str, Any], systems: dict[str, Any]) -> str:
    system = "; ".join(f"{key} {systems[key]['title']}" for key in systems_of(file))
    image = picture(file, row).relative_to(EXAMPLES).as_posix()
    name = f"[{row['pattern']}]({file.relative_to(EXAMPLES).as_posix()})"
    tokens = f"{row['n_q']:,}" if row["n_q"] == row["n_k"] else f"{row['n_q']:,} x {row['n_k']:,}"
    tiles = f"{row['full_tiles']:,} + {row['partial_tiles']:,} of {row['tiles']:,}"
    cells = (
        f'<img src="{image}" alt="" height="80">',
        name,
        system,
        tokens,
        f"{row['density']:.2%}",
        tiles,
        f"{row['amplification']:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure what changed, and write the figures and pictures of each file together."""
    known = kept_figures() if FIGURES.exists() else {}
    found = {file.relative_to(EXAMPLES).as_posix(): file for file in files()}
    for name, file in found.items():
        if name in known and _is_up_to_date(file, known[name]) and "--all" not in sys.argv:
            continue
        print(name, flush=True)
        told = measured(file)
        drawn = {picture(file, row): png(row.pop("drawn")) for row in told["rows"]}
        known[name] = told
        writing.write({**drawn, FIGURES: _text(known)})
    writing.write({FIGURES: _text({name: known[name] for name in found})})


def _is_up_to_date(file: Path, told: dict[str, Any]) -> bool:
    pictures = (picture(file, row) for row in told["rows"])
    return told["sha256"] == digest(file) and all(path.is_file() for path in pictures)


def _text(figures: dict[str, Any]) -> bytes:
    return (json.dumps(figures, indent=1) + "\n").encode()


if __name__ == "__main__":
    sys.exit(writing.run(main, "docs.gallery"))
