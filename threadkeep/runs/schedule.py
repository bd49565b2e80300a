"""When a cron is due: five cron fields in a time zone, read as Debian's cron reads them (`cronsim` does).

At a change of the clocks a time that is left out comes right after the gap, and one that comes twice counts once.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from threadkeep.errors import InvalidError

_FIELDS = "minute hour day-of-month month day-of-week, such as `0 9 * * MON-FRI`"


def next_due(schedule: str, timezone: str | None, *, after: datetime, end: datetime | None = None) -> datetime | None:
    """The first time past `after`, in UTC; None when there is none, or none by `end`.

    Raises `InvalidError` for a schedule or a time zone that nothing can be made of.
    """
    zone = _zone(timezone)
    if len(schedule.split()) != 5:
        raise InvalidError(f"schedule {schedule!r} must have five fields: {_FIELDS}.")
    try:
        found = next(CronSim(schedule, after.astimezone(zone)), None)
    except CronSimError as error:
        raise InvalidError(f"schedule {schedule!r} is not valid ({error}); it needs {_FIELDS}.") from None
    if found is None or (end is not None and found > end):
        return None
    return found.astimezone(UTC)


def _zone(name: str | None) -> tzinfo:
    if name is None or name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidError(f"timezone {name!r} is not an IANA time zone such as Europe/Berlin.") from None
