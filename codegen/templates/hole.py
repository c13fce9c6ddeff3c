"""The holes of the kernel templates, as a reader and a linter see them.

None of these run: `maskc.codegen.splice` puts a pattern's own statements in the place of every
line that calls one. In a signature the parameter `holes` stands for the arguments that the
pattern's statements read: parameters, and input tensors with their sizes and strides.
"""

from __future__ import annotations

from typing import Any


def mask(q_pos: Any, k_pos: Any) -> Any:
    """Which pairs are kept: a bool that broadcasts to the tile."""
    raise NotImplementedError("templates are spliced, not called")


def base_two(scale: Any, log2e: Any) -> Any:
    """The factor from `s` to an exponent of two: log2(e), times the scale where no score has it."""
    raise NotImplementedError("templates are spliced, not called")


def score(s: Any, q_pos: Any, k_pos: Any) -> Any:
    """The logits of q . k in `s`; without a `score` the line goes away."""
    raise NotImplementedError("templates are spliced, not called")


def score_and_slope(s: Any, q_pos: Any, k_pos: Any) -> Any:
    """The logits and their derivative by scale * q . k; without a `score` the line goes away."""
    raise NotImplementedError("templates are spliced, not called")


def chain(ds: Any, slope: Any) -> Any:
    """`ds` times the slope of the score; without a `score` the line goes away."""
    raise NotImplementedError("templates are spliced, not called")
