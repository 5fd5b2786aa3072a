"""Which changes between plans putting a schedule in force may bring: all are looked at first.

Controllers look at the same changes and refuse what has no safe way; found out only there, a switch
would be postponed and given up when it is needed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache

from traffic.controller.controller import fixed_plan
from traffic.errors import UnsafePlanError
from traffic.plan import TimingPlan
from traffic.signals import Signal
from traffic.street.records import Schedule
from traffic.street.state import Street

Change = tuple[TimingPlan, TimingPlan]
"""From one plan of a signal to another one of its."""


def within(street: Street, schedule: Schedule) -> Iterator[Change]:
    """Yield the changes between the plan sets of a schedule, both ways."""
    for old_id in schedule.plan_sets:
        for new_id in schedule.plan_sets:
            if old_id != new_id:
                yield from _between(street, old_id, new_id)


def forward(street: Street, schedule: Schedule, now_ms: int) -> Iterator[Change]:
    """Yield the changes that come if a schedule is put in force.

    Between its own plans, from all that runs or is to come, and to what is to come.
    """
    yield from within(street, schedule)
    running, coming = _partners(street, now_ms)
    for new_id in schedule.plan_sets:
        for other_id in sorted({*running, *coming}):
            yield from _between(street, other_id, new_id)
        for other_id in sorted(coming):
            yield from _between(street, new_id, other_id)


def back_and_own(
    street: Street, signals: Mapping[str, Signal], schedule: Schedule, now_ms: int
) -> Iterator[Change]:
    """Yield the changes that may come after that.

    Back to what runs now, and to and from the controllers' own plans: the network's programs.
    """
    running, _ = _partners(street, now_ms)
    for new_id in schedule.plan_sets:
        for other_id in sorted(running):
            for old, new in _between(street, new_id, other_id):
                if not are_alike(old, new):
                    yield old, new
    for set_id in sorted({*schedule.plan_sets, *(running if schedule.without else ())}):
        for plan in street.plan_set(set_id).plans:
            is_new = set_id in schedule.plan_sets
            signal = signals.get(plan.signal_id)
            own = None if signal is None else _own_plan(signal)
            if own is None or are_alike(own, plan):
                continue
            if is_new or plan.signal_id in schedule.without:
                yield plan, own
            if is_new:
                yield own, plan


def of_signals(changes: Iterable[Change], signals: Collection[str]) -> Iterator[Change]:
    """Yield those of the changes that concern some signals."""
    return (change for change in changes if change[1].signal_id in signals)


def are_alike(one: TimingPlan, other: TimingPlan) -> bool:
    """Whether plans have the same stages and intergreens in the same order.

    Then there always is a safe way, by dwelling: thousands of signals need no search for it.
    """
    return [(stage.green_state, stage.intergreen) for stage in one.stages] == [
        (stage.green_state, stage.intergreen) for stage in other.stages
    ]


def _partners(street: Street, now_ms: int) -> tuple[set[str], set[str]]:
    """The plan sets of what runs, and of what is to come."""
    running = {key for switch in street.in_force_now(now_ms) for key in switch.schedule.plan_sets}
    coming = {key for switch in street.to_come(now_ms) for key in switch.schedule.plan_sets}
    return running, coming


def _between(street: Street, old_id: str, new_id: str) -> Iterator[Change]:
    for plan in street.plan_set(new_id).plans:
        old = street.plan_of(old_id, plan.signal_id)
        if old is not None and old.with_offset(0) != plan.with_offset(0):
            yield old, plan


@lru_cache(maxsize=65536)
def _own_plan(signal: Signal) -> TimingPlan | None:
    try:
        return fixed_plan(signal)
    except UnsafePlanError:
        # Its program has nothing to time: no controller of ours stands there.
        return None
