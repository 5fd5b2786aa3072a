"""Civil time: which plan set a schedule runs at a moment, from when and until when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from traffic.street.records import Schedule

CIVIL_ZONE = ZoneInfo("Asia/Shanghai")
LOOK_AHEAD_DAYS = 9
"""A week and a bit: what does not change within it changes at an exception or never."""


@dataclass(frozen=True, slots=True)
class Running:
    """A plan set in its time, UTC epoch milliseconds; ``until_ms`` None = for good."""

    plan_set: str
    from_ms: int
    until_ms: int | None


def civil_date(time_ms: int) -> date:
    """Return the local date of a moment."""
    return datetime.fromtimestamp(time_ms / 1000, CIVIL_ZONE).date()


def midnight_ms(day: date) -> int:
    """Return when a local date begins, UTC epoch milliseconds."""
    begins = datetime(day.year, day.month, day.day, tzinfo=CIVIL_ZONE)
    return int(begins.timestamp()) * 1000


def clock_s(time_ms: int) -> int:
    """Return the whole seconds since local midnight: the clock that offsets count on."""
    return (time_ms - midnight_ms(civil_date(time_ms))) // 1000


def running(schedule: Schedule, time_ms: int) -> Running:
    """Return which plan set a schedule runs at a moment.

    Periods that follow each other with the same plan set are one.
    """
    day = civil_date(time_ms)
    if len(schedule.plan_sets) == 1:
        return Running(schedule.plan_sets[0], midnight_ms(day), None)
    found: tuple[str, int] | None = None
    exceptions = [date.fromisoformat(text) for text, _ in schedule.exceptions]
    last = max([day + timedelta(days=LOOK_AHEAD_DAYS), *exceptions])
    ahead = day + timedelta(days=LOOK_AHEAD_DAYS)
    days = [day + timedelta(days=k) for k in range(LOOK_AHEAD_DAYS + 1)]
    # Between here and a far exception the weeks are all alike.
    days += [
        near
        for other in exceptions
        if ahead < other <= last
        for near in (other, other + timedelta(days=1))
    ]
    for begin_ms, plan_set in _begins(schedule, sorted(set(days))):
        if begin_ms <= time_ms:
            if found is None or found[0] != plan_set:
                found = (plan_set, begin_ms)
        elif found is not None and plan_set != found[0]:
            return Running(found[0], found[1], begin_ms)
    assert found is not None, "every day plan begins at midnight"
    return Running(found[0], found[1], None)


def _begins(schedule: Schedule, days: list[date]) -> Iterator[tuple[int, str]]:
    for day in days:
        start_ms = midnight_ms(day)
        for period in schedule.day_plan(day).periods:
            yield start_ms + period.begin_s * 1000, period.plan_set
