"""Tests of the checker: `pointwise` reads what it leaves, pair by pair."""
