"""The errors of one file as they are found: the first thousand told, the rest counted."""

from __future__ import annotations

from maskc.diagnostics import MOST_KEPT, Diagnostic, Label, MaskcError
from maskc.source import Source, Span


class Errors:
    """Collects what one step of the parser, walking the file from top to bottom, finds wrong."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.omitted = 0

    @property
    def full(self) -> bool:
        """Whether one more error would only be counted, so that its text need not be made."""
        return len(self.diagnostics) >= MOST_KEPT

    def tell(
        self,
        id: str,
        message: str,
        span: Span,
        note: str = "",
        hint: str = "",
        labels: tuple[Label, ...] = (),
    ) -> None:
        """Keep one error, or count it."""
        if self.full:
            self.omitted += 1
        else:
            self.diagnostics.append(Diagnostic(id, message, span, note, hint, labels))

    def span(self, start: int, end: int) -> Span:
        """A place in the file."""
        return Span(self.source, start, end)


def raise_all(*found: Errors) -> None:
    """Raise MaskcError if any step found an error."""
    if any(errors.diagnostics for errors in found):
        diagnostics = [d for errors in found for d in errors.diagnostics]
        raise MaskcError(diagnostics, omitted=sum(errors.omitted for errors in found))
