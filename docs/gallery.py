"""Measures the gallery: what each example costs at its published setting, and its picture.

A file of `examples/` says which system it is and at what setting it is shown, by comments:

    # system: S014
    # explain: --n 3136 --size y=56 --size x=56

Where a file has several patterns, a line with `--pattern NAME` is that pattern's, and one without
is that of all others. `python -m docs.gallery` runs `maskc explain` and `maskc show --tiles` with
those words, for files that changed since, and writes `examples/gallery.json` and
`examples/pictures/`. `docs/generate.py` makes the page of them.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import shlex
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

from maskc import pipeline
from maskc.cli import main as maskc

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

TILE = 128
"""Side of the tiles that are counted, those of the kernels for a GPU."""

SIDE = 128
"""Cells of a picture along its longer side, at most."""

GRAYS = bytes((255, 160, 40))
"""Of absent, partial and full tiles."""

MOST_HEADS = 4

INTRODUCTION = """# Examples

<!-- written by docs/generate.py from the files of this folder -->

Published attention patterns, each written from its paper; a file says where its numbers come from
and what is not covered, and a test holds its mask against a definition in numpy.

Pictures and figures are those of `maskc explain` and `maskc show --tiles` at the setting in the
file's second line: black tiles are full, grey ones partial; of several heads up to four are drawn.
*Tiles* are full and partial ones of all, of 128 x 128 pairs; *amplification* is pairs computed by
pairs kept."""

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
    """What tells whether a file has changed."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def measured(file: Path) -> dict[str, Any]:
    """The figures of a file, one row for each of its settings, with the rows of its pictures."""
    rows = []
    for words in settings(file):
        told = answer("explain", file, f"{words} --block {TILE}")
        heads = range(min(told["heads"], MOST_HEADS))
        side = 1 << (max(told["n_q"], told["n_k"]) - 1).bit_length()
        block = max(side // SIDE, 1)
        drawn = answer("show", file, f"{words} --tiles --block {block}")["heads"]
        names = ("pattern", "n_q", "n_k", "heads", "block", "density", "tiles", "full_tiles")
        kept = {name: told[name] for name in (*names, "partial_tiles", "amplification")}
        rows.append({"options": words, **kept, "drawn": [drawn[h]["rows"] for h in heads]})
    return {"sha256": digest(file), "rows": rows}


def settings(file: Path) -> list[str]:
    """The words after `maskc explain FILE` for each pattern of a file that has a setting."""
    lines = header(file, "explain")
    found = []
    for pattern in pipeline.check(file):
        word = f"--pattern {pattern.name}"
        own = [line for line in lines if f"{word} " in f"{line} "]
        shared = [f"{line} {word}" for line in lines if "--pattern" not in line]
        found += (own or shared)[:1]
    return found


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


def png(heads: list[list[str]]) -> bytes:
    """A grey PNG of the tiles of some heads, side by side: absent, partial and full ones."""
    lines = [GRAYS[:1].join(_line(head[i]) for head in heads) for i in range(len(heads[0]))]
    size = struct.pack(">IIBBBBB", len(lines[0]), len(lines), 8, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    chunks = ((b"IHDR", size), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _line(tiles: str) -> bytes:
    return bytes(GRAYS[int(tile)] for tile in tiles)


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    body = b"".join(named)
    return struct.pack(">I", len(named[1])) + body + struct.pack(">I", zlib.crc32(body))


def page() -> str:
    """`examples/README.md`, of what is kept in `gallery.json` and `systems.json`."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    systems = json.loads(SYSTEMS.read_text(encoding="utf-8"))
    parts = [INTRODUCTION]
    for family, title in FAMILIES.items():
        rows = [
            _row(file, row, systems)
            for file in files()
            if file.parent == EXAMPLES / family
            for row in figures[file.relative_to(EXAMPLES).as_posix()]["rows"]
        ]
        parts.append(f"## {title}\n\n{COLUMNS}" + "\n".join(rows))
    outside = [
        f"- {key}, {system['title']}: {system['outside']}"
        for key, system in systems.items()
        if "outside" in system
    ]
    parts.append("## Not written\n\n" + "\n".join(outside))
    return "\n\n".join(parts) + "\n"


def _row(file: Path, row: dict[str, Any], systems: dict[str, Any]) -> str:
    system = "; ".join(f"{key} {systems[key]['title']}" for key in systems_of(file))
    image = picture(file, row).relative_to(EXAMPLES).as_posix()
    name = f"[{row['pattern']}]({file.relative_to(EXAMPLES).as_posix()})"
    tokens = f"{row['n_q']:,}" if row["n_q"] == row["n_k"] else f"{row['n_q']:,} x {row['n_k']:,}"
    tiles = f"{row['full_tiles']:,} + {row['partial_tiles']:,} of {row['tiles']:,}"
    cells = (
        f'<img src="{image}" alt="" height="64">',
        name,
        system,
        tokens,
        f"{row['density']:.2%}",
        tiles,
        f"{row['amplification']:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure what changed, and write the figures and pictures of all."""
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    PICTURES.mkdir(exist_ok=True)
    found = {}
    for file in files():
        name = file.relative_to(EXAMPLES).as_posix()
        if known.get(name, {}).get("sha256") == digest(file) and "--all" not in sys.argv:
            found[name] = known[name]
            continue
        print(name, flush=True)
        found[name] = measured(file)
        for row in found[name]["rows"]:
            picture(file, row).write_bytes(png(row.pop("drawn")))
        FIGURES.write_text(json.dumps(known | found, indent=1) + "\n", encoding="utf-8")
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
