"""The graphs: one file is one pattern, and only wiring. The steps they are wired from live in `nodes/`."""
