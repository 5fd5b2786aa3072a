"""Periods last long enough: whoever goes over gets into step before the next change.

A signal goes over where its plan changes, and at midnight where its cycle does not divide the day.
In step it is within three cycles, of the plan before or after, whichever is longer; a schedule in
which the next change comes sooner would keep it out of step, perhaps for good.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

from traffic.controller.controller import fixed_plan
from traffic.schedule import DAY_S
from traffic.signals import Signal
from traffic.street.door import IN_STEP_CYCLES, Refusal, RefusedPlanError
from traffic.street.records import DayPlan, PlanSet, Schedule

_Days = tuple[DayPlan, DayPlan]
# Of a signal, for each plan set: the cycle, and the first set with the same plan.
_Kind = tuple[tuple[int, int], ...]


def refuse_short_periods(
    signals: Mapping[str, Signal], schedule: Schedule, plan_sets: Sequence[PlanSet]
) -> None:
    """Let a schedule pass, or raise RefusedPlanError where changes come too soon.

    Every day is looked at with the one after it, by weekdays and with the exceptions. Of signals
    with the same cycles the first one is told.

    Parameters
    ----------
    signals
        All of the city.
    plan_sets
        Those of the schedule, in its order. A signal without a plan in one runs its own there.
    """
    found: dict[tuple[str, int], Refusal] = {}
    days = tuple(_days(schedule))
    for kind, signal_id in _kinds(signals, schedule, plan_sets).items():
        for pair in days:
            for name, begin_s, value in _short(kind, pair, schedule.plan_sets):
                refusal = Refusal(signal_id, "period", "", value)
                found.setdefault((name, begin_s), refusal)
    if found:
        raise RefusedPlanError(tuple(found.values()))


def _kinds(
    signals: Mapping[str, Signal], schedule: Schedule, plan_sets: Sequence[PlanSet]
) -> dict[_Kind, str]:
    """Every combination of cycles and changes that signals have, each with its first signal."""
    by_set = [{plan.signal_id: plan for plan in own.plans} for own in plan_sets]
    found: dict[_Kind, str] = {}
    ids = {signal_id for plans in by_set for signal_id in plans}
    for signal_id in sorted(ids.difference(schedule.without)):
        own = cache(lambda key=signal_id: fixed_plan(signals[key]))
        plans = [one.get(signal_id) or own() for one in by_set]
        kind = tuple((plan.cycle_s, plans.index(plan)) for plan in plans)
        found.setdefault(kind, signal_id)
    return found


def _days(schedule: Schedule) -> Iterator[_Days]:
    """Every two day plans that may follow each other, each pair once."""
    monday = date(2026, 1, 5)
    dates = {monday + timedelta(days=k) for k in range(7)}
    for text, _ in schedule.exceptions:
        day = date.fromisoformat(text)
        dates |= {day, day - timedelta(days=1)}
    seen: set[tuple[str, str]] = set()
    for day in sorted(dates):
        after = day + timedelta(days=1)
        plain = (schedule.weekday_plan(day.weekday()), schedule.weekday_plan(after.weekday()))
        for pair in ((schedule.day_plan(day), schedule.day_plan(after)), plain):
            names = (pair[0].name, pair[1].name)
            if names not in seen:
                seen.add(names)
                yield pair


def _short(kind: _Kind, days: _Days, set_ids: Sequence[str]) -> Iterator[tuple[str, int, str]]:
    """Yield the changes within two days that are followed too soon: day plan, begin, and why."""
    rows = [
        (day.name, DAY_S * n + period.begin_s, kind[set_ids.index(period.plan_set)])
        for n, day in enumerate(days)
        for period in day.periods
    ]
    changes = [
        (name, at_s, max(cycle_s, before_s))
        for (_, _, (before_s, before)), (name, at_s, (cycle_s, plan)) in pairwise(rows)
        if plan != before or (at_s == DAY_S and DAY_S % cycle_s)
    ]
    for (name, at_s, cycle_s), (_, next_s, _) in pairwise(changes):
        least_s = IN_STEP_CYCLES * cycle_s
        if next_s - at_s < least_s:
            begin_s = at_s % DAY_S
            clock = f"{begin_s // 3600:02}:{begin_s // 60 % 60:02}:{begin_s % 60:02}"
            value = (
                f"day plan {name}: what begins at {clock} changes after {next_s - at_s} s; "
                f"expected {least_s} s or more, three cycles"
            )
            yield name, begin_s, value
