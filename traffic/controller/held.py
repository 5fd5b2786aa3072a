"""What a controller holds: the programs it was told, and which of its plans runs when.

It follows only what it has checked itself and what it knows is committed. Without a server it goes
on with that for as long as it takes: schedules, exceptions and midnights included.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from traffic.errors import TrafficError
from traffic.plan import TimingPlan
from traffic.signals import Signal
from traffic.street import calendar
from traffic.street.door import Limits, refuse_unsafe, refuse_ways
from traffic.street.records import Schedule
from traffic.street.state import Street
from traffic.street.switching import SwitchState

MOST_HELD = 8
"""Switches that are kept: the one in force, those to come, and a few proposals."""


@dataclass(frozen=True, slots=True)
class Program:
    """Plans by plan set, and the schedule that says when each runs.

    A plan set without a plan here means the controller's own plan.
    """

    schedule: Schedule
    plans: Mapping[str, TimingPlan]

    @classmethod
    def of(cls, schedule: Schedule, signal_id: str, street: Street) -> "Program":
        """Return all that a signal's controller needs to run a schedule by itself."""
        plans = {}
        if signal_id not in schedule.without:
            for set_id in schedule.plan_sets:
                plan = street.plan_of(set_id, signal_id)
                if plan is not None:
                    plans[set_id] = plan
        return cls(schedule, plans)

    def plan_at(self, time_ms: int) -> TimingPlan | None:
        """Return the plan of a moment; None = the controller's own."""
        return self.plans.get(calendar.running(self.schedule, time_ms).plan_set)


@dataclass(frozen=True, slots=True)
class HeldSwitch:
    """A switch as it concerns one signal.

    ``refusal`` says why the controller will not show it; empty = it was checked and is safe.
    """

    id: str
    state: SwitchState
    revision: int
    activate_at_ms: int
    program: Program | None
    refusal: str = ""

    @property
    def is_followed(self) -> bool:
        """Whether the controller goes over to it when its time comes."""
        return self.state is SwitchState.COMMITTED and self.program is not None and not self.refusal


@dataclass(frozen=True, slots=True)
class Held:
    """All that a controller holds; ``revision`` is the last one it was told, of log ``log_id``."""

    revision: int = 0
    switches: tuple[HeldSwitch, ...] = ()
    log_id: str = ""

    def current(self, time_ms: int) -> HeldSwitch | None:
        """Return the switch that is in force at a moment."""
        due = [s for s in self.switches if s.is_followed and s.activate_at_ms <= time_ms]
        return max(due, key=_order, default=None)

    def told(self, switch: HeldSwitch, time_ms: int) -> "Held":
        """Return what is held after a switch was told, without what is over."""
        others = [s for s in self.switches if s.id != switch.id]
        if switch.program is not None:
            others.append(switch)
        now = replace(self, switches=tuple(sorted(others, key=_order)))
        current = now.current(time_ms)
        kept = tuple(
            s
            for s in now.switches
            if s is current
            or (s.state is SwitchState.PROPOSED)
            or (s.is_followed and s.activate_at_ms > time_ms)
            # Refused ones are remembered, so that the refusal can be said again.
            or s.refusal
        )
        # What is in force is never what is dropped.
        most = [s for s in kept if s is not current][-MOST_HELD:]
        kept = tuple(s for s in kept if s is current or s in most)
        return Held(max(self.revision, switch.revision), kept, self.log_id)

    def anew(self, log_id: str, time_ms: int) -> "Held":
        """Return what is left where the server's log is another one: what runs, until it says more.

        Numbers and moments of the old log mean nothing in the new one: whatever that puts in force
        replaces it.
        """
        current = self.current(time_ms)
        kept = () if current is None else (replace(current, id="0", revision=0, activate_at_ms=0),)
        return Held(0, kept, log_id)


def _order(switch: HeldSwitch) -> tuple[int, int]:
    return switch.activate_at_ms, int(switch.id)


def why_not(signal: Signal, own_plan: TimingPlan, held: Held, program: Program) -> str:
    """Return why a program is not to be shown; empty = it is safe.

    The controller does not take the server's word for it: every plan is checked against its own
    knowledge of the junction, and every change between plans that it may have to make.
    """
    plans = list(program.plans.values())
    try:
        for plan in plans:
            # One by one: plans of a program are alternatives.
            refuse_unsafe({signal.id: signal}, [plan], (), Limits(min_cycle_s=10))
        before = [
            own_plan,
            *(p for s in held.switches if s.program for p in s.program.plans.values()),
        ]
        changes = [(old, new) for old in (*before, *plans) for new in (own_plan, *plans)]
        # How long a change takes is the server's to judge: here only whether it is safe.
        refuse_ways({signal.id: signal}, changes, in_time=False)
    except TrafficError as error:
        return str(error)[:500]
    return ""
