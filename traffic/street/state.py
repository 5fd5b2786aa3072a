"""Everything that the log says: records, switches, who is known, what is wrong."""

import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import islice
from typing import Self

from traffic.errors import NotFoundError
from traffic.plan import TimingPlan
from traffic.schedule import DAY_S
from traffic.street import calendar
from traffic.street.events import (
    AlarmCleared,
    AlarmRaised,
    Answered,
    Approved,
    AutoApplied,
    AutoApplySet,
    Enrolled,
    Event,
    Kind,
    PlanSetMade,
    Retired,
    ScheduleMade,
    Settled,
    SwitchDecided,
    SwitchMade,
)
from traffic.street.health import Alarm, AlarmKind
from traffic.street.layered import Layered
from traffic.street.records import Life, PlanSet, Schedule
from traffic.street.switching import Switch, SwitchState

GIVEN_UP_MS = 24 * 3_600_000
"""A controller that was silent for so long is not waited for any more."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What one signal is to show at a moment.

    Parameters
    ----------
    signal_id
        The signal.
    plan
        Its plan; None = its controller's own.
    plan_set
        Where the plan comes from; empty without one.
    switch
        What brought it into force.
    from_ms, until_ms
        Its time, UTC epoch milliseconds; None = until replaced.
    reference_ms
        The local midnight from which offsets count in this time.
    """

    signal_id: str
    plan: TimingPlan | None
    plan_set: str
    switch: Switch
    from_ms: int
    until_ms: int | None
    reference_ms: int


Ended = tuple[int, str, "Ended"] | None


@dataclass(frozen=True, slots=True)
class Now:
    """Which switches hold for some signal in a time, and which are committed for later.

    ``records`` are those that are in force.
    """

    from_ms: int
    until_ms: int
    holding: tuple[str, ...]
    coming: tuple[str, ...]
    records: frozenset[tuple[Kind, str]]


class Street:
    """The state of a city's plans; ``apply`` is the only way in which it changes."""

    def __init__(self) -> None:
        self.revision = 0
        # What grows with the years is layered: each write begins with a copy.
        self.plan_sets: Layered[str, PlanSet] = Layered()
        self.schedules: Layered[str, Schedule] = Layered()
        self.approved: Layered[tuple[Kind, str], Approved] = Layered()
        self.retired: Layered[tuple[Kind, str], Retired] = Layered()
        self.switches: Layered[str, Switch] = Layered()
        self.known: set[str] = set()
        self.alarms: dict[tuple[str, AlarmKind], Alarm] = {}
        self.auto_apply = False
        self.auto_applied_ms: int | None = None
        self._made = 0
        self._plans: Layered[str, dict[str, TimingPlan]] = Layered()
        self._using: Layered[str, tuple[str, ...]] = Layered()
        # For each signal its committed switches as (moment, number), in order.
        self._committed: dict[str, tuple[tuple[int, int], ...]] = {}
        self._open: dict[str, str] = {}
        # For each signal the switch that its controller is asked about.
        self._asked: dict[str, str] = {}
        # What was called off as (revision, switch, what ended before it): the newest one.
        self._ended: Ended = None
        self._now: Now | None = None

    def copy(self) -> Self:
        """Return the same state, to go on from separately."""
        twin = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set | Layered):
                setattr(twin, name, value.copy())
        return twin

    def next_ids(self) -> Iterator[str]:
        """Yield ids of records and switches to be made, in order."""
        number = self._made
        while True:
            number += 1
            yield str(number)

    # -- reading

    def awaited(self, time_ms: int) -> Collection[str]:
        """Return the controllers that a switch waits for: known, and not silent for a day."""
        return {
            signal_id
            for signal_id in self.known
            if (alarm := self.alarms.get((signal_id, AlarmKind.SILENT))) is None
            or time_ms - alarm.since_ms < GIVEN_UP_MS
        }

    def plan_set(self, record_id: str, *, where: str = "name") -> PlanSet:
        """Return a plan set or raise NotFoundError."""
        if record_id not in self.plan_sets:
            raise NotFoundError(f"no plan set {record_id!r}", where=where)
        return self.plan_sets[record_id]

    def schedule(self, record_id: str, *, where: str = "name") -> Schedule:
        """Return a schedule or raise NotFoundError."""
        if record_id not in self.schedules:
            raise NotFoundError(f"no schedule {record_id!r}", where=where)
        return self.schedules[record_id]

    def switch(self, switch_id: str, *, where: str = "name") -> Switch:
        """Return a switch or raise NotFoundError."""
        if switch_id not in self.switches:
            raise NotFoundError(f"no switch {switch_id!r}", where=where)
        return self.switches[switch_id]

    def open_switch(self, group: str) -> Switch | None:
        """Return the switch of a group that is still to be decided."""
        return self.switches[self._open[group]] if group in self._open else None

    @property
    def open_switches(self) -> tuple[Switch, ...]:
        """All switches that are still to be decided; it may be asked from any thread."""
        # From a list: figures are taken while another thread writes.
        return tuple(self.switches[key] for key in list(self._open.values()))

    def plan_of(self, plan_set: str, signal_id: str) -> TimingPlan | None:
        """Return a signal's plan in a set, if it has one."""
        return self._plans[plan_set].get(signal_id)

    def switch_at(self, signal_id: str, time_ms: int) -> Switch | None:
        """Return the committed switch that holds for a signal at a moment."""
        found = self._committed.get(signal_id, ())
        k = bisect_right(found, (time_ms, self._made)) - 1
        return self.switches[str(found[k][1])] if k >= 0 else None

    def switches_of(self, signal_id: str) -> tuple[Switch, ...]:
        """Return a signal's committed switches, in the order of their moments."""
        return tuple(self.switches[str(n)] for _, n in self._committed.get(signal_id, ()))

    def coming_to(self, signal_id: str, time_ms: int) -> Iterator[Switch]:
        """Yield a signal's committed switches after a moment, in their order."""
        found = self._committed.get(signal_id, ())
        for _, number in found[bisect_right(found, (time_ms, sys.maxsize)) :]:
            yield self.switches[str(number)]

    def next_after(self, signals: Iterable[str], time_ms: int) -> Switch | None:
        """Return the first committed switch of some signals after a moment."""
        first = (switch for s in signals for switch in islice(self.coming_to(s, time_ms), 1))
        return min(first, key=lambda switch: switch.activate_at_ms, default=None)

    def in_force(self, signal_id: str, time_ms: int) -> InForce:
        """Return what a signal is to show at a moment, and in which time around it.

        Raises
        ------
        NotFoundError
            Nothing was put in force for it before then.
        """
        switch = self.switch_at(signal_id, time_ms)
        if switch is None:
            raise NotFoundError("no plan is in force at that time", where=f"signal {signal_id}")
        run = calendar.running(switch.schedule, time_ms)
        own = signal_id in switch.schedule.without
        plan = None if own else self.plan_of(run.plan_set, signal_id)
        midnight_ms = calendar.midnight_ms(calendar.civil_date(time_ms))
        from_ms = max(switch.activate_at_ms, run.from_ms)
        ends = [] if run.until_ms is None else [run.until_ms]
        if plan is not None and DAY_S % plan.cycle_s:
            # The clock starts anew at midnight: to such a plan that is a change.
            ends.append(midnight_ms + DAY_S * 1000)
            from_ms = max(from_ms, midnight_ms)
        if plan is not None:
            # It goes on then, and somebody is told to replace it: whoever holds it asks again.
            valid_until_ms = self.plan_sets[run.plan_set].valid_until_ms
            if valid_until_ms is not None and valid_until_ms > time_ms:
                ends.append(valid_until_ms)
        later = self._committed[signal_id]
        k = bisect_right(later, (time_ms, self._made))
        if k < len(later):
            ends.append(later[k][0])
        until_ms = min(ends, default=None)
        set_id = run.plan_set if plan is not None else ""
        return InForce(signal_id, plan, set_id, switch, from_ms, until_ms, midnight_ms)

    def plan_at(self, signal_id: str, time_ms: int) -> TimingPlan | None:
        """Return the plan in force for a signal at a moment; None = its controller's own."""
        if self.switch_at(signal_id, time_ms) is None:
            return None
        return self.in_force(signal_id, time_ms).plan

    def since(self, revision: int, signal_id: str, time_ms: int) -> tuple[Switch, ...]:
        """Return the switches that a controller which holds a revision does not know.

        Of what is over, nothing: the one in force, those to come, and the one to be decided.
        """
        found = self._committed.get(signal_id, ())
        k = max(0, bisect_right(found, (time_ms, self._made)) - 1)
        own = [self.switches[str(number)] for _, number in found[k:]]
        if signal_id in self._asked:
            own.append(self.switches[self._asked[signal_id]])
        return tuple(switch for switch in own if switch.revision > revision)

    def runs(self, signals: Iterable[str]) -> bool:
        """Whether something was put in force for any of these signals, or is about to be."""
        return any(self._committed.get(signal_id) for signal_id in signals)

    def ended_since(self, revision: int) -> Iterator[Switch]:
        """Yield the switches that were cancelled or given up after a revision."""
        ended = self._ended
        while ended is not None and ended[0] > revision:
            yield self.switches[ended[1]]
            ended = ended[2]

    def life(self, kind: Kind, record_id: str, time_ms: int) -> Life:
        """Return how far a record has come at a moment."""
        if (kind, record_id) in self.retired:
            return Life.RETIRED
        if (kind, record_id) in self._at(time_ms).records:
            return Life.IN_FORCE
        return Life.APPROVED if (kind, record_id) in self.approved else Life.DRAFT

    def invalid_at(self, schedule: Schedule, time_ms: int) -> tuple[str, ...]:
        """Return the plan sets of a schedule that may not be put in force at a moment."""
        return tuple(
            key for key in schedule.plan_sets if not self.plan_sets[key].is_valid_at(time_ms)
        )

    def schedules_using(self, plan_set: str) -> tuple[str, ...]:
        """Return the ids of the schedules that use a plan set."""
        return self._using.get(plan_set, ())

    def in_force_now(self, time_ms: int) -> Iterator[Switch]:
        """Yield the switches that hold for some signal at a moment, each once."""
        return (self.switches[key] for key in self._at(time_ms).holding)

    def to_come(self, time_ms: int) -> Iterator[Switch]:
        """Yield the switches that are still to be decided, or committed for later than a moment."""
        yield from self.open_switches
        yield from (self.switches[key] for key in self._at(time_ms).coming)

    def _at(self, time_ms: int) -> "Now":
        """Return which switches hold at a moment: found out anew only where that has changed."""
        now = self._now
        if now is not None and now.from_ms <= time_ms < now.until_ms:
            return now
        holding: dict[int, None] = {}
        coming: dict[int, int] = {}
        for found in self._committed.values():
            k = bisect_right(found, (time_ms, self._made))
            if k:
                holding[found[k - 1][1]] = None
            coming.update((number, at_ms) for at_ms, number in found[k:])
        schedules = [self.switches[str(number)].schedule for number in holding]
        records: set[tuple[Kind, str]] = {("schedule", own.id) for own in schedules}
        by_id = {schedule.id: schedule for schedule in schedules}
        records.update(("plan-set", key) for own in by_id.values() for key in own.plan_sets)
        now = Now(
            time_ms,
            min(coming.values(), default=sys.maxsize),
            tuple(str(number) for number in holding),
            tuple(str(number) for number in coming),
            frozenset(records),
        )
        self._now = now
        return now

    # -- changing

    def apply(self, events: Iterable[Event], revision: int) -> None:
        """Take in what happened; ``revision`` is the log's, one for all these events."""
        for event in events:
            self._apply(event, revision)
        self.revision = revision

    def _apply(self, event: Event, revision: int) -> None:
        match event:
            case PlanSetMade(plan_set):
                self.plan_sets[plan_set.id] = plan_set
                self._plans[plan_set.id] = {plan.signal_id: plan for plan in plan_set.plans}
                self._made = max(self._made, int(plan_set.id))
            case ScheduleMade(schedule):
                self.schedules[schedule.id] = schedule
                for set_id in schedule.plan_sets:
                    self._using[set_id] = (*self._using.get(set_id, ()), schedule.id)
                self._made = max(self._made, int(schedule.id))
            case Approved(kind, record_id):
                self.approved[kind, record_id] = event
            case Retired(kind, record_id):
                self.retired[kind, record_id] = event
            case SwitchMade(switch):
                self._made = max(self._made, int(switch.id))
                self._keep(replace(switch, revision=revision))
            case SwitchDecided(switch_id, state, activate_at_ms, silent):
                switch = self.switches[switch_id]
                again = state is SwitchState.PROPOSED
                self._keep(
                    replace(
                        switch,
                        state=state,
                        activate_at_ms=activate_at_ms,
                        silent=silent,
                        postponed=switch.postponed + again,
                        revision=revision,
                    )
                )
            case Answered(switch_id, acknowledged, refused):
                switch = self.switches[switch_id]
                # The last word counts, whichever it is.
                against = {k: v for k, v in switch.refused.items() if k not in acknowledged}
                against.update(refused)
                self.switches[switch_id] = replace(
                    switch,
                    acknowledged=(switch.acknowledged | set(acknowledged)) - dict(refused).keys(),
                    refused=against,
                )
            case Settled(switch_id, out_of_step_s):
                switch = self.switches[switch_id]
                settled = {**switch.settled, **dict(out_of_step_s)}
                self.switches[switch_id] = replace(switch, settled=settled)
            case Enrolled(signals):
                self.known.update(signals)
            case AlarmRaised(alarm):
                self.alarms[alarm.key] = alarm
            case AlarmCleared(subject, kind):
                self.alarms.pop((subject, kind), None)
            case AutoApplySet(enabled):
                self.auto_apply = enabled
            case AutoApplied(_, at_ms):
                self.auto_applied_ms = at_ms

    def _keep(self, switch: Switch) -> None:
        self._now = None
        self.switches[switch.id] = switch
        if switch.is_open:
            self._open[switch.group] = switch.id
            self._asked.update(dict.fromkeys(switch.signals, switch.id))
            return
        if self._open.get(switch.group) == switch.id:
            del self._open[switch.group]
            for signal_id in switch.signals:
                self._asked.pop(signal_id, None)
        if switch.state is not SwitchState.COMMITTED:
            self._ended = (switch.revision, switch.id, self._ended)
            for signal_id in switch.signals:
                # It may have been committed for a moment that will not come now.
                own = self._committed.get(signal_id, ())
                self._committed[signal_id] = tuple(e for e in own if e[1] != int(switch.id))
        else:
            for signal_id in switch.signals:
                entry = (switch.activate_at_ms, int(switch.id))
                own = (*self._committed.get(signal_id, ()), entry)
                if len(own) > 1 and own[-2] > entry:
                    own = tuple(sorted(own))
                self._committed[signal_id] = own


def signals_touched(events: Sequence[Event], street: Street) -> Collection[str]:
    """Return the signals whose controllers are to be told, once ``street`` has taken events in."""
    touched: set[str] = set()
    for event in events:
        if isinstance(event, SwitchMade):
            touched.update(event.switch.signals)
        elif isinstance(event, SwitchDecided):
            touched.update(street.switches[event.id].signals)
    return touched
