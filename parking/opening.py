"""Opening hours: weekly windows in the city's civil time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from parking.errors import InvalidInputError

CIVIL_ZONE = ZoneInfo("Asia/Shanghai")
DAY_MINUTES = 24 * 60


def parse_minutes(text: str, *, where: str) -> int:
    """Parse ``07:30`` into minutes after midnight; ``24:00`` is the day's end."""
    match = re.fullmatch(r"(\d{2}):(\d{2})", text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else -1
    if match is None or int(match[2]) > 59 or not 0 <= minutes <= DAY_MINUTES:
        raise InvalidInputError(f"{text!r}; expected HH:MM, 00:00 to 24:00", where=where)
    return minutes


def local_time(time_ms: int) -> datetime:
    """Return UTC epoch milliseconds as civil time."""
    return datetime.fromtimestamp(time_ms / 1000, CIVIL_ZONE)


def local_midnight_ms(day: datetime) -> int:
    """Return the midnight that begins a civil day, UTC epoch milliseconds."""
    midnight = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(midnight.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class OpeningWindow:
    """A stretch of the day on some weekdays.

    Parameters
    ----------
    days
        ISO weekdays, 1 = Monday to 7 = Sunday, on which the window begins.
    from_minutes, to_minutes
        Minutes after local midnight; ``to <= from`` runs into the next day.
    """

    days: frozenset[int]
    from_minutes: int
    to_minutes: int

    def __post_init__(self) -> None:
        if not self.days or not self.days <= set(range(1, 8)):
            raise InvalidInputError(f"{sorted(self.days)}; expected days 1 to 7", where="days")
        if not 0 <= self.from_minutes < DAY_MINUTES or not 0 <= self.to_minutes <= DAY_MINUTES:
            raise InvalidInputError("expected 00:00 to 24:00", where="from")


def is_open(windows: Sequence[OpeningWindow], arrive_ms: int, leave_ms: int) -> bool:
    """Whether a whole stay lies in the union of the windows; no windows = always open."""
    if not windows:
        return True
    day = local_time(arrive_ms) - timedelta(days=1)
    spans: list[tuple[int, int]] = []
    while local_midnight_ms(day) < leave_ms:
        midnight_ms = local_midnight_ms(day)
        for window in windows:
            if day.isoweekday() in window.days:
                end = window.to_minutes
                if end <= window.from_minutes:
                    end += DAY_MINUTES
                spans.append(
                    (midnight_ms + window.from_minutes * 60_000, midnight_ms + end * 60_000)
                )
        day += timedelta(days=1)
    covered_ms = arrive_ms
    for start_ms, end_ms in sorted(spans):
        if start_ms <= covered_ms < end_ms:
            covered_ms = end_ms
    return covered_ms >= leave_ms
