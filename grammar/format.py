"""Text to text: the one form of a spec, with every comment and the same meaning."""

from __future__ import annotations

from maskc.grammar.errors import Errors
from maskc.grammar.lex import lex
from maskc.grammar.parse import parse
from maskc.grammar.remarks import Comments
from maskc.grammar.unparse import unparse
from maskc.source import Source


def formatted(source: Source) -> str:
    r"""The text of a source in the form of `maskc fmt`.

    Raises:
        MaskcError: with every syntax error of the file.

    Example:
        >>> formatted(Source("a.attn", "pattern p=(causal)and sink( 4 )   # why"))
        'pattern p = causal & sink(4)  # why\n'

    """
    tree = parse(source)
    text = unparse(tree, Comments(source, lex(source, Errors(source)), tree))
    assert parse(Source(source.name, text)) == tree, (
        "the form of a spec does not change its meaning"
    )
    return text
