"""When schedules are due, in their time zones, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from threadkeep.errors import InvalidError
from threadkeep.runs.schedule import next_due


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "timezone", "after", "due"),
    [
        ("* * * * *", None, "2026-01-01 00:00:00", "2026-01-01 00:01"),
        ("* * * * *", None, "2026-01-01 00:00:59.999999", "2026-01-01 00:01"),
        ("0 9 * * MON-FRI", "UTC", "2026-01-02 09:00", "2026-01-05 09:00"),
        ("0 9 * * *", "America/New_York", "2026-01-01 00:00", "2026-01-01 14:00"),
        ("0 9 * * *", "America/New_York", "2026-07-01 00:00", "2026-07-01 13:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29 00:00", "2026-03-29 01:00"),  # 02:30 is left out: right after it
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 00:30", "2026-10-26 01:30"),  # 02:30 comes twice: once is enough
        ("0 0 29 2 *", None, "2026-01-01 00:00", "2028-02-29 00:00"),
    ],
)
def test_the_next_time_is_what_a_clock_on_the_wall_there_says(
    schedule: str, timezone: str | None, after: str, due: str
) -> None:
    assert next_due(schedule, timezone, after=at(after)) == at(due)


def test_after_the_end_there_is_no_next_time() -> None:
    end = at("2026-01-01 00:01")
    assert next_due("* * * * *", None, after=at("2026-01-01 00:00"), end=end) == end
    assert next_due("* * * * *", None, after=end, end=end) is None


@pytest.mark.parametrize(
    "schedule", ["", "* * * *", "* * * * * *", "60 * * * *", "* * * * MUN", "@daily", "*/0 * * * *"]
)
def test_what_is_no_schedule_is_refused_with_what_one_is(schedule: str) -> None:
    with pytest.raises(InvalidError, match="minute hour day-of-month month day-of-week"):
        next_due(schedule, None, after=at("2026-01-01 00:00"))
