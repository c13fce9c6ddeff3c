"""The checker: names, types, guards, constants and spaces."""

from maskc.check.check import check

__all__ = ["check"]
