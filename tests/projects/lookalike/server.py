"""Somebody else's module of this name."""

OWNER = "lookalike"
