"""What happens by itself: switches are decided, alarms come and go, wrong clocks are left out."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from traffic.errors import TrafficError
from traffic.street.decisions import CityStreets, Steps, activate_safely, approve
from traffic.street.events import (
    AlarmCleared,
    AlarmRaised,
    AutoApplied,
    Event,
    ScheduleMade,
    Settled,
    SwitchDecided,
)
from traffic.street.health import (
    Alarm,
    AlarmKind,
    Clocks,
    Health,
    HealthRules,
    Wanted,
    alarms_of,
    clocks_of,
)
from traffic.street.records import Origin, Schedule
from traffic.street.state import Street
from traffic.street.switching import SwitchState, judge

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
        *_settled(street, healths, now_ms),
        *_alarms(street, healths, now_ms, rules, clocks),
        *_left_out(street, city, clocks, now_ms, rules),
    )


def _decided(street: Street, city: CityStreets, now_ms: int) -> Iterator[Event]:
    if not street.open_switches:
        return
    awaited = street.awaited(now_ms)
    for switch in street.open_switches:
        verdict = judge(switch, awaited, now_ms, city.switching)
        if verdict is not None:
            yield SwitchDecided(switch.id, verdict.state, verdict.activate_at_ms, verdict.silent)


def _alarms(
    street: Street,
    healths: Mapping[str, Health],
    now_ms: int,
    rules: HealthRules,
    clocks: Clocks,
) -> Iterator[Event]:
    now: dict[tuple[str, AlarmKind], str] = {}
    if clocks.server_error_ms is not None:
        error_s = clocks.server_error_ms / 1000
        now["", AlarmKind.SERVER_CLOCK] = (
            f"the server's clock seems wrong by {error_s:+.1f} s: many controllers say so"
        )
    for signal_id, health in healths.items():
        wanted = _wanted(street, signal_id, health, now_ms)
        for kind, detail in alarms_of(health, now_ms, rules, wanted):
            if kind is not AlarmKind.CLOCK or signal_id in clocks.wrong:
                now[signal_id, kind] = detail
    for switch in street.switches.values():
        for signal_id, why in switch.refused.items():
            is_committed = switch.state is SwitchState.COMMITTED
            is_ahead = is_committed and switch.activate_at_ms > now_ms
            is_held = street.switch_at(signal_id, now_ms) is switch
            if switch.is_open or is_ahead or is_held:
                now[signal_id, AlarmKind.REFUSED] = f"switch {switch.id}: {why}"
    for (signal_id, kind), detail in now.items():
        if (signal_id, kind) not in street.alarms:
            yield AlarmRaised(Alarm(signal_id, kind, now_ms, detail))
    for signal_id, kind in street.alarms:
        # Of whom nothing was heard since the start nothing is known: the alarm stays.
        heard = signal_id in healths or kind in (AlarmKind.REFUSED, AlarmKind.SERVER_CLOCK)
        if heard and (signal_id, kind) not in now:
            yield AlarmCleared(signal_id, kind, now_ms)


def _wanted(street: Street, signal_id: str, health: Health, now_ms: int) -> Wanted | None:
    switch = street.switch_at(signal_id, now_ms)
    if switch is None:
        return None
    cycle_s = switch.cycle_ms // 1000
    if health.report is not None and not health.report.switch:
        # It runs its own plan. Whether it is to, is looked up only now: thousands are asked about.
        entry = street.in_force(signal_id, now_ms)
        return Wanted("" if entry.plan is None else switch.id, entry.from_ms, cycle_s)
    return Wanted(switch.id, switch.activate_at_ms, cycle_s)


def _settled(street: Street, healths: Mapping[str, Health], now_ms: int) -> Iterator[Event]:
    """Note what a switch has cost each signal, once that is in step."""
    found: dict[str, list[tuple[str, int]]] = {}
    for signal_id, health in healths.items():
        report = health.report
        if report is None or not report.switch or health.off_since_ms is not None:
            continue
        switch = street.switch_at(signal_id, now_ms)
        if switch is None or switch.id != report.switch or signal_id in switch.settled:
            continue
        found.setdefault(switch.id, []).append((signal_id, report.out_of_step_s))
    for switch_id, seconds in found.items():
        yield Settled(switch_id, tuple(sorted(seconds)))


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
    for other in street.schedules.values():
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
        steps.add(activate_safely(steps.street, city, draft, at_ms=None, by=AUTHOR, now_ms=now_ms))
    except TrafficError:
        # An engineer has retired it, or is at work: it stays a proposal.
        return made
    return (*steps.events, AutoApplied(draft.id, now_ms))
