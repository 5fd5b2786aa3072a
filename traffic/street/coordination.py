"""A group stays coordinated when a part of it is given other plans: each period is looked at."""

from collections.abc import Iterator, Sequence
from datetime import date

from traffic.street.door import Refusal, uncoordinated
from traffic.street.groups import Group
from traffic.street.records import WEEKDAYS, DayPlan, Schedule
from traffic.street.state import Street
from traffic.street.switching import Switch


def together(schedules: Sequence[Schedule]) -> tuple[tuple[str, ...], ...]:
    """Return which plan sets run at the same time: one of each schedule, in their order, once."""
    dates = sorted({day for schedule in schedules for day, _ in schedule.exceptions})
    days = [[schedule.weekday_plan(k) for schedule in schedules] for k in range(WEEKDAYS)]
    days += [[schedule.day_plan(date.fromisoformat(d)) for schedule in schedules] for d in dates]
    found: dict[tuple[str, ...], None] = {}
    for plans in days:
        for begin_s in sorted({period.begin_s for plan in plans for period in plan.periods}):
            found[tuple(_running(plan, begin_s) for plan in plans)] = None
    return tuple(found)


def out_of_coordination(street: Street, group: Group, switch: Switch) -> tuple[Refusal, ...]:
    """Return what would not be coordinated in a group once a switch has come.

    Parameters
    ----------
    group
        Whole: also the signals that the switch leaves as they are.
    switch
        A proposed one, of some of its signals.
    """
    moments_ms = {switch.activate_at_ms}
    for signal_id in group.signals:
        coming = street.coming_to(signal_id, switch.activate_at_ms)
        moments_ms.update(later.activate_at_ms for later in coming)
    found: dict[Refusal, None] = {}
    for time_ms in sorted(moments_ms):
        found.update(dict.fromkeys(_at(street, group, switch, time_ms)))
    return tuple(found)


def _at(street: Street, group: Group, switch: Switch, time_ms: int) -> Iterator[Refusal]:
    runs: dict[str, Schedule] = {}
    for signal_id in group.signals:
        held = street.switch_at(signal_id, time_ms)
        if signal_id in switch.signals and (
            held is None or held.activate_at_ms <= switch.activate_at_ms
        ):
            held = switch
        if held is not None:
            runs[signal_id] = held.schedule
    schedules = tuple({schedule.id: schedule for schedule in runs.values()}.values())
    if len(schedules) < 2:
        # The plans of one set have been looked at when they came in.
        return
    place = {schedule.id: k for k, schedule in enumerate(schedules)}
    for plan_sets in together(schedules):
        plans = [
            street.plan_of(plan_sets[place[schedule.id]], signal_id)
            for signal_id, schedule in runs.items()
            if signal_id not in schedule.without
        ]
        yield from uncoordinated([plan for plan in plans if plan is not None], (group,))


def _running(plan: DayPlan, time_s: int) -> str:
    return [period.plan_set for period in plan.periods if period.begin_s <= time_s][-1]
