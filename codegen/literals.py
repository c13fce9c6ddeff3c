"""Values as Python text, one line where they are short; nothing in a text ends its literal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

SHORT = 72
"""Characters of a literal that stays on one line."""


def call_of(name: str, fields: dict[str, str]) -> str:
    """A call with these keywords, each the text of its value; so are all items below."""
    return bracketed(f"{name}(", [f"{key}={value}" for key, value in fields.items()], ")")


def value_of(value: object) -> str:
    """A number, or lists of them; infinity has no literal."""
    return re.sub(r"\b(inf|nan)\b", r'float("\1")', repr(value))


def tuple_of(items: Iterable[str]) -> str:
    """A tuple."""
    items = list(items)
    if len(items) == 1 and "\n" not in items[0]:
        return f"({items[0]},)"
    return bracketed("(", items, ")")


def list_of(items: Iterable[str]) -> str:
    """A list."""
    return bracketed("[", list(items), "]")


def dict_of(fields: dict[str, str]) -> str:
    """A dict with these names as keys."""
    return bracketed("{", [f"{quoted(key)}: {value}" for key, value in fields.items()], "}")


def bracketed(opening: str, items: Sequence[str], closing: str) -> str:
    """The items in brackets: on one line where they are short, else one a line."""
    flat = f"{opening}{', '.join(items)}{closing}"
    if len(flat) <= SHORT and "\n" not in flat:
        return flat
    lone = len(items) == 1 and opening != "("
    lines = "".join(f"{item}{'' if lone else ','}\n" for item in items)
    return f"{opening}\n{textwrap.indent(lines, '    ')}{closing}"


def string_of(text: str) -> str:
    """A string literal, over several lines where it is long."""
    if len(text) <= SHORT - 10:
        return quoted(text)
    wrapper = textwrap.TextWrapper(
        width=SHORT + 8, drop_whitespace=False, replace_whitespace=False, expand_tabs=False
    )
    pieces = [piece for line in text.splitlines(keepends=True) for piece in wrapper.wrap(line)]
    assert "".join(pieces) == text, "wrapping loses nothing"
    return "(\n" + "".join(f"    {quoted(piece)}\n" for piece in pieces) + ")"


def quoted(text: str) -> str:
    """The literal with double quotes, only printable ASCII inside."""
    return f'"{ascii(text)[1:-1]}"' if '"' not in text and "'" not in text else ascii(text)


def docstring(lines: Iterable[str]) -> str:
    """The literal of a documentation string with these lines, one of the file each."""
    text = "\n".join(line.rstrip() for line in lines)
    if '"""' in text or "\\" in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"""{text}\n"""'
