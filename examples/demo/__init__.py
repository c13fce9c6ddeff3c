"""What `make run` shows: a compiled pattern against the oracle, and at work in a real model."""
