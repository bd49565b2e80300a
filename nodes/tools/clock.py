"""The current date and time, in the time zone asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from langchain_core.tools import BaseTool, ToolException, tool


def utc_now() -> datetime:
    return datetime.now(UTC)


def clock_tool(now: Callable[[], datetime] = utc_now) -> BaseTool:
    """A `current_datetime` tool that tells the time of `now`, which must return an aware datetime."""

    @tool
    def current_datetime(timezone: str = "UTC") -> str:
        """Tell the current date and time. `timezone` is an IANA name such as Europe/Berlin or Asia/Tokyo."""
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ToolException(f"{timezone!r} is not an IANA time zone such as Europe/Berlin") from error
        return now().astimezone(zone).strftime(f"%A %Y-%m-%d %H:%M:%S {timezone} (UTC%z)")

    return current_datetime
