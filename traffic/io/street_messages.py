"""Between the records of plans on the street and the messages of traffic.v1, both ways."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from traffic.controller.held import HeldSwitch, Program
from traffic.errors import InvalidInputError
from traffic.io.protobuf import (
    ms_from_timestamp,
    plan_to_proto,
    signal_name,
    timestamp_from_ms,
)
from traffic.street.health import Alarm, AlarmKind, Health, Report
from traffic.street.records import DayPlan, Life, Origin, Period, PlanSet, Schedule
from traffic.street.state import InForce, Street
from traffic.street.switching import Switch, SwitchState
from traffic.v1 import signal_timing_pb2 as pb

LIVES = {
    Life.DRAFT: pb.RECORD_STATE_DRAFT,
    Life.APPROVED: pb.RECORD_STATE_APPROVED,
    Life.IN_FORCE: pb.RECORD_STATE_IN_FORCE,
    Life.RETIRED: pb.RECORD_STATE_RETIRED,
}
SWITCH_STATES = {
    SwitchState.PROPOSED: pb.SWITCH_STATE_PROPOSED,
    SwitchState.COMMITTED: pb.SWITCH_STATE_COMMITTED,
    SwitchState.CANCELLED: pb.SWITCH_STATE_CANCELLED,
    SwitchState.GIVEN_UP: pb.SWITCH_STATE_GIVEN_UP,
}
ALARM_KINDS = {
    AlarmKind.SILENT: pb.ALARM_KIND_SILENT,
    AlarmKind.CLOCK: pb.ALARM_KIND_CLOCK,
    AlarmKind.FAULT: pb.ALARM_KIND_FAULT,
    AlarmKind.OUT_OF_STEP: pb.ALARM_KIND_OUT_OF_STEP,
    AlarmKind.REFUSED: pb.ALARM_KIND_REFUSED,
    AlarmKind.SERVER_CLOCK: pb.ALARM_KIND_SERVER_CLOCK,
    AlarmKind.OTHER_PLAN: pb.ALARM_KIND_OTHER_PLAN,
    AlarmKind.EXPIRING: pb.ALARM_KIND_EXPIRING,
    AlarmKind.EXPIRED: pb.ALARM_KIND_EXPIRED,
}
MODES: Mapping[str, "pb.ControllerMode.ValueType"] = {
    "start-up": pb.CONTROLLER_MODE_START_UP,
    "plan": pb.CONTROLLER_MODE_PLAN,
    "own-plan": pb.CONTROLLER_MODE_OWN_PLAN,
    "manual-hold": pb.CONTROLLER_MODE_MANUAL_HOLD,
    "flashing": pb.CONTROLLER_MODE_FLASHING,
    "pre-emption": pb.CONTROLLER_MODE_PRE_EMPTION,
    "fault": pb.CONTROLLER_MODE_FAULT,
}
MODE_NAMES = {number: name for name, number in MODES.items()}


def record_name(city_id: str, kind: str, record_id: str) -> str:
    """Return the resource name of a record; ``kind`` is planSets, schedules or switches."""
    return f"cities/{city_id}/{kind}/{record_id}"


def record_id(city_id: str, kind: str, name: str, *, where: str) -> str:
    """Return the id of a record's resource name, or raise InvalidInputError."""
    number = name.removeprefix(f"cities/{city_id}/{kind}/")
    if number == name or not (number.isascii() and number.isdigit() and len(number) < 19):
        raise InvalidInputError(
            f"{name[:200]!r}; expected cities/{city_id}/{kind}/{{number}}", where=where
        )
    return number


def in_force_to_proto(entry: InForce, city_id: str) -> pb.TimingPlan:
    """Turn what a signal is to show into its message; it must have a plan."""
    assert entry.plan is not None
    message = plan_to_proto(entry.plan, city_id)
    message.revision = entry.switch.revision
    message.plan_set = record_name(city_id, "planSets", entry.plan_set)
    message.valid_from.CopyFrom(timestamp_from_ms(entry.from_ms))
    message.offset_reference.CopyFrom(timestamp_from_ms(entry.reference_ms))
    if entry.until_ms is not None:
        message.valid_until.CopyFrom(timestamp_from_ms(entry.until_ms))
    return message


def plan_set_to_proto(
    plan_set: PlanSet, street: Street, city_id: str, now_ms: int, *, with_plans: bool
) -> pb.PlanSet:
    """Turn a plan set into its message, with its state at a moment."""
    origin = plan_set.origin
    message = pb.PlanSet(
        name=record_name(city_id, "planSets", plan_set.id),
        title=origin.title,
        note=origin.note,
        state=LIVES[street.life("plan-set", plan_set.id, now_ms)],
        author=origin.author,
        source=origin.source,
        create_time=timestamp_from_ms(origin.made_ms),
        schedules=[
            record_name(city_id, "schedules", key) for key in street.schedules_using(plan_set.id)
        ],
        plan_count=len(plan_set.plans),
    )
    approved = street.approved.get(("plan-set", plan_set.id))
    if approved is not None:
        message.approved_by = approved.by
        message.approve_time.CopyFrom(timestamp_from_ms(approved.at_ms))
    if plan_set.valid_from_ms is not None:
        message.valid_from.CopyFrom(timestamp_from_ms(plan_set.valid_from_ms))
    if plan_set.valid_until_ms is not None:
        message.valid_until.CopyFrom(timestamp_from_ms(plan_set.valid_until_ms))
    if origin.certificate:
        message.certificate.CopyFrom(pb.Certificate(**origin.certificate))
    if with_plans:
        for plan in plan_set.plans:
            row = plan_to_proto(plan, city_id)
            row.plan_set = message.name
            message.plans.append(row)
    return message


def certificate_fields(message: pb.Certificate) -> dict[str, Any]:
    """Return a certificate as the plain fields that a record keeps."""
    return {field.name: value for field, value in message.ListFields()}


def schedule_to_proto(schedule: Schedule, street: Street, city_id: str, now_ms: int) -> pb.Schedule:
    """Turn a schedule into its message, with its state at a moment."""
    origin = schedule.origin
    approved = street.approved.get(("schedule", schedule.id))
    return pb.Schedule(
        name=record_name(city_id, "schedules", schedule.id),
        title=origin.title,
        note=origin.note,
        state=LIVES[street.life("schedule", schedule.id, now_ms)],
        author=origin.author,
        source=origin.source,
        create_time=timestamp_from_ms(origin.made_ms),
        approved_by="" if approved is None else approved.by,
        day_plans=_day_plans(schedule, city_id),
        weekdays=schedule.weekdays,
        exceptions=_exceptions(schedule),
        without=[signal_name(city_id, key) for key in schedule.without],
    )


def _day_plans(schedule: Schedule, city_id: str) -> list[pb.DayPlan]:
    return [
        pb.DayPlan(
            name=day.name,
            periods=[
                pb.Period(
                    begin_s=period.begin_s,
                    plan_set=record_name(city_id, "planSets", period.plan_set),
                )
                for period in day.periods
            ],
        )
        for day in schedule.day_plans
    ]


def _exceptions(schedule: Schedule) -> list[pb.DateException]:
    return [pb.DateException(date=day, day_plan=name) for day, name in schedule.exceptions]


def schedule_parts(
    day_plans: Iterable[pb.DayPlan],
    exceptions: Iterable[pb.DateException],
    city_id: str,
) -> tuple[tuple[DayPlan, ...], tuple[tuple[str, str], ...]]:
    """Turn the messages of a schedule's days into day plans and exceptions."""
    days = tuple(
        DayPlan(
            day.name,
            tuple(
                Period(
                    period.begin_s,
                    record_id(
                        city_id,
                        "planSets",
                        period.plan_set,
                        where=f"day_plans[{k}].periods[{n}].plan_set",
                    ),
                )
                for n, period in enumerate(day.periods)
            ),
        )
        for k, day in enumerate(day_plans)
    )
    return days, tuple((row.date, row.day_plan) for row in exceptions)


def program_to_proto(program: Program, city_id: str) -> pb.SignalProgram:
    """Turn what a controller runs by itself into its message."""
    plans = []
    for set_id, plan in program.plans.items():
        row = plan_to_proto(plan, city_id)
        row.plan_set = record_name(city_id, "planSets", set_id)
        plans.append(row)
    schedule = program.schedule
    return pb.SignalProgram(
        plans=plans,
        day_plans=_day_plans(schedule, city_id),
        weekdays=schedule.weekdays,
        exceptions=_exceptions(schedule),
    )


def signal_switch_to_proto(
    switch: Switch | HeldSwitch, signal_id: str, program: pb.SignalProgram | None, city_id: str
) -> pb.SignalSwitch:
    """Turn a switch into what the controller of one of its signals is told.

    ``program`` is what it goes over to; None where the switch is off.
    """
    message = pb.SignalSwitch(
        signal=signal_name(city_id, signal_id),
        switch=record_name(city_id, "switches", switch.id),
        state=SWITCH_STATES[switch.state],
        revision=switch.revision,
        activate_at=timestamp_from_ms(switch.activate_at_ms),
    )
    if program is not None:
        message.program.CopyFrom(program)
    return message


def switch_to_proto(
    switch: Switch,
    street: Street,
    healths: Mapping[str, Health],
    city_id: str,
    now_ms: int,
    *,
    with_settled: bool = True,
) -> pb.Switch:
    """Turn a switch into its message; ``with_settled``: with what it has cost each signal."""
    silent: Sequence[str] = switch.silent
    if switch.is_open:
        silent = switch.missing(street.known)
    out, unheard = _after(switch, street, healths, now_ms)
    return pb.Switch(
        name=record_name(city_id, "switches", switch.id),
        group=switch.group,
        signals=[signal_name(city_id, key) for key in switch.signals],
        schedule=record_name(city_id, "schedules", switch.schedule.id),
        state=SWITCH_STATES[switch.state],
        activate_at=timestamp_from_ms(switch.activate_at_ms),
        revision=switch.revision,
        author=switch.by,
        create_time=timestamp_from_ms(switch.proposed_ms),
        postponements=switch.postponed,
        acknowledged=[signal_name(city_id, key) for key in sorted(switch.acknowledged)],
        silent=[signal_name(city_id, key) for key in silent],
        refusals=[
            pb.SwitchRefusal(signal=signal_name(city_id, key), reason=why)
            for key, why in sorted(switch.refused.items())
        ],
        out_of_step=_seconds(out, city_id),
        unheard=[signal_name(city_id, key) for key in unheard],
        settled=_seconds(switch.settled if with_settled else {}, city_id),
    )


def _seconds(by_signal: Mapping[str, int], city_id: str) -> list[pb.OutOfStep]:
    return [
        pb.OutOfStep(signal=signal_name(city_id, key), out_of_step_s=seconds)
        for key, seconds in sorted(by_signal.items())
    ]


def _after(
    switch: Switch, street: Street, healths: Mapping[str, Health], now_ms: int
) -> tuple[dict[str, int], list[str]]:
    """Return who is not in step with a switch, for how many seconds; and who has said nothing."""
    out: dict[str, int] = {}
    unheard: list[str] = []
    if switch.state is not SwitchState.COMMITTED or now_ms < switch.activate_at_ms:
        return out, unheard
    for signal_id in switch.signals:
        if signal_id not in street.known or street.switch_at(signal_id, now_ms) is not switch:
            continue
        health = healths.get(signal_id)
        report = None if health is None else health.report
        if report is None or report.at_ms < switch.activate_at_ms:
            # Settled: it has told another server, or this one before it was started again.
            if signal_id not in switch.settled:
                unheard.append(signal_id)
        elif report.switch != switch.id:
            if report.switch or street.in_force(signal_id, now_ms).plan is not None:
                out[signal_id] = (now_ms - switch.activate_at_ms) // 1000
        elif health is not None and health.off_since_ms is not None:
            out[signal_id] = report.out_of_step_s
    return out, unheard


def status_to_proto(signal_id: str, health: Health | None, city_id: str) -> pb.SignalStatus:
    """Turn what is known of a controller into its message."""
    message = pb.SignalStatus(signal=signal_name(city_id, signal_id))
    if health is None or health.is_waited_for:
        return message
    message.heard_time.CopyFrom(timestamp_from_ms(health.heard_ms))
    report = health.report
    if report is not None:
        message.mode = MODES[report.mode]
        message.switch = record_name(city_id, "switches", report.switch) if report.switch else ""
        message.clock_error_s = report.clock_error_ms / 1000
        message.in_step = report.in_step
        message.out_of_step_s = report.out_of_step_s
        message.faults.extend(report.faults)
    return message


def report_from_proto(
    message: pb.ReportStatusRequest, signal_id: str, city_id: str, now_ms: int
) -> Report:
    """Turn a controller's report into ours, or raise InvalidInputError with the field."""
    if message.mode not in MODE_NAMES:
        raise InvalidInputError(f"{message.mode}; expected a mode", where="mode")
    if not 0 <= message.round_trip_s <= 60:
        raise InvalidInputError(f"{message.round_trip_s:g}; expected 0 to 60", where="round_trip_s")
    if message.out_of_step_s < 0:
        raise InvalidInputError("expected 0 or more", where="out_of_step_s")
    if len(message.faults) > 16 or any(len(fault) > 500 for fault in message.faults):
        raise InvalidInputError("expected at most 16, of 500 characters", where="faults")
    if not message.HasField("time"):
        raise InvalidInputError("expected the controller's time", where="time")
    switch = (
        record_id(city_id, "switches", message.switch, where="switch") if message.switch else ""
    )
    sent_ms = now_ms - round(message.round_trip_s * 500)
    return Report(
        signal_id=signal_id,
        at_ms=now_ms,
        switch=switch,
        mode=MODE_NAMES[message.mode],
        clock_error_ms=ms_from_timestamp(message.time, where="time") - sent_ms,
        out_of_step_s=message.out_of_step_s,
        in_step=message.in_step,
        faults=tuple(message.faults),
        round_trip_ms=round(message.round_trip_s * 1000),
    )


def alarm_to_proto(alarm: Alarm, city_id: str) -> pb.Alarm:
    """Turn an alarm into its message."""
    return pb.Alarm(
        signal=signal_name(city_id, alarm.signal_id) if alarm.signal_id else "",
        kind=ALARM_KINDS[alarm.kind],
        since=timestamp_from_ms(alarm.since_ms),
        detail=alarm.detail,
        plan_set=record_name(city_id, "planSets", alarm.plan_set) if alarm.plan_set else "",
    )


def origin_from(
    author: str, source: str, title: str, note: str, now_ms: int, certificate: pb.Certificate | None
) -> Origin:
    """Return where a record comes from, or raise InvalidInputError with the field."""
    for name, text, most in (
        ("author", author, 200),
        ("source", source, 200),
        ("title", title, 200),
        ("note", note, 2000),
    ):
        if len(text) > most:
            raise InvalidInputError(f"{len(text)} characters; expected {most}", where=name)
    fields = {} if certificate is None else certificate_fields(certificate)
    return Origin(author, source, now_ms, title, note, fields)
