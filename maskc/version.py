"""The version of this compiler."""

__version__ = "0.1.0"
