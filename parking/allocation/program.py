"""The exact integer program for stays that come and go at different times.

One binary for each pair of request and pool; a constraint for each pool and each instant at which
one of the stays begins, since only there can a pool become over-full. Two stages: as many served
as possible, then least cost with that many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from ortools.math_opt.python import mathopt

from parking.errors import SolverError
from parking.ledger.profile import Profile
from parking.requests import ParkingRequest

TIME_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Request -> pool, with both proven bounds."""

    chosen: dict[int, int]
    served_bound: int
    bound_fen: int


def solve_program(
    requests: Sequence[ParkingRequest],
    pairs: NDArray[np.int64],
    costs: NDArray[np.int64],
    capacity: Sequence[int],
    profiles: Sequence[Profile],
) -> ProgramResult:
    """Solve a batch exactly; at the time limit the best answer so far, with its bounds.

    Raises
    ------
    SolverError
        The solver found no answer at all.
    """
    model = mathopt.Model(name="allocation")
    take = [model.add_binary_variable() for _ in pairs]
    for k in np.unique(pairs[:, 0]):
        own = [take[i] for i in np.flatnonzero(pairs[:, 0] == k)]
        model.add_linear_constraint(mathopt.fast_sum(own) <= 1)
    for j in np.unique(pairs[:, 1]):
        own_pairs = np.flatnonzero(pairs[:, 1] == j)
        _never_over_full(model, take, own_pairs, pairs, requests, capacity[j], profiles[j])
    served = mathopt.fast_sum(take)
    model.maximize(served)
    first = _solve(model)
    most = round(first.objective_value())
    served_bound = int(np.floor(first.termination.objective_bounds.dual_bound + 1e-6))
    model.add_linear_constraint(served >= most)
    pair_costs = costs[pairs[:, 0], pairs[:, 1]]
    model.minimize(mathopt.fast_sum(int(c) * x for c, x in zip(pair_costs, take, strict=True)))
    second = _solve(model)
    values = second.variable_values()
    chosen = {int(k): int(j) for (k, j), x in zip(pairs, take, strict=True) if values[x] > 0.5}
    bound_fen = int(np.ceil(second.termination.objective_bounds.dual_bound - 1e-6))
    return ProgramResult(chosen, served_bound, bound_fen)


def _never_over_full(
    model: mathopt.Model,
    take: Sequence[mathopt.Variable],
    own: NDArray[np.intp],
    pairs: NDArray[np.int64],
    requests: Sequence[ParkingRequest],
    capacity: int,
    profile: Profile,
) -> None:
    """Constrain a pool at each instant at which a stay, promised or asked for, begins."""
    stays = [(requests[int(pairs[i, 0])], take[i]) for i in own]
    begins = {request.arrive_ms for request, _ in stays} | set(profile.times_ms)
    for at_ms in sorted(begins):
        inside = [x for r, x in stays if r.arrive_ms <= at_ms < r.leave_ms]
        room = capacity - profile.peak(at_ms, at_ms + 1)
        if len(inside) > room:
            model.add_linear_constraint(mathopt.fast_sum(inside) <= max(0, room))


def _solve(model: mathopt.Model) -> mathopt.SolveResult:
    """Solve with HiGHS; where it breaks on a sound model, without presolve, then with SCIP."""
    wrong = ""
    for solver, presolve in (
        (mathopt.SolverType.HIGHS, None),
        (mathopt.SolverType.HIGHS, mathopt.Emphasis.OFF),
        (mathopt.SolverType.GSCIP, None),
    ):
        params = mathopt.SolveParameters(
            time_limit=timedelta(seconds=TIME_LIMIT_S),
            relative_gap_tolerance=0.0,
            absolute_gap_tolerance=0.5,
            presolve=presolve,
        )
        try:
            result = mathopt.solve(model, solver, params=params)
        except (AttributeError, RuntimeError, ValueError) as error:
            # MathOpt stumbles over its own status when it raises HiGHS's "solve error".
            wrong = f"{solver.name}: {error.__context__ or error}"
            continue
        if result.has_primal_feasible_solution():
            return result
        wrong = f"{solver.name}: {result.termination}"
    raise SolverError(wrong, where="allocation")
