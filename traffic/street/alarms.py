"""What is wrong now, and what is over; what a switch has cost those that are in step with it."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from traffic.street.calendar import CIVIL_ZONE
from traffic.street.events import AlarmCleared, AlarmRaised, Event, Settled
from traffic.street.health import (
    Alarm,
    AlarmKind,
    Clocks,
    Health,
    HealthRules,
    Wanted,
    alarms_of,
)
from traffic.street.state import Street

OF_CONTROLLERS = {
    AlarmKind.SILENT,
    AlarmKind.CLOCK,
    AlarmKind.FAULT,
    AlarmKind.OUT_OF_STEP,
    AlarmKind.OTHER_PLAN,
}
"""Alarms that follow from what is heard of a controller; the others from the state alone."""


def changed_alarms(
    street: Street,
    healths: Mapping[str, Health],
    now_ms: int,
    rules: HealthRules,
    clocks: Clocks,
) -> Iterator[Event]:
    """Yield the alarms that come and go now, as far as these controllers and the state say."""
    now = {
        alarm.key: alarm
        for found in (
            _of_server(clocks, now_ms),
            _of_controllers(street, healths, now_ms, rules, clocks),
            _of_refusals(street, now_ms),
            _of_validity(street, now_ms, rules),
        )
        for alarm in found
    }
    for key, alarm in now.items():
        if key not in street.alarms:
            yield AlarmRaised(alarm)
    for subject, kind in street.alarms:
        # Of whom nothing was heard since the start nothing is known: the alarm stays.
        is_known = subject in healths or kind not in OF_CONTROLLERS
        if is_known and (subject, kind) not in now:
            yield AlarmCleared(subject, kind, now_ms)


def _of_server(clocks: Clocks, now_ms: int) -> Iterator[Alarm]:
    if clocks.server_error_ms is not None:
        error_s = clocks.server_error_ms / 1000
        detail = f"the server's clock seems wrong by {error_s:+.1f} s: many controllers say so"
        yield Alarm("", AlarmKind.SERVER_CLOCK, now_ms, detail)


def _of_controllers(
    street: Street,
    healths: Mapping[str, Health],
    now_ms: int,
    rules: HealthRules,
    clocks: Clocks,
) -> Iterator[Alarm]:
    for signal_id, health in healths.items():
        wanted = _wanted(street, signal_id, health, now_ms)
        for kind, detail in alarms_of(health, now_ms, rules, wanted):
            if kind is not AlarmKind.CLOCK or signal_id in clocks.wrong:
                yield Alarm(signal_id, kind, now_ms, detail)


def _of_refusals(street: Street, now_ms: int) -> Iterator[Alarm]:
    for switch in (*street.in_force_now(now_ms), *street.to_come(now_ms)):
        is_over = not switch.is_open and switch.activate_at_ms <= now_ms
        for signal_id, why in switch.refused.items():
            if not is_over or street.switch_at(signal_id, now_ms) is switch:
                detail = f"switch {switch.id}: {why}"
                yield Alarm(signal_id, AlarmKind.REFUSED, now_ms, detail)


def _of_validity(street: Street, now_ms: int, rules: HealthRules) -> Iterator[Alarm]:
    """What is in force goes on at the end of its validity: that is said before, and then."""
    used = {key for switch in street.in_force_now(now_ms) for key in switch.schedule.plan_sets}
    for set_id in sorted(used, key=int):
        until_ms = street.plan_sets[set_id].valid_until_ms
        if until_ms is None or now_ms < until_ms - rules.expiry_ms:
            continue
        is_over = now_ms >= until_ms
        kind = AlarmKind.EXPIRED if is_over else AlarmKind.EXPIRING
        end = datetime.fromtimestamp(until_ms / 1000, CIVIL_ZONE).strftime("%Y-%m-%d %H:%M:%S")
        ends = "was valid until" if is_over else "is valid until"
        detail = f"plan set {set_id} is in force and {ends} {end}"
        yield Alarm("", kind, now_ms, detail, set_id)


def settled(street: Street, healths: Mapping[str, Health], now_ms: int) -> Iterator[Event]:
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
