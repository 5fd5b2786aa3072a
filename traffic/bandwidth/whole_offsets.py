"""Whole-second offsets for given patterns and whole turns: a small mixed-integer program.

What a plan's patterns and turns leave to choose is linear in everything but the offsets. The linear
program with real offsets says in milliseconds whether a structure is worth more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ortools.math_opt.python import mathopt

from traffic.bandwidth.measure import Window
from traffic.bandwidth.milp import BandModel, Linear
from traffic.bandwidth.plan import Plan, RoadPlan, place
from traffic.bandwidth.problem import Problem, Road
from traffic.bandwidth.reading import read_plan, solve_fixed
from traffic.bandwidth.rounding import Rounded, settled
from traffic.bandwidth.search import TOLERANCE, Watch

# A program may stop this close to its optimum, and after so many nodes: (least, most), or one for
# every 16 of its signals' number cubed, which a long road needs for a good plan.
GAP = 0.0002
NODES = 250, 4000


@dataclass(frozen=True, slots=True)
class Structure:
    """What makes the rest linear: a solution's integers at a whole cycle.

    Parameters
    ----------
    whole
        The rounded problem.
    roads
        Indices of the roads that have bands.
    integers
        In the order of ``BandModel.integers`` of those roads.
    """

    whole: Rounded
    roads: tuple[int, ...]
    integers: Sequence[int]

    def settled(self) -> tuple[Problem, Problem, list[int]]:
        """Settle the patterns: all roads, those with bands, and what integers are left."""
        problem = self.whole.problem
        choices = [[0] * road.n for road in problem.roads]
        left: list[int] = []
        at = 0
        for r in self.roads:
            road = problem.roads[r]
            for i, starts in enumerate(road.starts):
                pick = self.integers[at : at + len(starts)]
                choices[r][i] = max(range(len(pick)), key=lambda p: pick[p])
                at += len(starts)
            left += [1] * road.n + list(self.integers[at : at + road.n - 1])
            at += road.n - 1
        every = settled(self.whole, choices)
        part = replace(every, roads=tuple(every.roads[r] for r in self.roads))
        return every, part, left + list(self.integers[at:])

    def value(self) -> float:
        """Bound the whole-second plans with these integers; negative where none exists."""
        _, part, integers = self.settled()
        found = solve_fixed(part, integers)
        if found is None:
            return -1.0
        model, values = found
        return float(sum(mathopt.evaluate_expression(v, values) for v in model.values))


def valued(structures: Sequence[Structure], watch: Watch) -> list[tuple[float, int]]:
    """Value structures while there is time, at least one: (value, index), the best first."""
    found: list[tuple[float, int]] = []
    for k, structure in enumerate(structures):
        if found and watch.over():
            break
        found.append((structure.value(), k))
    return sorted(found, key=lambda item: (-item[0], item[1]))


def whole_offsets(structure: Structure, watch: Watch, seed: int) -> tuple[float, Plan] | None:
    """Find whole-second offsets of a structure, with the value; None where none were found."""
    every, part, integers = structure.settled()
    cycle = structure.whole.cycle_s
    model = BandModel(part)
    for variable, value in zip(model.integers(), integers, strict=True):
        if not variable.lower_bound <= value <= variable.upper_bound:
            return None
        variable.lower_bound = variable.upper_bound = float(value)
        variable.integer = False
    offsets_whole(model, cycle)
    signals = sum(road.n for road in part.roads)
    result = watch.solve(
        model.model,
        seed=seed,
        limit_s=watch.left_s(),
        highs=True,
        gap=GAP,
        most_nodes=max(NODES[0], min(NODES[1], signals**3 // 16)),
    )
    if not result.has_primal_feasible_solution():
        return None
    values = result.variable_values()
    plan = read_plan(every, structure.roads, part, model, values)
    value = sum(mathopt.evaluate_expression(v, values) for v in model.values)
    if value <= TOLERANCE:
        return None
    return float(value), _snapped(every, plan, cycle)


def offsets_whole(model: BandModel, cycle: int) -> None:
    """Ask for green starts in whole seconds; the model's cycle is fixed and its greens whole."""
    add = model.model.add_linear_constraint
    for offset in model.offset.values():
        second = model.model.add_integer_variable(lb=0.0, ub=float(cycle))
        add(second == offset * cycle)
    for road, own in zip(model.problem.roads, model.roads, strict=True):
        # When the outbound line passes each signal, from the first signal's green start on.
        passed: Linear = 0.0
        starts = [
            mathopt.fast_sum(p * out for p, (out, _) in zip(pick, places, strict=True))
            for pick, places in zip(own.choice, road.starts, strict=True)
        ]
        least = most = 0.0
        for i in range(1, road.n):
            wait = float(road.queue_out_s[i])
            passed = passed + own.t_out[i - 1] - wait * model.z
            least += (road.fast_out_s[i - 1] - wait) / cycle
            most += (road.slow_out_s[i - 1] - wait) / cycle
            if road.junction[i] in model.offset and road.junction[0] in model.offset:
                continue
            second = model.model.add_integer_variable(
                lb=math.floor((least - 3) * cycle), ub=math.ceil((most + 3) * cycle)
            )
            add(second == cycle * (passed - own.x[i] - starts[i] + own.x[0] + starts[0]))


def _snapped(problem: Problem, plan: Plan, cycle: int) -> Plan:
    """Take the round-off of a solver away: all greens start at whole seconds."""
    offsets = tuple(float(round(offset) % cycle) for offset in plan.offset_s)
    roads = tuple(
        _on_offsets(road, own, offsets, cycle)
        for road, own in zip(problem.roads, plan.roads, strict=True)
    )
    return Plan(float(cycle), roads, offsets)


def _on_offsets(road: Road, own: RoadPlan, offsets: tuple[float, ...], cycle: int) -> RoadPlan:
    choice = [road.patterns[i].index(pattern) for i, pattern in enumerate(own.patterns)]
    start = [
        offsets[junction] / cycle + block
        for junction, block in zip(road.junction, road.block, strict=True)
    ]
    placed = place(
        road,
        float(cycle),
        choice,
        start,
        (own.travel_out_s, own.travel_in_s),
        (own.line_out_s, own.line_in_s),
    )
    return replace(whole_greens(placed, cycle), dropped=own.dropped)


def whole_greens(own: RoadPlan, cycle: int) -> RoadPlan:
    """Take the round-off away from greens in whole seconds."""
    return replace(
        own,
        green_out=tuple(_whole(green, cycle) for green in own.green_out),
        green_in=tuple(_whole(green, cycle) for green in own.green_in),
    )


def _whole(green: Window, cycle: int) -> Window:
    return Window(float(round(green.start_s) % cycle), float(round(green.length_s)))


def only_rounded(whole: Rounded, real: Plan) -> Plan:
    """Round a real plan's offsets: what is left where whole seconds leave no band.

    Progression lines that may meet red are no lines: roads that have them count as left out.
    """
    lines = whole.problem.method != "maxband"
    cycle = whole.cycle_s
    problem = settled(
        whole,
        [
            [road.patterns[i].index(pattern) for i, pattern in enumerate(own.patterns)]
            for road, own in zip(whole.problem.roads, real.roads, strict=True)
        ],
    )
    offsets = tuple(float(round(offset / real.cycle_s * cycle) % cycle) for offset in real.offset_s)
    roads = tuple(
        _on_offsets(road, replace(own, dropped=own.dropped or lines), offsets, cycle)
        for road, own in zip(problem.roads, real.roads, strict=True)
    )
    return Plan(float(cycle), roads, offsets)
