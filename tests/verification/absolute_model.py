"""An independent band model for comparison: absolute offsets, solved by scipy's ``milp``.

Every signal's block start is a variable on one clock, lines are tracked from signal to signal, and
every green is met up to a whole number of cycles of its own. It shares no code and no formulation
with the product (no loop equations, no phases), and is slow.
"""

import math
from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from traffic.bandwidth import Corridor, Network
from traffic.bandwidth.corridor import CorridorSignal, Range

Term = dict[int, float]


class Rows:
    """A program that grows: variables by index, rows as dictionaries."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[Term, float, float]] = []
        self.gain: Term = {}

    def variable(self, low: float, high: float, *, whole: bool = False) -> int:
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.low) - 1

    def at_least_zero(self, *terms: tuple[float, Term], plus: float = 0.0) -> None:
        row: Term = {}
        for factor, term in terms:
            for key, value in term.items():
                row[key] = row.get(key, 0.0) + factor * value
        self.rows.append((row, -plus, math.inf))

    def best(self) -> float | None:
        """Maximise; None where nothing is feasible."""
        matrix = np.zeros((len(self.rows), len(self.low)))
        for k, (row, _, _) in enumerate(self.rows):
            for key, value in row.items():
                matrix[k, key] = value
        cost = np.zeros(len(self.low))
        for key, value in self.gain.items():
            cost[key] = -value
        result = milp(
            cost,
            constraints=LinearConstraint(
                matrix, [row[1] for row in self.rows], [row[2] for row in self.rows]
            ),
            bounds=Bounds(self.low, self.high),
            integrality=self.whole,
            options={"mip_rel_gap": 0.0},
        )
        if result.status == 2:
            return None
        assert result.status == 0, result.message
        return float(-result.fun)


def best_value(question: Corridor | Network, method: str = "maxband") -> float | None:
    """Return the optimum of the objective in cycles; None where no line or band exists."""
    if isinstance(question, Network):
        roads = [(item.corridor, item.weight) for item in question.corridors]
        cycle = question.cycle_s
        shares = {(j.id, b.corridor): b.start_share for j in question.junctions for b in j.blocks}
    else:
        assert question.cycle_s is not None
        roads, cycle, shares = [(question, 1.0)], question.cycle_s, {}
    rows = Rows()
    z = rows.variable(1 / cycle.high, 1 / cycle.low)
    offsets: dict[str, int] = {}
    for corridor, weight in roads:
        _road(rows, z, corridor, weight, method, offsets, shares, cycle)
    return rows.best()


def _road(
    rows: Rows,
    z: int,
    corridor: Corridor,
    weight: float,
    method: str,
    offsets: dict[str, int],
    shares: Mapping[tuple[str, str], float],
    cycle: Range,
) -> None:
    n = len(corridor.signals)
    out = [(corridor.speed_out(k), corridor.lengths_m[k]) for k in range(n - 1)]
    back = [(corridor.speed_in(k), corridor.lengths_m[k]) for k in range(n - 1)]
    t_out = _times(rows, z, out, corridor.slowness_change_s_per_m)
    t_in = _times(rows, z, back, corridor.slowness_change_s_per_m)
    picks = [[rows.variable(0, 1, whole=True) for _ in s.patterns] for s in corridor.signals]
    for pick in picks:
        one: Term = dict.fromkeys(pick, 1.0)
        rows.rows.append((one, 1.0, 1.0))
    for signal in corridor.signals:
        if signal.id not in offsets:
            offsets[signal.id] = rows.variable(0, 1)
    span = int(sum(x / v.low for v, x in out) / cycle.low) + 5
    links = 1 if method == "maxband" else n - 1
    sides = {}
    for side, times, order in (("out", t_out, range(n)), ("in", t_in, range(n - 1, -1, -1))):
        if corridor.direction not in ("both", side):
            continue
        # (before, after) of the line for each band.
        bands = [
            (
                rows.variable(0, 0 if method == "maxband" else 1),
                rows.variable(0, 1),
            )
            for _ in range(links)
        ]
        if method == "multiband":
            for before, after in bands:
                rows.rows.append(({before: 1.0, after: -1.0}, 0.0, 0.0))
        sides[side] = bands
        line: Term = {rows.variable(0, 1): 1.0}
        steps = list(order)
        for place, i in enumerate(steps):
            signal = corridor.signals[i]
            queue_s = (signal.queue_out_s if side == "out" else signal.queue_in_s) * (place > 0)
            if place:
                link = min(i, steps[place - 1])
                line = _sum((1.0, line), (1.0, {times[link]: 1.0}), (-1.0, {z: queue_s}))
            turn = rows.variable(-span, span, whole=True)
            green = signal.green_out if side == "out" else signal.green_in
            share = shares.get((signal.id, corridor.id), 0.0)
            begin: Term = {offsets[signal.id]: 1.0, turn: 1.0}
            for pick, pattern in zip(picks[i], signal.patterns, strict=True):
                begin[pick] = _start(signal, pattern, side)
            touched = {0} if links == 1 else {min(max(i - 1, 0), links - 1), min(i, links - 1)}
            for k in touched:
                before, after = bands[k]
                rows.at_least_zero((1.0, line), (-1.0, {before: 1.0}), (-1.0, begin), plus=-share)
                rows.at_least_zero(
                    (1.0, begin),
                    (-1.0, line),
                    (-1.0, {after: 1.0}),
                    (-1.0, {z: queue_s}),
                    plus=share + green,
                )
    _gain(rows, corridor, weight, sides, links)


def _start(signal: CorridorSignal, pattern: str, side: str) -> float:
    """When a through begins after the block's start, from the words of the issue's rules."""
    if signal.left_out == 0 and signal.left_in == 0:
        lag = signal.center_offset_share + (signal.green_out - signal.green_in) / 2
        earliest = min(0.0, lag)
        return (0.0 if side == "out" else lag) - earliest
    out_left, _, in_left = pattern.partition("-")
    if side == "out":
        return signal.left_in if in_left == "lead" else 0.0
    return signal.left_out if out_left == "lead" else 0.0


def _times(rows: Rows, z: int, links: list[tuple[Range, float]], change: float | None) -> list[int]:
    times = []
    for speed, length in links:
        t = rows.variable(0, 1000)
        rows.at_least_zero((1.0, {t: 1.0}), (-1.0, {z: length / speed.high}))
        rows.at_least_zero((1.0, {z: length / speed.low}), (-1.0, {t: 1.0}))
        if times and change is not None:
            slower: Term = {t: 1 / length, times[-1]: -1 / links[len(times) - 1][1]}
            rows.at_least_zero((1.0, {z: change}), (1.0, slower))
            rows.at_least_zero((1.0, {z: change}), (-1.0, slower))
        times.append(t)
    return times


def _gain(
    rows: Rows,
    corridor: Corridor,
    weight: float,
    sides: dict[str, list[tuple[int, int]]],
    links: int,
) -> None:
    k = corridor.inbound_weight if corridor.direction == "both" else 1.0
    for side, bands in sides.items():
        factor = k if side == "in" else 1.0
        for number, (before, after) in enumerate(bands):
            volume = 1.0
            if links > 1 or len(corridor.signals) == 2:
                volume = corridor.link_weights(number)[0 if side == "out" else 1]
            if links == 1:
                volume = 1.0
            for part in (before, after):
                rows.gain[part] = rows.gain.get(part, 0.0) + weight * factor * volume / links
    if links == 1 and len(sides) == 2:
        b, bb = sides["out"][0][1], sides["in"][0][1]
        if k == 1:
            rows.rows.append(({b: 1.0, bb: -1.0}, 0.0, 0.0))
        else:
            rows.at_least_zero((1 - k, {bb: 1.0}), (-(1 - k) * k, {b: 1.0}))


def _sum(*terms: tuple[float, Term]) -> Term:
    total: Term = {}
    for factor, term in terms:
        for key, value in term.items():
            total[key] = total.get(key, 0.0) + factor * value
    return total
