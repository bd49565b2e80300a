"""How far long work has come: one line on a terminal, written over again and again; nothing in a file or a pipe."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_PAUSE_SECONDS = 0.1


class Progress:
    """Used as a block, at the end of which the line is gone."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty()
        self._started = self._last = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def at(self, done: int, of: int) -> None:
        self._show(f"{100 * done // of if of else 100} %")

    def ticks(self) -> bool:
        """Still at it, with no telling how far. False, which tells SQLite to go on."""
        self._show(f"{time.monotonic() - self._started:.0f} s")
        return False

    def _show(self, words: str) -> None:
        now = time.monotonic()
        if self._shown and now - self._last >= _PAUSE_SECONDS:
            self._last = now
            self._stream.write(f"\r\x1b[K{self._what} ... {words}")
            self._stream.flush()
