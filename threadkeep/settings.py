"""What an operator can set, read once at start from the environment and the command line, and frozen.

Every field is documented by `SETTINGS`, which the command line's `--help` prints and a test compares with the README.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from threadkeep.errors import StartupError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_AT_LEAST_ONE = (
    "max_concurrent_runs",
    "max_attempts",
    "stream_buffer_bytes",
    "max_body_bytes",
    "database_pool_size",
    "lease_seconds",
    "receive_timeout_seconds",
)
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"", "0", "false", "no", "off"})


def _setting(default: Any, env: str, help_text: str) -> Any:
    return field(default=default, metadata={"env": env, "help": help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = _setting("127.0.0.1", "HOST", "address to listen on")
    port: int = _setting(8123, "PORT", "port to listen on; a busy one is an error, never another port")
    data_dir: Path = _setting(Path("data"), "DATA_DIR", "the data folder, made on first start")
    database_uri: str = _setting(
        "", "DATABASE_URI", "`postgresql://user:password@host/name`: several servers share it, instead of a data folder"
    )
    database_pool_size: int = _setting(10, "DATABASE_POOL_SIZE", "connections to it that this process may have open")
    lease_seconds: float = _setting(
        6.0, "LEASE_SECONDS", "after so long a silence of a process, the others take over what it ran"
    )
    config_path: Path = _setting(Path("langgraph.json"), "LANGGRAPH_CONFIG", "which graphs to serve, and how")
    allow_unauthenticated: bool = _setting(
        False, "ALLOW_UNAUTHENTICATED", "1: may listen beyond this machine although nobody has to log in"
    )
    api_keys: bool = _setting(False, "API_KEYS", "1: every request needs a key made by `python server.py keys new`")
    jwt_jwks_url: str = _setting("", "JWT_JWKS_URL", "JWTs signed by these keys say who asks")
    jwt_issuer: str = _setting("", "JWT_ISSUER", "who issues them")
    jwt_audience: str = _setting("", "JWT_AUDIENCE", "whom they are for: this server")
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        "ALLOWED_HOSTS",
        "host names clients may use, comma separated (default: loopback names, or any if not loopback)",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "TRUSTED_PROXIES", "addresses of proxies whose X-Forwarded-For and -Proto count, comma separated"
    )
    studio: bool = _setting(True, "STUDIO", "0: LangGraph Studio's web origin is not let in")
    rate_limit: str = _setting("", "RATE_LIMIT", "requests of one user, such as `300/minute` or `10/second;1000/hour`")
    global_rate_limit: str = _setting("", "GLOBAL_RATE_LIMIT", "the same of all users together")
    max_connections_per_user: int = _setting(
        0, "MAX_CONNECTIONS_PER_USER", "requests, streams and sockets of one user open at once (0: no limit)"
    )
    max_connections: int = _setting(0, "MAX_CONNECTIONS", "the same of all users together (0: no limit)")
    max_active_runs_per_user: int = _setting(
        0, "MAX_ACTIVE_RUNS_PER_USER", "runs of one user that wait or execute (0: no limit)"
    )
    max_active_runs: int = _setting(0, "MAX_ACTIVE_RUNS", "the same of all users together (0: no limit)")
    tokens_per_day_per_user: int = _setting(
        0, "TOKENS_PER_DAY_PER_USER", "no further run of a user who has used so many today, UTC (0: no limit)"
    )
    tokens_per_day: int = _setting(0, "TOKENS_PER_DAY", "the same of all users together (0: no limit)")
    max_thread_bytes: int = _setting(0, "MAX_THREAD_BYTES", "no further run on a thread that stores more (0: no limit)")
    max_recursion_limit: int = _setting(
        10_000, "MAX_RECURSION_LIMIT", "the most super-steps that a run may ask for (0: no limit)"
    )
    max_concurrent_runs: int = _setting(64, "MAX_CONCURRENT_RUNS", "runs that execute at the same time")
    max_runs_per_graph: int = _setting(0, "MAX_RUNS_PER_GRAPH", "of these, at most so many of one graph (0: no limit)")
    run_timeout_seconds: float = _setting(3600.0, "RUN_TIMEOUT_SECONDS", "a run that takes longer ends as `timeout`")
    max_attempts: int = _setting(3, "MAX_ATTEMPTS", "starts without progress before a run is parked as `error`")
    drain_seconds: float = _setting(
        10.0, "DRAIN_SECONDS", "how long a stop waits for runs to reach a super-step border"
    )
    heartbeat_seconds: float = _setting(5.0, "HEARTBEAT_SECONDS", "pause between signs of life on a silent stream")
    send_timeout_seconds: float = _setting(
        30.0, "SEND_TIMEOUT_SECONDS", "a reader that takes nothing for so long is cut"
    )
    receive_timeout_seconds: float = _setting(
        30.0,
        "RECEIVE_TIMEOUT_SECONDS",
        "a client that has not sent the whole head of a request in so long, or no more of its body, is cut",
    )
    stream_buffer_bytes: int = _setting(
        16_000_000, "STREAM_BUFFER_BYTES", "events of one run kept in memory for its readers"
    )
    max_body_bytes: int = _setting(20_000_000, "MAX_BODY_BYTES", "largest request body")
    event_retention_hours: float = _setting(24.0, "EVENT_RETENTION_HOURS", "how long an ended run can be replayed")
    event_bytes_per_thread: int = _setting(
        50_000_000, "EVENT_BYTES_PER_THREAD", "a thread's stored events beyond this are dropped, oldest runs first"
    )
    traces: str = _setting(
        "full", "TRACES", "what is kept of each model and tool call: `full`, `metadata` (no messages), or `off`"
    )
    trace_retention_hours: float = _setting(168.0, "TRACE_RETENTION_HOURS", "how long traces are kept")
    trace_bytes: int = _setting(500_000_000, "TRACE_BYTES", "all traces beyond this are dropped, the oldest first")
    sweep_seconds: float = _setting(60.0, "SWEEP_SECONDS", "pause between looks for what has expired")
    webhook_trusted_hosts: tuple[str, ...] = _setting(
        (), "WEBHOOK_TRUSTED_HOSTS", "hosts that webhooks may go to although they are not public, comma separated"
    )
    webhook_timeout_seconds: float = _setting(
        10.0, "WEBHOOK_TIMEOUT_SECONDS", "how long a webhook's target may take to answer"
    )
    webhook_retry_hours: float = _setting(
        24.0, "WEBHOOK_RETRY_HOURS", "how long a webhook is tried again before it is given up"
    )
    model_prices: str = _setting(
        "",
        "MODEL_PRICES",
        'US dollars for a million tokens, before the list of genai-prices: `{"qwen3": {"input": 0.5, "output": 1.5}}`',
    )
    log_format: str = _setting("auto", "LOG_FORMAT", "`json`, `console`, or `auto` (console on a terminal)")
    log_level: str = _setting("info", "LOG_LEVEL", "`debug`, `info`, `warning` or `error`")

    @property
    def on_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS or self.host.startswith("127.")

    def validate(self) -> Settings:
        """Itself, when a server could run like this; otherwise raises `StartupError` saying what to change."""
        if not 0 <= self.port <= 65535:
            raise StartupError(f"PORT must be between 0 and 65535, not {self.port}.")
        if self.log_format not in ("auto", "json", "console"):
            raise StartupError(f"LOG_FORMAT must be json, console or auto, not {self.log_format!r}.")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise StartupError(f"LOG_LEVEL must be debug, info, warning or error, not {self.log_level!r}.")
        if self.traces not in ("full", "metadata", "off"):
            raise StartupError(f"TRACES must be full, metadata or off, not {self.traces!r}.")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise StartupError(f"{name.upper()} must be at least 1, not {getattr(self, name)}.")
        if self.webhook_timeout_seconds <= 0:
            raise StartupError(f"WEBHOOK_TIMEOUT_SECONDS must be more than 0, not {self.webhook_timeout_seconds:g}.")
        given = [bool(text) for text in (self.jwt_jwks_url, self.jwt_issuer, self.jwt_audience)]
        if any(given) and not all(given):
            raise StartupError("JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE go together; set all three or none.")
        return self

    def require_privacy(self, *, project_has_auth: bool) -> None:
        """Raises `StartupError` where anybody who reaches the server could read and drive every thread."""
        if self.on_loopback or self.allow_unauthenticated or self.api_keys or self.jwt_jwks_url or project_has_auth:
            return
        raise StartupError(
            f"Refusing to listen on {self.host}: anybody who reaches it could read and drive every thread. "
            "Listen on 127.0.0.1, ask for keys (API_KEYS=1), or set ALLOW_UNAUTHENTICATED=1 if something in front "
            "of it says who may."
        )


@dataclass(frozen=True, slots=True)
class SettingDoc:
    name: str
    env: str
    default: Any
    help: str


SETTINGS = tuple(
    SettingDoc(item.name, item.metadata["env"], item.default, item.metadata["help"]) for item in fields(Settings)
)


def read_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from what was given (the command line; `None` means not given), then the environment, then defaults."""
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for doc in SETTINGS:
        if given.get(doc.name) is not None:
            values[doc.name] = given[doc.name]
        elif doc.env in environment:
            values[doc.name] = _parse(doc, environment[doc.env])
    return Settings(**values)


def _parse(doc: SettingDoc, text: str) -> Any:
    text = text.strip()
    try:
        match doc.default:
            case bool():
                if text.lower() not in _TRUE | _FALSE:
                    raise ValueError(text)
                return text.lower() in _TRUE
            case int() | float():
                return type(doc.default)(text)
            case Path():
                return Path(text)
            case tuple():
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case _:
                return text
    except ValueError:
        kind = "0 or 1" if isinstance(doc.default, bool) else "a number"
        raise StartupError(f"{doc.env} must be {kind}, not {text!r}.") from None
