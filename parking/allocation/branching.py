"""Whole cars on some arcs: the integer program behind a linear one that splits cars."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, sparse

from parking.allocation.cliques import find_cliques
from parking.allocation.room import Room
from parking.allocation.tables import Floats, Ints
from parking.allocation.wishes import Wishes
from parking.errors import SolverError

REWARD = 10.0
"""Of serving one more, in dearest arcs."""
LEAST_TIME_S = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Branched:
    """What branching found.

    Parameters
    ----------
    arcs
        Numbers of the arcs taken; None: none found.
    low
        No answer of these arcs weighs less; -inf: not known, inf: there is no answer.
    out_of_time
        Whether it was not brought to its end.
    """

    arcs: Ints | None
    low: float
    out_of_time: bool


def branch(
    arcs: Wishes, room: Room, weight: Floats, *, count: int | None, kept: int, ends_s: float
) -> Branched:
    """Take whole arcs of least weight.

    Parameters
    ----------
    weight
        Of the arcs, shape (arcs,).
    count
        So many are to be served at least; None = no matter.
    kept
        So many of those who hold a place.
    ends_s
        When to give up, on ``time.perf_counter``.

    Raises
    ------
    SolverError
        The solver failed in a way that says nothing about the problem.
    """
    limits = _constraints(arcs, room, kept)
    # So many served as a reward, not as a constraint: then any answer will do to begin with.
    reward = 0.0 if count is None else REWARD * (1.0 + float(np.abs(weight).max()))
    result = _milp(weight - reward, limits, ends_s)
    if count is not None and result.status == 0 and (result.x > 0.5).sum() < count:
        every = sparse.csc_array(np.ones((1, len(arcs))))
        limits.append(optimize.LinearConstraint(every, count, np.inf))
        result = _milp(weight - reward, limits, ends_s)
    if result.status == 2:
        return Branched(None, np.inf, False)
    low = -np.inf if result.mip_dual_bound is None else float(result.mip_dual_bound)
    found = None if result.x is None else np.flatnonzero(result.x > 0.5)
    return Branched(found, low + reward * (count or 0), result.status == 1)


def _milp(weight: Floats, limits: list[optimize.LinearConstraint], ends_s: float) -> Any:
    """Return SciPy's result: status 0 optimal, 1 out of time, 2 infeasible."""
    for presolve in (True, False):
        result: Any = optimize.milp(
            weight,
            constraints=limits,
            integrality=np.ones(len(weight), dtype=np.int64),
            bounds=optimize.Bounds(0, 1),
            options={
                "presolve": presolve,
                "time_limit": max(LEAST_TIME_S, ends_s - time.perf_counter()),
                "mip_rel_gap": 0.0,
            },
        )
        if result.status in (0, 1, 2):
            return result
    raise SolverError(f"integer program: {result.message}", where="allocation")


def _constraints(arcs: Wishes, room: Room, kept: int) -> list[optimize.LinearConstraint]:
    cliques = find_cliques(arcs.pool, arcs.arrive_ms, arcs.leave_ms, room)
    requests, request = arcs.numbered()
    place = (request, np.arange(len(arcs)))
    once = sparse.csr_array((np.ones(len(arcs)), place), shape=(requests, len(arcs)))
    inside = cliques.matrix(arcs.pool, arcs.arrive_ms, arcs.leave_ms)
    upper = np.concatenate([np.ones(requests), cliques.limit])
    limits = [optimize.LinearConstraint(sparse.vstack([once, inside], format="csc"), ub=upper)]
    if kept:
        holders = sparse.csc_array(arcs.must[None, :].astype(np.float64))
        limits.append(optimize.LinearConstraint(holders, lb=kept))
    return limits
