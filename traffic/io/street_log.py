"""Entries of the log as JSON text, and the plan sets of the first version as entries."""

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from traffic.errors import InvalidInputError
from traffic.io.protobuf import plan_from_proto
from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase
from traffic.street import events
from traffic.street.events import Approved, Event, PlanSetMade, ScheduleMade, SwitchMade
from traffic.street.health import Alarm, AlarmKind
from traffic.street.records import DayPlan, Origin, Period, PlanSet, Schedule, all_week
from traffic.street.switching import Switch, SwitchState
from traffic.v1 import signal_timing_pb2 as pb

KIND = "_"
CLASSES: Mapping[str, Any] = {
    kind.__name__: kind
    for kind in (
        *(Phase, Stage, TimingPlan, Origin, PlanSet, Period, DayPlan, Schedule, Switch, Alarm),
        *Event.__args__,
    )
}
ALIKE = frozenset({Phase, Stage, Period, DayPlan})
"""What stands in the log thousands of times with the same values: made and checked once."""


def encode(happened: tuple[Event, ...]) -> str:
    """Return one commit's events as JSON."""
    return json.dumps([_plain(event) for event in happened], ensure_ascii=False, allow_nan=False)


def decode(text: str) -> tuple[Event, ...]:
    """Return the events of a JSON text.

    Raises
    ------
    InvalidInputError
        It is not what ``encode`` writes.
    """
    try:
        found: tuple[Event, ...] = _tuples(json.loads(text, object_hook=_made))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"not an entry of the log: {error}", where="street_log") from error
    return found


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        row = {KIND: type(value).__name__}
        for field in dataclasses.fields(value):
            row[field.name] = _plain(getattr(value, field.name))
        return row
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _tuples(value: Any) -> Any:
    return tuple([_tuples(item) for item in value]) if isinstance(value, list) else value


def _made(row: dict[str, Any]) -> Any:
    """Return what a JSON object stands for; those in it have been made already."""
    fields = {key: _tuples(item) for key, item in row.items()}
    name = fields.pop(KIND, None)
    if name is None:
        return fields
    kind = CLASSES[name]
    if kind in ALIKE:
        return _of_values(kind, tuple(fields), tuple(fields.values()))
    if kind in (Switch, events.SwitchDecided):
        fields["state"] = SwitchState(fields["state"])
    if kind in (Alarm, events.AlarmCleared):
        fields["kind"] = AlarmKind(fields["kind"])
    if kind is Switch:
        fields["acknowledged"] = frozenset(fields["acknowledged"])
    return kind(**fields)


@lru_cache(maxsize=100_000)
def _of_values(kind: Any, names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return kind(**dict(zip(names, values, strict=True)))


def first_version(
    revision: int, valid_from_ms: int, made_ms: int, result: bytes, group: str
) -> tuple[Event, ...]:
    """Return a plan set of the first version as events: made, approved and in force.

    Its records are numbered so that they come before all that are made now: three to a revision.
    """
    message = pb.OptimizeResult.FromString(result)
    plans = tuple(plan_from_proto(plan) for plan in message.plans)
    set_id, schedule_id, switch_id = (str(3 * revision - k) for k in (2, 1, 0))
    origin = Origin("", "OptimizePlans", made_ms, note="kept by the first version")
    schedule = all_week(schedule_id, set_id, origin)
    switch = Switch(
        id=switch_id,
        group=group,
        signals=tuple(plan.signal_id for plan in plans),
        schedule=schedule,
        activate_at_ms=valid_from_ms,
        cycle_ms=1000 * message.cycle_s,
        by="",
        proposed_ms=made_ms,
        state=SwitchState.COMMITTED,
    )
    return (
        PlanSetMade(PlanSet(set_id, plans, origin)),
        Approved("plan-set", set_id, "", made_ms),
        ScheduleMade(schedule),
        Approved("schedule", schedule_id, "", made_ms),
        SwitchMade(switch),
    )
