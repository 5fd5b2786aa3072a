"""MAXBAND over a range of cycles: bounds on narrow ranges, programs where they are not enough.

The range of z = 1 / cycle is cut into cells. The sum of the roads' own bounds in a cell bounds
every plan with such a cycle, since roads that share junctions can only be worse off together. Cells
are taken best first; there the mixed-integer program is solved with every road's bound as a
constraint and the best plan so far as a floor, and what cannot hold a better plan is dropped.
A network's road without any band may be left out (it is driven without a wave); which roads are
left out is one more choice to bound and to search.
"""

import math
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt.python import mathopt

from traffic.bandwidth.chains import FixedLines
from traffic.bandwidth.limits import FixedSpeed, cheapest, limits_of
from traffic.bandwidth.milp import BandModel
from traffic.bandwidth.problem import Floats, Problem
from traffic.bandwidth.reading import Values, polish, solve_fixed
from traffic.bandwidth.search import TOLERANCE, Watch

# A cell is cut again while the phase of some signal moves by more than this within it, in cycles.
FINE = 0.01
COARSE = 0.05
MOST_CELLS = 2048
# A program that is solved within the first time makes the next range wider, one that takes longer
# than the second makes it narrower.
QUICK_S, SLOW_S = 0.5, 3.0
# HiGHS is quicker on a lone road but for long ones with fixed speeds; SCIP is on all else.
LONG = 24
# Dives for a first good plan, and the share of the time that the program over all cycles may have.
DIVES, FEW_DIVES = 40, 2
WHOLE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Cells:
    """Ranges of z in rising order, with the roads' bounds (roads, m); negative: no band."""

    z0: Floats
    z1: Floats
    caps: Floats
    total: Floats

    def take(self, keep: NDArray[np.bool_]) -> "Cells":
        """Pick some of them."""
        return Cells(self.z0[keep], self.z1[keep], self.caps[:, keep], self.total[keep])


@dataclass(frozen=True, slots=True)
class Found:
    """A solution: its value, and the program over ``roads`` that it solves."""

    value: float
    problem: Problem
    roads: tuple[int, ...]
    model: BandModel
    values: Values


class CellSearch:
    """Branch and bound over cells. After ``run``, ``best`` and ``bound`` hold the answer.

    A solution worth more than ``enough`` ends the search.
    """

    def __init__(
        self, problem: Problem, watch: Watch, seed: int, *, enough: float = math.inf
    ) -> None:
        self.problem = problem
        self.watch = watch
        self.seed = seed
        self.enough = enough
        self.limits = [limits_of(road, problem.method, self._bounded) for road in problem.roads]
        self.cheapest = [cheapest(road, problem.method) for road in problem.roads]
        self.weights = np.array([road.weight for road in problem.roads])
        self.reach_s = max(limit.reach_s for limit in self.limits)
        lone = problem.method == "maxband" and len(problem.roads) == 1
        road = problem.roads[0]
        self.highs = lone and (road.n <= LONG or not road.speeds_fixed)
        self.best: Found | None = None
        # Bounds of what was settled: solved, or proven no better than the floor of its time.
        self._settled = 0.0
        self._open = 0.0
        # Whether the first bounds are still being computed.
        self._begins = True
        # Whether a solver's word was taken that a range holds no plan at all.
        self.took_word = False

    @property
    def floor(self) -> float:
        """Value of the best solution so far; 0 when there is none."""
        return self.best.value if self.best else 0.0

    @property
    def bound(self) -> float:
        """What no plan can exceed."""
        return max(self.floor, self._settled, self._open)

    def _over(self) -> bool:
        """Whether to stop: enough was found, time is over, or the caller wants no more."""
        return self.floor > self.enough or self.watch.over()

    def _bounded(self) -> bool:
        """Whether cheaper bounds must do: time is over, or half of it went into the first ones."""
        return self.watch.over() or (self._begins and self.watch.left_s() < self.watch.elapsed_s())

    def run(self) -> None:
        """Search until the best is proven, enough was found, or time is over."""
        first = self._first_cells()
        self._begins = False
        everyone = frozenset(range(len(self.problem.roads)))
        self._dive(first, FEW_DIVES if self.problem.method == "maxband" else DIVES)
        self._whole(first)
        # Where a road has no band whatever the others do, the search begins without it.
        seen = {everyone, *self._served(first)}
        todo = list(seen)
        while todo:
            todo.sort(key=lambda roads: (self._total(first, roads).max(), sorted(roads)))
            roads = todo.pop()
            total = first.total if roads == everyone else self._total(first, roads)
            cells = Cells(first.z0, first.z1, first.caps, total)
            rest = max((float(self._total(first, r).max()) for r in todo), default=0.0)
            self._search(cells, roads, rest)
            for road in sorted(roads) if len(roads) > 1 else []:
                fewer = roads - {road}
                if fewer not in seen and self._total(first, fewer).max() > self._hurdle:
                    seen.add(fewer)
                    todo.append(fewer)
            if self._over():
                self._open = max([self._open, *(float(self._total(first, r).max()) for r in todo)])
                return

    def _dive(self, cells: Cells, count: int) -> None:
        """Take the plans of a lone road that lie where its bound is largest.

        One is tried even where time is over: a short limit asks for a plan all the same.
        """
        limits = self.limits[0]
        if len(self.limits) > 1 or not isinstance(limits, FixedLines | FixedSpeed):
            return
        for tried, k in enumerate(np.argsort(-cells.total)[:count]):
            late = self._over() and (tried > 0 or self.best is not None)
            if late or cells.total[k] <= self._hurdle:
                return
            z0, z1 = float(cells.z0[k]), float(cells.z1[k])
            _, f = limits.peak(z0, z1)
            found = solve_fixed(self.problem, limits.tents.integers(f, (z0 + z1) / 2))
            if found is not None:
                self._keep(self.problem, (0,), *found)

    def _whole(self, cells: Cells) -> None:
        """Give the program over all cycles a chance, where it may be quicker than cells."""
        if self.problem.method == "maxband" or self.floor > self.enough:
            return
        if cells.total.max() <= self._hurdle:
            return
        limit_s = WHOLE_SHARE * self.watch.left_s() if self.reach_s else math.inf
        left = self._solve(cells, frozenset(range(len(self.problem.roads))), limit_s)
        cells.total[:] = -1.0 if left is None else np.minimum(cells.total, left)

    @property
    def _hurdle(self) -> float:
        """What a plan must exceed to be worth finding."""
        return self.floor + TOLERANCE / 2 if self.best else -TOLERANCE / 2

    def _first_cells(self) -> Cells:
        low, high = self.problem.z
        count = int(np.clip(math.ceil(self.reach_s * (high - low) / COARSE), 32, 1024))
        if high - low < 1e-12 or self.reach_s == 0:
            count = 1
        ends = np.linspace(low, high, count + 1)
        cells = self._cells(ends[:-1].copy(), ends[1:].copy())
        everyone = frozenset(range(len(self.problem.roads)))
        return Cells(cells.z0, cells.z1, cells.caps, self._total(cells, everyone))

    def _cells(self, z0: Floats, z1: Floats) -> Cells:
        caps = np.stack(
            [
                np.full(z0.shape, cheap) if self._bounded() else limit.most(z0, z1)
                for limit, cheap in zip(self.limits, self.cheapest, strict=True)
            ]
        )
        return Cells(z0, z1, caps, np.zeros_like(z0))

    def _total(self, cells: Cells, roads: frozenset[int]) -> Floats:
        """Bound of plans in which just these roads have bands; negative where one cannot."""
        index = sorted(roads)
        caps = cells.caps[index]
        total: Floats = self.weights[index] @ np.maximum(caps, 0.0)
        total[(caps < 0).any(axis=0)] = -1.0
        return total

    def _served(self, cells: Cells) -> set[frozenset[int]]:
        """Collect the largest choices of roads that some cell may hold a plan of."""
        found = {frozenset(map(int, np.flatnonzero(cap >= 0))) for cap in cells.caps.T}
        return {roads for roads in found if roads}

    def _search(self, cells: Cells, roads: frozenset[int], rest: float) -> None:
        """Search one choice of roads; ``rest`` bounds what other choices hold."""
        width = 0.0
        cells = self._refine(cells, roads)
        while True:
            cells = cells.take(cells.total > self._hurdle)
            if cells.total.size == 0:
                return
            top = float(cells.total.max())
            self.watch.tell("bands", self.floor, max(top, rest, self._settled))
            if self._over():
                self._open = max(self._open, top)
                return
            first, last = self._range(cells, width)
            inside = np.zeros(cells.total.size, dtype=bool)
            inside[first : last + 1] = True
            if self.problem.method != "maxband":
                self._dive(cells.take(inside), 1)
            began = time.perf_counter()
            left = self._solve(cells.take(inside), roads)
            spent_s = time.perf_counter() - began
            span = float(cells.z1[last] - cells.z0[first])
            if left is None:
                cells = cells.take(~inside)
            else:
                cells.total[inside] = np.minimum(cells.total[inside], left)
                if first == last:
                    cells = self._split(cells, inside, roads)
            if left is not None or spent_s > SLOW_S:
                width = span / 2
            elif spent_s < QUICK_S:
                width = max(width, span) * 2
            cells = self._refine(cells, roads)

    def _refine(self, cells: Cells, roads: frozenset[int]) -> Cells:
        """Cut the best cells while that lowers the bound."""
        while True:
            cells = cells.take(cells.total > self._hurdle)
            if cells.total.size == 0 or cells.total.size > MOST_CELLS or self.watch.over():
                return cells
            top = cells.total.max()
            coarse = (cells.z1 - cells.z0) * self.reach_s > FINE
            near = cells.total >= top - 0.1 * (top - self.floor)
            cut = coarse & near
            if not cut.any():
                return cells
            cells = self._split(cells, cut, roads)
            if cells.total.max() > top - 1e-3 * abs(top):
                return cells

    def _split(self, cells: Cells, cut: NDArray[np.bool_], roads: frozenset[int]) -> Cells:
        """Halve some cells."""
        old = cells.take(cut)
        middle = (old.z0 + old.z1) / 2
        halves = self._cells(np.concatenate([old.z0, middle]), np.concatenate([middle, old.z1]))
        total = np.minimum(self._total(halves, roads), np.tile(old.total, 2))
        caps = np.minimum(halves.caps, np.tile(old.caps, 2))
        keep = cells.take(~cut)
        z0 = np.concatenate([keep.z0, halves.z0])
        order = np.argsort(z0)
        return Cells(
            z0[order],
            np.concatenate([keep.z1, halves.z1])[order],
            np.concatenate([keep.caps, caps], axis=1)[:, order],
            np.concatenate([keep.total, total])[order],
        )

    def _range(self, cells: Cells, width: float) -> tuple[int, int]:
        """Neighbouring cells around the best one, as wide as ``width`` allows."""
        first = last = int(cells.total.argmax())
        while True:
            left = first > 0 and cells.z1[first - 1] >= cells.z0[first] - 1e-15
            right = last + 1 < cells.z0.size and cells.z0[last + 1] <= cells.z1[last] + 1e-15
            if left and cells.z1[last] - cells.z0[first - 1] <= width:
                first -= 1
            elif right and cells.z1[last + 1] - cells.z0[first] <= width:
                last += 1
            else:
                return first, last

    def _solve(
        self, cells: Cells, roads: frozenset[int], limit_s: float | None = None
    ) -> float | None:
        """Solve the program on neighbouring cells; what is left open there, if anything."""
        index = tuple(sorted(roads))
        problem = replace(self.problem, roads=tuple(self.problem.roads[r] for r in index))
        model = BandModel(problem, (float(cells.z0[0]), float(cells.z1[-1])))
        for r, value in zip(index, model.values, strict=True):
            model.model.add_linear_constraint(value <= self.weights[r] * float(cells.caps[r].max()))
        if self.best:
            model.model.add_linear_constraint(mathopt.fast_sum(model.values) >= self._hurdle)
        if limit_s is None:
            limit_s = max(1.0, self.watch.left_s() / 3)
        result = self.watch.solve(model.model, seed=self.seed, limit_s=limit_s, highs=self.highs)
        reason = result.termination.reason
        top = float(cells.total.max())
        if reason in (
            mathopt.TerminationReason.INFEASIBLE,
            mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED,
        ):
            self.took_word = True
            self._settled = max(self._settled, self._hurdle)
            return None
        bound = min(top, result.termination.objective_bounds.dual_bound)
        if result.has_primal_feasible_solution():
            self._keep(problem, index, *polish(problem, model, result.variable_values()))
        if reason is mathopt.TerminationReason.OPTIMAL:
            self._settled = max(self._settled, bound)
            return None
        return float(bound)

    def _keep(
        self, problem: Problem, roads: tuple[int, ...], model: BandModel, values: Values
    ) -> None:
        value = sum(mathopt.evaluate_expression(v, values) for v in model.values)
        if self.best is None or value > self.best.value:
            self.best = Found(value, problem, roads, model, values)
