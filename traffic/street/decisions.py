"""What is asked for, decided: from the state and a wish to what happens, or to a refusal.

Here are the records, what goes over to them stands in ``going_over``. Nothing here changes the
state. Who asks is a name; whether they may is not decided here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from traffic.errors import NotFoundError, StateError
from traffic.signals import Signal
from traffic.street import ways
from traffic.street.door import Limits, RefusedPlanError, refuse_unsafe, refuse_ways
from traffic.street.events import (
    Approved,
    AutoApplySet,
    Event,
    Kind,
    PlanSetMade,
    Retired,
    ScheduleMade,
)
from traffic.street.groups import Group
from traffic.street.periods import refuse_short_periods
from traffic.street.records import Life, PlanSet, Schedule
from traffic.street.state import Street
from traffic.street.switching import SwitchRules


@dataclass(frozen=True, slots=True)
class CityStreets:
    """What is known of a city's signals, whatever plans they have.

    ``signals`` are with the city's own demands in them.
    """

    signals: Mapping[str, Signal]
    groups: tuple[Group, ...]
    limits: Limits = field(default_factory=Limits)
    switching: SwitchRules = field(default_factory=SwitchRules)


class Steps:
    """Several decisions in one commit: each is made on the state that the ones before lead to.

    Parameters
    ----------
    street
        Where they start from; it is left as it is.
    """

    def __init__(self, street: Street) -> None:
        self.street = street.copy()
        self.events: tuple[Event, ...] = ()

    def add(self, events: tuple[Event, ...]) -> None:
        """Take in what was decided on ``street``."""
        self.events += events
        self.street.apply(events, self.street.revision)


def make_plan_set(
    street: Street,
    city: CityStreets,
    plan_set: PlanSet,
    now_ms: int,
    *,
    is_checked: bool = False,
) -> tuple[Event, ...]:
    """Let a plan set in, as a draft.

    Parameters
    ----------
    is_checked
        Its plans by themselves have passed ``refuse_unsafe`` already, with this city.

    Raises
    ------
    RefusedPlanError
        A plan is unsafe, or no safe way leads to it from what is in force.
    """
    if not is_checked:
        refuse_unsafe(city.signals, plan_set.plans, city.groups, city.limits)
    changes: list[ways.Change] = []
    for plan in plan_set.plans:
        old = street.plan_at(plan.signal_id, now_ms)
        if old is not None:
            changes.append((old, plan))
    refuse_ways(city.signals, changes)
    return (PlanSetMade(plan_set),)


def make_schedule(street: Street, city: CityStreets, schedule: Schedule) -> tuple[Event, ...]:
    """Let a schedule in, as a draft, if all plans that it uses are safe, and so are their ways."""
    for k, set_id in enumerate(schedule.plan_sets):
        street.plan_set(set_id, where=f"plan_sets[{k}]")
        if ("plan-set", set_id) in street.retired:
            raise StateError(f"plan set {set_id} is retired", where=f"plan_sets[{k}]")
    for signal_id in schedule.without:
        if signal_id not in city.signals:
            raise NotFoundError(f"no signal {signal_id!r}", where="without")
    refuse_unsafe_now(street, city, schedule)
    refuse_ways(city.signals, ways.within(street, schedule))
    refuse_short_periods(
        city.signals, schedule, [street.plan_set(key) for key in schedule.plan_sets]
    )
    return (ScheduleMade(schedule),)


def refuse_unsafe_now(
    street: Street,
    city: CityStreets,
    schedule: Schedule,
    concerned: Collection[str] | None = None,
) -> None:
    """Look once more at plans that were let in, or raise RefusedPlanError.

    The city may demand more since then, its network may be another one, and an older version may
    have let in what this one does not.

    Parameters
    ----------
    concerned
        The signals that are looked at; None = all that the schedule has plans for.
    """
    found = []
    for set_id in schedule.plan_sets:
        plans = [
            plan
            for plan in street.plan_set(set_id).plans
            if plan.signal_id not in schedule.without
            and (concerned is None or plan.signal_id in concerned)
        ]
        try:
            refuse_unsafe(city.signals, plans, city.groups, city.limits)
        except RefusedPlanError as error:
            found += [replace(refusal, where=f"plan set {set_id}") for refusal in error.refusals]
    if found:
        raise RefusedPlanError(found)


def approve(street: Street, kind: Kind, record_id: str, by: str, now_ms: int) -> tuple[Event, ...]:
    """Approve a draft; nothing happens where it is approved already."""
    _require(street, kind, record_id)
    life = street.life(kind, record_id, now_ms)
    if life is Life.RETIRED:
        raise StateError("is retired", where=f"{kind} {record_id}")
    return (Approved(kind, record_id, by, now_ms),) if life is Life.DRAFT else ()


def retire(street: Street, kind: Kind, record_id: str, by: str, now_ms: int) -> tuple[Event, ...]:
    """Retire a record that nothing runs or is about to run."""
    _require(street, kind, record_id)
    where = f"{kind} {record_id}"
    life = street.life(kind, record_id, now_ms)
    if life is Life.RETIRED:
        return ()
    used = any(
        record_id == s.schedule.id if kind == "schedule" else record_id in s.schedule.plan_sets
        for s in street.to_come(now_ms)
    )
    if life is Life.IN_FORCE or used:
        raise StateError("is in force or about to be; expected to be replaced first", where=where)
    return (Retired(kind, record_id, by, now_ms),)


def set_auto_apply(street: Street, enabled: bool, by: str, now_ms: int) -> tuple[Event, ...]:
    """Say whether drafts without signals whose clocks are wrong come into force by themselves."""
    return (AutoApplySet(enabled, by, now_ms),) if enabled != street.auto_apply else ()


def _require(street: Street, kind: Kind, record_id: str) -> None:
    if kind == "plan-set":
        street.plan_set(record_id)
    else:
        street.schedule(record_id)
