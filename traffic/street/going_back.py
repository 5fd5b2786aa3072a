"""Going back: one call undoes, group by group, what was done last."""

from collections.abc import Mapping, Sequence

from traffic.errors import NotFoundError, StateError
from traffic.street import ways
from traffic.street.decisions import CityStreets, refuse_unsafe_now
from traffic.street.door import refuse_ways
from traffic.street.events import Event, SwitchMade
from traffic.street.going_over import (
    can_be_cancelled,
    cancel,
    in_step_ms,
    propose,
    refuse_uncoordinated,
    require_approved,
)
from traffic.street.groups import Group
from traffic.street.records import Schedule
from traffic.street.state import Street
from traffic.street.switching import Switch

Ran = Mapping[str, Sequence[Switch]]
"""For each signal that went over last, the switches to other schedules before that, in order."""


def roll_back(
    street: Street, city: CityStreets, groups: Sequence[str], *, by: str, now_ms: int
) -> tuple[Event, ...]:
    """Propose to go back to what was in force before, group by group; ``groups`` empty = all.

    The signals of a group that went over last go back, each group by itself. Where that is still to
    come it is cancelled instead: what is open; and what is committed, if it was asked for after
    what runs began, or comes before the group would be in step again. What was committed for later
    before that is left as it is.

    Raises
    ------
    StateError
        Nothing was in force before, or it is retired or not valid any more; or the signals of a
        group ran different schedules, and never the same one.
    RefusedPlanError
        What ran before is not safe any more, or would not be coordinated with the rest of a group,
        or no safe way leads back.
    """
    known = {group.id for group in city.groups}
    for k, group_id in enumerate(groups):
        if group_id not in known:
            raise NotFoundError(f"no group {group_id!r}", where=f"groups[{k}]")
    ids = street.next_ids()
    events: list[Event] = []
    made: list[SwitchMade] = []
    for group in city.groups:
        if groups and group.id not in groups:
            continue
        ran = _ran_before(street, group, now_ms + city.switching.decide_ms)
        cut, before = Group(group.id, tuple(ran)), _shared(ran)
        back_ms = now_ms if before is None else in_step_ms(street, city, before, cut, now_ms)
        to_come = _to_come(street, city, group, back_ms, now_ms)
        for switch in to_come:
            events += cancel(street, city, switch.id, by=by, now_ms=now_ms)
        if to_come or not (ran or groups):
            continue
        if not ran:
            raise StateError("nothing was in force before", where=f"group {group.id}")
        if before is None:
            different = "different schedules were in force before; expected Activate of each"
            raise StateError(different, where=f"group {group.id}")
        require_approved(street, before)
        made.append(propose(street, city, before, cut, next(ids), at_ms=None, by=by, now_ms=now_ms))
        events.append(made[-1])
    if not events:
        raise StateError("nothing was in force before", where="groups")
    _refuse_unsafe(street, city, [event.switch for event in made], now_ms)
    refuse_uncoordinated(street, city, made)
    return tuple(events)


def _refuse_unsafe(street: Street, city: CityStreets, made: Sequence[Switch], now_ms: int) -> None:
    for schedule in {switch.schedule.id: switch.schedule for switch in made}.values():
        own = (switch.signals for switch in made if switch.schedule.id == schedule.id)
        concerned = {signal_id for signals in own for signal_id in signals}
        refuse_unsafe_now(street, city, schedule, concerned)
        # Who has to go back has no time to look for a quicker way: it need only be safe.
        changes = [
            *(c for c in ways.forward(street, schedule, now_ms) if not ways.are_alike(*c)),
            *ways.back_and_own(street, city.signals, schedule, now_ms),
        ]
        refuse_ways(city.signals, ways.of_signals(changes, concerned), in_time=False)


def _to_come(
    street: Street, city: CityStreets, group: Group, back_ms: int, now_ms: int
) -> tuple[Switch, ...]:
    """The switches of a group to which nobody has gone over and which are cancelled instead.

    ``back_ms`` is when the group would be in step again.
    """
    running = (street.switch_at(signal_id, now_ms) for signal_id in group.signals)
    began_ms = max((s.activate_at_ms for s in running if s is not None), default=0)
    is_open = street.open_switch(group.id)
    found = [] if is_open is None else [is_open]
    found += [
        switch
        for signal_id in group.signals
        for switch in street.coming_to(signal_id, now_ms)
        if switch.proposed_ms >= began_ms or switch.activate_at_ms < back_ms
    ]
    own = {s.id: s for s in found if can_be_cancelled(s, city, now_ms)}
    return tuple(own[key] for key in sorted(own, key=int))


def _ran_before(street: Street, group: Group, until_ms: int) -> Ran:
    """What those of a group ran before that went over last until a moment."""
    held = {
        signal_id: own
        for signal_id in group.signals
        if (own := [s for s in street.switches_of(signal_id) if s.activate_at_ms <= until_ms])
    }
    if not held:
        return {}
    last = max((own[-1] for own in held.values()), key=_order)
    return {
        signal_id: before
        for signal_id, own in held.items()
        if own[-1].id == last.id
        if (before := [s for s in own if s.schedule.id != last.schedule.id])
    }


def _shared(ran: Ran) -> Schedule | None:
    """The schedule that all ran directly before, else the last one that all of them ran."""
    before = {own[-1].schedule.id: own[-1].schedule for own in ran.values()}
    if len(before) == 1:
        return next(iter(before.values()))
    by_signal = [{s.schedule.id for s in own} for own in ran.values()]
    common = set.intersection(*by_signal) if by_signal else set()
    found = [s for own in ran.values() for s in own if s.schedule.id in common]
    return max(found, key=_order).schedule if found else None


def _order(switch: Switch) -> tuple[int, int]:
    return switch.activate_at_ms, int(switch.id)
