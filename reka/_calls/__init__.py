"""Calls as values: every endpoint once, and operations that take several of them. No I/O."""
