"""The rectangle reading: what a mask does over whole rectangles, itself as expressions.

`bounds` is a symbolic transformation of the mask into four bool expressions over the corners
`q0 q1 k0 k1` (inclusive) of a rectangle; `head`, `batch`, lengths and parameters stay exact.
It is sound always. It is exact (`hit == some`, `miss == not every`) for

- any combination of ranges of `q`, of `k` and of `q - k` (so of windows, sinks, `abs`, floor
  divisions of one of these), as long as it multiplies out into few alternatives;
- such ranges together with one term of a single form that is looked up (`maskc.bounds.tabulate`);
- comparisons of two sides apart: `q // 64 == k // 64`; for entries of tensors, `some`, `every` and
  `miss` are exact, `hit` where an end of one range is met;
- what intervals keep exact (`maskc.bounds.interval`).

Conditions on different forms of the same position, such as two bands of blocks, may be blurred.
"""

from maskc.bounds.reading import Reading, bounds, ranges_of, signs_of
from maskc.bounds.span import span

__all__ = ["Reading", "bounds", "ranges_of", "signs_of", "span"]
