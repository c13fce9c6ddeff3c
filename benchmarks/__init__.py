"""Measurements of maskc, each a command: `python -m benchmarks NAME`."""
