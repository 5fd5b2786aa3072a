"""Cycle and splits of a signal from the flows that turn there.

Webster's method (Webster 1958, "Traffic signal settings"): a stage's critical flow ratio y is the
largest flow over saturation flow among the lane groups that it serves; Y is their sum, L the lost
time of a cycle. Greens share C - L in proportion to y. The optimum cycle is (1.5 L + 5)/(1 - Y);
the least one that keeps the degree of saturation x is L/(1 - Y/x).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.network import Movement, RoadGraph
from traffic.plan import Stage
from traffic.stages import greens_of

SATURATION_FLOW_VPH_PER_LANE = 1800.0
"""Assumed for every lane: HCM's base value, less what buses and lorries take."""

PERMISSIVE_SHARE = 0.5
"""Assumed share of the saturation flow that a yielding green discharges."""

START_LOSS_S = 2.0
"""Assumed seconds of green that a queue takes to start; the yellow's end is lost too."""

TARGET_SATURATION = 0.9


@dataclass(frozen=True, slots=True)
class TurnFlows:
    """Vehicles an hour for each turn ``(from_edge, to_edge)``; 0 or more, finite."""

    flows_vph: Mapping[tuple[str, str], float]

    def __post_init__(self) -> None:
        for turn, flow_vph in self.flows_vph.items():
            if not (math.isfinite(flow_vph) and flow_vph >= 0):
                raise InvalidInputError(
                    f"{flow_vph}; expected 0 or more", where=f"flow {turn[0]} -> {turn[1]}"
                )

    def flow_vph(self, movement: Movement) -> float:
        """Flow of a movement; 0 where none is known."""
        return self.flows_vph.get((movement.from_edge, movement.to_edge), 0.0)


def flow_ratios(
    graph: RoadGraph, signal_id: str, stages: Sequence[Stage], flows: TurnFlows
) -> tuple[float, ...]:
    """Critical flow ratio of each stage.

    A movement that several stages serve gives each an equal part of its flow. Movements from one
    edge that share a lane are one lane group; its saturation flow is the sum over its lanes.

    Returns
    -------
    tuple of float
        One for each stage, 0 or more.
    """
    movements = [m for m in graph.movements_at(signal_id) if m.link_indices]
    served = [
        [k for k, stage in enumerate(stages) if greens_of(stage.green_state) & set(m.link_indices)]
        for m in movements
    ]
    ratios = []
    for k, stage in enumerate(stages):
        loads: list[tuple[frozenset[tuple[str, int]], float]] = []
        for movement, where in zip(movements, served, strict=True):
            if k not in where:
                continue
            yields = all(stage.green_state[link] != "G" for link in movement.link_indices)
            weight = 1 / PERMISSIVE_SHARE if yields else 1.0
            lanes = frozenset((movement.from_edge, lane) for lane in movement.from_lanes)
            loads.append((lanes, flows.flow_vph(movement) / len(where) * weight))
        ratios.append(max((_ratio(group) for group in _lane_groups(loads)), default=0.0))
    return tuple(ratios)


Loads = list[tuple[frozenset[tuple[str, int]], float]]


def _lane_groups(loads: Loads) -> list[Loads]:
    """Movements that share a lane, directly or through others, belong together."""
    groups: list[Loads] = []
    for load in loads:
        touching = [g for g in groups if any(load[0] & other[0] for other in g)]
        merged = [load, *(other for group in touching for other in group)]
        groups = [g for g in groups if g not in touching] + [merged]
    return groups


def _ratio(group: Loads) -> float:
    lanes = frozenset().union(*(lanes for lanes, _ in group))
    whole = sum(flow_vph for _, flow_vph in group) / (len(lanes) * SATURATION_FLOW_VPH_PER_LANE)
    # A movement that may use only some of the lanes can be the tighter one.
    alone = max(flow / (len(own) * SATURATION_FLOW_VPH_PER_LANE) for own, flow in group)
    return max(whole, alone)


def lost_time_s(stages: Sequence[Stage]) -> float:
    """Lost time of a cycle: each intergreen and start, less the yellow that is still driven."""
    return sum(max(START_LOSS_S, stage.intergreen_s) for stage in stages)


def least_cycle_s(stages: Sequence[Stage]) -> int:
    """Shortest cycle that all minimum greens fit into."""
    return sum(stage.min_green_s + stage.intergreen_s for stage in stages)


def webster_cycle_s(stages: Sequence[Stage], ratios: Sequence[float]) -> float:
    """Cycle with the least delay by Webster's formula; infinite when Y is 1 or more."""
    total = sum(ratios)
    return (1.5 * lost_time_s(stages) + 5) / (1 - total) if total < 1 else math.inf


def saturated_cycle_s(
    stages: Sequence[Stage], ratios: Sequence[float], *, saturation: float = TARGET_SATURATION
) -> float:
    """Least cycle at which no stage's degree of saturation is above ``saturation``."""
    total = sum(ratios) / saturation
    return lost_time_s(stages) / (1 - total) if total < 1 else math.inf


def split(
    stages: Sequence[Stage], cycle_s: int, ratios: Sequence[float] | None, *, where: str = ""
) -> tuple[int, ...]:
    """Share a cycle out among stages: whole seconds of green, in proportion to flow ratios.

    Parameters
    ----------
    stages
        With their minimum greens and intergreens; their ``green_s`` is the proportion when
        ``ratios`` is None or all 0.
    cycle_s
        Whole seconds.
    ratios
        Critical flow ratio of each stage.

    Returns
    -------
    tuple of int
        Greens that, with the intergreens, sum to the cycle; none below its minimum.

    Raises
    ------
    UnsafePlanError
        The minimum greens do not fit into the cycle.
    """
    spare_s = cycle_s - sum(stage.intergreen_s for stage in stages)
    minima = [stage.min_green_s for stage in stages]
    if spare_s < sum(minima):
        raise UnsafePlanError(
            f"minimum greens and intergreens need {least_cycle_s(stages)} s; "
            f"the cycle has {cycle_s} s",
            where=where,
        )
    known = ratios is not None and sum(ratios) > 0
    weights = [float(r) for r in ratios] if known and ratios else [float(s.green_s) for s in stages]
    free = set(range(len(stages)))
    greens = [float(least) for least in minima]
    # Stages whose proportional share is below the minimum keep it; the rest share what is left.
    while free:
        rest_s = spare_s - sum(minima[k] for k in range(len(stages)) if k not in free)
        total = sum(weights[k] for k in free)
        share = {k: rest_s * (weights[k] / total if total else 1 / len(free)) for k in free}
        short = {k for k in free if share[k] < minima[k]}
        if not short:
            for k in free:
                greens[k] = share[k]
            break
        free -= short
    return _whole_seconds(greens, spare_s)


def _whole_seconds(greens: Sequence[float], total_s: int) -> tuple[int, ...]:
    """Round by the largest remainder, so that the sum stays."""
    whole = [math.floor(green + 1e-9) for green in greens]
    order = sorted(range(len(greens)), key=lambda k: (whole[k] - greens[k], k))
    for k in range(total_s - sum(whole)):
        whole[order[k % len(order)]] += 1
    return tuple(whole)
