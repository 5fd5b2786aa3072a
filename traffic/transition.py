"""Transitions: how a signal gets from one plan into step with another without breaking a rule.

At the switch the old plan goes on until a stage that the new plan has too; there the new plan's
sequence takes over, out of step at first. It gets into step by one of the usual ways (FHWA
"Traffic Signal Timing Manual", 2008, section 6.5):

``dwell``
    the coordinated green is held until the new plan gets there;
``add``
    every green is lengthened a little until the rest of the cycle is made up;
``subtract``
    every green is shortened, never below its minimum; where nothing can be shortened, ``add``;
``short-way``
    whichever of ``add`` and ``subtract`` is over first.

Plans without a common stage are joined by an intergreen of the network's own change times.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.intergreens import intergreen
from traffic.plan import Stage, TimingPlan
from traffic.resync import Change, Resync
from traffic.safety import check_phases
from traffic.signals import Phase, Signal
from traffic.stages import pedestrian_need_s

Method = Literal["dwell", "add", "subtract", "short-way"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class Transition:
    """What a signal shows from a switch until it is in step with the new plan.

    Parameters
    ----------
    begin_s, end_s
        On the plans' clock: the switch, and when the new plan alone says what is shown.
    phases
        Whole seconds, ``end_s - begin_s`` in all; none where the plans are in step already.
    """

    signal_id: str
    begin_s: int
    end_s: int
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Whole seconds of a way into a plan, with the stage that they belong to.

    Parameters
    ----------
    duration_s, state
        What is shown and how long.
    into
        Whether the stage is one of the new plan's; its intergreen belongs to it.
    stage
        Index into the plan's stages.
    is_green
        Whether it is the stage's green.
    """

    duration_s: int
    state: str
    into: bool
    stage: int
    is_green: bool


@dataclass(frozen=True, slots=True)
class Way:
    """Rows until a signal is in step with its new plan, there at the beginning of ``stage``."""

    rows: tuple[Row, ...]
    stage: int

    @property
    def duration_s(self) -> int:
        """Seconds until in step."""
        return sum(row.duration_s for row in self.rows)


def transition(
    signal: Signal,
    old: TimingPlan,
    new: TimingPlan,
    at_s: int,
    *,
    method: Method = "short-way",
    most_share: float = 0.25,
) -> Transition:
    """Return the phases from a switch on, second by second, until the signal is in step.

    Parameters
    ----------
    old, new
        Plans of the signal; both are safe and count their offsets from the same clock.
    at_s
        When ``new`` comes into force, in whole s of that clock.
    method
        See above.
    most_share
        By how much ``add`` and ``subtract`` may change a cycle, as a share of it; above 0, to 1.

    Raises
    ------
    InvalidInputError
        The method is unknown or the share out of range.
    UnsafePlanError
        No safe way leads from the one plan to the other.
    """
    return Switch.between(signal, old, new, method, most_share).at(at_s)


def worst_case_s(
    signal: Signal,
    old: TimingPlan,
    new: TimingPlan,
    *,
    method: Method = "short-way",
    most_share: float = 0.25,
) -> int:
    """Longest time that ``transition`` takes, in s, over every second of both cycles.

    A bound that is at most a stage's duration too long: what the new plan would show at the end
    of a transition anyway counts here.
    """
    switch = Switch.between(signal, old, new, method, most_share)
    cycles_s = math.lcm(old.cycle_s, new.cycle_s)
    places = (switch.places(t_s) for t_s in range(cycles_s))
    return max(min(end_s for end_s, _, _ in switch.ends(*place)) for place in places)


def shown(plan: TimingPlan, begin_s: int, end_s: int) -> tuple[Phase, ...]:
    """Return what a plan shows in ``[begin_s, end_s)``, as phases."""
    return phases_of([plan.state_at(t_s) for t_s in range(begin_s, end_s)])


def phases_of(states: Sequence[str]) -> tuple[Phase, ...]:
    """Return states of one second each as phases."""
    rows: list[tuple[int, str]] = []
    for state in states:
        if rows and rows[-1][1] == state:
            rows[-1] = (rows[-1][0] + 1, state)
        else:
            rows.append((1, state))
    return tuple(Phase(*row) for row in rows)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A way into the new plan.

    ``before`` is shown until stage ``into`` begins, ``start_s`` after the switch; a negative time
    says that this stage is being shown, and goes on. ``shown_s`` is its shortest green.
    """

    into: int
    start_s: int
    shown_s: int
    before: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """Everything about a switch but its second.

    Only the stages and cycles of both plans count here, not their offsets: a place in a cycle is
    said in seconds since its first stage's green began.

    Use ``Switch.between``. ``pairs`` are old and new stages to go over.
    """

    signal: Signal
    old: TimingPlan
    new: TimingPlan
    method: Method
    resync: Resync
    pairs: tuple[tuple[int, int], ...]
    # What has been worked out: a search over all seconds asks for the same again and again.
    changes: dict[tuple[int, int, int], Change] = field(default_factory=dict)
    entries: dict[int, tuple[_Entry, ...]] = field(default_factory=dict)

    @classmethod
    def between(
        cls, signal: Signal, old: TimingPlan, new: TimingPlan, method: Method, most_share: float
    ) -> "Switch":
        """Find out where the signal may go over, and how far greens may be shortened."""
        if method not in METHODS:
            raise InvalidInputError(
                f"{method!r}; expected one of {', '.join(METHODS)}", where="method"
            )
        if not 0 < most_share <= 1:
            raise InvalidInputError(f"{most_share}; expected above 0, to 1", where="most_share")
        # What the plans themselves break is not for a transition to mend.
        broken = {v.rule for plan in (old, new) for v in check_phases(signal, plan.phases())}
        greens_s = tuple(stage.green_s for stage in new.stages)
        least_s = tuple(stage.min_green_s for stage in new.stages)
        if {v.rule for v in check_phases(signal, _once_around(new, 0, least_s))} - broken:
            # Its stages lean on each other for a link's minimum: nothing can be shortened.
            least_s = greens_s
        pairs = [(a, b) for a in range(len(old.stages)) for b in range(len(new.stages))]
        common = [(a, b) for a, b in pairs if _is_common(old, new, a, b)]
        for candidates in (common, pairs):
            safe = tuple(
                pair
                for pair in candidates
                if _rules_broken(signal, old, new, pair, least_s) <= broken
            )
            if safe:
                return cls(signal, old, new, method, Resync(new, least_s, most_share), safe)
        raise UnsafePlanError("no safe way leads into the new plan", where=f"signal {signal.id}")

    def at(self, at_s: int) -> Transition:
        """Return the shortest transition of a switch at ``at_s``."""
        way = next(self.ways(*self.places(at_s)))
        states = [row.state for row in way.rows for _ in range(row.duration_s)]
        # What the new plan shows at these seconds anyway is no longer a transition.
        while states and states[-1] == self.new.state_at(at_s + len(states) - 1):
            states.pop()
        return Transition(self.signal.id, at_s, at_s + len(states), phases_of(states))

    def places(self, at_s: int) -> tuple[int, int]:
        """Return where the old plan is at a second of the plans' clock, and where the new one."""
        return (
            (at_s - self.old.program_start_s) % self.old.cycle_s,
            (at_s - self.new.program_start_s) % self.new.cycle_s,
        )

    def ways(self, since_s: int, there_s: int) -> Iterator[Way]:
        """Yield every way from a place in the old cycle, the shortest first.

        Parameters
        ----------
        since_s
            Where the signal is: seconds since the old plan's first green began.
        there_s
            Where the new plan is at this moment.
        """
        for _, entry, change in sorted(self.ends(since_s, there_s), key=lambda found: found[0]):
            yield self._way(entry, change)

    def entries_into(self, since_s: int, stage: int) -> Iterator[Way]:
        """Yield the ways to the beginning of one stage of the new plan, the soonest first.

        Nobody asks when the new plan is there: the stage is wanted for itself.
        """
        found = [entry for entry in self._entered(since_s) if entry.into == stage]
        for entry in sorted(found, key=lambda entry: entry.start_s):
            yield Way(entry.before, stage)

    def _way(self, entry: _Entry, change: Change) -> Way:
        rows = list(entry.before)
        count = len(self.new.stages)
        for k, green_s in enumerate(change):
            at = (entry.into + k) % count
            stage = self.new.stages[at]
            # Of the first green, a part may have been shown before the switch.
            rest_s = green_s + (min(0, entry.start_s) if k == 0 else 0)
            rows += [Row(rest_s, stage.green_state, True, at, True)] if rest_s else []
            rows += [Row(int(p.duration_s), p.state, True, at, False) for p in stage.intergreen]
        return Way(tuple(rows), (entry.into + len(change)) % count)

    def _entered(self, since_s: int) -> tuple[_Entry, ...]:
        if since_s not in self.entries:
            self.entries[since_s] = tuple(self._entries(since_s))
        return self.entries[since_s]

    def ends(self, since_s: int, there_s: int) -> Iterator[tuple[int, _Entry, Change]]:
        """Yield every way, with the seconds after the switch at which it is in step."""
        for entry in self._entered(since_s):
            ahead_s = self.new.stage_start_s(entry.into) - there_s
            lag_s = (ahead_s - entry.start_s) % self.new.cycle_s
            key = (entry.into, lag_s, entry.shown_s)
            if key not in self.changes:
                self.changes[key] = self._change(*key)
            change = self.changes[key]
            yield entry.start_s + self.resync.takes_s(entry.into, change), entry, change

    def _change(self, into: int, lag_s: int, shown_s: int) -> Change:
        if self.method == "dwell":
            return self.resync.dwell(into, lag_s, shown_s)
        more = self.resync.add(into, lag_s, shown_s)
        less = None if self.method == "add" else self.resync.subtract(into, lag_s, shown_s)
        if less is None:
            return more
        if self.method == "subtract":
            return less
        return min(less, more, key=lambda change: self.resync.takes_s(into, change))

    def _entries(self, since_s: int) -> Iterator[_Entry]:
        """Yield every way into the new plan from a second of the old one's cycle on."""
        count = len(self.old.stages)
        first = max(k for k in range(count) if self.old.stage_start_s(k) <= since_s)
        start_s = self.old.stage_start_s(first) - since_s
        before: list[Row] = []
        for n in range(first, first + count + 1):
            stage = self.old.stages[n % count]
            # A stage whose green is over can't be gone over from.
            if start_s + stage.green_s > 0:
                for a, b in self.pairs:
                    if a == n % count:
                        yield self._entry(a, b, start_s, before)
            for k, phase in enumerate(self.old.phases_of(stage)):
                rest_s = int(phase.duration_s) + min(0, start_s)
                if rest_s > 0:
                    before.append(Row(rest_s, phase.state, False, n % count, k == 0))
                start_s += int(phase.duration_s)

    def _entry(self, a: int, b: int, start_s: int, before: list[Row]) -> _Entry:
        least_s = self.resync.least_s[b]
        if _is_common(self.old, self.new, a, b):
            return _Entry(b, start_s, max(least_s, -start_s), tuple(before))
        leaving, coming = self.old.stages[a], self.new.stages[b]
        between = intergreen(self.signal, leaving.green_state, coming.green_state)
        between_s = sum(int(phase.duration_s) for phase in between)
        until_s = max(0, start_s + leave_after_s(self.signal, leaving, between_s))
        rest_s = until_s - max(0, start_s)
        rows = list(before)
        rows += [Row(rest_s, leaving.green_state, False, a, True)] if rest_s else []
        rows += [Row(int(phase.duration_s), phase.state, False, a, False) for phase in between]
        return _Entry(b, until_s + between_s, least_s, tuple(rows))


def leave_after_s(signal: Signal, stage: Stage, between_s: int) -> int:
    """Return the shortest green of a stage that another intergreen than its own ends.

    People who began to walk are over when it ends, although that intergreen may be shorter.
    """
    return max(stage.min_green_s, pedestrian_need_s(signal, stage.green_state) - between_s)


def _is_common(old: TimingPlan, new: TimingPlan, a: int, b: int) -> bool:
    return old.stages[a].green_state == new.stages[b].green_state


def _rules_broken(
    signal: Signal,
    old: TimingPlan,
    new: TimingPlan,
    pair: tuple[int, int],
    least_s: Sequence[int],
) -> set[str]:
    """Rules that going over breaks with the shortest greens that may be shown."""
    a, b = pair
    rows = _once_around(old, a, [stage.green_s for stage in old.stages])
    if not _is_common(old, new, a, b):
        leaving = old.stages[a]
        between = intergreen(signal, leaving.green_state, new.stages[b].green_state)
        between_s = sum(int(phase.duration_s) for phase in between)
        rows.append(Phase(leave_after_s(signal, leaving, between_s), leaving.green_state))
        rows += between
    rows += 2 * _once_around(new, b, least_s)
    return {violation.rule for violation in check_phases(signal, rows, goes_round=False)}


def _once_around(plan: TimingPlan, first: int, greens_s: Sequence[int]) -> list[Phase]:
    """One cycle of a plan from a stage on, with other greens."""
    rows: list[Phase] = []
    for k in range(first, first + len(plan.stages)):
        stage = plan.stages[k % len(plan.stages)]
        rows += [Phase(greens_s[k % len(plan.stages)], stage.green_state), *stage.intergreen]
    return rows
