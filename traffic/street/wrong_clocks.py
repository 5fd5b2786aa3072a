"""Signals whose clocks are wrong are left out: proposed, and applied where that was enabled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from traffic.errors import TrafficError
from traffic.street.decisions import CityStreets, Steps, approve
from traffic.street.door import RefusedPlanError
from traffic.street.events import AutoApplied, Event, ScheduleMade
from traffic.street.going_over import activate, in_step_ms
from traffic.street.groups import Group
from traffic.street.health import Clocks, HealthRules
from traffic.street.records import Origin, Schedule
from traffic.street.state import Street

AUTHOR = "greenlot"
SOURCE = "clock-watch"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is done about wrong clocks.

    Parameters
    ----------
    events
        What happens.
    refused
        By their ids, the drafts that could not be applied, with the reasons.
    """

    events: tuple[Event, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


def left_out(
    street: Street,
    city: CityStreets,
    clocks: Clocks,
    now_ms: int,
    rules: HealthRules,
    refused_ms: Mapping[str, int],
) -> LeftOut:
    """Propose schedules without the signals whose clocks are wrong; apply one where enabled.

    In the groups of these signals alone, and there to those that run the same schedule. Nothing
    that is planned is replaced: while a switch is open, or one is committed for before they would
    be in step, a draft stays a proposal.

    Parameters
    ----------
    refused_ms
        By their ids, when drafts were found not to be safe to apply: to look takes long where there
        are many signals, so that they rest as long as others do that were applied.
    """
    refused: dict[str, str] = {}
    for schedule, own in _running(street, clocks, now_ms):
        steps = Steps(street)
        without = tuple(sorted({*schedule.without, *own}))
        draft = _draft_of(street, schedule, without)
        if draft is None:
            note = f"schedule {schedule.id} without {', '.join(own)}: wrong clocks"
            origin = Origin(AUTHOR, SOURCE, now_ms, schedule.origin.title, note)
            draft = replace(schedule, id=next(street.next_ids()), origin=origin, without=without)
            steps.add((ScheduleMade(draft),))
        made = steps.events
        rested = all(
            last_ms is None or now_ms - last_ms >= rules.auto_every_ms
            for last_ms in (street.auto_applied_ms, refused_ms.get(draft.id))
        )
        concerned = _concerned(street, city, schedule, own, now_ms)
        if street.auto_apply and rested and _is_free(street, city, draft, concerned, now_ms):
            try:
                _apply(steps, city, draft, concerned, now_ms)
                return LeftOut(steps.events, refused)
            except RefusedPlanError as error:
                refused[draft.id] = str(error)
            except TrafficError:
                # An engineer has retired it, or its plans are not valid any more: a proposal.
                pass
        if made:
            return LeftOut(made, refused)
    return LeftOut((), refused)


def _running(
    street: Street, clocks: Clocks, now_ms: int
) -> Iterator[tuple[Schedule, Sequence[str]]]:
    """The schedules that signals with wrong clocks run, each with these signals."""
    found: dict[str, tuple[Schedule, list[str]]] = {}
    for signal_id in clocks.wrong:
        switch = street.switch_at(signal_id, now_ms)
        if switch is not None and signal_id not in switch.schedule.without:
            found.setdefault(switch.schedule.id, (switch.schedule, []))[1].append(signal_id)
    yield from found.values()


def _draft_of(street: Street, schedule: Schedule, without: tuple[str, ...]) -> Schedule | None:
    """The draft that was made of a schedule before, unless somebody retired it."""
    for other_id in street.schedules_using(schedule.plan_sets[0]):
        other = street.schedule(other_id)
        alike = replace(other, id=schedule.id, origin=schedule.origin, without=schedule.without)
        if other.origin.source == SOURCE and other.without == without and alike == schedule:
            return other
    return None


def _concerned(
    street: Street, city: CityStreets, schedule: Schedule, wrong: Sequence[str], now_ms: int
) -> tuple[Group, ...]:
    """The groups of signals with wrong clocks, each cut to what runs the same schedule."""

    def runs_it(signal_id: str) -> bool:
        switch = street.switch_at(signal_id, now_ms)
        return switch is not None and switch.schedule.id == schedule.id

    own = (group for group in city.groups if not set(wrong).isdisjoint(group.signals))
    return tuple(Group(group.id, tuple(filter(runs_it, group.signals))) for group in own)


def _is_free(
    street: Street,
    city: CityStreets,
    draft: Schedule,
    concerned: Sequence[Group],
    now_ms: int,
) -> bool:
    """Whether nothing is planned that would be replaced, or that a draft would have to wait for."""
    return bool(concerned) and not any(
        street.open_switch(group.id)
        or _goes_over_before(street, group, now_ms, in_step_ms(street, city, draft, group, now_ms))
        for group in concerned
    )


def _goes_over_before(street: Street, group: Group, now_ms: int, time_ms: int) -> bool:
    after = street.next_after(group.signals, now_ms)
    return after is not None and after.activate_at_ms < time_ms


def _apply(
    steps: Steps, city: CityStreets, draft: Schedule, concerned: Sequence[Group], now_ms: int
) -> None:
    signals = {signal_id for group in concerned for signal_id in group.signals}
    approved = approve(steps.street, "schedule", draft.id, AUTHOR, now_ms)
    steps.add(approved)
    steps.add(
        activate(steps.street, city, draft, at_ms=None, by=AUTHOR, now_ms=now_ms, signals=signals)
    )
    steps.add((AutoApplied(draft.id, now_ms),))
