"""Between what a controller holds and the messages it is told, both ways."""

from traffic.controller.held import HeldSwitch, Program
from traffic.errors import InvalidInputError
from traffic.io.protobuf import (
    ms_from_timestamp,
    plan_from_proto,
)
from traffic.io.street_messages import (
    SWITCH_STATES,
    record_id,
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
