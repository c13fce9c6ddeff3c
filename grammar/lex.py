"""Characters to tokens: the alphabet, words, numbers, signs, and the documentation comments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from maskc.grammar.errors import Errors, raise_all
from maskc.grammar.habits import lookalike
from maskc.grammar.table import table
from maskc.grammar.tokens import Token
from maskc.source import Source

MOST_TOKENS = 2**17
"""More are refused at once: reading a larger file to its end would take seconds."""

FILE = -1
"""In `doc_lines`, the key of the file's own text."""

LONGEST_NAME = 200
LARGEST_INT = 2**63 - 1

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters, bidirectional controls, and what stands for bytes that are not UTF-8."""

SUFFIXES = {"Ki": 2**10, "Mi": 2**20}

FOREIGN = {
    "&&": ("&", "write `&` or `and`"),
    "||": ("|", "write `|` or `or`"),
    ":=": ("=", "write `=`"),
    "**": ("*", "a power of two is `pow2(n)`, a square `n * n`"),
    "===": ("==", "write `==`"),
    "!==": ("!=", "write `!=`"),
    "<>": ("!=", "write `!=`"),
    "=<": ("<=", "write `<=`"),
    "...": ("..", "a range is `low..high`, without its end"),
    "..=": ("..", "a range is `low..high`, without its end: write `low..high + 1`"),
    "/": ("//", "write `//`, which rounds down; of floats, multiply by the inverse"),
    "->": ("=>", "an arm of `match` is `value => result`"),
    "~": ("!", "write `not` or `!`"),
    "True": ("true", "write `true`"),
    "False": ("false", "write `false`"),
    **{
        word: (word.lower(), f"write `{word.lower()}`")
        for word in ("AND", "And", "OR", "Or", "NOT", "Not", "XOR", "Xor", "IN", "If", "IF")
    },
}
"""Signs and words of other languages: what they are read as after the error, and the cure."""


@dataclass(frozen=True, slots=True)
class Lexed:
    """The words of a source.

    Attributes:
        tokens: all of them.
        docs: by the offset of a line's first token, the `##` text above it.
        file_doc: the `##` text at the top that stands apart from any declaration.
        numbers_hold: whether every number was a right one.
        comments: all of them, `##` ones included; `first` where one has its line for itself.
        doc_lines: by the same offsets, where the lines of `docs` start; by FILE, of `file_doc`.

    """

    tokens: tuple[Token, ...]
    docs: dict[int, str]
    file_doc: str
    numbers_hold: bool
    comments: tuple[Token, ...]
    doc_lines: dict[int, tuple[int, ...]]


def lex(source: Source, errors: Errors) -> Lexed:
    """The tokens of a source; what is wrong with its characters goes to `errors`.

    Raises:
        MaskcError: where there are more than MOST_TOKENS.

    """
    _check_characters(source.text, errors)
    return _Lexer(source, errors).run()


def value(text: str) -> int | float:
    """The value of a number as written.

    Example:
        >>> value("4Ki"), value("4_096"), value("1e-3")
        (4096, 4096, 0.001)

    """
    if text[-2:] in SUFFIXES:
        return value(text[:-2]) * SUFFIXES[text[-2:]]
    return float(text) if re.search("[.eE]", text) else int(text.lstrip("_0") or "0")


@cache
def _pieces() -> re.Pattern[str]:
    signs = [s for s in (*table().spellings, *FOREIGN) if not s[0].isalpha()]
    return re.compile(
        r"(?P<space>[ \t]+)"
        r"|(?P<newline>\n)"
        r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
        r"|(?P<number>\.?[0-9][A-Za-z0-9_]*(?:\.[0-9][A-Za-z0-9_]*)*"
        r"(?:(?<=[eE])[+-][0-9][A-Za-z0-9_]*)?(?:\.(?![.A-Za-z_0-9]))?)"
        rf"|(?P<sign>{'|'.join(re.escape(s) for s in sorted(signs, key=len, reverse=True))})"
        r"|(?P<comment>\#[^\n]*)"
        r'|(?P<string>"[^"\n]*"?)'
        r"|(?P<strange>[^\x00-\x7f]+|.)"
    )


class _Lexer:
    def __init__(self, source: Source, errors: Errors) -> None:
        self.errors = errors
        self.text = source.text
        self.spellings = table().spellings
        self.integer = re.compile(table().patterns["INT"])
        self.float = re.compile(table().patterns["FLOAT"])
        self.tokens: list[Token] = []
        self.docs = _Docs()
        self.comments: list[Token] = []
        self.numbers_hold = True

    def run(self) -> Lexed:
        tokens, spellings, docs = self.tokens, self.spellings, self.docs
        first = empty = True
        n_separators = 0
        for found in _pieces().finditer(self.text):
            piece = found.lastgroup
            if piece == "space":
                continue
            if piece == "newline":
                if empty:
                    docs.gap(before_all=not tokens)
                first = empty = True
                continue
            empty = False
            text, start = found[0], found.start()
            if piece == "comment":
                self.comments.append(Token("COMMENT", text.rstrip(), start, first))
                if first:
                    docs.comment(text, start)
                continue
            kind = spellings.get(text) or self._kind(piece, text, start)
            if first and docs.lines:
                docs.attach(start)
            if kind == "SEPARATOR":
                first = True
                n_separators += 1
            else:
                tokens.append(Token(kind, text, start, first))
                first = False
            if len(tokens) + n_separators > MOST_TOKENS:
                self._refuse(start)
        docs.end(bool(tokens))
        texts = {offset: _text(lines) for offset, lines in docs.by_offset.items()}
        starts = {o: tuple(start for _, start in lines) for o, lines in docs.by_offset.items()}
        file_doc = texts.pop(FILE, "")
        comments = tuple(self.comments)
        return Lexed(tuple(tokens), texts, file_doc, self.numbers_hold, comments, starts)

    def _kind(self, piece: str | None, text: str, start: int) -> str:
        end = start + len(text)
        if text in FOREIGN:
            known, hint = FOREIGN[text]
            message = f"`{text}` is not an operator of attn"
            if known in ("true", "false"):
                message = f"`{text}` is not a value of attn"
            self._tell("foreign-operator", message, start, end, "", hint)
            return self.spellings[known]
        if piece == "word":
            return self._name(text, start, end)
        if piece == "number":
            return self._number(text, start, end)
        if piece == "string":
            if len(text) < 2 or text[-1] != '"':
                self._tell("unclosed-string", 'the `"` is not closed on its line', start, start + 1)
                return "WRONG"
            return "STRING"
        return self._strange(text, start, end)

    def _name(self, text: str, start: int, end: int) -> str:
        if len(text) > LONGEST_NAME:
            message = f"this name has {len(text)} characters; the most is {LONGEST_NAME}"
            self._tell("name-too-long", message, start, end)
        elif not text.islower() and text.strip("_0123456789"):
            message = f"`{text}` is not a name: names are lowercase"
            hint = "no pair at all is `nothing`" if text == "None" else f"write `{text.lower()}`"
            self._tell("uppercase-name", message, start, end, "", hint)
        return "NAME"

    def _number(self, text: str, start: int, end: int) -> str:
        held, self.numbers_hold = self.numbers_hold, False
        is_integer = self.integer.fullmatch(text)
        if not is_integer and not self.float.fullmatch(text):
            self._tell("bad-number", f"`{_cut(text)}` is not a number", start, end, "", _cure(text))
            return "INT"
        if is_integer:
            digits = text.rstrip("KiM").replace("_", "").lstrip("0")
            negative = bool(self.tokens) and self.tokens[-1].text == "-"
            if len(digits) > 19 or value(text) > LARGEST_INT + negative:
                message = f"`{_cut(text)}` does not fit in 64 bits"
                hint = "the largest integer is 9223372036854775807"
                self._tell("number-too-large", message, start, end, "", hint)
                return "INT"
        elif value(text) == float("inf"):
            self._tell("number-too-large", f"`{_cut(text)}` is beyond every float", start, end)
            return "FLOAT"
        self.numbers_hold = held
        return "INT" if is_integer else "FLOAT"

    def _strange(self, text: str, start: int, end: int) -> str:
        if FORBIDDEN.search(text):
            return "WRONG"
        hint = ""
        if text == ";":
            message = "`;` does not separate statements"
            self._tell(
                "semicolon",
                message,
                start,
                end,
                "",
                "start a new line instead, or write `,` in a list",
            )
            return "SEPARATOR"
        if text[0] > "\x7f":
            message = (
                f"`{_cut(text)}` stands outside a comment: only comments may hold such letters"
            )
            hint = lookalike(text)
        else:
            message = f"`{text}` is not a sign of attn"
            hint = {
                "?": "write `if c then a else b`",
                "'": 'a path is quoted with `"`',
                "$": "names are written plainly",
                "@": "use `at(q = E) M` to look from another position",
            }.get(text, "")
        self._tell("unknown-character", message, start, end, "", hint)
        return "WRONG"

    def _refuse(self, start: int) -> None:
        message = f"this file has more than {MOST_TOKENS:,} words and signs, the most of a spec"
        self._tell("file-too-large", message, start, start + 1)
        raise_all(self.errors)

    def _tell(
        self, id: str, message: str, start: int, end: int, note: str = "", hint: str = ""
    ) -> None:
        self.errors.tell(id, message, self.errors.span(start, end), note, hint)


class _Docs:
    """The `##` comments, each line with its start, and what they stand above."""

    def __init__(self) -> None:
        self.by_offset: dict[int, list[tuple[str, int]]] = {}
        self.lines: list[tuple[str, int]] = []
        self.ended = False

    def comment(self, text: str, start: int) -> None:
        """A comment that has its line for itself."""
        if not text.startswith("##") or text.startswith("###"):
            return
        if self.ended:
            self.lines, self.ended = [], False
        self.lines.append((text[2:].removeprefix(" ").rstrip(), start))

    def gap(self, before_all: bool) -> None:
        """An empty line: ends a block, and the first block of a file is then the file's own."""
        if not self.lines:
            return
        if before_all and FILE not in self.by_offset and not self.ended:
            self.by_offset[FILE], self.lines = self.lines, []
        else:
            self.ended = True

    def attach(self, start: int) -> None:
        """A token at `start` follows the block."""
        self.by_offset[start] = self.lines
        self.lines, self.ended = [], False

    def end(self, has_tokens: bool) -> None:
        """The end of the file, which the only block of a file without words is about."""
        if self.lines and not has_tokens:
            self.by_offset.setdefault(FILE, self.lines)


def _text(lines: list[tuple[str, int]]) -> str:
    return "\n".join(text for text, _ in lines)


def _check_characters(text: str, errors: Errors) -> None:
    for found in FORBIDDEN.finditer(text):
        if errors.full:
            errors.omitted += 1
            continue
        code, span = ord(found[0]), errors.span(found.start(), found.end())
        if 0xD800 <= code <= 0xDFFF:
            errors.tell("bad-utf8", "this is not UTF-8", span, hint="save the file as UTF-8")
        elif code < 0xA0:
            message = f"control character U+{code:04X}: only tabs and line ends may stand in a spec"
            hint = "end lines with LF or CR LF" if code == 13 else "delete it"
            errors.tell("control-character", message, span, hint=hint)
        else:
            message = f"U+{code:04X} changes the direction of text and may hide what a spec says"
            errors.tell("control-character", message, span, hint="delete it")


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _cure(text: str) -> str:
    if text.startswith("."):
        return f"write `0{_cut(text)}`"
    if text.endswith("."):
        return f"write `{_cut(text)}0`"
    if text[:2] in ("0x", "0X", "0b", "0B", "0o", "0O"):
        return "integers are decimal"
    if "__" in text or text.endswith("_"):
        return "an underscore stands between two digits"
    return "integers may end in `Ki` or `Mi`, floats in an exponent such as `e-3`"
