"""A chosen plan: greens on the common clock and travel times, in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from traffic.bandwidth.corridor import Pattern
from traffic.bandwidth.measure import Window
from traffic.bandwidth.problem import Floats, Problem, Road, travel_sums


@dataclass(frozen=True, slots=True)
class RoadPlan:
    """One road's part of a plan.

    Parameters
    ----------
    patterns
        Left-turn pattern of each signal.
    green_out, green_in
        Of each signal, starting within the first cycle.
    travel_out_s, travel_in_s
        Of each link, (n - 1,).
    line_out_s, line_in_s
        When the progression line passes each signal, (n,), not taken modulo the cycle; for
        MAXBAND the front of the band that was asked for.
    dropped
        The road has no band, and its greens stand anywhere.
    """

    patterns: tuple[Pattern, ...]
    green_out: tuple[Window, ...]
    green_in: tuple[Window, ...]
    travel_out_s: Floats
    travel_in_s: Floats
    line_out_s: Floats
    line_in_s: Floats
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Greens of all roads; ``offset_s`` is when each junction's cycle starts."""

    cycle_s: float
    roads: tuple[RoadPlan, ...]
    offset_s: tuple[float, ...]


def place(
    road: Road,
    cycle_s: float,
    choice: Sequence[int],
    start: Sequence[float],
    times_s: tuple[Floats, Floats],
    lines_s: tuple[Floats, Floats],
) -> RoadPlan:
    """Lay a road out from its block starts (in cycles) and chosen patterns.

    ``times_s`` and ``lines_s`` are the travel times and the lines, outbound and inbound.
    """
    outs, backs = [], []
    for i, pick in enumerate(choice):
        out, back = road.starts[i][pick]
        outs.append(Window((start[i] + out) % 1.0 * cycle_s, float(road.green_out[i]) * cycle_s))
        backs.append(Window((start[i] + back) % 1.0 * cycle_s, float(road.green_in[i]) * cycle_s))
    return RoadPlan(
        patterns=tuple(road.patterns[i][pick] for i, pick in enumerate(choice)),
        green_out=tuple(outs),
        green_in=tuple(backs),
        travel_out_s=times_s[0],
        travel_in_s=times_s[1],
        line_out_s=lines_s[0],
        line_in_s=lines_s[1],
    )


def unplanned(problem: Problem) -> Plan:
    """Lay every road out at the longest cycle with no road served: all blocks start together."""
    cycle_s = problem.cycle_s.high
    roads = tuple(left_out(road, cycle_s, list(road.block)) for road in problem.roads)
    return Plan(cycle_s, roads, (0.0,) * len(problem.junctions))


def left_out(road: Road, cycle_s: float, start: Sequence[float]) -> RoadPlan:
    """Lay a road out that has no band, at its fastest speeds and first patterns."""
    times_s = road.fast_out_s, road.fast_in_s
    lines_s = travel_sums(times_s[0]), -travel_sums(times_s[1])
    return replace(place(road, cycle_s, [0] * road.n, start, times_s, lines_s), dropped=True)
