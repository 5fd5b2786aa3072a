"""What happens at a signal: lanes of each approach, turns, stages and the default program.

Every leg gets an extra left-turn lane on its last ``APPROACH_M`` where a left turn exists. Stages:
lefts of the north-south road (protected), its throughs and rights, then the same for the
east-west road. Where a leg ends at the other road (a T) its lefts and rights share one stage.
"""

import math
from dataclasses import dataclass

from scenarios.dongying.streets import LEFT_OF, OPPOSITE, Segment, StreetPlan

# All assumed; see docs/data.md.
APPROACH_M = 100.0
LANE_WIDTH_M = 3.2
YELLOW_S = 3
ALL_RED_S = 2
CYCLE_S = 90
MIN_VEHICLE_GREEN_S = 5
WALK_S = 5
WALK_SPEED_MPS = 1.2
AXES = (("N", "S"), ("E", "W"))


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn from an approach: ``kind`` is l, s or r; ``lanes`` pairs (from lane, to lane)."""

    side: str
    kind: str
    from_edge: str
    to_edge: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class StagePlan:
    """Turns that have green together."""

    turns: tuple[Turn, ...]
    min_green_s: int


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """A signal's turns in link order, and its stages in order."""

    id: str
    turns: tuple[Turn, ...]
    stages: tuple[StagePlan, ...]

    @property
    def lost_s(self) -> int:
        """Lost time a cycle: the intergreens."""
        return len(self.stages) * (YELLOW_S + ALL_RED_S)


def has_left_lane(plan: StreetPlan, segment: Segment) -> bool:
    """Whether a segment widens by a left-turn lane before the signal that it leads to."""
    if plan.nodes[segment.to_node].kind != "signal":
        return False
    return LEFT_OF[segment.to_side] in plan.out_of(segment.to_node)


def approach_length_m(plan: StreetPlan, segment: Segment) -> float:
    """Return the length of a segment's part with a left-turn lane; 0 where it has none."""
    if not has_left_lane(plan, segment):
        return 0.0
    return min(APPROACH_M, 0.4 * plan.length_m(segment))


def approach_id(plan: StreetPlan, segment: Segment) -> str:
    """Return the id of the edge that a segment reaches its end node on."""
    return f"{segment.id}.in" if has_left_lane(plan, segment) else segment.id


def signal_plan(plan: StreetPlan, signal_id: str) -> SignalPlan:
    """Return the turns and stages of a signal."""
    coming, going = plan.into(signal_id), plan.out_of(signal_id)
    by_side = {
        side: _turns(plan, coming[side], going) for axis in AXES for side in axis if side in coming
    }
    stages: list[StagePlan] = []
    for axis, other in (AXES, AXES[::-1]):
        turns = [turn for side in axis for turn in by_side.get(side, ())]
        lefts = tuple(turn for turn in turns if turn.kind == "l")
        others = tuple(turn for turn in turns if turn.kind != "l")
        walk_s = _walk_green_s(coming, going, other)
        if any(turn.kind == "s" for turn in others):
            if lefts:
                stages.append(StagePlan(lefts, MIN_VEHICLE_GREEN_S))
            stages.append(StagePlan(others, walk_s))
        elif turns:
            stages.append(StagePlan(tuple(turns), walk_s))
    ordered = tuple(turn for side in "NESW" for turn in by_side.get(side, ()))
    return SignalPlan(signal_id, ordered, tuple(stages))


def _turns(plan: StreetPlan, segment: Segment, going: dict[str, Segment]) -> tuple[Turn, ...]:
    side = segment.to_side
    left = going.get(LEFT_OF[side])
    through = going.get(OPPOSITE[side])
    right = going.get(OPPOSITE[LEFT_OF[side]])
    edge = approach_id(plan, segment)
    lanes = segment.lanes
    turns: list[Turn] = []
    if through is None:
        # The stem of a T: all lanes turn, the left ones left.
        total = lanes + (left is not None)
        rights = total if left is None else total // 2 if right is not None else 0
        right_lanes, left_lanes = range(rights), range(rights, total)
    else:
        right_lanes, left_lanes = range(1), range(lanes, lanes + 1)
    if right is not None:
        pairs = tuple((lane, min(lane, right.lanes - 1)) for lane in right_lanes)
        turns.append(Turn(side, "r", edge, right.id, pairs))
    if through is not None:
        if through.lanes < lanes:
            raise ValueError(f"{segment.id} has more lanes than {through.id}")
        turns.append(
            Turn(side, "s", edge, through.id, tuple((lane, lane) for lane in range(lanes)))
        )
    if left is not None:
        first = left.lanes - len(left_lanes)
        turns.append(
            Turn(
                side,
                "l",
                edge,
                left.id,
                tuple((lane, max(0, first + k)) for k, lane in enumerate(left_lanes)),
            )
        )
    return tuple(turns)


def _walk_green_s(
    coming: dict[str, Segment], going: dict[str, Segment], crossed: tuple[str, ...]
) -> int:
    """Green that lets a pedestrian cross the wider leg of the other road.

    5 s of walk and the way over at 1.2 m/s, less the intergreen that follows.
    """
    widths = [
        (coming[side].lanes + 1 + going[side].lanes) * LANE_WIDTH_M
        for side in crossed
        if side in coming and side in going
    ]
    need_s = WALK_S + max(widths, default=0.0) / WALK_SPEED_MPS - (YELLOW_S + ALL_RED_S)
    return max(MIN_VEHICLE_GREEN_S, math.ceil(need_s))


def equal_greens_s(stages: tuple[StagePlan, ...], cycle_s: int = CYCLE_S) -> list[int]:
    """Split a cycle equally, as far as the minimum greens allow; whole seconds."""
    return split_greens_s([1.0] * len(stages), stages, cycle_s)


def split_greens_s(
    weights: list[float], stages: tuple[StagePlan, ...], cycle_s: int = CYCLE_S
) -> list[int]:
    """Share a cycle's green by weight, no stage below its minimum; whole seconds.

    Raises
    ------
    ValueError
        The minimum greens do not fit into the cycle.
    """
    least = [stage.min_green_s for stage in stages]
    total_s = cycle_s - len(stages) * (YELLOW_S + ALL_RED_S)
    if sum(least) > total_s:
        raise ValueError(f"minimum greens of {sum(least)} s; expected at most {total_s} s")
    greens = [0.0] * len(stages)
    free = set(range(len(stages)))
    while free:
        left_s = total_s - sum(greens[k] for k in range(len(stages)) if k not in free)
        weight = sum(weights[k] for k in free) or 1.0
        share = {k: left_s * weights[k] / weight for k in free}
        short = {k for k in free if share[k] < least[k]}
        for k in short or free:
            greens[k] = float(least[k]) if short else share[k]
        free -= short or free
    whole = [max(low, math.floor(green)) for low, green in zip(least, greens, strict=True)]
    by_remainder = sorted(range(len(stages)), key=lambda k: (whole[k] - greens[k], k))
    for k in by_remainder[: total_s - sum(whole)]:
        whole[k] += 1
    return whole


def phases(signal: SignalPlan, greens_s: list[int]) -> list[tuple[int, str, int | None]]:
    """Return the program's rows: (duration in s, state, minimum duration of a green or None)."""
    of_link = [turn for turn in signal.turns for _ in turn.lanes]
    rows: list[tuple[int, str, int | None]] = []
    for stage, green_s in zip(signal.stages, greens_s, strict=True):
        state = "".join("G" if turn in stage.turns else "r" for turn in of_link)
        rows.append((green_s, state, stage.min_green_s))
        rows.append((YELLOW_S, state.replace("G", "y"), None))
        rows.append((ALL_RED_S, "r" * len(state), None))
    return rows
