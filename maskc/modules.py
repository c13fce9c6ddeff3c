"""Generated modules in this process: run from their text, found again by it, bounded in number.

Nothing is written to disk: `linecache` holds the text, as for any code without a file, so that
tracebacks show it and Triton reads its kernels there.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
import threading
from collections import OrderedDict
from types import ModuleType

MOST_MODULES = 256
"""Modules kept, the last used ones; patterns of others live on where someone holds them."""

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
    """Run the text as the body of a module."""
    file = f"<{module.__name__}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)


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
