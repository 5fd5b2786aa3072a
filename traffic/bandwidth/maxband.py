"""MAXBAND: the widest green bands both ways along an arterial, as a mixed-integer program.

Little (1966), "The synchronization of traffic signals by mixed-integer linear programming";
Little, Kelson & Gartner (1981), "MAXBAND". Everything is in cycles; z = 1/C. Instead of their
loop equation the block's start at each signal is a variable: the outbound band fixes it up to
the slack in the outbound green, and one integer a signal counts the cycles that the inbound band
arrives earlier. That is the same model with the loop integers summed up, and it reads as it is.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ortools.math_opt.python import mathopt

from traffic.bandwidth.arterial import Arterial, Pattern
from traffic.bandwidth.certificate import Certificate, Status
from traffic.bandwidth.measure import Window, widest_band
from traffic.errors import SolverError

# A claim and its measure may differ by the solver's feasibility tolerance, no more.
CLAIM_TOLERANCE = 1e-5
BROKEN = {mathopt.TerminationReason.OTHER_ERROR, mathopt.TerminationReason.NUMERICAL_ERROR}


@dataclass(frozen=True, slots=True)
class MaxbandResult:
    """The optimum of an arterial; ``starts`` and the rest are empty without a band.

    Parameters
    ----------
    certificate
        Of the objective b + k bb.
    cycle_s
        The chosen cycle.
    band_out, band_in
        In cycles, re-measured.
    starts
        The block's start at each signal, in cycles, 0 <= start < 1; the first is 0 where none
        was given.
    patterns
        The left-turn pattern at each signal.
    travel_out_s, travel_in_s
        For each link, between its two signals.
    """

    certificate: Certificate
    cycle_s: float
    band_out: float
    band_in: float
    starts: tuple[float, ...]
    patterns: tuple[Pattern, ...]
    travel_out_s: tuple[float, ...]
    travel_in_s: tuple[float, ...]


def solve_maxband(
    arterial: Arterial,
    *,
    fixed_starts: Mapping[int, float] | None = None,
    time_limit_s: float = 60.0,
    seed: int = 0,
) -> MaxbandResult:
    """Find the widest bands of an arterial.

    Parameters
    ----------
    arterial
        The arterial.
    fixed_starts
        Block starts that are given, in cycles by signal index; the others are free.
    time_limit_s
        Seconds of search, more than 0.
    seed
        Of the solver.

    Returns
    -------
    MaxbandResult
        Status ``optimal``, ``feasible`` at the time limit, ``no_band`` when the optimum is 0, or
        ``unknown``.

    Raises
    ------
    SolverError
        The solver failed, or its claim does not hold when the plan is measured.
    """
    began = time.perf_counter()
    built = _Model(arterial, fixed_starts or {})
    solution = _solved(built.model, time_limit_s, seed)
    reason = solution.termination.reason
    solve_s = time.perf_counter() - began
    bound = solution.termination.objective_bounds.dual_bound
    if not solution.has_primal_feasible_solution():
        if reason is mathopt.TerminationReason.INFEASIBLE:
            # A band of width 0 needs one instant that meets every green: not even that exists.
            certificate = Certificate(Status.NO_BAND, 0.0, 0.0, solve_s, seed)
        elif reason is mathopt.TerminationReason.NO_SOLUTION_FOUND:
            certificate = Certificate(Status.UNKNOWN, math.nan, bound, solve_s, seed)
        else:
            raise SolverError(f"HiGHS: {solution.termination}", where="maxband")
        return MaxbandResult(certificate, math.nan, 0.0, 0.0, (), (), (), ())
    optimal = reason is mathopt.TerminationReason.OPTIMAL
    return built.result(solution.variable_values(), bound, solve_s, seed, optimal=optimal)


def _solved(model: mathopt.Model, time_limit_s: float, seed: int) -> mathopt.SolveResult:
    """Solve with HiGHS; where it breaks on a sound model, without presolve, then with SCIP.

    HiGHS was seen to answer "solve error" on sound models of this kind, which MathOpt raises (as
    an AttributeError, since it stumbles over its own status).
    """
    wrong = ""
    for solver, presolve in (
        (mathopt.SolverType.HIGHS, None),
        (mathopt.SolverType.HIGHS, mathopt.Emphasis.OFF),
        (mathopt.SolverType.GSCIP, None),
    ):
        params = mathopt.SolveParameters(
            time_limit=timedelta(seconds=max(0.05, time_limit_s)),
            random_seed=seed,
            relative_gap_tolerance=0.0,
            absolute_gap_tolerance=1e-7,
            presolve=presolve,
        )
        try:
            solution = mathopt.solve(model, solver, params=params)
        except (AttributeError, RuntimeError, ValueError) as error:
            wrong = f"{solver.name}: {error.__context__ or error}"
            continue
        if solution.termination.reason not in BROKEN:
            return solution
        wrong = f"{solver.name}: {solution.termination}"
    raise SolverError(wrong, where="maxband")


class _Model:
    """The mixed-integer program of one arterial."""

    def __init__(self, arterial: Arterial, fixed_starts: Mapping[int, float]) -> None:
        self.fixed_starts = fixed_starts
        self.arterial = arterial
        self.model = mathopt.Model(name="maxband")
        low, high = arterial.cycle_s
        self.z = self.model.add_variable(lb=1 / high, ub=1 / low, name="z")
        widest = min(min(s.green_out, s.green_in) for s in arterial.signals)
        least_out = min(s.green_out for s in arterial.signals)
        least_in = min(s.green_in for s in arterial.signals)
        self.b = self.model.add_variable(lb=0, ub=least_out, name="b")
        self.bb = self.model.add_variable(lb=0, ub=least_in, name="bb")
        k = arterial.inbound_weight
        if k == 1:
            self.model.add_linear_constraint(self.b == self.bb)
            self.model.add_linear_constraint(self.b <= widest)
        else:
            self.model.add_linear_constraint((1 - k) * self.bb >= (1 - k) * k * self.b)
        self.t_out = [self._time(link.length_m, link.speed_out_mps) for link in arterial.links]
        self.t_in = [self._time(link.length_m, link.speed_in_mps) for link in arterial.links]
        self._signals()
        self.model.maximize(self.b + k * self.bb)

    def _time(self, length_m: float, speed_mps: tuple[float, float]) -> mathopt.Variable:
        """Travel time of a link in cycles, between its slowest and fastest."""
        t = self.model.add_variable(lb=0)
        self.model.add_linear_constraint(t >= length_m / speed_mps[1] * self.z)
        self.model.add_linear_constraint(t <= length_m / speed_mps[0] * self.z)
        return t

    def _start(self, i: int) -> mathopt.Variable:
        """Block start of a signal; without given starts the first one is the clock's zero."""
        given = self.fixed_starts or {0: 0.0}
        start = self.model.add_variable(lb=-math.inf, ub=math.inf)
        if i in given:
            if i == 0:
                self.model.add_linear_constraint(start == given[0] % 1.0)
            else:
                turns = self.model.add_integer_variable(lb=-math.inf, ub=math.inf)
                self.model.add_linear_constraint(start == given[i] + turns)
        elif i == 0:
            start.lower_bound, start.upper_bound = 0.0, 1.0
        return start

    def _signals(self) -> None:
        model, arterial = self.model, self.arterial
        self.start: list[mathopt.Variable] = []
        self.choice: list[dict[Pattern, mathopt.Variable]] = []
        # When the outbound band's front and the inbound band's front pass the first signal;
        # inbound runs backwards in the list, so its front is earlier at later signals.
        front_out: mathopt.LinearTypes = model.add_variable(lb=-1, ub=2)
        front_in: mathopt.LinearTypes = model.add_variable(lb=-1, ub=2)
        shortest_s = longest_s = 0.0
        for i, signal in enumerate(arterial.signals):
            if i:
                link = arterial.links[i - 1]
                front_out = front_out + self.t_out[i - 1]
                front_in = front_in - self.t_in[i - 1]
                shortest_s += link.length_m / link.speed_out_mps[1]
                shortest_s += link.length_m / link.speed_in_mps[1]
                longest_s += link.length_m / link.speed_out_mps[0]
                longest_s += link.length_m / link.speed_in_mps[0]
            start = self._start(i)
            pick = {pattern: model.add_binary_variable() for pattern in signal.patterns}
            model.add_linear_constraint(mathopt.fast_sum(pick.values()) == 1)
            out = start + mathopt.fast_sum(signal.starts(p)[0] * y for p, y in pick.items())
            back = start + mathopt.fast_sum(signal.starts(p)[1] * y for p, y in pick.items())
            # Cycles by which the inbound front lies behind the outbound one's clock.
            m = model.add_integer_variable(
                lb=math.floor(-longest_s / arterial.cycle_s[0]) - 4,
                ub=math.ceil(-shortest_s / arterial.cycle_s[1]) + 4,
            )
            model.add_linear_constraint(front_out >= out)
            model.add_linear_constraint(front_out + self.b <= out + signal.green_out)
            model.add_linear_constraint(front_in >= back + m)
            model.add_linear_constraint(front_in + self.bb <= back + m + signal.green_in)
            self.start.append(start)
            self.choice.append(pick)

    def result(
        self,
        values: dict[mathopt.Variable, float],
        bound: float,
        solve_s: float,
        seed: int,
        *,
        optimal: bool,
    ) -> MaxbandResult:
        """Read a solution, measure it, and refuse a claim that does not hold."""
        arterial = self.arterial
        cycle_s = 1 / values[self.z]
        starts = tuple(values[start] % 1.0 for start in self.start)
        patterns = tuple(max(pick, key=lambda p: values[pick[p]]) for pick in self.choice)
        travel_out_s = tuple(values[t] * cycle_s for t in self.t_out)
        travel_in_s = tuple(values[t] * cycle_s for t in self.t_in)
        windows_out, windows_in = [], []
        for signal, start, pattern in zip(arterial.signals, starts, patterns, strict=True):
            out, back = signal.starts(pattern)
            windows_out.append([Window((start + out) * cycle_s, signal.green_out * cycle_s)])
            windows_in.append([Window((start + back) * cycle_s, signal.green_in * cycle_s)])
        band_out = widest_band(windows_out, travel_out_s, cycle_s).width_s / cycle_s
        band_in = widest_band(windows_in[::-1], travel_in_s[::-1], cycle_s).width_s / cycle_s
        claimed_out, claimed_in = values[self.b], values[self.bb]
        if min(band_out - claimed_out, band_in - claimed_in) < -CLAIM_TOLERANCE:
            raise SolverError(
                f"claimed bands {claimed_out:.6f}, {claimed_in:.6f}; "
                f"measured {band_out:.6f}, {band_in:.6f}",
                where="maxband",
            )
        value = claimed_out + arterial.inbound_weight * claimed_in
        status = Status.OPTIMAL if optimal else Status.FEASIBLE
        if optimal and value <= CLAIM_TOLERANCE:
            status, value = Status.NO_BAND, 0.0
        certificate = Certificate(status, value, max(bound, value), solve_s, seed)
        return MaxbandResult(
            certificate,
            cycle_s,
            band_out,
            band_in,
            starts,
            patterns,
            travel_out_s,
            travel_in_s,
        )
