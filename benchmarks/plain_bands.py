"""The band models as the papers write them: one program each, no cells, no bounds, no searches.

MAXBAND with loop integers (Little, Kelson & Gartner 1981), MULTIBAND (Gartner et al. 1991), and
networks with an absolute offset for every signal and an integer for every signal and direction.
They are what a user would type in, and what the product is measured against.
"""

import itertools
import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ortools.math_opt.python import mathopt

from traffic.bandwidth import Corridor, Network
from traffic.bandwidth.corridor import Range, leads

# MathOpt does not type its arithmetic.
Linear = Any
SOLVERS = {"HiGHS": mathopt.SolverType.HIGHS, "SCIP": mathopt.SolverType.GSCIP}


@dataclass(frozen=True, slots=True)
class Plain:
    """An answer: objective and bound in cycles, and the seconds that it took."""

    value: float
    bound: float
    optimal: bool
    solve_s: float

    @property
    def gap(self) -> float:
        """``(bound - value) / value``; infinite without a plan."""
        if not self.value > 0:
            return math.inf
        return max(0.0, self.bound - self.value) / self.value


def solve_plain(model: mathopt.Model, solver: str, limit_s: float, seed: int = 0) -> Plain:
    """Give a program to a solver as it is."""
    params = mathopt.SolveParameters(
        time_limit=timedelta(seconds=limit_s),
        random_seed=seed,
        relative_gap_tolerance=0.0,
        absolute_gap_tolerance=1e-6,
    )
    began = time.perf_counter()
    try:
        result = mathopt.solve(model, SOLVERS[solver], params=params)
    except (AttributeError, RuntimeError):
        # HiGHS gives up on some of these with an error of its own.
        return Plain(math.nan, math.inf, False, time.perf_counter() - began)
    solve_s = time.perf_counter() - began
    value = result.objective_value() if result.has_primal_feasible_solution() else math.nan
    optimal = result.termination.reason is mathopt.TerminationReason.OPTIMAL
    return Plain(value, result.termination.objective_bounds.dual_bound, optimal, solve_s)


def corridor_model(corridor: Corridor, method: str) -> mathopt.Model:
    """Write MAXBAND (k = 1) or MULTIBAND of a corridor without queues, with its loop integers."""
    assert corridor.cycle_s is not None
    n = len(corridor.signals)
    model = mathopt.Model()
    z = model.add_variable(lb=1 / corridor.cycle_s.high, ub=1 / corridor.cycle_s.low)
    t = _times(model, z, corridor, [corridor.speed_out(k) for k in range(n - 1)])
    tt = _times(model, z, corridor, [corridor.speed_in(k) for k in range(n - 1)])
    count = 1 if method == "maxband" else n - 1
    b = [model.add_variable(lb=0.0, ub=1.0) for _ in range(count)]
    bb = [model.add_variable(lb=0.0, ub=1.0) for _ in range(count)]
    w = [model.add_variable(lb=0.0, ub=1.0) for _ in range(n)]
    ww = [model.add_variable(lb=0.0, ub=1.0) for _ in range(n)]
    lags = [[model.add_binary_variable() for _ in range(2)] for _ in range(n)]
    for i, signal in enumerate(corridor.signals):
        assert len(signal.patterns) == 4, "the plain model knows no forbidden pattern"
        for line, green, bands in ((w[i], signal.green_out, b), (ww[i], signal.green_in, bb)):
            if method == "maxband":
                model.add_linear_constraint(line + bands[0] <= green)
                continue
            for k in {max(0, i - 1), min(i, n - 2)}:
                model.add_linear_constraint(line - bands[k] / 2 >= 0)
                model.add_linear_constraint(line + bands[k] / 2 <= green)
    for i, j in itertools.pairwise(range(n)):
        one, other = corridor.signals[i], corridor.signals[j]
        m = model.add_integer_variable(lb=-math.inf, ub=math.inf)
        model.add_linear_constraint(
            (w[i] + ww[i])
            - (w[j] + ww[j])
            + t[i]
            + tt[i]
            + lags[i][0] * one.left_out
            - lags[i][1] * one.left_in
            - lags[j][0] * other.left_out
            + lags[j][1] * other.left_in
            - m
            == one.green_out - other.green_out
        )
    if method == "maxband":
        model.add_linear_constraint(b[0] == bb[0])
        model.maximize(b[0] + bb[0])
    else:
        shares = [corridor.link_weights(k) for k in range(n - 1)]
        model.maximize(
            mathopt.fast_sum(
                (shares[k][0] * b[k] + shares[k][1] * bb[k]) / (n - 1) for k in range(n - 1)
            )
        )
    return model


def network_model(network: Network) -> mathopt.Model:
    """Write MAXBAND (k = 1) of a network without queues, every signal with its offset."""
    model = mathopt.Model()
    z = model.add_variable(lb=1 / network.cycle_s.high, ub=1 / network.cycle_s.low)
    offset = {key: model.add_variable(lb=0.0, ub=1.0) for key in network.users()}
    total: Linear = 0.0
    for item in network.corridors:
        corridor = item.corridor
        n = len(corridor.signals)
        t = _times(model, z, corridor, [corridor.speed_out(k) for k in range(n - 1)])
        tt = _times(model, z, corridor, [corridor.speed_in(k) for k in range(n - 1)])
        band = model.add_variable(lb=0.0, ub=1.0)
        out: Linear = model.add_variable(lb=0.0, ub=1.0)
        back: Linear = model.add_variable(lb=0.0, ub=1.0)
        for i, signal in enumerate(corridor.signals):
            if i:
                out, back = out + t[i - 1], back - tt[i - 1]
            pick = [model.add_binary_variable() for _ in signal.patterns]
            model.add_linear_constraint(mathopt.fast_sum(pick) == 1)
            first = [signal.left_in * leads(p)[1] for p in signal.patterns]
            second = [signal.left_out * leads(p)[0] for p in signal.patterns]
            block = offset[signal.id] + network.start_share(signal.id, corridor.id)
            for line, places, green in (
                (out, first, signal.green_out),
                (back, second, signal.green_in),
            ):
                turn = model.add_integer_variable(lb=-math.inf, ub=math.inf)
                start = (
                    block
                    + turn
                    + mathopt.fast_sum(p * s for p, s in zip(pick, places, strict=True))
                )
                model.add_linear_constraint(line - start >= 0)
                model.add_linear_constraint(line + band - start <= green)
        total = total + 2 * item.weight * band
    model.maximize(total)
    return model


def _times(
    model: mathopt.Model, z: mathopt.Variable, corridor: Corridor, speeds: list[Range]
) -> list[mathopt.Variable]:
    times = []
    for speed, length in zip(speeds, corridor.lengths_m, strict=True):
        t = model.add_variable(lb=0.0)
        model.add_linear_constraint(t >= length / speed.high * z)
        model.add_linear_constraint(t <= length / speed.low * z)
        times.append(t)
    change = corridor.slowness_change_s_per_m
    if change is not None:
        slow = [t / length for t, length in zip(times, corridor.lengths_m, strict=True)]
        for one, other in itertools.pairwise(slow):
            model.add_linear_constraint(other - one <= change * z)
            model.add_linear_constraint(one - other <= change * z)
    return times
