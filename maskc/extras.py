"""Packages that only some of maskc needs: which extra of it brings them."""

from __future__ import annotations

EXTRAS = {
    "torch": "run",
    "triton": "run",
    "numpy": "plot",
    "matplotlib": "plot",
    "hypothesis": "test",
}
"""What to install of maskc for a package that something needs."""


def missing(what: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error with a sentence on what needs the package and how to get it, where we know.

    Example:
        >>> str(missing("an image", ModuleNotFoundError("", name="matplotlib")))
        "an image needs matplotlib: pip install 'maskc[plot]'"

    """
    if error.name not in EXTRAS:
        return error
    sentence = f"{what} needs {error.name}: pip install 'maskc[{EXTRAS[error.name]}]'"
    return ModuleNotFoundError(sentence, name=error.name)
