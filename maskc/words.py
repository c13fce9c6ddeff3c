"""The words of a command line as plain values."""

from __future__ import annotations

import json
import re
from typing import Any

from maskc.extents import SettingError

MOST_ENTRIES = 1 << 20
"""Entries of an input that a command line may give."""

MOST_BYTES = 1 << 26
"""Bytes of a file that holds an input."""

MOST_AXES = 64
"""Nesting of lists: torch has no more axes either."""

INTEGER = re.compile(r"(-?[0-9]+(?:_[0-9]+)*)(Ki|Mi|)")
LONGEST_INTEGER = 30
UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20}


def value(name: str, word: str) -> Any:
    """A word as a value: JSON, an integer with `_`, `Ki`, `Mi`, or several with commas.

    Example:
        >>> value("window", "4Ki"), value("table", "1,2"), value("on", "true")
        (4096, (1, 2), True)

    """
    text = word.strip()
    integer = INTEGER.fullmatch(text)
    if integer is not None and len(text) <= LONGEST_INTEGER:
        return int(integer[1]) * UNITS[integer[2]]
    try:
        return _tuples(json.loads(text))
    except (ValueError, RecursionError):
        pass
    if "," in text:
        return tuple(value(name, piece) for piece in text.split(","))
    raise SettingError(f"{name}: cannot read `{word[:40]}` as a value")


def entries(name: str, word: str) -> Any:
    """Entries of an input with an optional count, `0*5,1*7`, or `@file` of JSON, as tuples."""
    return _from_file(name, word[1:]) if word.startswith("@") else _row(name, word)


def _row(name: str, word: str) -> tuple[Any, ...]:
    row: list[Any] = []
    for piece in word.split(","):
        entry, _, count = piece.partition("*")
        times = value(name, count) if count else 1
        if type(times) is not int or times < 0 or len(row) + times > MOST_ENTRIES:
            raise SettingError(f"{name}: `{piece[:40]}` is not an entry or `entry*count`")
        row += [value(name, entry)] * times
    return tuple(row)


def _from_file(name: str, path: str) -> Any:
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise SettingError(f"{name}: {path} has more than {MOST_BYTES >> 20} MiB")
        return _tuples(json.loads(data.decode("utf-8-sig")))
    except SettingError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        told = error.strerror if isinstance(error, OSError) else "not JSON"
        raise SettingError(f"{name}: cannot read {path}: {told}") from None


def _tuples(value: Any, depth: int = 0) -> Any:
    if depth > MOST_AXES:
        raise ValueError("nested deeper than any table")
    return tuple(_tuples(part, depth + 1) for part in value) if isinstance(value, list) else value
