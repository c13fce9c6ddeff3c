"""The checker: a syntax tree becomes patterns over the IR, or all of its errors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from maskc import ir, syntax
from maskc.check import definitions, patterns
from maskc.check.names import Read, cyclic, file_names
from maskc.check.nodes import MOST_OF_FILE, TooLarge
from maskc.check.scope import Report, Room
from maskc.check.values import FileNames, Global
from maskc.diagnostics import MaskcError

MOST_FRAMES = 16_000
"""Python frames that the deepest expression within the limits takes, with room to spare."""


def check(
    file: syntax.File,
    *,
    prelude: syntax.File | None = None,
    read: Read | None = None,
) -> tuple[ir.Pattern, ...]:
    """The patterns of a file, in its order; none for a library.

    Args:
        file: the tree of the text.
        prelude: the tree of `prelude.attn`; None where `file` is the prelude itself.
        read: from the path of a `use`, relative to the folder of `file`, to that file's tree; it
            raises MaskcError where it cannot. None where there is no folder.

    Raises:
        MaskcError: with every error, in source order.

    """
    report = Report()
    with _deep():
        found = _checked(file, prelude, read, report)
    if report.diagnostics:
        raise MaskcError(report.diagnostics, report.omitted)
    return found


def _checked(
    file: syntax.File, prelude: syntax.File | None, read: Read | None, report: Report
) -> tuple[ir.Pattern, ...]:
    known: FileNames | None = None
    if prelude is not None:
        known, _ = file_names(prelude, None, None, report, is_prelude=True)
        if prelude.span is not None:
            report.prelude_sources.add(id(prelude.span.source))
    root, files = file_names(file, known, read, report)
    broken = cyclic(files, report)
    room = patterns.room_for(report, broken, alone=True)
    for names in files:
        for target in names.declared:
            if id(target.declaration) not in broken:
                _alone(target, room)
    return tuple(_patterns(root, report, broken))


def _patterns(root: FileNames, report: Report, broken: set[int]) -> Iterator[ir.Pattern]:
    operations = 0
    for target in root.declared:
        node = target.declaration
        if not isinstance(node, syntax.Pattern) or id(node) in broken:
            continue
        if operations > MOST_OF_FILE:
            patterns.not_read(node, report)
            return
        room = patterns.room_for(report, broken)
        found = patterns.pattern(target, room)
        operations += room.steps + len(room.nodes.table)
        if found is not None:
            yield found


def _alone(target: Global, room: Room) -> None:
    if isinstance(target.declaration, syntax.Pattern):
        return
    # What grows too large is told at the pattern that needs it.
    with suppress(TooLarge):
        definitions.alone(target, room)


@contextmanager
def _deep() -> Iterator[None]:
    """A recursion limit that the deepest allowed expression fits in."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, MOST_FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
