"""A signal's day: which plan runs when, with every switch as a planned transition.

The plans' clock starts anew at local midnight. A cycle that does not divide the day is out of
step there with itself: the day begins with the transition that puts this right, and what a
controller shows at the end of one day goes on into the next.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from traffic.errors import InvalidInputError, NotFoundError
from traffic.plan import TimingPlan
from traffic.signals import Phase, Signal
from traffic.transition import Method, Transition, transition

DAY_S = 86400
MOST_SWITCHES = 48
"""Periods that a controller of GB/T 20999 holds in a day plan."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the day: a transition, then its plan until the next part begins."""

    plan: TimingPlan
    transition: Transition

    @property
    def begin_s(self) -> int:
        """When the transition begins, in s after local midnight."""
        return self.transition.begin_s

    @property
    def in_step_s(self) -> int:
        """From when on the plan alone says what is shown."""
        return self.transition.end_s


@dataclass(frozen=True, slots=True)
class Timetable:
    """What one signal shows all day, the same every day.

    Parameters
    ----------
    signal_id
        The signal.
    parts
        In order; the first one begins at 0.
    """

    signal_id: str
    parts: tuple[Part, ...]

    def part_at(self, t_s: float) -> Part:
        """Return the part of the day at ``t_s`` seconds after any local midnight."""
        starts_s = [part.begin_s for part in self.parts]
        return self.parts[bisect_right(starts_s, t_s % DAY_S) - 1]

    def state_at(self, t_s: float) -> str:
        """Return what is shown ``t_s`` seconds after any local midnight."""
        t_s %= DAY_S
        part = self.part_at(t_s)
        left_s = t_s - part.begin_s
        for phase in part.transition.phases:
            if left_s < phase.duration_s:
                return phase.state
            left_s -= phase.duration_s
        return part.plan.state_at(t_s)

    def phases(self, begin_s: int = 0, end_s: int = DAY_S) -> Iterator[Phase]:
        """Yield what is shown in ``[begin_s, end_s)`` of the day, in whole seconds."""
        ends_s = [*(part.begin_s for part in self.parts[1:]), DAY_S]
        for part, until_s in zip(self.parts, ends_s, strict=True):
            at_s = part.begin_s
            for phase in part.transition.phases:
                yield from _cut(phase, at_s, begin_s, end_s)
                at_s += int(phase.duration_s)
            for phase in _running(part.plan, max(at_s, begin_s), min(until_s, end_s)):
                yield phase


def timetable(
    signal: Signal,
    switches: Sequence[tuple[int, TimingPlan]],
    *,
    before: TimingPlan | None = None,
    method: Method = "short-way",
    most_share: float = 0.25,
) -> Timetable:
    """Plan a signal's day.

    Parameters
    ----------
    switches
        ``(at_s, plan)``: from when on which plan is in force, in whole s after local midnight, in
        order. Until the first one, what ran before goes on.
    before
        The plan with which the day before ended; None = every day is like this one.
    method, most_share
        How the signal gets into step; see ``transition``.

    Raises
    ------
    InvalidInputError
        There is no switch or there are more than 48, their times are not in order or outside the
        day, or a switch comes before the one before it has led into step.
    UnsafePlanError
        No safe way leads from one plan to the next.
    """
    where = f"signal {signal.id}"
    if not 1 <= len(switches) <= MOST_SWITCHES:
        raise InvalidInputError(
            f"{len(switches)} switches; expected 1 to {MOST_SWITCHES}", where=where
        )
    times_s = [at_s for at_s, _ in switches]
    if sorted(set(times_s)) != times_s or not 0 <= times_s[0] <= times_s[-1] < DAY_S:
        raise InvalidInputError(
            f"switches at {', '.join(map(str, times_s))} s; expected increasing times of a day",
            where=where,
        )
    last = switches[-1][1] if before is None else before
    # Yesterday's clock, in today's seconds.
    running = last.with_offset(last.offset_s - DAY_S)
    if times_s[0] > 0:
        switches = [(0, last), *switches]
    parts: list[Part] = []
    for at_s, plan in switches:
        way = transition(signal, running, plan, at_s, method=method, most_share=most_share)
        parts.append(Part(plan, way))
        running = plan
    ends_s = [*(part.begin_s for part in parts[1:]), DAY_S]
    for part, until_s in zip(parts, ends_s, strict=True):
        if part.in_step_s > until_s:
            raise InvalidInputError(
                f"the switch at {part.begin_s} s leads into step at {part.in_step_s} s; expected "
                f"before the next one, at {until_s} s",
                where=where,
            )
    return Timetable(signal.id, tuple(parts))


def timetables(
    signals: Mapping[str, Signal],
    periods: Sequence[tuple[int, Mapping[str, TimingPlan]]],
    *,
    method: Method = "short-way",
    most_share: float = 0.25,
) -> tuple[Timetable, ...]:
    """Plan the day of all signals that have plans, in the order of their first appearance.

    ``periods`` holds, from when on in s after local midnight, the plans by signal. A signal that
    a period leaves out goes on with the plan it has.

    Raises
    ------
    NotFoundError
        A plan is for a signal that does not exist.
    InvalidInputError, UnsafePlanError
        As ``timetable``.
    """
    switches: dict[str, list[tuple[int, TimingPlan]]] = {}
    for at_s, plans in periods:
        for signal_id, plan in plans.items():
            if signal_id not in signals:
                raise NotFoundError(f"no signal {signal_id!r}", where="periods")
            switches.setdefault(signal_id, []).append((at_s, plan))
    return tuple(
        timetable(signals[signal_id], found, method=method, most_share=most_share)
        for signal_id, found in switches.items()
    )


def _cut(phase: Phase, at_s: int, begin_s: int, end_s: int) -> Iterator[Phase]:
    """What of a phase that begins at ``at_s`` lies within a window."""
    inside_s = min(at_s + int(phase.duration_s), end_s) - max(at_s, begin_s)
    if inside_s > 0:
        yield Phase(inside_s, phase.state)


def _running(plan: TimingPlan, begin_s: int, end_s: int) -> Iterator[Phase]:
    """What a plan shows in ``[begin_s, end_s)``."""
    at_s = begin_s - (begin_s - plan.program_start_s) % plan.cycle_s
    while at_s < end_s:
        for phase in plan.phases():
            yield from _cut(phase, at_s, begin_s, end_s)
            at_s += int(phase.duration_s)
