"""Generated modules in this process: run from their text, found again by it, bounded in number.

Nothing is written to disk: `linecache` holds the text, as for any code without a file, so that
tracebacks show it and Triton reads its kernels there. Modules have most of their text in common,
word for word, and what they share is compiled once: half the time of loading a spec.
"""

from __future__ import annotations
import __future__

import hashlib
import linecache
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, ModuleType

from maskc.extras import missing

MOST_MODULES = 256
"""Modules kept, the last used ones; patterns of others live on where someone holds them."""

BETWEEN_PARTS = "\n\n\n"
"""Two empty lines: what stands between the definitions of a formatted module."""

ANNOTATIONS = __future__.annotations.compiler_flag

_kept: OrderedDict[str, ModuleType] = OrderedDict()

_running = threading.RLock()
"""Held while a module runs for the first time: another thread must not see half of it."""


def module_of(text: str) -> ModuleType:
    """The module of this text; the same one each time, unless it was long forgotten."""
    name = f"maskc_generated_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    with _running:
        if name not in _kept:
            _kept[name] = _made(name, text)
        _kept.move_to_end(name)
        while len(_kept) > MOST_MODULES:
            _forget(_kept.popitem(last=False)[0])
        return _kept[name]


def run(module: ModuleType, text: str) -> None:
    """Run the text as the body of a module.

    Raises:
        ModuleNotFoundError: that says how to get torch, where it is missing.

    """
    file = f"<{module.__name__}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    try:
        for code in code_of(text, file):
            exec(code, module.__dict__)
    except ModuleNotFoundError as error:
        raise missing("a compiled pattern", error) from None


def code_of(text: str, file: str) -> list[CodeType]:
    """The code of a module's text, part by part; all of it as one where it cannot be cut.

    A cut inside a string, a bracket or a block leaves no program before or after it, so parts that
    compile are the whole.
    """
    try:
        return list(_parts(text, file))
    except SyntaxError:
        return [compile(text, file, "exec", dont_inherit=True)]


def _parts(text: str, file: str) -> Iterator[CodeType]:
    line = flags = 0
    for part in text.split(BETWEEN_PARTS):
        code = _compiled(part, flags)
        flags |= code.co_flags & ANNOTATIONS
        yield _placed(code, file, line)
        line += part.count("\n") + len(BETWEEN_PARTS)


@lru_cache(maxsize=2048)
def _compiled(part: str, flags: int) -> CodeType:
    return compile(part, "<part>", "exec", flags, dont_inherit=True)


def _placed(code: CodeType, file: str, line: int) -> CodeType:
    """The code as it is so many lines further down in a file."""
    return code.replace(
        co_filename=file,
        co_firstlineno=code.co_firstlineno + line,
        co_consts=tuple(
            _placed(x, file, line) if isinstance(x, CodeType) else x for x in code.co_consts
        ),
    )


def _made(name: str, text: str) -> ModuleType:
    module = sys.modules[name] = ModuleType(name)
    try:
        run(module, text)
    except BaseException:
        _forget(name)
        raise
    return module


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    linecache.cache.pop(f"<{name}>", None)
