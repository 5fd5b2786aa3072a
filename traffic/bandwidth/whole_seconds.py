"""The plan in whole seconds: what a controller can be given.

At a whole-second cycle greens are rounded down, which leaves the rest to the cross street, and the
starts of greens within a block to the nearest second that keeps them inside it. Patterns and whole
turns of the best real plan of the rounded greens stay, and offsets are optimised over integers: a
mixed-integer program with one integer a signal. Whole-second plans use no green that the real ones
lack, so the real optimum bounds them too.
"""

import math
from dataclasses import replace

import numpy as np
from ortools.math_opt.python import mathopt

from traffic.bandwidth.cells import CellSearch
from traffic.bandwidth.corridor import Range
from traffic.bandwidth.limits import limits_of
from traffic.bandwidth.measure import Window
from traffic.bandwidth.milp import BandModel, Linear
from traffic.bandwidth.plan import Plan, RoadPlan, place
from traffic.bandwidth.problem import Problem, Road
from traffic.bandwidth.reading import read_plan
from traffic.bandwidth.search import TOLERANCE, Watch

EPSILON = 1e-9
MOST_CYCLES = 3


def whole_second_plan(problem: Problem, real: Plan, watch: Watch, seed: int) -> Plan | None:
    """Find the best whole-second plan; None where no whole-second cycle is in range.

    The cycle nearest to the real one is tried first, then the others in the order of their bounds,
    until none can beat the best, or time is over.
    """
    low, high = problem.cycle_s.low, problem.cycle_s.high
    cycles = range(math.ceil(low - EPSILON), math.floor(high + EPSILON) + 1)
    rounded = {cycle: _rounded_problem(problem, cycle) for cycle in cycles}
    bounds = {cycle: most_at(rounded[cycle]) for cycle in cycles}
    near = sorted(cycles, key=lambda cycle: (abs(cycle - real.cycle_s), cycle))
    near[1:] = sorted(near[1:], key=lambda cycle: -round(bounds[cycle], 6))
    best: tuple[float, Plan] | None = None
    for cycle in near[:MOST_CYCLES]:
        if best is not None and watch.over():
            break
        if best is not None and bounds[cycle] <= best[0] + TOLERANCE:
            continue
        found = _at_cycle(rounded[cycle], cycle, watch, seed)
        if found is not None and (best is None or found[0] > best[0] + EPSILON):
            best = found
    if best is not None:
        return best[1]
    return _only_rounded(rounded[near[0]], real, near[0]) if near else None


def most_at(problem: Problem) -> float:
    """Bound the objective of a problem with a fixed cycle by the sum of its roads' bounds."""
    z = np.array([problem.z[0]])
    return sum(
        max(0.0, road.weight * float(limits_of(road, problem.method).most(z, z)[0]))
        for road in problem.roads
    )


def _rounded_problem(problem: Problem, cycle: int) -> Problem:
    return replace(
        problem,
        cycle_s=Range(float(cycle), float(cycle)),
        roads=tuple(whole_road(road, cycle) for road in problem.roads),
    )


def whole_road(road: Road, cycle: int) -> Road:
    """Round a road's greens and their places to whole seconds of a cycle."""
    out = np.floor(road.green_out * cycle + EPSILON)
    back = np.floor(road.green_in * cycle + EPSILON)
    starts = []
    for i, places in enumerate(road.starts):
        ends = [max(a + road.green_out[i], b + road.green_in[i]) for a, b in places]
        own = []
        for (a, b), end in zip(places, ends, strict=True):
            block = math.floor(end * cycle + EPSILON)
            own.append(
                (
                    max(0, min(round(a * cycle), block - int(out[i]))) / cycle,
                    max(0, min(round(b * cycle), block - int(back[i]))) / cycle,
                )
            )
        starts.append(tuple(own))
    return replace(
        road,
        green_out=np.maximum(out, 1.0) / cycle,
        green_in=np.maximum(back, 1.0) / cycle,
        starts=tuple(starts),
        # Blocks that do not overlap stay so: starts go up, lengths down.
        block=tuple(math.ceil(b * cycle - EPSILON) / cycle for b in road.block),
    )


def _at_cycle(problem: Problem, cycle: int, watch: Watch, seed: int) -> tuple[float, Plan] | None:
    """Solve the rounded problem at one cycle for its structure, then over whole offsets."""
    search = CellSearch(problem, Watch(max(0.5, watch.left_s() / 2)), seed)
    search.run()
    if search.best is None or search.best.value <= TOLERANCE:
        return None
    best = search.best
    for keep_turns in (True, False):
        model = BandModel(best.problem)
        for old, new in zip(best.model.integers(), model.integers(), strict=True):
            if keep_turns:
                new.lower_bound = new.upper_bound = float(round(best.values[old]))
        offsets_whole(model, cycle)
        result = watch.solve(model.model, seed=seed, limit_s=max(1.0, watch.left_s()))
        if result.has_primal_feasible_solution():
            values = result.variable_values()
            plan = read_plan(problem, best.roads, best.problem, model, values)
            value = sum(mathopt.evaluate_expression(v, values) for v in model.values)
            return value, _snapped(problem, plan, cycle)
    return None


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
    whole = replace(
        placed,
        green_out=tuple(_whole(green, cycle) for green in placed.green_out),
        green_in=tuple(_whole(green, cycle) for green in placed.green_in),
    )
    return replace(whole, dropped=own.dropped)


def _whole(green: Window, cycle: int) -> Window:
    return Window(float(round(green.start_s) % cycle), float(round(green.length_s)))


def _only_rounded(problem: Problem, real: Plan, cycle: int) -> Plan:
    """Round a real plan's offsets: what is left where whole seconds leave no band."""
    offsets = tuple(float(round(offset / real.cycle_s * cycle) % cycle) for offset in real.offset_s)
    roads = tuple(
        _on_offsets(road, own, offsets, cycle)
        for road, own in zip(problem.roads, real.roads, strict=True)
    )
    return Plan(float(cycle), roads, offsets)
