"""Somebody else's folder of this name."""

OWNER = "lookalike"
