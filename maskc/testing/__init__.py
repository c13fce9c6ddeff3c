"""Tests of attention patterns for everyone: strategies, and one assertion against the oracle.

from hypothesis import given
from maskc.testing import assert_matches_dense, calls

pattern = maskc.load("local.attn").local

@given(calls(pattern))
def test_local_is_exact(call):
    assert_matches_dense(pattern, call)
"""

from maskc.extras import missing

try:
    from maskc.testing.call import Call
    from maskc.testing.calls import calls
    from maskc.testing.fuzzing import Failure, FuzzReport, fuzz
    from maskc.testing.oracle import assert_matches_dense
    from maskc.testing.trees import FEATURES, specs
except ModuleNotFoundError as error:
    raise missing("maskc.testing", error) from None

__all__ = [
    "FEATURES",
    "Call",
    "Failure",
    "FuzzReport",
    "assert_matches_dense",
    "calls",
    "fuzz",
    "specs",
]
