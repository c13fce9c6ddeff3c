"""Writes docs/figures.md, docs/language.md and examples/README.md.

`make docs` runs it as `python -m docs.generate`; a test holds the files against what it writes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs import figures, gallery, writing
from maskc.pictures import Picture, pictures
from maskc.show import draw

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "docs" / "language.template.md"


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    return {
        ROOT / "docs" / "figures.md": figures.page(),
        ROOT / "docs" / "language.md": language(),
        ROOT / "examples" / "README.md": gallery.page(),
    }


def language() -> str:
    """The language reference."""
    template = TEMPLATE.read_text(encoding="utf-8")
    return template.replace("{prelude}", "\n".join(_function(p) for p in pictures())).strip() + "\n"


def _function(picture: Picture) -> str:
    drawn = draw(picture.mask)
    head = f"### `{picture.signature}`\n\n{picture.doc}\n\n`{picture.call}`:"
    return f"{head}\n```text\n{drawn}\n```\n"


def main() -> None:
    """Make all pages, then write those that differ."""
    writing.write({path: text.encode() for path, text in outputs().items()})


if __name__ == "__main__":
    sys.exit(writing.run(main, "docs.generate"))
