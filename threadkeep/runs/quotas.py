"""How much anybody may have going: runs at once and tokens a day, of one user and of all; a thread's size; recursion.

Zero means no limit. Runs and tokens are counted inside the transaction that accepts a run, so that requests that come
together cannot pass a limit together. A user is the row's owner or, while nobody has to log in, the user it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from threadkeep.errors import InvalidError, LimitedError, TooLargeError
from threadkeep.runs.run import Run
from threadkeep.storage.connection import Connection

_ACTIVE = "SELECT count(*) FROM runs WHERE status IN ('pending', 'running')"
_ACTIVE_OF_USER = "SELECT count(*) FROM runs WHERE status IN ('pending', 'running') AND coalesce(owner, user_id) = ?"
_A_MOMENT = 5  # seconds until one of somebody's runs may well have ended


@dataclass(frozen=True, slots=True)
class Quotas:
    active_runs: int = 0
    active_runs_per_user: int = 0
    tokens_per_day: int = 0
    tokens_per_day_per_user: int = 0
    thread_bytes: int = 0
    recursion_limit: int = 0

    def check_recursion(self, asked: int | None) -> None:
        """`InvalidError` when a run asks for more super-steps than it may have."""
        if asked is not None and self.recursion_limit and asked > self.recursion_limit:
            raise InvalidError(f"config.recursion_limit must be at most {self.recursion_limit} here, not {asked}.")

    def check_thread(self, stored: int) -> None:
        """`TooLargeError` when a thread has grown past what one may hold."""
        if self.thread_bytes and stored > self.thread_bytes:
            raise TooLargeError(
                f"The thread holds {stored} bytes, more than the {self.thread_bytes} that one may (MAX_THREAD_BYTES). "
                "Prune its past (POST /threads/prune, keep_latest), or go on in another."
            )

    def require_room(self, connection: Connection, run: Run) -> None:
        """`LimitedError` when the run would be one too many, or nothing is left of today's tokens."""
        user = user_of(run)
        if self.active_runs or self.tokens_per_day:
            connection.lock("quota")
        if user and (self.active_runs_per_user or self.tokens_per_day_per_user):
            connection.lock(f"quota:{user}")
        if self.active_runs and _number(connection, _ACTIVE) >= self.active_runs:
            raise LimitedError(f"{self.active_runs} runs are waiting or running; no more are taken.", _A_MOMENT)
        most = self.active_runs_per_user
        if most and user and _number(connection, _ACTIVE_OF_USER, user) >= most:
            raise LimitedError(f"{most} of your runs are waiting or running.", _A_MOMENT)
        day = run.created_at[:10]
        rest = _seconds_left(run.created_at)
        if self.tokens_per_day:
            used = "SELECT coalesce(sum(tokens), 0) FROM token_usage WHERE day = ?"
            if _number(connection, used, day) >= self.tokens_per_day:
                raise LimitedError(f"Today's {self.tokens_per_day} tokens are used up.", rest)
        if self.tokens_per_day_per_user and user:
            used = "SELECT coalesce(sum(tokens), 0) FROM token_usage WHERE day = ? AND owner = ?"
            if _number(connection, used, day, user) >= self.tokens_per_day_per_user:
                raise LimitedError(f"Your {self.tokens_per_day_per_user} tokens of today are used up.", rest)


def count_tokens(connection: Connection, run: Run, tokens: int, *, now: str) -> None:
    """Put an attempt's tokens on its user's account of the day."""
    if tokens > 0:
        connection.execute(
            """INSERT INTO token_usage VALUES (?, ?, ?)
               ON CONFLICT (day, owner) DO UPDATE SET tokens = token_usage.tokens + excluded.tokens""",
            (now[:10], user_of(run), tokens),
        )


def user_of(run: Run) -> str:
    return run.owner or run.user_id or ""


def _seconds_left(now: str) -> int:
    moment = datetime.fromisoformat(now)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return int((midnight - moment).total_seconds()) + 1


def _number(connection: Connection, sql: str, *bound: str) -> int:
    return int(connection.execute(sql, bound).fetchone()[0])
