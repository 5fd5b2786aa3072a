"""What a signal may show: its stages, which of them, in which order, with a safe way between.

A sequence takes stages of the signal's own program. A stage may be left out when everything that
it serves is green in another one as well, and nothing that must keep its right of way loses it;
the order is free as far as no left that yields outlasts its opposing through (yellow trap).
Between two stages that do not follow each other in the own program the intergreen is built from
the program's own yellow and all-red times.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from traffic.errors import UnsafePlanError
from traffic.intergreens import intergreen, waiting_lefts
from traffic.plan import Stage, TimingPlan
from traffic.safety import check_plan
from traffic.signals import Phase, Signal
from traffic.stages import greens_of, stages_of

# With more stages than this, only subsets that keep the program's order are made at first.
MOST_PERMUTED = 4
MOST_SUBSETS = 400


@dataclass(frozen=True, slots=True)
class SignalStages:
    """A signal and the stages of its own program."""

    signal: Signal
    stages: tuple[Stage, ...]

    @property
    def served(self) -> frozenset[int]:
        """Links that any stage serves."""
        return frozenset().union(*(greens_of(stage.green_state) for stage in self.stages))


@dataclass(frozen=True, slots=True)
class Sequence_:
    """Stages in order, each with the intergreen to the next; greens are the least ones."""

    order: tuple[int, ...]
    stages: tuple[Stage, ...]

    @property
    def least_cycle_s(self) -> int:
        """Shortest cycle."""
        return sum(stage.min_green_s + stage.intergreen_s for stage in self.stages)

    @property
    def lost_s(self) -> int:
        """Intergreens of a cycle."""
        return sum(stage.intergreen_s for stage in self.stages)

    def phases(self, greens_s: Sequence[int]) -> tuple[Phase, ...]:
        """Greens and intergreens as they are shown."""
        shown: list[Phase] = []
        for stage, green_s in zip(self.stages, greens_s, strict=True):
            shown.append(Phase(green_s, stage.green_state, stage.min_green_s))
            shown.extend(stage.intergreen)
        return tuple(shown)

    def plan(self, signal_id: str, greens_s: Sequence[int], start_s: int, main: int) -> TimingPlan:
        """Build the plan whose first stage begins at ``start_s``; ``main`` is coordinated."""
        stages = tuple(
            replace(stage, green_s=int(green_s))
            for stage, green_s in zip(self.stages, greens_s, strict=True)
        )
        cycle_s = sum(stage.duration_s for stage in stages)
        before_s = sum(stage.duration_s for stage in stages[:main])
        return TimingPlan(signal_id, cycle_s, (start_s + before_s) % cycle_s, stages, main)


def signal_stages(signal: Signal, *, min_green_s: int = 5) -> SignalStages:
    """Read the stages of a signal's active program.

    Raises
    ------
    UnsafePlanError
        It has none that can be timed, or they break a rule as they stand.
    """
    stages = tuple(
        replace(stage, min_green_s=least, green_s=max(stage.green_s, least))
        for stage in stages_of(signal, cross_in_green=True)
        for least in (max(stage.min_green_s, min_green_s),)
    )
    own = SignalStages(signal, stages)
    order = tuple(range(len(stages)))
    sequence = _sequence(own, order)
    broken = check_plan(signal, sequence.plan(signal.id, [s.min_green_s for s in stages], 0, 0))
    if broken:
        raise UnsafePlanError("; ".join(map(str, broken)), where=f"signal {signal.id}")
    return own


def subsets(own: SignalStages, protect: frozenset[int] = frozenset()) -> list[tuple[int, ...]]:
    """Stages that together serve all that the program serves, in its order; fewest first.

    Links of ``protect`` keep a stage in which they have the right of way, where they have one.
    """
    count = len(own.stages)
    greens = [greens_of(stage.green_state) for stage in own.stages]
    rights = [
        frozenset(link for link in protect if stage.green_state[link] == "G")
        for stage in own.stages
    ]
    needed = frozenset().union(*rights)
    found: list[tuple[int, ...]] = []
    for size in range(2, count + 1):
        for chosen in itertools.combinations(range(count), size):
            if (
                frozenset().union(*(greens[k] for k in chosen)) == own.served
                and frozenset().union(*(rights[k] for k in chosen)) == needed
            ):
                found.append(chosen)
            if len(found) >= MOST_SUBSETS:
                return found
    return found


def orders(chosen: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Cyclic orders of some stages, the given one first."""
    yield chosen
    if len(chosen) > MOST_PERMUTED + 1:
        return
    for rest in itertools.permutations(chosen[1:]):
        if rest != chosen[1:]:
            yield (chosen[0], *rest)


def sequence(own: SignalStages, order: tuple[int, ...]) -> Sequence_ | None:
    """Build a sequence; None where it would not be safe."""
    try:
        built = _sequence(own, order)
        greens_s = [stage.min_green_s for stage in built.stages]
        plan = built.plan(own.signal.id, greens_s, 0, 0)
    except UnsafePlanError:
        return None
    return None if check_plan(own.signal, plan) else built


def _sequence(own: SignalStages, order: tuple[int, ...]) -> Sequence_:
    count = len(own.stages)
    stages = []
    for k, after in zip(order, (*order[1:], order[0]), strict=True):
        stage = own.stages[k]
        following = own.stages[after].green_state
        if after != (k + 1) % count or waiting_lefts(own.signal, stage.green_state):
            between = intergreen(own.signal, stage.green_state, following)
            stage = replace(stage, intergreen=between)
        stages.append(replace(stage, green_s=stage.min_green_s))
    return Sequence_(order, tuple(stages))
