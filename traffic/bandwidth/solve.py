"""Solves a corridor or a network of corridors: a measured plan with its certificate.

The certificate speaks of the objective in cycles. Values are measured from the plan's greens, by
code that shares nothing with the models; a claim that does not hold is an error, never an answer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from ortools.math_opt.python import mathopt

from traffic.bandwidth.cells import CellSearch
from traffic.bandwidth.certificate import Certificate, Status
from traffic.bandwidth.corridor import Corridor, Range
from traffic.bandwidth.measure import Measured, measure
from traffic.bandwidth.milp import BandModel
from traffic.bandwidth.network import Network
from traffic.bandwidth.plan import Plan, RoadPlan, unplanned
from traffic.bandwidth.problem import (
    METHODS,
    Method,
    Problem,
    Road,
    corridor_problem,
    network_problem,
)
from traffic.bandwidth.reading import read_plan
from traffic.bandwidth.search import TOLERANCE, OnProgress, Watch
from traffic.bandwidth.whole_seconds import whole_second_plan
from traffic.errors import InvalidInputError, SolverError

# A claim may miss its measure by the solvers' tolerance, in cycles of the objective.
CLAIM_TOLERANCE = 1e-5
MAX_TIME_LIMIT_S = 86_400.0
# Share of the time limit that the whole-second plan may take on top.
WHOLE_SECONDS_SHARE = 0.25
# What it, and a proof that there is no band, may take at least.
LATE_S = 10.0


@dataclass(frozen=True, slots=True)
class BandPlan:
    """A plan and what was measured of it.

    Parameters
    ----------
    certificate
        Of the objective in cycles.
    plan
        Greens, lines and speeds on the common clock.
    measured
        For each road.
    """

    certificate: Certificate
    plan: Plan
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Solved:
    """The answer.

    Parameters
    ----------
    method
        The model.
    corridors
        As they were asked.
    real
        The plan with real seconds; its ``plan`` has a cycle but no bands where the status is
        ``no_band`` or ``unknown``.
    whole
        The plan in whole seconds, its bound that of the real one; None without a band, or where
        no whole second lies in the range of cycles.
    proof
        What proves ``no_band``; empty otherwise.
    problem
        The arrays that were solved.
    lone
        A corridor was asked, not a network.
    """

    method: Method
    corridors: tuple[Corridor, ...]
    real: BandPlan
    whole: BandPlan | None
    proof: str
    problem: Problem
    lone: bool


def solve(
    question: Corridor | Network,
    *,
    method: Method = "maxband",
    cycle_s: Range | None = None,
    time_limit_s: float = 60.0,
    most_s: float = math.inf,
    seed: int = 0,
    progress: OnProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Solved:
    """Find the best green bands, and prove how good they are.

    Parameters
    ----------
    question
        A corridor, or a network of crossing ones with a common cycle.
    method
        ``maxband`` (Little, Kelson & Gartner 1981), ``multiband`` (Gartner et al. 1991) or
        ``amband`` (Zhang et al. 2015).
    cycle_s
        Beats the question's own range.
    time_limit_s
        Seconds of search, more than 0; the whole-second plan may take a quarter of it more, at
        least 10 s.
    most_s
        Seconds until all must have ended, the whole-second plan and the proof too.
    seed
        Same question and seed, same answer, unless the time limit cuts the search.
    progress, should_stop
        Told of every step; asked whether to stop with the best so far.

    Raises
    ------
    InvalidInputError
        A parameter out of range, a corridor without a cycle, or nothing that counts: all weights
        are 0, of the corridors or, by the volumes, of the links.
    SolverError
        Both solvers failed, or a claim does not hold when it is measured.
    """
    if method not in METHODS:
        raise InvalidInputError(f"{method!r}; expected {', '.join(METHODS)}", where="method")
    if not 0 < time_limit_s <= MAX_TIME_LIMIT_S:
        raise InvalidInputError(
            f"{time_limit_s}; expected more than 0, at most {MAX_TIME_LIMIT_S:g}",
            where="time_limit_s",
        )
    if isinstance(question, Network):
        problem = network_problem(question, method, cycle_s)
        corridors = tuple(item.corridor for item in question.corridors)
    else:
        problem = corridor_problem(question, method, cycle_s)
        corridors = (question,)
    _check_counts(problem, lone=isinstance(question, Corridor))
    return solve_problem(
        problem,
        corridors,
        lone=isinstance(question, Corridor),
        time_limit_s=time_limit_s,
        most_s=most_s,
        seed=seed,
        progress=progress,
        should_stop=should_stop,
    )


def _check_counts(problem: Problem, *, lone: bool) -> None:
    """Refuse a question whose every plan is worth 0: no answer to it would mean anything."""
    linked = problem.method != "maxband"
    worth = [
        road.weight * (float(road.weight_out.sum() + road.weight_in.sum()) if linked else 1.0)
        for road in problem.roads
    ]
    if max(worth) > 0:
        return
    if lone:
        raise InvalidInputError(
            "every volume that counts is 0; expected one above 0, or p = 0", where="links"
        )
    raise InvalidInputError(
        "every weight is 0; expected one corridor above 0, with volumes that count",
        where="corridors",
    )


def solve_problem(
    problem: Problem,
    corridors: tuple[Corridor, ...],
    *,
    lone: bool,
    time_limit_s: float,
    most_s: float = math.inf,
    seed: int,
    progress: OnProgress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Solved:
    """Solve a question that is laid out already; see ``solve``.

    ``corridors`` are those of the problem's roads, in the same order.
    """
    method = problem.method
    whole_call = Watch(most_s, None, should_stop)
    watch = Watch(min(time_limit_s, most_s), progress, should_stop)
    search = CellSearch(problem, watch, seed)
    search.run()
    proof = ""
    if search.floor <= TOLERANCE and search.bound <= TOLERANCE:
        proof = prove_none(search, whole_call.part(max(LATE_S, watch.left_s())), seed)
        if not proof:
            # Where one solver's word cannot be confirmed nothing is claimed.
            search.best = None
    if search.floor <= TOLERANCE:
        status = Status.NO_BAND if proof else Status.UNKNOWN
        value, bound = (0.0, 0.0) if proof else (math.nan, search.bound)
        certificate = Certificate(status, value, bound, watch.elapsed_s(), seed)
        real = BandPlan(certificate, unplanned(problem), ())
        return Solved(method, corridors, real, None, proof, problem, lone)
    real = _measured_plan(search, problem, corridors, watch, seed)
    late = whole_call.part(max(LATE_S, WHOLE_SECONDS_SHARE * time_limit_s))
    whole = None
    assert search.best is not None, "a value was found"
    found = whole_second_plan(problem, search.best, real.plan, real.certificate.bound, late, seed)
    if found is not None:
        measured = measure_plan(problem, corridors, found.plan)
        value = objective(problem, found.plan, measured)
        bound = max(value, found.bound)
        status = Status.OPTIMAL if bound - value <= 2 * TOLERANCE else Status.FEASIBLE
        certificate = Certificate(status, value, bound, late.elapsed_s(), seed)
        whole = BandPlan(certificate, found.plan, measured)
    return Solved(method, corridors, real, whole, "", problem, lone)


def _measured_plan(
    search: CellSearch,
    problem: Problem,
    corridors: tuple[Corridor, ...],
    watch: Watch,
    seed: int,
) -> BandPlan:
    """Lay the best solution out, measure it, and refuse a claim that does not hold."""
    found = search.best
    assert found is not None, "the caller has seen its value"
    plan = read_plan(problem, found.roads, found.problem, found.model, found.values)
    measured = measure_plan(problem, corridors, plan)
    value = objective(problem, plan, measured)
    if value < found.value - CLAIM_TOLERANCE:
        raise SolverError(
            f"claimed {found.value:.7f} cycles, measured {value:.7f}", where=problem.method
        )
    bound = max(search.bound, value)
    status = Status.OPTIMAL if bound - value <= 2 * TOLERANCE else Status.FEASIBLE
    return BandPlan(Certificate(status, value, bound, watch.elapsed_s(), seed), plan, measured)


def prove_none(search: CellSearch, watch: Watch, seed: int) -> str:
    """Say what proves that no road has a band; empty where nothing does."""
    if not search.took_word:
        return "bound: at no cycle of the range is there a band wider than 0"
    for road in search.problem.roads:
        # Where roads together have a band each of them has one alone.
        if road.weight > 0 and not _proven_infeasible(search.problem, road, watch, seed):
            return ""
    return "two solvers: SCIP and HiGHS each found the program infeasible"


def _proven_infeasible(problem: Problem, road: Road, watch: Watch, seed: int) -> bool:
    """Whether both solvers find that a road alone has no band."""
    model = BandModel(replace(problem, roads=(road,)))
    model.model.add_linear_constraint(mathopt.fast_sum(model.values) >= TOLERANCE)
    for highs in (False, True):
        try:
            result = watch.solve(
                model.model, seed=seed, limit_s=watch.left_s(), highs=highs, fallback=False
            )
        except SolverError:
            return False
        if result.termination.reason not in (
            mathopt.TerminationReason.INFEASIBLE,
            mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED,
        ):
            return False
    return True


def measure_plan(
    problem: Problem, corridors: tuple[Corridor, ...], plan: Plan
) -> tuple[Measured, ...]:
    """Measure every road of a plan from its greens and speeds."""
    return tuple(
        _measure_road(problem, road, corridor, own, plan.cycle_s)
        for road, corridor, own in zip(problem.roads, corridors, plan.roads, strict=True)
    )


def _measure_road(
    problem: Problem, road: Road, corridor: Corridor, own: RoadPlan, cycle_s: float
) -> Measured:
    lines = problem.method != "maxband" and not own.dropped
    return measure(
        corridor,
        cycle_s=cycle_s,
        green_out=own.green_out,
        green_in=own.green_in,
        speed_out_mps=tuple(road.length_m / own.travel_out_s),
        speed_in_mps=tuple(road.length_m / own.travel_in_s),
        line_out_s=tuple(own.line_out_s) if lines else None,
        line_in_s=tuple(own.line_in_s) if lines else None,
        symmetric=problem.method == "multiband",
    )


def objective(problem: Problem, plan: Plan, measured: tuple[Measured, ...]) -> float:
    """Value of a measured plan, in cycles."""
    return sum(
        road_value(problem, road, own, seen, plan.cycle_s)
        for road, own, seen in zip(problem.roads, plan.roads, measured, strict=True)
    )


def road_value(
    problem: Problem, road: Road, own: RoadPlan, measured: Measured, cycle_s: float
) -> float:
    """Weighted value of one road of a measured plan, in cycles; 0 where it was left out."""
    if own.dropped:
        return 0.0
    if problem.method == "maxband":
        return road.weight * road.value(
            measured.out.width_s / cycle_s, measured.back.width_s / cycle_s
        )
    total = sum(
        weight * link.width_s
        for weights, links in (
            (road.weight_out, measured.links_out),
            (road.weight_in, measured.links_in),
        )
        for weight, link in zip(weights, links, strict=True)
    )
    return float(road.weight * total / cycle_s)
