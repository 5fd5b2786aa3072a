"""Going over to a schedule: proposed, called off, answered.

From the state and a wish to what happens, or to a refusal, as in ``decisions``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from traffic.errors import InvalidInputError, NotFoundError, StateError
from traffic.street import ways
from traffic.street.coordination import out_of_coordination
from traffic.street.decisions import CityStreets, refuse_unsafe_now
from traffic.street.door import IN_STEP_CYCLES, RefusedPlanError, refuse_ways
from traffic.street.events import Answered, Event, SwitchDecided, SwitchMade
from traffic.street.groups import Group, cut_by_group
from traffic.street.records import Schedule
from traffic.street.state import Street
from traffic.street.switching import Switch, SwitchState, earliest_ms, judge


def activate(
    street: Street,
    city: CityStreets,
    schedule: Schedule,
    *,
    at_ms: int | None,
    by: str,
    now_ms: int,
    groups: Sequence[str] = (),
    signals: Collection[str] | None = None,
) -> tuple[Event, ...]:
    """Propose to put a schedule in force, group by group, if it and every change are safe.

    Parameters
    ----------
    at_ms
        When; None = as soon as may be. Where a group has something in force already, that is at
        least two cycles ahead.
    groups
        Ids of the coordination groups concerned; empty = all that the schedule has plans for.
    signals
        Of these groups, the signals concerned; None = all.

    Raises
    ------
    StateError
        A record is not approved, retired or out of its validity, or a group has an open switch.
    InvalidInputError
        The moment is too soon.
    RefusedPlanError
        A plan is not safe any more, or its signal not in the network. No safe way leads from a plan
        that may run then to one of the schedule's, or back, or to and from a controller's own plan;
        or a group would not be coordinated.
    """
    require_approved(street, schedule)
    cut = _concerned(street, city, schedule, groups, signals)
    proposed = tuple(
        propose(street, city, schedule, group, switch_id, at_ms=at_ms, by=by, now_ms=now_ms)
        for group, switch_id in zip(cut, street.next_ids(), strict=False)
    )
    concerned = {signal_id for event in proposed for signal_id in event.switch.signals}
    # Of all groups: what nobody can go over to is not left out unseen.
    is_all = not groups and signals is None
    gone = _planned(street, schedule) - city.signals.keys() if is_all else ()
    refuse_unsafe_now(street, city, schedule, concerned.union(gone))
    refuse_uncoordinated(street, city, proposed)
    forward = ways.forward(street, schedule, now_ms)
    refuse_ways(city.signals, ways.of_signals(forward, concerned))
    after = ways.back_and_own(street, city.signals, schedule, now_ms)
    refuse_ways(city.signals, ways.of_signals(after, concerned), in_time=False)
    return proposed


def soonest_ms(street: Street, city: CityStreets, schedule: Schedule, now_ms: int) -> int:
    """Return the first moment at which every group that runs plans may go over."""
    groups = cut_by_group(city.groups, _planned(street, schedule))
    return max(_earliest(street, city, schedule, group, now_ms) for group in groups)


def in_step_ms(
    street: Street, city: CityStreets, schedule: Schedule, group: Group, now_ms: int
) -> int:
    """Return by when a group is in step that is given a schedule as soon as may be."""
    cycle_ms = 1000 * _longest_cycle_s(street, schedule, group, now_ms)
    return earliest_ms(now_ms, cycle_ms, city.switching) + IN_STEP_CYCLES * cycle_ms


def propose(
    street: Street,
    city: CityStreets,
    schedule: Schedule,
    group: Group,
    switch_id: str,
    *,
    at_ms: int | None,
    by: str,
    now_ms: int,
) -> SwitchMade:
    """Propose that a group goes over, whether the change is safe or not.

    Parameters
    ----------
    group
        Cut to the signals concerned.
    at_ms
        As in ``activate``.

    Raises
    ------
    StateError
        The group has an open switch, or the schedule is not valid then.
    InvalidInputError
        The moment is too soon.
    """
    where = f"group {group.id}"
    open_switch = street.open_switch(group.id)
    if open_switch is not None:
        raise StateError(f"switch {open_switch.id} is to be decided first", where=where)
    cycle_ms = 1000 * _longest_cycle_s(street, schedule, group, now_ms)
    if street.runs(group.signals) and at_ms is not None:
        _refuse_soon(street, city, group, at_ms, cycle_ms, now_ms)
        moment_ms = at_ms
    elif street.runs(group.signals):
        moment_ms = _earliest(street, city, schedule, group, now_ms)
    else:
        # Nothing is coordinated yet: there is nothing to go over from.
        moment_ms = now_ms if at_ms is None else at_ms
    _require_valid(street, schedule, moment_ms)
    switch = Switch(
        id=switch_id,
        group=group.id,
        signals=group.signals,
        schedule=schedule,
        activate_at_ms=moment_ms,
        cycle_ms=cycle_ms,
        by=by,
        proposed_ms=now_ms,
    )
    verdict = judge(switch, street.awaited(now_ms), now_ms, city.switching)
    if verdict is not None and verdict.state is SwitchState.COMMITTED and not verdict.silent:
        switch = replace(switch, state=SwitchState.COMMITTED)
    return SwitchMade(switch)


def require_approved(street: Street, schedule: Schedule) -> None:
    """Raise StateError where a schedule, or a plan set of it, is a draft or retired."""
    if ("schedule", schedule.id) in street.retired:
        raise StateError("is retired", where=f"schedule {schedule.id}")
    if ("schedule", schedule.id) not in street.approved:
        raise StateError("is a draft; expected to be approved", where=f"schedule {schedule.id}")
    for set_id in schedule.plan_sets:
        where = f"plan set {set_id}"
        if ("plan-set", set_id) in street.retired:
            raise StateError("is retired", where=where)
        if ("plan-set", set_id) not in street.approved:
            raise StateError("is a draft; expected to be approved", where=where)


def refuse_uncoordinated(street: Street, city: CityStreets, proposed: Iterable[SwitchMade]) -> None:
    """Let switches pass, or raise RefusedPlanError where a group would not be coordinated."""
    whole = {group.id: group for group in city.groups}
    refusals = [
        refusal
        for event in proposed
        for refusal in out_of_coordination(street, whole[event.switch.group], event.switch)
    ]
    if refusals:
        raise RefusedPlanError(refusals)


def cancel(
    street: Street, city: CityStreets, switch_id: str, *, by: str, now_ms: int
) -> tuple[Event, ...]:
    """Cancel a switch that is still to be decided, or committed for a moment far enough ahead.

    Raises
    ------
    StateError
        It is over, or so near that not all would hear of it: whoever heard of it goes over.
    """
    switch = street.switch(switch_id)
    if not can_be_cancelled(switch, city, now_ms):
        raise StateError(f"is {switch.state}", where=f"switch {switch_id}")
    state = SwitchState.CANCELLED
    return (SwitchDecided(switch_id, state, switch.activate_at_ms, switch.silent, by),)


def can_be_cancelled(switch: Switch, city: CityStreets, now_ms: int) -> bool:
    """Whether a switch is to be decided, or far enough ahead for all to hear that it is off."""
    is_far = switch.activate_at_ms > now_ms + city.switching.decide_ms
    return switch.is_open or (switch.state is SwitchState.COMMITTED and is_far)


def answer(
    street: Street, switch_id: str, acknowledged: Sequence[str], refused: Mapping[str, str]
) -> tuple[Event, ...]:
    """Take note of what controllers say to a switch; what is known already is left out.

    The last word of each counts: who refuses what it had acknowledged has not acknowledged it.
    """
    switch = street.switch(switch_id)
    own = set(switch.signals)
    fresh = tuple(
        s
        for s in acknowledged
        if s in own and s not in refused and (s not in switch.acknowledged or s in switch.refused)
    )
    against = tuple(
        (s, why)
        for s, why in refused.items()
        if s in own and (switch.refused.get(s) != why or s in switch.acknowledged)
    )
    return (Answered(switch_id, fresh, against),) if fresh or against else ()


def _concerned(
    street: Street,
    city: CityStreets,
    schedule: Schedule,
    groups: Sequence[str],
    signals: Collection[str] | None,
) -> tuple[Group, ...]:
    """The groups that are to go over, each cut to the signals concerned."""
    wanted = {*schedule.without, *_planned(street, schedule)}
    concerned = cut_by_group(city.groups, wanted if signals is None else wanted & {*signals})
    if not groups:
        return concerned
    known = {group.id for group in concerned}
    for k, group_id in enumerate(groups):
        if group_id not in known:
            raise NotFoundError(f"no group {group_id!r} with plans", where=f"groups[{k}]")
    return tuple(group for group in concerned if group.id in groups)


def _planned(street: Street, schedule: Schedule) -> set[str]:
    """The signals for which a schedule has plans."""
    return {p.signal_id for k in schedule.plan_sets for p in street.plan_set(k).plans}


def _refuse_soon(
    street: Street, city: CityStreets, group: Group, at_ms: int, cycle_ms: int, now_ms: int
) -> None:
    where = f"group {group.id}"
    earliest = earliest_ms(now_ms, cycle_ms, city.switching)
    if at_ms < earliest:
        ahead_s = (earliest - now_ms) / 1000
        raise InvalidInputError(
            f"{where} runs plans; expected {ahead_s:.0f} s ahead or more, two cycles",
            where="activate_at",
        )
    after = _follows(street, group, at_ms, cycle_ms)
    if after is not None:
        ahead_s = (after.activate_at_ms - now_ms) / 1000
        raise InvalidInputError(
            f"{where} goes over by switch {after.id} in {ahead_s:.0f} s; expected three cycles "
            "before that, then or later",
            where="activate_at",
        )


def _earliest(
    street: Street, city: CityStreets, schedule: Schedule, group: Group, now_ms: int
) -> int:
    """The first moment at which a group that runs plans may go over.

    That is two cycles ahead; where another switch follows before the group would be in step, it is
    that one's moment.
    """
    cycle_ms = 1000 * _longest_cycle_s(street, schedule, group, now_ms)
    moment_ms = earliest_ms(now_ms, cycle_ms, city.switching)
    while (next_one := _follows(street, group, moment_ms, cycle_ms)) is not None:
        moment_ms = next_one.activate_at_ms
    return moment_ms


def _follows(street: Street, group: Group, moment_ms: int, cycle_ms: int) -> Switch | None:
    """The first committed switch that follows a moment before the group is in step."""
    after = street.next_after(group.signals, moment_ms)
    in_step = moment_ms + IN_STEP_CYCLES * cycle_ms
    return after if after is not None and after.activate_at_ms < in_step else None


def _longest_cycle_s(street: Street, schedule: Schedule, group: Group, now_ms: int) -> int:
    cycles_s = [1]
    for signal_id in group.signals:
        plans = [street.plan_of(set_id, signal_id) for set_id in schedule.plan_sets]
        plans.append(street.plan_at(signal_id, now_ms))
        cycles_s += [plan.cycle_s for plan in plans if plan is not None]
    return max(cycles_s)


def _require_valid(street: Street, schedule: Schedule, at_ms: int) -> None:
    invalid = street.invalid_at(schedule, at_ms)
    if invalid:
        raise StateError(
            "is not valid at the moment of the switch", where=f"plan set {', '.join(invalid)}"
        )
