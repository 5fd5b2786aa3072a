"""Solves a batch: by a minimum-cost flow where that is exact, by an integer program elsewhere.

Where all stays of a batch share an instant, requests to pools with the room of that instant is a
transportation problem: totally unimodular, so the flow is the optimum (commitments that are
higher at another instant are checked afterwards). Stays that come and go at different times can
follow each other on one space: that is the integer program's (``program.py``).
"""

import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from ortools.graph.python import min_cost_flow

from parking.allocation.candidates import OK, REASONS, WRONG_CLASS, Candidates, find_candidates
from parking.allocation.program import solve_program
from parking.allocation.result import AllocationResult, Assigned, PassedOver, Unserved
from parking.errors import InvalidInputError, SolverError
from parking.inventory import Lot
from parking.ledger.profile import Profile
from parking.requests import ParkingRequest
from parking.travel import GreatCircle, TravelTimes

Commitments = Mapping[str, Profile]
"""Spaces of each pool that are committed already, over time, by pool id."""

PASSED_OVER_MAX = 3


def allocate(
    requests: Sequence[ParkingRequest],
    lots: Sequence[Lot],
    *,
    committed: Commitments | None = None,
    capacities: Mapping[str, int] | None = None,
    travel: TravelTimes | None = None,
) -> AllocationResult:
    """Give each request a pool for its whole stay, or a reason why not.

    Parameters
    ----------
    requests
        With ids of their own.
    lots
        All lots of the city.
    committed
        What is promised already.
    capacities
        Bookable spaces by pool id where they differ from ``Pool.bookable``.
    travel
        Travel times; None = great circles.

    Raises
    ------
    InvalidInputError
        A request's id stands twice.
    SolverError
        The flow solver failed.
    """
    if len({request.id for request in requests}) != len(requests):
        raise InvalidInputError("a request id stands twice", where="requests")
    began = time.perf_counter()
    candidates = find_candidates(requests, lots, travel or GreatCircle())
    capacity = [(capacities or {}).get(pool.id, pool.bookable) for _, pool in candidates.pools]
    profiles = [(committed or {}).get(pool.id, Profile()) for _, pool in candidates.pools]
    room = _room(requests, candidates, capacity, profiles)
    pairs = np.argwhere(candidates.feasible & (room > 0))
    built_s = time.perf_counter() - began
    chosen, served_bound, bound_fen, method = _solve(
        requests, candidates, pairs, capacity, profiles
    )
    total = int(sum(candidates.cost_fen[k, j] for k, j in chosen.items()))
    assigned, unserved = _answers(requests, candidates, chosen, room)
    return AllocationResult(
        assigned=assigned,
        unserved=unserved,
        served_bound=served_bound,
        bound_fen=bound_fen,
        proven=len(chosen) == served_bound and total == bound_fen,
        method=method,
        build_s=built_s,
        solve_s=time.perf_counter() - began - built_s,
        candidates=len(pairs),
    )


def _solve(
    requests: Sequence[ParkingRequest],
    candidates: Candidates,
    pairs: NDArray[np.int64],
    capacity: Sequence[int],
    profiles: Sequence[Profile],
) -> tuple[dict[int, int], int, int, str]:
    """Return request -> pool, the bounds of served and cost, and the method."""
    costs = candidates.cost_fen
    if not len(pairs):
        return {}, 0, 0, "nothing feasible"
    shared_ms = max(request.arrive_ms for request in requests)
    if shared_ms < min(request.leave_ms for request in requests):
        limits = np.array(
            [
                max(0, limit - profile.peak(shared_ms, shared_ms + 1))
                for limit, profile in zip(capacity, profiles, strict=True)
            ]
        )
        chosen = _flow(pairs, costs, limits)
        if not _over_full(requests, chosen, capacity, profiles):
            total = int(sum(costs[k, j] for k, j in chosen.items()))
            return chosen, len(chosen), total, "min-cost flow"
    found = solve_program(requests, pairs, costs, capacity, profiles)
    return found.chosen, found.served_bound, found.bound_fen, "integer program"


def _room(
    requests: Sequence[ParkingRequest],
    candidates: Candidates,
    capacity: Sequence[int],
    profiles: Sequence[Profile],
) -> NDArray[np.int64]:
    """Spaces that a pool has left over a request's whole stay, shape (requests, pools)."""
    room = np.zeros(candidates.reason.shape, dtype=np.int64)
    for j, (limit, profile) in enumerate(zip(capacity, profiles, strict=True)):
        if not profile.times_ms:
            room[:, j] = limit
            continue
        for k in np.nonzero(candidates.reason[:, j] == OK)[0]:
            request = requests[int(k)]
            room[k, j] = max(0, limit - profile.peak(request.arrive_ms, request.leave_ms))
    return room


def _flow(
    pairs: NDArray[np.int64], costs: NDArray[np.int64], limits: NDArray[np.int64]
) -> dict[int, int]:
    """Serve as many as possible, then as cheaply as possible: request -> pool."""
    if not len(pairs):
        return {}
    rows, columns = costs.shape
    source, sink = rows + columns, rows + columns + 1
    solver = min_cost_flow.SimpleMinCostFlow()
    some = np.unique(pairs[:, 0])
    ones = np.ones(len(some), dtype=np.int64)
    solver.add_arcs_with_capacity_and_unit_cost(
        np.full(len(some), source), some, ones, np.zeros(len(some), dtype=np.int64)
    )
    used = np.unique(pairs[:, 1])
    solver.add_arcs_with_capacity_and_unit_cost(
        used + rows, np.full(len(used), sink), limits[used], np.zeros(len(used), dtype=np.int64)
    )
    arcs = solver.add_arcs_with_capacity_and_unit_cost(
        pairs[:, 0],
        pairs[:, 1] + rows,
        np.ones(len(pairs), dtype=np.int64),
        costs[pairs[:, 0], pairs[:, 1]],
    )
    solver.set_nodes_supplies(np.array([source, sink]), np.array([len(some), -len(some)]))
    status = solver.solve_max_flow_with_min_cost()
    if status != solver.OPTIMAL:
        raise SolverError(f"min-cost flow ended with status {status}", where="allocation")
    taken = solver.flows(arcs) > 0
    return {int(k): int(j) for k, j in pairs[taken]}


def _over_full(
    requests: Sequence[ParkingRequest],
    chosen: Mapping[int, int],
    capacity: Sequence[int],
    profiles: Sequence[Profile],
) -> bool:
    """Whether a pool is promised more than it has at some instant."""
    given: dict[int, list[int]] = {}
    for k, j in chosen.items():
        given.setdefault(j, []).append(k)
    for j, group in given.items():
        profile = profiles[j]
        for k in group:
            profile = profile.add(requests[k].arrive_ms, requests[k].leave_ms)
        if any(
            profile.peak(requests[k].arrive_ms, requests[k].leave_ms) > capacity[j] for k in group
        ):
            return True
    return False


def _answers(
    requests: Sequence[ParkingRequest],
    candidates: Candidates,
    chosen: Mapping[int, int],
    room: NDArray[np.int64],
) -> tuple[tuple[Assigned, ...], tuple[Unserved, ...]]:
    assigned, unserved = [], []
    for k, request in enumerate(requests):
        if k not in chosen:
            reason = _why_unserved(candidates, k)
            unserved.append(Unserved(request.id, reason, _passed_over(candidates, k, None, room)))
            continue
        j = chosen[k]
        lot, pool = candidates.pools[j]
        assigned.append(
            Assigned(
                request_id=request.id,
                lot_id=lot.id,
                pool_id=pool.id,
                drive_s=int(candidates.drive_s[k, j]),
                walk_s=int(candidates.walk_s[k, j]),
                price_fen=int(candidates.price_fen[k, j]),
                cost_fen=int(candidates.cost_fen[k, j]),
                passed_over=_passed_over(candidates, k, j, room),
            )
        )
    return tuple(assigned), tuple(unserved)


def _why_unserved(candidates: Candidates, k: int) -> str:
    """Return the reason that the nearest pools of the asked class give."""
    reasons = candidates.reason[k]
    if (reasons == OK).any():
        return "full"
    walkable = [int(r) for r in reasons if REASONS[r] not in ("wrong_class", "beyond_walk")]
    if not walkable:
        return "no_pool_in_reach"
    # The reason that most of the pools in reach give; of equals, the first in REASONS.
    return REASONS[max(sorted(set(walkable)), key=walkable.count)]


def _passed_over(
    candidates: Candidates, k: int, given: int | None, room: NDArray[np.int64]
) -> tuple[PassedOver, ...]:
    """Nearest pools of the class that were not given: full, not allowed, or dearer in all."""
    walks = candidates.walk_s[k]
    nearer = [
        int(j)
        for j in np.argsort(walks, kind="stable")
        if candidates.reason[k, j] != WRONG_CLASS
        and (given is None or (j != given and walks[j] < walks[given]))
    ][:PASSED_OVER_MAX]
    found = []
    for j in nearer:
        lot, pool = candidates.pools[j]
        reason = REASONS[candidates.reason[k, j]]
        if reason == "ok":
            dearer = (
                given is not None and candidates.cost_fen[k, j] >= candidates.cost_fen[k, given]
            )
            reason = "dearer" if dearer and room[k, j] > 0 else "full"
        found.append(PassedOver(lot.id, pool.id, reason, int(walks[j])))
    return tuple(found)
