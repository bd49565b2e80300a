"""Structured logs: one JSON line an event in production, readable columns on a terminal; the standard library's too.

What goes into every line of a request or run is bound once (`request_id`, `run_id`, `thread_id`, ...). No message text
at level info: what people write to an agent is theirs.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from threadkeep import json
from threadkeep.masking import Mask
from threadkeep.streams.sse import StreamCutError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Lines:
    """Whole lines on standard error. When nobody reads them any more, that is no reason to stop serving."""

    def __init__(self, mask: Mask, name: str = "") -> None:
        self.name = name
        self._mask = mask

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{self._mask(line)}\n")

    debug = info = warning = error = critical = write


class _MaskedFormatter(structlog.stdlib.ProcessorFormatter):
    def __init__(self, mask: Mask, **given: Any) -> None:
        super().__init__(**given)
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


def configure_logs(*, log_format: str, level: str, mask: Mask) -> None:
    """Send everything to standard error, masked. `auto` is for people on a terminal and for machines elsewhere."""
    readable = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if readable:
        last: list[Any] = [
            structlog.dev.ConsoleRenderer(pad_event_to=20, exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        # Never the frames' variables: they hold keys and what people wrote.
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
        last = [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(serializer=_json)]
    # Our own events take the short way, past the standard library: three of them are part of every run.
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=partial(Lines, mask),
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _MaskedFormatter(
            mask,
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # our own line says more
    logging.getLogger("uvicorn.error").addFilter(_not_a_cut)
    for noisy in ("httpx", "httpx2", "openai", "asyncio", "aiosqlite", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, _LEVELS[level]))


def _not_a_cut(record: logging.LogRecord) -> bool:
    """A stream that was cut on purpose is no error of the application."""
    return not (record.exc_info and isinstance(record.exc_info[1], StreamCutError))


def _json(event: dict[str, Any], **_: Any) -> str:
    return json.dumps_text(event)
