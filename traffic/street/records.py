"""What is kept of plans: sets of plans and schedules, immutable, each with where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from traffic.errors import InvalidInputError
from traffic.plan import TimingPlan
from traffic.schedule import DAY_S, MOST_SWITCHES

WEEKDAYS = 7


class Life(StrEnum):
    """How far a record has come. What is in force is said by the switches."""

    DRAFT = "draft"
    APPROVED = "approved"
    IN_FORCE = "in-force"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who or what made a record, and when.

    Parameters
    ----------
    author
        The caller's name; of the service itself ``greenlot``.
    source
        What made it, such as ``OptimizePlans`` or ``import``.
    made_ms
        UTC epoch milliseconds.
    title, note
        For people.
    certificate
        What the optimiser proved, by the names of ``traffic.v1.Certificate``; empty = nothing.
    """

    author: str
    source: str
    made_ms: int
    title: str = ""
    note: str = ""
    certificate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanSet:
    """Plans that belong together.

    Parameters
    ----------
    id
        Number of the record within the city, as text.
    plans
        At least one, at most one for each signal.
    origin
        Where it comes from.
    valid_from_ms, valid_until_ms
        When it may be in force, UTC epoch milliseconds; None = any time. What is in force at the
        end goes on, with an alarm.
    """

    id: str
    plans: tuple[TimingPlan, ...]
    origin: Origin
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None

    def __post_init__(self) -> None:
        if not self.plans:
            raise InvalidInputError("none; expected at least one plan", where="plans")
        if len({plan.signal_id for plan in self.plans}) != len(self.plans):
            raise InvalidInputError("two plans for one signal", where="plans")
        refuse_backwards(self.valid_from_ms, self.valid_until_ms)

    def is_valid_at(self, time_ms: int) -> bool:
        """Whether it may be in force at a moment."""
        from_ms, until_ms = self.valid_from_ms, self.valid_until_ms
        return (from_ms is None or from_ms <= time_ms) and (until_ms is None or time_ms < until_ms)


def refuse_backwards(valid_from_ms: int | None, valid_until_ms: int | None) -> None:
    """Raise InvalidInputError where a validity ends before it begins; None = open."""
    if valid_from_ms is None or valid_until_ms is None:
        return
    if valid_until_ms <= valid_from_ms:
        raise InvalidInputError("not after valid_from", where="valid_until")


@dataclass(frozen=True, slots=True)
class Period:
    """From ``begin_s`` seconds after local midnight on, a plan set runs."""

    begin_s: int
    plan_set: str


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The periods of a day.

    Parameters
    ----------
    name
        Within its schedule.
    periods
        1 to 48 (GB/T 20999), in order; the first one begins at 0.
    """

    name: str
    periods: tuple[Period, ...]

    def __post_init__(self) -> None:
        where = f"day_plans[{self.name}]"
        begins = [period.begin_s for period in self.periods]
        if not 1 <= len(begins) <= MOST_SWITCHES:
            raise InvalidInputError(
                f"{len(begins)} periods; expected 1 to {MOST_SWITCHES}", where=where
            )
        if begins[0] != 0 or sorted(set(begins)) != begins or begins[-1] >= DAY_S:
            raise InvalidInputError(
                f"periods begin at {', '.join(map(str, begins))} s; expected 0, then increasing "
                f"times below {DAY_S}",
                where=where,
            )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which day plan runs on which date.

    Parameters
    ----------
    id
        Number of the record within the city, as text.
    day_plans
        At least one, names all different.
    weekdays
        Names of the day plans of Monday to Sunday.
    exceptions
        Dates (ISO, such as ``2026-10-01``) with the names of their day plans, in order.
    origin
        Where it comes from.
    without
        Signals that run their own plans while this schedule is in force.
    """

    id: str
    day_plans: tuple[DayPlan, ...]
    weekdays: tuple[str, ...]
    origin: Origin
    exceptions: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [plan.name for plan in self.day_plans]
        if not names or len(set(names)) != len(names):
            raise InvalidInputError(
                "expected at least one, all named differently", where="day_plans"
            )
        if len(self.weekdays) != WEEKDAYS:
            raise InvalidInputError(f"{len(self.weekdays)}; expected 7", where="weekdays")
        for k, name in enumerate(self.weekdays):
            if name not in names:
                raise InvalidInputError(f"no day plan {name!r}", where=f"weekdays[{k}]")
        dates = [day for day, _ in self.exceptions]
        for k, (day, name) in enumerate(self.exceptions):
            try:
                date.fromisoformat(day)
            except ValueError:
                raise InvalidInputError(
                    f"{day!r}; expected a date such as 2026-10-01", where=f"exceptions[{k}]"
                ) from None
            if name not in names:
                raise InvalidInputError(f"no day plan {name!r}", where=f"exceptions[{k}]")
        if sorted(set(dates)) != dates:
            raise InvalidInputError("dates; expected in order, each once", where="exceptions")

    @property
    def plan_sets(self) -> tuple[str, ...]:
        """The plan sets that it uses, each once."""
        used = (period.plan_set for plan in self.day_plans for period in plan.periods)
        return tuple(dict.fromkeys(used))

    def day_plan(self, day: date) -> DayPlan:
        """Return the day plan of a date."""
        name = dict(self.exceptions).get(day.isoformat())
        return self.weekday_plan(day.weekday()) if name is None else self._named(name)

    def weekday_plan(self, weekday: int) -> DayPlan:
        """Return the day plan of a weekday, 0 = Monday, that is no exception."""
        return self._named(self.weekdays[weekday])

    def _named(self, name: str) -> DayPlan:
        return next(plan for plan in self.day_plans if plan.name == name)


def all_week(schedule_id: str, plan_set: str, origin: Origin) -> Schedule:
    """Return the schedule that runs one plan set always."""
    day = DayPlan("always", (Period(0, plan_set),))
    return Schedule(schedule_id, (day,), ("always",) * WEEKDAYS, origin)
