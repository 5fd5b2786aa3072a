"""What happened: the entries of the log from which everything else follows."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from traffic.street.health import Alarm, AlarmKind
from traffic.street.records import PlanSet, Schedule
from traffic.street.switching import Switch, SwitchState

Kind = Literal["plan-set", "schedule"]


@dataclass(frozen=True, slots=True)
class PlanSetMade:
    """A plan set was let in, as a draft."""

    plan_set: PlanSet


@dataclass(frozen=True, slots=True)
class ScheduleMade:
    """A schedule was let in, as a draft."""

    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Approved:
    """Somebody answers for a record."""

    kind: Kind
    id: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Retired:
    """A record is not to be used any more."""

    kind: Kind
    id: str
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class SwitchMade:
    """A group is to go over; where nobody needs to acknowledge, that is decided at once."""

    switch: Switch


@dataclass(frozen=True, slots=True)
class SwitchDecided:
    """A switch was committed, postponed (it stays proposed), cancelled or given up."""

    id: str
    state: SwitchState
    activate_at_ms: int
    silent: tuple[str, ...]
    by: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """Controllers have acknowledged a switch, or refused it with a reason."""

    id: str
    acknowledged: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """Signals have come into step with a switch, after so many seconds out of step each."""

    id: str
    out_of_step_s: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Controllers were heard of for the first time: from now on they are waited for."""

    signals: tuple[str, ...]
    at_ms: int


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Something is wrong."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class AlarmCleared:
    """It is over; ``signal_id`` is whom it was about, as the alarm's ``key`` says."""

    signal_id: str
    kind: AlarmKind
    at_ms: int


@dataclass(frozen=True, slots=True)
class AutoApplySet:
    """Whether drafts without signals whose clocks are wrong are put in force by themselves."""

    enabled: bool
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class AutoApplied:
    """Such a draft was put in force by itself."""

    schedule: str
    at_ms: int


Event = (
    PlanSetMade
    | ScheduleMade
    | Approved
    | Retired
    | SwitchMade
    | SwitchDecided
    | Answered
    | Settled
    | Enrolled
    | AlarmRaised
    | AlarmCleared
    | AutoApplySet
    | AutoApplied
)


def switches_in(events: Iterable[Event]) -> tuple[str, ...]:
    """Return the ids of the switches that events make or decide."""
    found: list[str] = []
    for event in events:
        if isinstance(event, SwitchMade):
            found.append(event.switch.id)
        elif isinstance(event, SwitchDecided):
            found.append(event.id)
    return tuple(found)
