"""The plan in whole seconds: what a controller can be given.

At a whole-second cycle greens are rounded down, which leaves the rest to the cross street, and
offsets are optimised over integers. MAXBAND on a lone road has a search of its own over all whole
cycles; otherwise the patterns and whole turns of the best real plan stay, at the whole cycles next
to its own, and where they do not fit the rounded problem is solved for better ones.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traffic.bandwidth.cells import CellSearch, Found
from traffic.bandwidth.limits import limits_of
from traffic.bandwidth.plan import Plan
from traffic.bandwidth.problem import Problem
from traffic.bandwidth.rounding import Rounded, rounded
from traffic.bandwidth.search import TOLERANCE, Watch
from traffic.bandwidth.whole_cycles import best_of_cycles
from traffic.bandwidth.whole_offsets import Structure, only_rounded, valued, whole_offsets

EPSILON = 1e-9
# Whole cycles next to the real one at which its structure is valued, and how many are tried.
NEAR_S = 6
MOST_TRIED = 4


@dataclass(frozen=True, slots=True)
class WholePlan:
    """A plan in whole seconds, and what no whole-second plan can exceed, in cycles."""

    plan: Plan
    bound: float


def whole_second_plan(
    problem: Problem, found: Found, real: Plan, real_bound: float, watch: Watch, seed: int
) -> WholePlan | None:
    """Find a whole-second plan; None where no whole-second cycle is in range.

    Every whole cycle is bounded by ``real_bound`` and by its roads' bounds.
    """
    low, high = problem.cycle_s.low, problem.cycle_s.high
    cycles = range(math.ceil(low - EPSILON), math.floor(high + EPSILON) + 1)
    if not cycles:
        return None
    whole = {cycle: rounded(problem, cycle) for cycle in cycles}
    bounds = _bounds(problem, whole, real_bound, watch)
    near = sorted(cycles, key=lambda cycle: (abs(cycle - real.cycle_s), cycle))
    integers = [round(found.values[v]) for v in found.model.integers()]
    structures = [Structure(whole[c], found.roads, integers) for c in near[: NEAR_S + 1]]
    if len(problem.roads) == 1 and problem.method == "maxband":
        best = best_of_cycles(whole, bounds, structures, watch, seed)
        if best is not None and best.exact:
            return WholePlan(best.plan, best.value)
        if best is not None:
            return WholePlan(best.plan, _tightened(bounds, whole, best.value, watch))
    own: tuple[float, Plan] | None = None
    for value, k in valued(structures, watch)[:MOST_TRIED]:
        if own is not None and (value <= own[0] + TOLERANCE or watch.over()):
            break
        tried = whole_offsets(structures[k], watch, seed) if value > TOLERANCE else None
        if tried is not None and (own is None or tried[0] > own[0] + EPSILON):
            own = tried
    if own is None and not watch.over():
        own = _anew(whole[near[0]], watch, seed)
    if own is not None:
        return WholePlan(own[1], _tightened(bounds, whole, own[0], watch))
    return WholePlan(only_rounded(whole[near[0]], real), max(bounds.values()))


def _bounds(
    problem: Problem, whole: Mapping[int, Rounded], real_bound: float, watch: Watch
) -> dict[int, float]:
    """Bound every cycle by its real greens, in cycles."""
    z = 1 / np.array(list(whole), dtype=float)
    total = np.zeros(z.size)
    for road in problem.roads:
        limits = limits_of(road, problem.method, watch.over)
        total += np.maximum(0.0, road.weight * limits.most(z, z))
    return {cycle: min(float(most), real_bound) for cycle, most in zip(whole, total, strict=True)}


def _tightened(
    bounds: Mapping[int, float], whole: Mapping[int, Rounded], value: float, watch: Watch
) -> float:
    """Bound all cycles together, with rounded greens where that may matter."""
    rest = sorted(bounds, key=lambda cycle: -bounds[cycle])
    most = value
    for cycle in rest:
        if bounds[cycle] <= most:
            break
        own = bounds[cycle] if watch.over() else most_at(whole[cycle].problem)
        most = max(most, min(bounds[cycle], own))
    return most


def most_at(problem: Problem) -> float:
    """Bound the objective of a problem with a fixed cycle by the sum of its roads' bounds."""
    z = np.array([problem.z[0]])
    return sum(
        max(0.0, road.weight * float(limits_of(road, problem.method).most(z, z)[0]))
        for road in problem.roads
    )


def _anew(whole: Rounded, watch: Watch, seed: int) -> tuple[float, Plan] | None:
    """Solve the rounded problem for another structure."""
    search = CellSearch(whole.problem, watch.part(max(0.5, watch.left_s() / 2)), seed)
    search.run()
    best = search.best
    if best is None or best.value <= TOLERANCE:
        return None
    integers = [round(best.values[v]) for v in best.model.integers()]
    return whole_offsets(Structure(whole, best.roads, integers), watch, seed)
