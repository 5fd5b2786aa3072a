"""What happens by itself: switches are decided, alarms come and go, wrong clocks are left out."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

from traffic.errors import TrafficError
from traffic.street.alarms import changed_alarms, settled
from traffic.street.decisions import CityStreets, Steps, approve
from traffic.street.door import IN_STEP_CYCLES
from traffic.street.events import (
    AutoApplied,
    Event,
    ScheduleMade,
    SwitchDecided,
)
from traffic.street.going_over import activate
from traffic.street.health import (
    Clocks,
    Health,
    HealthRules,
    clocks_of,
)
from traffic.street.records import Origin, Schedule
from traffic.street.state import Street
from traffic.street.switching import Switch, SwitchState, judge

AUTHOR = "greenlot"
SOURCE = "clock-watch"


def tick(
    street: Street,
    city: CityStreets,
    healths: Mapping[str, Health],
    now_ms: int,
    rules: HealthRules,
    clocks: Clocks | None = None,
) -> tuple[Event, ...]:
    """Return what is due now.

    Parameters
    ----------
    healths
        Of the controllers that are looked at now: all, or some of them at a time.
    clocks
        What all controllers' reports say of the clocks; None = ``healths`` are all.
    """
    clocks = clocks or clocks_of(healths, now_ms, rules)
    return (
        *_decided(street, city, now_ms),
        *settled(street, healths, now_ms),
        *changed_alarms(street, healths, now_ms, rules, clocks),
        *_left_out(street, city, clocks, now_ms, rules),
    )


def _decided(street: Street, city: CityStreets, now_ms: int) -> Iterator[Event]:
    if not street.open_switches:
        return
    awaited = street.awaited(now_ms)
    for switch in street.open_switches:
        verdict = judge(switch, awaited, now_ms, city.switching)
        if verdict is None:
            continue
        state, at_ms = verdict.state, verdict.activate_at_ms
        if street.invalid_at(switch.schedule, at_ms) or _overtakes(street, switch, at_ms):
            # Its plans are not valid any more when the moment has been moved, or it is too late.
            state = SwitchState.GIVEN_UP
        yield SwitchDecided(switch.id, state, at_ms, verdict.silent)


def _overtakes(street: Street, switch: Switch, at_ms: int) -> bool:
    """Whether the next committed switch would be lost, or not be waited for, at a moved moment."""
    in_step_ms = at_ms + IN_STEP_CYCLES * switch.cycle_ms
    return any(
        later.activate_at_ms < in_step_ms
        for signal_id in switch.signals
        for later in islice(street.coming_to(signal_id, switch.activate_at_ms), 1)
    )


def _left_out(
    street: Street,
    city: CityStreets,
    clocks: Clocks,
    now_ms: int,
    rules: HealthRules,
) -> Iterator[Event]:
    """Propose schedules without the signals whose clocks are wrong; apply them where enabled."""
    wrong = clocks.wrong
    running: dict[str, Schedule] = {}
    for signal_id in wrong:
        switch = street.switch_at(signal_id, now_ms)
        if switch is not None and signal_id not in switch.schedule.without:
            running[switch.schedule.id] = switch.schedule
    for schedule in running.values():
        covered = {p.signal_id for k in schedule.plan_sets for p in street.plan_set(k).plans}
        own = [signal_id for signal_id in wrong if signal_id in covered]
        without = tuple(sorted({*schedule.without, *own}))
        steps = Steps(street)
        draft = _draft_of(street, schedule, without)
        if draft is None:
            note = f"schedule {schedule.id} without {', '.join(own)}: wrong clocks"
            origin = Origin(AUTHOR, SOURCE, now_ms, schedule.origin.title, note)
            draft = replace(schedule, id=next(street.next_ids()), origin=origin, without=without)
            steps.add((ScheduleMade(draft),))
        last_ms = street.auto_applied_ms
        rested = last_ms is None or now_ms - last_ms >= rules.auto_every_ms
        if street.auto_apply and rested and _may_apply(street, own):
            yield from _applied(steps, city, draft, now_ms)
            return
        yield from steps.events
        if steps.events:
            return


def _draft_of(street: Street, schedule: Schedule, without: tuple[str, ...]) -> Schedule | None:
    """The draft that was made of a schedule before, unless somebody retired it."""
    for other_id in street.schedules_using(schedule.plan_sets[0]):
        other = street.schedule(other_id)
        alike = replace(other, id=schedule.id, origin=schedule.origin, without=schedule.without)
        if other.origin.source == SOURCE and other.without == without and alike == schedule:
            return other
    return None


def _may_apply(street: Street, signals: list[str]) -> bool:
    return not any(k in switch.signals for k in signals for switch in street.open_switches)


def _applied(steps: Steps, city: CityStreets, draft: Schedule, now_ms: int) -> tuple[Event, ...]:
    made = steps.events
    try:
        steps.add(approve(steps.street, "schedule", draft.id, AUTHOR, now_ms))
        steps.add(activate(steps.street, city, draft, at_ms=None, by=AUTHOR, now_ms=now_ms))
    except TrafficError:
        # An engineer has retired it, or is at work: it stays a proposal.
        return made
    return (*steps.events, AutoApplied(draft.id, now_ms))
