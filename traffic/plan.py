"""A fixed-time coordinated plan of one signal, valid from construction on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from traffic.errors import UnsafePlanError
from traffic.signals import GREEN, Phase

MIN_CYCLE_S = 10
MAX_CYCLE_S = 300


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule: which one, where (such as a stage; empty = of the whole), and the value."""

    rule: str
    stage: str
    value: str

    def __str__(self) -> str:
        stage = f": stage {self.stage}" if self.stage else ""
        return f"{self.rule}{stage}: {self.value}"


class BrokenPlanError(UnsafePlanError):
    """A plan that cannot be: ``broken`` holds every rule that it breaks."""

    def __init__(self, signal_id: str, broken: Sequence[Violation]) -> None:
        super().__init__("; ".join(map(str, broken)), where=f"signal {signal_id}")
        self.signal_id = signal_id
        self.broken = tuple(broken)

    @property
    def details(self) -> dict[str, str]:
        """The first rule, field by field, for machines."""
        first = self.broken[0]
        return {
            "signal": self.signal_id,
            "rule": first.rule,
            "stage": first.stage,
            "value": first.value,
        }


@dataclass(frozen=True, slots=True)
class Stage:
    """A green and the intergreen that ends it.

    Parameters
    ----------
    name
        For people, such as ``NS through``.
    green_state
        One character for each signal link.
    green_s
        Whole seconds, at least ``min_green_s``.
    min_green_s
        Whole seconds, at least 1.
    intergreen
        Whole-second phases shown after the green, in order.
    """

    name: str
    green_state: str
    green_s: int
    min_green_s: int
    intergreen: tuple[Phase, ...] = ()

    @property
    def intergreen_s(self) -> int:
        """Whole seconds from the end of this green to the beginning of the next."""
        return sum(int(phase.duration_s) for phase in self.intergreen)

    @property
    def duration_s(self) -> int:
        """Green and intergreen."""
        return self.green_s + self.intergreen_s


@dataclass(frozen=True, slots=True)
class TimingPlan:
    """What a signal shows, second by second, in a cycle tied to the master clock.

    Parameters
    ----------
    signal_id
        The signal.
    cycle_s
        Whole seconds, 10 to 300: the sum of all greens and intergreens.
    offset_s
        Seconds from the master clock's cycle start (local midnight) to the beginning of the
        coordinated stage's green; ``0 <= offset_s < cycle_s``; larger is later.
    stages
        In the order in which they are shown.
    coordinated_stage
        Index into ``stages``.

    Raises
    ------
    BrokenPlanError
        Rules above are broken; it names the signal, and of each the rule, stage and value.
    """

    signal_id: str
    cycle_s: int
    offset_s: int
    stages: tuple[Stage, ...]
    coordinated_stage: int = 0

    def __post_init__(self) -> None:
        broken = tuple(self._broken_rules())
        if broken:
            raise BrokenPlanError(self.signal_id, broken)

    def _broken_rules(self) -> Iterator[Violation]:
        if not MIN_CYCLE_S <= self.cycle_s <= MAX_CYCLE_S:
            value = f"{self.cycle_s} s; expected {MIN_CYCLE_S} to {MAX_CYCLE_S}"
            yield Violation("cycle", "", value)
        if not 0 <= self.offset_s < self.cycle_s:
            value = f"{self.offset_s} s; expected 0 to {self.cycle_s - 1}"
            yield Violation("offset", "", value)
        if not 0 <= self.coordinated_stage < len(self.stages):
            value = f"{self.coordinated_stage}; the plan has {len(self.stages)} stages"
            yield Violation("coordinated-stage", "", value)
        for k, stage in enumerate(self.stages):
            yield from _broken_stage(k, stage, len(self.stages[0].green_state))
        total_s = sum(stage.duration_s for stage in self.stages)
        if total_s != self.cycle_s:
            value = f"stages sum to {total_s} s; expected {self.cycle_s} s"
            yield Violation("cycle", "", value)

    def stage_start_s(self, k: int) -> int:
        """Seconds from the first stage's green to the beginning of stage ``k``'s green."""
        return sum(stage.duration_s for stage in self.stages[:k])

    @property
    def program_start_s(self) -> int:
        """When the first stage's green begins on the master clock, 0 to ``cycle_s`` - 1.

        This is SUMO's ``offset``.
        """
        return (self.offset_s - self.stage_start_s(self.coordinated_stage)) % self.cycle_s

    def phases(self) -> tuple[Phase, ...]:
        """Return greens and intergreens as they are shown, from the first stage's green on."""
        return tuple(phase for stage in self.stages for phase in self.phases_of(stage))

    @staticmethod
    def phases_of(stage: Stage) -> tuple[Phase, ...]:
        """Return the green of one stage and its intergreen."""
        green = Phase(stage.green_s, stage.green_state, stage.min_green_s)
        return (green, *stage.intergreen)

    def state_at(self, t_s: float) -> str:
        """Return what is shown ``t_s`` seconds after the master clock's cycle start."""
        left_s = (t_s - self.program_start_s) % self.cycle_s
        for phase in self.phases():
            if left_s < phase.duration_s:
                return phase.state
            left_s -= phase.duration_s
        # The remainder of a float division may round up to the cycle itself.
        return self.stages[0].green_state

    def greens(self, link: int) -> tuple[tuple[int, int], ...]:
        """Return when a link is green, as ``[start_s, end_s)`` on the master clock.

        ``0 <= start_s < cycle_s``; an interval that wraps ends after ``cycle_s``. A link that is
        always green has the one interval ``(0, cycle_s)``.
        """
        start_s = 0
        runs: list[list[int]] = []
        for phase in self.phases():
            end_s = start_s + int(phase.duration_s)
            if phase.state[link] in GREEN:
                if runs and runs[-1][1] == start_s:
                    runs[-1][1] = end_s
                else:
                    runs.append([start_s, end_s])
            start_s = end_s
        if len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == self.cycle_s:
            first = runs.pop(0)
            runs[-1][1] += first[1]
        if runs == [[0, self.cycle_s]]:
            return ((0, self.cycle_s),)
        shifted = []
        for start_s, end_s in runs:
            begin_s = (start_s + self.program_start_s) % self.cycle_s
            shifted.append((begin_s, begin_s + end_s - start_s))
        return tuple(sorted(shifted))

    def with_offset(self, offset_s: int) -> Self:
        """Return the same plan with another offset, taken modulo the cycle."""
        return replace(self, offset_s=offset_s % self.cycle_s)


def _broken_stage(k: int, stage: Stage, link_count: int) -> Iterator[Violation]:
    name = stage.name or str(k)
    if stage.min_green_s < 1 or stage.green_s < stage.min_green_s:
        value = f"{stage.green_s} s; expected at least {max(1, stage.min_green_s)}"
        yield Violation("minimum-green", name, value)
    if stage.green_s != int(stage.green_s):
        value = f"green {stage.green_s} s; expected whole seconds"
        yield Violation("whole-seconds", name, value)
    for state in (stage.green_state, *(phase.state for phase in stage.intergreen)):
        if len(state) != link_count:
            value = f"state {state!r} has {len(state)} links; expected {link_count}"
            yield Violation("links", name, value)
    for phase in stage.intergreen:
        if phase.duration_s != int(phase.duration_s):
            value = f"intergreen {phase.duration_s} s; expected whole seconds"
            yield Violation("whole-seconds", name, value)
