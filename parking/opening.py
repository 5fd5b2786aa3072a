"""Opening hours: weekly windows in the city's civil time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from parking.errors import InvalidInputError

CIVIL_ZONE = ZoneInfo("Asia/Shanghai")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
MINUTE_MS = 60_000
DAY_MS = DAY_MINUTES * MINUTE_MS
WEEK_MS = 7 * DAY_MS

# The civil zone has kept +08:00 since the last summer time, of 1991: from here on the time of day
# and the weekday are plain arithmetic.
FIXED_OFFSET_MS = 8 * 3_600_000
FIXED_FROM_MS = 694_224_000_000
"""1992-01-01 UTC."""
_MONDAY_MS = 4 * DAY_MS - FIXED_OFFSET_MS  # 1970-01-05 00:00 in the civil zone was a Monday.

Instants = NDArray[np.int64]


def parse_minutes(text: str, *, where: str) -> int:
    """Parse ``07:30`` into minutes after midnight; ``24:00`` is the day's end."""
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})", text)
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
            raise InvalidInputError(
                f"{self.from_minutes} to {self.to_minutes} min; expected a begin of 00:00 to "
                "23:59 and an end of 00:00 to 24:00",
                where="from",
            )


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


def ms_of_week(times_ms: Instants) -> Instants:
    """Return ms since Monday 00:00, civil time, of instants from 1992 on."""
    return np.asarray((np.asarray(times_ms) - _MONDAY_MS) % WEEK_MS)


def is_open_many(
    windows: Sequence[OpeningWindow], arrive_ms: Instants, leave_ms: Instants
) -> NDArray[np.bool_]:
    """Judge many stays at once, as ``is_open`` does one.

    Parameters
    ----------
    windows
        Of one lot; none = always open.
    arrive_ms, leave_ms
        UTC epoch milliseconds, of one shape.
    """
    arrive, leave = np.broadcast_arrays(np.asarray(arrive_ms), np.asarray(leave_ms))
    if not windows:
        return np.ones(arrive.shape, dtype=np.bool_)
    starts_ms, ends_ms = _open_spans_ms(tuple(windows))
    within_ms = ms_of_week(arrive)
    span = np.searchsorted(starts_ms, within_ms, side="right") - 1
    found = np.asarray((span >= 0) & (within_ms + (leave - arrive) <= ends_ms[span]))
    found |= leave <= arrive
    early = arrive < FIXED_FROM_MS
    if early.any():
        found[early] = [
            is_open(windows, int(a), int(b))
            for a, b in zip(arrive[early], leave[early], strict=True)
        ]
    return np.asarray(found)


@lru_cache(maxsize=4096)
def _open_spans_ms(windows: tuple[OpeningWindow, ...]) -> tuple[Instants, Instants]:
    """Return where the union of the windows begins and ends, ms after Monday 00:00, in order.

    The week is laid out three times, so that a span over its end is whole; one that covers all of
    it has no end.
    """
    spans: list[tuple[int, int]] = []
    for window in windows:
        length = (window.to_minutes - window.from_minutes - 1) % DAY_MINUTES + 1
        for day in window.days:
            begin = (day - 1) * DAY_MINUTES + window.from_minutes
            spans += [
                (begin + k * WEEK_MINUTES, begin + k * WEEK_MINUTES + length) for k in (-1, 0, 1)
            ]
    starts: list[int] = []
    ends: list[int] = []
    for begin, end in sorted(spans):
        if ends and begin <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(begin)
            ends.append(end)
    starts_ms = np.array(starts, dtype=np.int64) * MINUTE_MS
    ends_ms = np.array(ends, dtype=np.int64) * MINUTE_MS
    ends_ms[ends_ms - starts_ms >= WEEK_MS] = np.iinfo(np.int64).max
    return starts_ms, ends_ms
