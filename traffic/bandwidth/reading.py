"""Turns a solved program into a plan: first exact to round-off, then in seconds."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
from ortools.math_opt.python import mathopt

from traffic.bandwidth.milp import BandModel, RoadVariables
from traffic.bandwidth.plan import Plan, RoadPlan, left_out, place
from traffic.bandwidth.problem import Floats, Problem, Road

Values = Mapping[mathopt.Variable, float]


def polish(problem: Problem, model: BandModel, values: Values) -> tuple[BandModel, Values]:
    """Solve again with all integers kept, over the problem's whole range of z.

    A mixed-integer solver's answer is only as exact as its tolerance; the linear program that is
    left gives the best answer for these integers, to round-off.
    """
    better = solve_fixed(problem, [round(values[v]) for v in model.integers()])
    return (model, values) if better is None else better


def solve_fixed(problem: Problem, whole: Sequence[int]) -> tuple[BandModel, Values] | None:
    """Solve the linear program that given integers leave; None where it has no solution."""
    model = BandModel(problem)
    for variable, value in zip(model.integers(), whole, strict=True):
        if not variable.lower_bound <= value <= variable.upper_bound:
            return None
        variable.lower_bound = variable.upper_bound = float(value)
        variable.integer = False
    params = mathopt.SolveParameters(time_limit=timedelta(seconds=10))
    result = mathopt.solve(model.model, mathopt.SolverType.GLOP, params=params)
    if result.termination.reason is not mathopt.TerminationReason.OPTIMAL:
        return None
    return model, result.variable_values()


def read_plan(
    whole: Problem, index: Sequence[int], problem: Problem, model: BandModel, values: Values
) -> Plan:
    """Lay the solution of a program out on the common clock.

    ``problem`` holds the roads ``index`` of ``whole``; the others are left out, with their greens
    where the junctions that they share put them. The clock is turned so that the first signal's
    outbound green starts at 0.
    """
    z = values[model.z]
    starts = [
        _starts(road, variables, model, values)
        for road, variables in zip(problem.roads, model.roads, strict=True)
    ]
    turn = starts[0][0] + _picked(problem.roads[0], model.roads[0], values, 0)[0]
    offsets = [0.0] * len(whole.junctions)
    plans: dict[int, RoadPlan] = {}
    for r, road, variables, own in zip(index, problem.roads, model.roads, starts, strict=True):
        for i, junction in enumerate(road.junction):
            offsets[junction] = (own[i] - turn - road.block[i]) % 1.0
        plans[r] = _road_plan(road, variables, values, own - turn, z)
    for r, road in enumerate(whole.roads):
        if r not in plans:
            start = [offsets[j] + b for j, b in zip(road.junction, road.block, strict=True)]
            plans[r] = left_out(road, 1 / z, start)
    roads = tuple(plans[r] for r in range(len(whole.roads)))
    return Plan(1 / z, roads, tuple(offset / z for offset in offsets))


def _picked(road: Road, variables: RoadVariables, values: Values, i: int) -> tuple[float, float]:
    return road.starts[i][_pick(variables, values, i)]


def _pick(variables: RoadVariables, values: Values, i: int) -> int:
    pick = variables.choice[i]
    return max(range(len(pick)), key=lambda p: values[pick[p]])


def _starts(road: Road, variables: RoadVariables, model: BandModel, values: Values) -> Floats:
    """Block starts in cycles: given by shared junctions, or such that the fronts fit."""
    z = values[model.z]
    out = np.array([_picked(road, variables, values, i)[0] for i in range(road.n)])
    x = np.array([values[v] for v in variables.x])
    travel = np.array([values[t] for t in variables.t_out]) - road.queue_out_s[1:] * z
    front = np.concatenate([[0.0], np.cumsum(travel)])
    relative: Floats = front - x - out
    anchor = next((i for i, j in enumerate(road.junction) if j in model.offset), None)
    if anchor is None:
        return relative
    at = values[model.offset[road.junction[anchor]]] + road.block[anchor]
    absolute: Floats = relative + (at - relative[anchor])
    for i, junction in enumerate(road.junction):
        if junction in model.offset:
            exact = values[model.offset[junction]] + road.block[i]
            absolute[i] = exact + round(absolute[i] - exact)
    return absolute


def _road_plan(
    road: Road, variables: RoadVariables, values: Values, start: Floats, z: float
) -> RoadPlan:
    cycle_s = 1 / z
    choice = [_pick(variables, values, i) for i in range(road.n)]
    travel_out_s = _within(variables.t_out, values, cycle_s, road.fast_out_s, road.slow_out_s)
    travel_in_s = _within(variables.t_in, values, cycle_s, road.fast_in_s, road.slow_in_s)
    out, back = road.starts[0][choice[0]]
    line_out = [(start[0] + out + values[variables.x[0]]) * cycle_s]
    line_in = [(start[0] + back + values[variables.y[0]]) * cycle_s]
    for i in range(1, road.n):
        line_out.append(line_out[-1] + travel_out_s[i - 1] - road.queue_out_s[i])
        line_in.append(line_in[-1] - travel_in_s[i - 1] + road.queue_in_s[i - 1])
    # Whole cycles are put where each direction's first signal is met within the first cycle.
    shift_out = math.floor(line_out[0] / cycle_s) * cycle_s
    shift_in = math.floor(line_in[-1] / cycle_s) * cycle_s
    return place(
        road,
        cycle_s,
        choice,
        [float(value) for value in start],
        (travel_out_s, travel_in_s),
        (np.array(line_out) - shift_out, np.array(line_in) - shift_in),
    )


def _within(
    times: list[mathopt.Variable],
    values: Values,
    cycle_s: float,
    fast_s: Floats,
    slow_s: Floats,
) -> Floats:
    travel_s = np.array([values[t] for t in times]) * cycle_s
    return np.clip(travel_s, fast_s, slow_s)
