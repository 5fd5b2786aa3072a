"""Between what a controller holds and the messages it is told, both ways."""

from traffic.controller.held import HeldSwitch, Program
from traffic.errors import InvalidInputError
from traffic.io.protobuf import (
    ms_from_timestamp,
    plan_from_proto,
    plan_to_proto,
    signal_name,
    timestamp_from_ms,
)
from traffic.io.street_messages import (
    SWITCH_STATES,
    record_id,
    record_name,
    schedule_days,
    schedule_parts,
)
from traffic.street.records import Origin, Schedule
from traffic.v1 import signal_timing_pb2 as pb

STATES = {number: state for state, number in SWITCH_STATES.items()}
NOBODY = Origin("", "", 0)


def held_switch(message: pb.SignalSwitch, city_id: str, *, refusal: str = "") -> HeldSwitch:
    """Turn a message into what a controller holds.

    Raises
    ------
    InvalidInputError, UnsafePlanError
        It is malformed.
    """
    if message.state not in STATES:
        raise InvalidInputError(f"{message.state}; expected a state", where="state")
    program = None
    if message.HasField("program"):
        program = _program(message.program, city_id)
    return HeldSwitch(
        id=record_id(city_id, "switches", message.switch, where="switch"),
        state=STATES[message.state],
        revision=message.revision,
        activate_at_ms=ms_from_timestamp(message.activate_at, where="activate_at"),
        program=program,
        refusal=refusal,
    )


def _program(message: pb.SignalProgram, city_id: str) -> Program:
    days, exceptions = schedule_parts(message.day_plans, message.exceptions, city_id)
    schedule = Schedule("0", days, tuple(message.weekdays), NOBODY, exceptions)
    plans = {
        record_id(city_id, "planSets", plan.plan_set, where="plan_set"): plan_from_proto(plan)
        for plan in message.plans
    }
    return Program(schedule, plans)


def signal_switch(switch: HeldSwitch, city_id: str, signal_id: str) -> pb.SignalSwitch:
    """Turn what a controller holds back into a message."""
    message = pb.SignalSwitch(
        signal=signal_name(city_id, signal_id),
        switch=record_name(city_id, "switches", switch.id),
        state=SWITCH_STATES[switch.state],
        revision=switch.revision,
        activate_at=timestamp_from_ms(switch.activate_at_ms),
    )
    if switch.program is not None:
        schedule = switch.program.schedule
        days, exceptions = schedule_days(schedule, city_id)
        plans = []
        for set_id, plan in switch.program.plans.items():
            row = plan_to_proto(plan, city_id)
            row.plan_set = record_name(city_id, "planSets", set_id)
            plans.append(row)
        program = pb.SignalProgram(
            plans=plans, day_plans=days, weekdays=schedule.weekdays, exceptions=exceptions
        )
        message.program.CopyFrom(program)
    return message
