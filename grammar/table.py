"""The parser's tables: what lark makes of `attn.lark`, kept in `attn.table.json`.

Reading the page and computing LALR(1) takes lark 0.4 s, too long for a command line, so its answer
is kept beside the page with the page's digest. After a change of the page the tables are computed
anew at each start until `python -m maskc.grammar.table` has written them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("attn.lark")
KEPT = Path(__file__).with_name("attn.table.json")


@dataclass(frozen=True, slots=True)
class Rule:
    """One right-hand side of the grammar.

    Attributes:
        origin: the symbol it derives.
        build: name of the method of `build.Builder` that makes its node; None for a helper symbol,
            whose value is the list of its parts, and for a unit rule.
        size: number of symbols on the right.
        parts: what goes into the node: `i` for the value at place i, `~i` for all entries of
            the list at place i, None for an optional part that is absent.
        unit: whether the value of its only symbol simply passes through.

    """

    origin: str
    build: str | None
    size: int
    parts: tuple[int | None, ...]
    unit: bool


@dataclass(frozen=True, slots=True)
class Table:
    """An LALR(1) automaton.

    Attributes:
        start: the first state.
        actions: for each state, by terminal: the next state, or `~i` to reduce by rule i.
        gotos: for each state, by symbol: the next state.
        rules: the rules by number.
        spellings: the terminal of every fixed word and sign.
        patterns: regular expressions of the terminals that are not fixed.

    """

    start: int
    actions: tuple[dict[str, int], ...]
    gotos: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    spellings: dict[str, str]
    patterns: dict[str, str]


@cache
def table() -> Table:
    """The tables of the grammar."""
    page = PAGE.read_text(encoding="utf-8")
    if KEPT.exists():
        kept = json.loads(KEPT.read_text(encoding="utf-8"))
        if kept["digest"] == _digest(page):
            return _read(kept)
    return _read(computed(page))


def computed(page: str) -> dict[str, Any]:
    """What lark makes of a grammar, as plain data; the same for the same page."""
    from lark import Lark
    from lark.lexer import Lexer
    from lark.parsers.lalr_analysis import Shift
    from lark.parsers.lalr_parser import LALR_Parser

    class Unused(Lexer):
        def __init__(self, lexer_conf: Any) -> None:
            pass

        def lex(self, lexer_state: Any, parser_state: Any) -> Any:
            raise AssertionError("lex.py makes the tokens")

    lark = Lark(page, parser="lalr", lexer=Unused, start="file")
    parser = lark.parser.parser
    assert isinstance(parser, LALR_Parser), "attn.lark is an LALR grammar"
    states = parser._parse_table.states
    number = _numbered(states, parser._parse_table.start_states["file"], Shift)
    rules = {rule: i for i, rule in enumerate(lark.rules)}
    actions: list[dict[str, int]] = [{} for _ in number]
    gotos: list[dict[str, int]] = [{} for _ in number]
    terminals = {t.name for t in lark.terminals} | {"_END", "$END"}
    for state, row in states.items():
        if state not in number:
            continue
        for symbol, (action, target) in sorted(row.items()):
            if action is not Shift:
                actions[number[state]][symbol] = ~rules[target]
            elif symbol in terminals:
                actions[number[state]][symbol] = number[target]
            else:
                gotos[number[state]][symbol] = number[target]
    fixed, patterns = _terminals(lark.terminals)
    return {
        "digest": _digest(page),
        "spellings": fixed,
        "patterns": patterns,
        "rules": [_rule(rule) for rule in lark.rules],
        "actions": actions,
        "gotos": gotos,
    }


def _numbered(states: Any, start: Any, shift: Any) -> dict[Any, int]:
    """States in the order in which a walk from the start meets them: lark's own order may vary."""
    number = {start: 0}
    queue = [start]
    for state in queue:
        for _, (action, target) in sorted(states[state].items(), key=lambda entry: entry[0]):
            if action is shift and target not in number:
                number[target] = len(number)
                queue.append(target)
    return number


def _rule(rule: Any) -> list[Any]:
    name = str(rule.origin.name)
    build = None if name.startswith("_") else str(rule.alias or name)
    empty = rule.options.empty_indices or (False,) * len(rule.expansion)
    symbols = iter(enumerate(rule.expansion))
    parts: list[int | None] = []
    for absent in empty:
        if absent:
            parts.append(None)
            continue
        i, symbol = next(symbols)
        if not symbol.is_term:
            parts.append(~i if str(symbol.name).startswith("_") else i)
        elif not symbol.filter_out:
            parts.append(i)
    size = len(rule.expansion)
    unit = bool(rule.options.expand1 and not rule.alias and size == 1 and parts == [0])
    return [name, None if unit else build, size, parts, unit]


def _terminals(terminals: Any) -> tuple[dict[str, str], dict[str, str]]:
    fixed: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for terminal in terminals:
        raw = terminal.pattern.value
        several = re.fullmatch(r"\(\?:(.*)\)", raw)
        if terminal.pattern.type == "str":
            fixed[raw] = terminal.name
        elif several:
            for word in re.split(r"(?<!\\)\|", several[1]):
                fixed[word.replace("\\", "")] = terminal.name
        else:
            patterns[terminal.name] = raw
    return dict(sorted(fixed.items())), dict(sorted(patterns.items()))


def _digest(page: str) -> str:
    return sha256(page.encode()).hexdigest()


def _read(kept: dict[str, Any]) -> Table:
    rules = tuple(
        Rule(origin, build, size, tuple(parts), unit)
        for origin, build, size, parts, unit in kept["rules"]
    )
    return Table(
        start=0,
        actions=tuple(kept["actions"]),
        gotos=tuple(kept["gotos"]),
        rules=rules,
        spellings=kept["spellings"],
        patterns=kept["patterns"],
    )


def _lines(value: dict[str, Any]) -> str:
    """JSON with one rule, one state a line, so that a change can be read as a diff."""
    parts = []
    for key, entry in value.items():
        text = json.dumps(entry)
        if isinstance(entry, list):
            text = "[\n" + ",\n".join(json.dumps(line) for line in entry) + "\n]"
        parts.append(f"{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def main() -> None:
    """Write the tables of the page as it is now."""
    KEPT.write_text(_lines(computed(PAGE.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
