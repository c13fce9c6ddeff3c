"""Writes docs/language.md and examples/README.md: templates filled with drawn pictures.

`make docs` runs it; a test holds the two files against what it would write.
"""

from __future__ import annotations

from pathlib import Path

from maskc import ir, pipeline
from maskc.pictures import Picture, pictures
from maskc.setting import by_head, setting
from maskc.show import cells, draw

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "docs" / "language.template.md"
EXAMPLES = ROOT / "examples"

TOKENS = 64
"""Side of the pictures of examples."""

GALLERY = """# Examples

<!-- written by docs/generate.py from the files of this folder -->

Published attention patterns, one file each. The pictures show {tokens} tokens, queries downwards,
keys to the right, with sizes shrunk to fit; `maskc show FILE --shrink` draws them.

"""


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    return {ROOT / "docs" / "language.md": language(), EXAMPLES / "README.md": gallery()}


def language() -> str:
    """The language reference."""
    template = TEMPLATE.read_text(encoding="utf-8")
    return template.replace("{prelude}", "\n".join(_function(p) for p in pictures())).strip() + "\n"


def gallery() -> str:
    """The page of the examples."""
    files = sorted(EXAMPLES.glob("*.attn"))
    parts = [_example(file, pattern) for file in files for pattern in pipeline.check(file)]
    return (GALLERY.format(tokens=TOKENS) + "\n".join(parts)).strip() + "\n"


def _function(picture: Picture) -> str:
    drawn = draw(picture.mask)
    head = f"### `{picture.signature}`\n\n{picture.doc}\n\n`{picture.call}`:"
    return f"{head}\n```text\n{drawn}\n```\n"


def _example(file: Path, pattern: ir.Pattern) -> str:
    call = setting(pattern, TOKENS, shrink=True)
    heads = range(call.heads) if by_head(pattern) else range(1)
    told = "".join(f"- {sentence}\n" for sentence in call.made_up)
    drawn = "\n\n".join(
        (f"head {head}\n" if len(heads) > 1 else "") + draw(cells(pattern, call, head))
        for head in heads
    )
    title = f"## [{pattern.name}]({file.name})\n\n{pattern.doc.strip()}\n"
    return f"{title}\n{told}\n```text\n{drawn}\n```\n"


if __name__ == "__main__":
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")
