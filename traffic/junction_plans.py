"""A coordinated signal's choices: its stages at a cycle, and where each road's block lies in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from traffic.bandwidth import CorridorSignal, Pattern
from traffic.corridors import Crossing
from traffic.errors import UnsafePlanError
from traffic.plan import Stage, TimingPlan
from traffic.rings import Block, allowed_patterns, arrange, find_block
from traffic.signals import Signal


@dataclass(frozen=True, slots=True)
class RoadAtJunction:
    """What one corridor sees of a signal at a cycle.

    Parameters
    ----------
    signal
        Greens, lefts and allowed patterns in shares of the cycle, without a position; a direction
        that does not exist has the green of the other.
    block_s
        The block's start in s after the program's start.
    block
        Its two stages, where left-turn patterns can be chosen.
    """

    signal: CorridorSignal
    block_s: int
    block: Block | None


@dataclass(frozen=True, slots=True)
class JunctionPlans:
    """One signal at one cycle: stages with their greens, and each of its corridors' view."""

    signal: Signal
    cycle_s: int
    stages: tuple[Stage, ...]
    roads: Mapping[str, RoadAtJunction]
    coordinated: Crossing

    def plan(self, program_start_s: int, patterns: Mapping[str, Pattern]) -> TimingPlan:
        """Build the plan that begins its program then and shows these patterns."""
        stages = self.stages
        chosen = [
            (block, patterns[corridor_id])
            for corridor_id, road in self.roads.items()
            if (block := road.block) is not None and corridor_id in patterns
        ]
        # From the last block to the first, so that the indices of the others stay good.
        for block, pattern in sorted(chosen, key=lambda pair: -pair[0].lefts):
            stages = arrange(stages, block, pattern)
        links = self.coordinated.through_out or self.coordinated.through_in
        k = next(
            k for k, stage in enumerate(stages) if all(stage.green_state[x] in "Gg" for x in links)
        )
        before_s = sum(stage.duration_s for stage in stages[:k])
        return TimingPlan(
            signal_id=self.signal.id,
            cycle_s=self.cycle_s,
            offset_s=(program_start_s + before_s) % self.cycle_s,
            stages=stages,
            coordinated_stage=k,
        )


def junction_plans(
    signal: Signal,
    base: tuple[Stage, ...],
    greens_s: tuple[int, ...],
    cycle_s: int,
    crossings: Mapping[str, Crossing],
) -> JunctionPlans:
    """Give a signal its greens and find out what each of its corridors sees.

    Raises
    ------
    UnsafePlanError
        A corridor's way through the signal is never green in one piece.
    """
    stages = tuple(
        replace(stage, green_s=green) for stage, green in zip(base, greens_s, strict=True)
    )
    first = next(iter(crossings.values()))
    block = find_block(signal, stages, first)
    if block is not None:
        # The first road's block opens the program, so that no block wraps around its end.
        stages = (*stages[block.lefts :], *stages[: block.lefts])
    roads = {
        corridor_id: _road(signal, stages, cycle_s, crossing)
        for corridor_id, crossing in crossings.items()
    }
    return JunctionPlans(signal, cycle_s, stages, roads, first)


def _road(
    signal: Signal, stages: tuple[Stage, ...], cycle_s: int, crossing: Crossing
) -> RoadAtJunction:
    block = find_block(signal, stages, crossing)
    if block is not None and block.lefts < block.throughs:
        left, through = stages[block.lefts], stages[block.throughs]
        share = left.duration_s / cycle_s
        seen = CorridorSignal(
            id=signal.id,
            position_m=0.0,
            green_out=through.green_s / cycle_s,
            green_in=through.green_s / cycle_s,
            left_out=share,
            left_in=share,
            patterns=allowed_patterns(stages, block),
        )
        start_s = sum(stage.duration_s for stage in stages[: block.lefts])
        return RoadAtJunction(seen, start_s, block)
    plan = TimingPlan(signal.id, cycle_s, 0, stages)
    out = through_windows(plan, crossing.through_out or crossing.through_in)
    back = through_windows(plan, crossing.through_in or crossing.through_out)
    if not out or not back:
        raise UnsafePlanError(
            f"the way through for corridor is never green: {crossing}", where=f"signal {signal.id}"
        )
    a = max(out, key=lambda window: window[1] - window[0])
    b = max(back, key=lambda window: window[1] - window[0])
    # By how much the inbound green's centre lies after the outbound one's, within half a cycle.
    center_s = ((b[0] + b[1]) / 2 - (a[0] + a[1]) / 2 + cycle_s / 2) % cycle_s - cycle_s / 2
    seen = CorridorSignal(
        id=signal.id,
        position_m=0.0,
        green_out=(a[1] - a[0]) / cycle_s,
        green_in=(b[1] - b[0]) / cycle_s,
        center_offset_share=center_s / cycle_s,
    )
    # The block starts with the earlier of both greens.
    return RoadAtJunction(seen, a[0] - round(seen.starts("lead-lead")[0] * cycle_s), None)


def through_windows(plan: TimingPlan, links: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return when all links of a way are green together, as ``[start_s, end_s)`` on the clock.

    An interval that wraps around the cycle ends after it.
    """
    if not links:
        return []
    runs = list(plan.greens(links[0]))
    for link in links[1:]:
        runs = [
            (max(a, c), min(b, d))
            for a, b in runs
            for c0, d0 in plan.greens(link)
            for shift in (-plan.cycle_s, 0, plan.cycle_s)
            for c, d in ((c0 + shift, d0 + shift),)
            if max(a, c) < min(b, d)
        ]
    return sorted(((a % plan.cycle_s), (a % plan.cycle_s) + b - a) for a, b in set(runs))
