"""MAXBAND of one road in whole seconds, over all whole cycles that may hold the best plan."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traffic.bandwidth.plan import Plan
from traffic.bandwidth.rounding import Rounded
from traffic.bandwidth.search import TOLERANCE, Watch
from traffic.bandwidth.whole_offsets import Structure, valued, whole_offsets
from traffic.bandwidth.whole_road import Fronts, WholeRoad

# Cycles with a finer grid of so many parts of a second, or with limited changes of speed.
MOST_FINE, PARTS = 5, 2
# Walks whose travel times are chosen anew, and structures whose offsets are; the latter where they
# may win this much, in cycles.
MOST_PROGRAMS, MOST_OFFSETS = 5, 2
WORTH = 5e-4


@dataclass(frozen=True, slots=True)
class BestOfCycles:
    """A plan with its value in cycles; ``exact``: none is better."""

    plan: Plan
    value: float
    exact: bool


def best_of_cycles(
    cycles: Mapping[int, Rounded],
    bounds: Mapping[int, float],
    structures: Sequence[Structure],
    watch: Watch,
    seed: int,
) -> BestOfCycles | None:
    """Find the best plan of a lone road over whole cycles; None where no band was found.

    ``bounds`` are in cycles, ``structures`` are known to be good.
    """
    order = sorted(cycles, key=lambda c: (-round(bounds[c], 6), c))
    roads = {cycle: WholeRoad(item) for cycle, item in cycles.items()}
    if all(item.problem.roads[0].speeds_fixed for item in cycles.values()):
        return _best_fixed(roads, bounds, order, watch)
    walked = _walked(roads, bounds, order, watch)
    best: tuple[float, Plan] | None = None
    tries = list(structures)
    for cycle in sorted(walked, key=lambda c: (-walked[c].value / c, c))[:MOST_PROGRAMS]:
        timed = roads[cycle].timed(walked[cycle])
        if timed is None:
            continue
        tries.append(Structure(cycles[cycle], (0,), roads[cycle].integers(timed)))
        if best is None or timed.value / cycle > best[0] + TOLERANCE:
            best = timed.value / cycle, roads[cycle].plan(timed)
    for value, k in valued(tries, watch)[:MOST_OFFSETS]:
        if best is not None and (value <= best[0] + WORTH or watch.over()):
            break
        found = whole_offsets(tries[k], watch, seed) if value > TOLERANCE else None
        if found is not None and (best is None or found[0] > best[0] + TOLERANCE):
            best = found
    return None if best is None else BestOfCycles(best[1], best[0], exact=False)


def _best_fixed(
    roads: Mapping[int, WholeRoad],
    bounds: Mapping[int, float],
    order: Sequence[int],
    watch: Watch,
) -> BestOfCycles | None:
    """Enumerate cycle after cycle: exact unless time ends it."""
    best: tuple[WholeRoad, Fronts] | None = None
    floor, exact = 0.0, True
    for cycle in order:
        if bounds[cycle] <= floor + TOLERANCE:
            break
        if watch.over():
            exact = False
            break
        fronts = roads[cycle].fixed(floor * cycle)
        if fronts is not None:
            best, floor = (roads[cycle], fronts), fronts.value / cycle
    return None if best is None else BestOfCycles(best[0].plan(best[1]), floor, exact)


def _walked(
    roads: Mapping[int, WholeRoad],
    bounds: Mapping[int, float],
    order: Sequence[int],
    watch: Watch,
) -> dict[int, Fronts]:
    """Walk coarsely at every cycle, then finely, or with limited changes, at the best ones."""
    coarse: dict[int, Fronts] = {}
    floor = 0.0
    limited = math.isfinite(roads[order[0]].road.change_s_per_m)
    for cycle in order:
        if bounds[cycle] <= floor + TOLERANCE or watch.over():
            break
        # A finer grid may win a fraction of a second.
        fronts = roads[cycle].free(max(0.0, floor * cycle - 2.0))
        if fronts is not None:
            coarse[cycle] = fronts
            floor = max(floor, fronts.value / cycle)
    fine: dict[int, Fronts] = {}
    floor = 0.0
    for cycle in sorted(coarse, key=lambda c: (-coarse[c].value / c, c))[:MOST_FINE]:
        if fine and (watch.over() or (limited and coarse[cycle].value / cycle <= floor)):
            break
        least = max(0.0, floor * cycle - 1.0)
        fronts = (
            roads[cycle].free(least, limited=True)
            if limited
            else roads[cycle].free(least, parts=PARTS)
        )
        if fronts is not None:
            fine[cycle] = fronts
            floor = max(floor, fronts.value / cycle)
    return fine
