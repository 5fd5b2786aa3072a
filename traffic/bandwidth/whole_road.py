"""MAXBAND of one road in whole seconds, at one whole cycle.

With fixed speeds the fronts are enumerated, which is exact. With free ones the fronts pass every
signal on a whole second at first, which leaves a walk of phases over the seconds of the cycle,
solved by dynamic programming; then the travel times are chosen anew, in real numbers, for the green
starts that were found.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from ortools.math_opt.python import mathopt

from traffic.bandwidth import grid, walks
from traffic.bandwidth.plan import Plan, place
from traffic.bandwidth.problem import ALWAYS_GREEN, Floats
from traffic.bandwidth.rounding import Rounded, settled
from traffic.bandwidth.search import TOLERANCE
from traffic.bandwidth.whole_offsets import whole_greens

# Outbound bands that are tried where both bands are not equal.
WIDTHS = 12
SIDES = {"both": 0, "out": 1, "in": 2}


@dataclass(frozen=True, slots=True)
class Fronts:
    """Whole starts of both greens, not modulo the cycle, with the fronts that meet them, in s."""

    value: float
    pattern: tuple[int, ...]
    start_out: tuple[int, ...]
    start_in: tuple[int, ...]
    front_out: Floats
    front_in: Floats


class WholeRoad:
    """A road with whole greens at one cycle, prepared; all in s."""

    def __init__(self, whole: Rounded) -> None:
        cycle, road = whole.cycle_s, whole.problem.roads[0]
        self.whole = whole
        self.cycle = cycle
        self.road = road
        self.side = SIDES[road.direction]
        self.counts = np.array([len(places) for places in road.starts])
        shape = road.n, int(self.counts.max())
        self.difference = np.zeros(shape, dtype=np.int64)
        self.room_out = np.full(shape, grid.ALWAYS)
        self.room_in = np.full(shape, grid.ALWAYS)
        for i, places in enumerate(road.starts):
            for p, (a, b) in enumerate(places):
                self.difference[i, p] = round((b - a) * cycle)
                cut_out, cut_in = whole.cuts[0][i][p]
                if road.green_out[i] < ALWAYS_GREEN:
                    self.room_out[i, p] = road.green_out[i] * cycle - cut_out - road.queue_out_s[i]
                if road.green_in[i] < ALWAYS_GREEN:
                    self.room_in[i, p] = road.green_in[i] * cycle - cut_in - road.queue_in_s[i]

    def fixed(self, floor: float) -> Fronts | None:
        """Enumerate the fronts for fixed speeds; None where none exceeds ``floor``, in s."""
        road = self.road
        reach_out = np.concatenate([[0.0], np.cumsum(road.fast_out_s - road.queue_out_s[1:])])
        reach_in = np.concatenate([[0.0], np.cumsum(road.queue_in_s[:-1] - road.fast_in_s)])
        value, u, v, pattern, start = grid.fixed_speeds(
            reach_out,
            reach_in,
            self.room_out,
            self.room_in,
            self.difference,
            self.counts,
            self.cycle,
            road.inbound_weight,
            self.side,
            floor,
        )
        if value <= floor:
            return None
        return self._fronts(value, pattern, start, u + reach_out, v + reach_in)

    def free(self, floor: float, *, parts: int = 1, limited: bool = False) -> Fronts | None:
        """Walk on a grid of 1 / ``parts`` s; without ``limited`` speeds may change as they like."""
        road = self.road
        equal = road.inbound_weight == 1 or self.side > 0
        top = int(min(self.room_out.max(axis=1).min(), self.cycle))
        widths = [0.0] if equal else sorted({*np.linspace(1, max(1, top), WIDTHS).round()})
        best: Fronts | None = None
        for width in widths:
            found = self._walk(floor, float(width), parts, limited)
            if found is not None:
                best, floor = found, found.value
        return best

    def _walk(self, floor: float, width: float, parts: int, limited: bool) -> Fronts | None:
        """Walk for the best value, or the best inbound band beside an outbound ``width``."""
        road = self.road
        least = floor
        if width:
            k = road.inbound_weight
            least = (floor - width) / k if k else -0.5
        value, pattern, early = walks.tents(
            self.room_out,
            self.room_in,
            self.difference,
            self.counts,
            self.cycle,
            parts,
            road.inbound_weight,
            self.side,
            width,
        )
        out = _steps(road.fast_out_s, road.slow_out_s, road.queue_out_s[1:], parts)
        back = _steps(road.fast_in_s, road.slow_in_s, road.queue_in_s[:-1], parts)
        first = 0
        if limited:
            top, phases, steps = walks.limited_walk(
                value[:, 0],
                *out,
                *back,
                road.queue_out_s[1:],
                road.queue_in_s[:-1],
                road.length_m,
                road.change_s_per_m,
                least,
            )
        else:
            top, part, phases, steps = walks.walk(value, *out, *back, least)
            first = int(part)
        if top <= least + TOLERANCE:
            return None
        if width:
            top = self.cycle * road.value(width / self.cycle, top / self.cycle)
            if top <= floor + TOLERANCE:
                return None
        at = first + np.concatenate([[0], np.cumsum(steps)])
        picked = [(i, at[i] % parts, phases[i]) for i in range(road.n)]
        # The phase is known modulo the cycle: the fronts' distance falls by whole steps.
        whole = self.cycle * parts
        near = -np.diff(phases) - steps
        falls: Floats = near - np.round((near - (back[0] + back[1]) / 2) / whole) * whole
        behind = at[0] + phases[0] - np.concatenate([[0.0], np.cumsum(falls)])
        return self._fronts(
            top,
            np.array([pattern[key] for key in picked]),
            np.array([a // parts - early[key] for a, key in zip(at, picked, strict=True)]),
            at / parts,
            behind / parts,
        )

    def _fronts(
        self, value: float, pattern: grid.Ints, start: grid.Ints, out: Floats, back: Floats
    ) -> Fronts:
        """Put each inbound green where its front meets it."""
        start_in = []
        for i, (o, p) in enumerate(zip(start, pattern, strict=True)):
            own = int(o + self.difference[i, p])
            turns = math.floor((back[i] - own) / self.cycle + 1e-9)
            start_in.append(own + turns * self.cycle)
        return Fronts(
            float(value),
            tuple(int(p) for p in pattern),
            tuple(int(o) for o in start),
            tuple(start_in),
            out,
            back,
        )

    def timed(self, fronts: Fronts) -> Fronts | None:
        """Choose the best fronts for the same green starts, travel times real: a small program.

        None where no front meets all greens.
        """
        road, n = self.road, self.road.n
        model = mathopt.Model(name="times")
        b, bb = (model.add_variable(lb=0.0, ub=float(self.cycle)) for _ in range(2))
        sides = []
        for band, starts, rooms in (
            (b, fronts.start_out, self.room_out[np.arange(n), fronts.pattern]),
            (bb, fronts.start_in, self.room_in[np.arange(n), fronts.pattern]),
        ):
            front = [model.add_variable(lb=-math.inf) for _ in range(n)]
            counts = road.counts[band is bb]
            for at, start, room in zip(front, starts, rooms, strict=True):
                if room < grid.ALWAYS and counts:
                    model.add_linear_constraint(at >= start)
                    model.add_linear_constraint(at + band <= start + room)
            sides.append(front)
        u, v = sides
        out = [u[i + 1] - u[i] + road.queue_out_s[i + 1] for i in range(n - 1)]
        back = [v[i] - v[i + 1] + road.queue_in_s[i] for i in range(n - 1)]
        for times, fast, slow in (
            (out, road.fast_out_s, road.slow_out_s),
            (back, road.fast_in_s, road.slow_in_s),
        ):
            for t, least, most in zip(times, fast, slow, strict=True):
                model.add_linear_constraint(t >= least)
                model.add_linear_constraint(t <= most)
            if math.isfinite(road.change_s_per_m):
                slow_by = [t / x for t, x in zip(times, road.length_m, strict=True)]
                for one, other in itertools.pairwise(slow_by):
                    model.add_linear_constraint(other - one <= road.change_s_per_m)
                    model.add_linear_constraint(one - other <= road.change_s_per_m)
        k = road.inbound_weight
        if road.direction != "both":
            model.maximize(b if road.direction == "out" else bb)
        else:
            if k == 1:
                model.add_linear_constraint(b == bb)
            else:
                model.add_linear_constraint((1 - k) * bb - (1 - k) * k * b >= 0)
            model.maximize(b + k * bb)
        result = mathopt.solve(model, mathopt.SolverType.GLOP)
        if result.termination.reason is not mathopt.TerminationReason.OPTIMAL:
            return None
        values = result.variable_values()
        return Fronts(
            result.objective_value(),
            fronts.pattern,
            fronts.start_out,
            fronts.start_in,
            np.array([values[at] for at in u]),
            np.array([values[at] for at in v]),
        )

    def integers(self, fronts: Fronts) -> list[int]:
        """Patterns and whole turns of fronts, in the order of ``BandModel.integers``."""
        road = self.road
        whole = [
            int(p == pick) for i, pick in enumerate(fronts.pattern) for p in range(self.counts[i])
        ]
        u, v = fronts.front_out, fronts.front_in
        for i in range(road.n - 1):
            # phi_i = D + y - x of the model is v - u less whole cycles.
            phi = [
                self.difference[j, fronts.pattern[j]]
                + (v[j] - fronts.start_in[j])
                - (u[j] - fronts.start_out[j])
                for j in (i, i + 1)
            ]
            fall = (u[i + 1] - u[i]) - (v[i + 1] - v[i])
            whole.append(round((phi[1] - phi[0] + fall) / self.cycle))
        return whole

    def plan(self, fronts: Fronts) -> Plan:
        """Lay fronts out on the clock on which the first outbound green starts at 0."""
        cycle = self.cycle
        road = settled(self.whole, [fronts.pattern]).roads[0]
        turn = fronts.start_out[0]
        start = []
        for o, ((first, _),) in zip(fronts.start_out, road.starts, strict=True):
            start.append((o - turn - round(first * cycle)) % cycle)
        u, v = fronts.front_out - turn, fronts.front_in - turn
        times_s = (
            np.clip(np.diff(u) + road.queue_out_s[1:], road.fast_out_s, road.slow_out_s),
            np.clip(-np.diff(v) + road.queue_in_s[:-1], road.fast_in_s, road.slow_in_s),
        )
        lines_s = (
            u - math.floor(u[0] / cycle) * cycle,
            v - math.floor(v[-1] / cycle) * cycle,
        )
        own = place(road, float(cycle), [0] * road.n, [s / cycle for s in start], times_s, lines_s)
        offsets = [0.0] * road.n
        for i, junction in enumerate(road.junction):
            offsets[junction] = float((start[i] - round(road.block[i] * cycle)) % cycle)
        return Plan(float(cycle), (whole_greens(own, cycle),), tuple(offsets))


def _steps(fast: Floats, slow: Floats, waits: Floats, parts: int) -> tuple[grid.Ints, grid.Ints]:
    """Steps of a front over each link on a grid; the one nearest to the middle if none fits."""
    low = np.ceil((fast - waits) * parts - 1e-9).astype(np.int64)
    high = np.floor((slow - waits) * parts + 1e-9).astype(np.int64)
    near = np.round(((fast + slow) / 2 - waits) * parts).astype(np.int64)
    none = low > high
    return np.where(none, near, low), np.where(none, near, high)
