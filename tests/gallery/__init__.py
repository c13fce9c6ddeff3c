"""Definitions of published patterns, and the test that holds the gallery to them."""
