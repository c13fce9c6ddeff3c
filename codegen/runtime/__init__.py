"""The code that every generated module carries, pasted into it unchanged."""
