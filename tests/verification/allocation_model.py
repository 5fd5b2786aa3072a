"""The allocation as an integer program of its own, and a check of dual prices.

Shares nothing with the engine but its data classes: pairs are judged one by one by the rules as
they are written, every instant at which somebody arrives is a constraint, HiGHS solves it.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, sparse

from parking.allocation import AllocationResult
from parking.inventory import Lot, Pool
from parking.ledger import Profile
from parking.opening import is_open
from parking.requests import ParkingRequest

RADIUS_M = 6_371_008.8


def half_up(x: float) -> int:
    return math.floor(x + 0.5)


def haversine_m(lon_1: float, lat_1: float, lon_2: float, lat_2: float) -> float:
    lon_1, lat_1, lon_2, lat_2 = (math.radians(x) for x in (lon_1, lat_1, lon_2, lat_2))
    a = math.sin((lat_2 - lat_1) / 2) ** 2
    a += math.cos(lat_1) * math.cos(lat_2) * math.sin((lon_2 - lon_1) / 2) ** 2
    return 2 * RADIUS_M * math.asin(min(1.0, math.sqrt(a)))


def judge(request: ParkingRequest, lot: Lot, pool: Pool) -> tuple[int, int, int, int] | None:
    """Drive, walk, price and cost of one pair; None = not allowed."""
    walk_m = 1.3 * haversine_m(lot.lon, lot.lat, request.dest_lon, request.dest_lat)
    fits = (
        walk_m <= request.max_walk_m
        and pool.space_class is request.space_class
        and (lot.max_height_cm is None or request.height_cm <= lot.max_height_cm)
        and (not lot.permits or bool(lot.permits & request.permits))
        and (request.connector is None or pool.connector is request.connector)
        and (pool.power_kw or 0.0) >= request.min_power_kw
        and not lot.closed
        and is_open(lot.opening, request.arrive_ms, request.leave_ms)
    )
    if not fits:
        return None
    price = lot.tariff.price_fen(request.arrive_ms, request.leave_ms)
    if request.max_price_fen is not None and price > request.max_price_fen:
        return None
    drive_m = 1.3 * haversine_m(request.origin_lon, request.origin_lat, lot.lon, lot.lat)
    drive_s, walk_s = half_up(drive_m / 8.333), half_up(walk_m / 1.25)
    cost = (request.value_of_time_fen_per_h * (drive_s + 2 * walk_s) + 1800) // 3600 + price
    return drive_s, walk_s, price, cost


def optimum(
    requests: Sequence[ParkingRequest],
    lots: Sequence[Lot],
    committed: dict[str, Profile] | None = None,
) -> tuple[int, int]:
    """Most that can be served, and the least cost with that many."""
    profiles = committed or {}
    pools = [(lot, pool) for lot in lots for pool in lot.pools]
    pairs, costs = [], []
    for i, request in enumerate(requests):
        for j, (lot, pool) in enumerate(pools):
            found = judge(request, lot, pool)
            if found is not None:
                pairs.append((i, j))
                costs.append(found[3])
    if not pairs:
        return 0, 0
    rows, columns, limits = [], [], []
    for i in sorted({i for i, _ in pairs}):
        columns += (own := [k for k, pair in enumerate(pairs) if pair[0] == i])
        rows += [len(limits)] * len(own)
        limits.append(1)
    for j in sorted({j for _, j in pairs}):
        pool, own = pools[j][1], [k for k, pair in enumerate(pairs) if pair[1] == j]
        profile = profiles.get(pool.id, Profile())
        instants = {requests[pairs[k][0]].arrive_ms for k in own} | set(profile.times_ms)
        for at_ms in sorted(instants):
            inside = [
                k
                for k in own
                if requests[pairs[k][0]].arrive_ms <= at_ms < requests[pairs[k][0]].leave_ms
            ]
            columns += inside
            rows += [len(limits)] * len(inside)
            limits.append(max(0, pool.bookable - profile.peak(at_ms, at_ms + 1)))
    shape = (len(limits), len(pairs))
    matrix = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
    most = _solve(-np.ones(len(pairs)), [optimize.LinearConstraint(matrix, ub=limits)])
    served = round(-most)
    count = optimize.LinearConstraint(np.ones((1, len(pairs))), lb=served)
    least = _solve(np.array(costs, float), [optimize.LinearConstraint(matrix, ub=limits), count])
    return served, round(least)


def _solve(weight: np.ndarray, limits: list[optimize.LinearConstraint]) -> float:  # type: ignore[type-arg]
    result = optimize.milp(
        weight,
        constraints=limits,
        integrality=np.ones(len(weight)),
        bounds=optimize.Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    assert result.status == 0, result.message
    return float(result.fun)


def check_answer(
    result: AllocationResult,
    requests: Sequence[ParkingRequest],
    lots: Sequence[Lot],
    committed: dict[str, Profile] | None = None,
) -> None:
    """Assert that an answer keeps every rule, and that its figures are right."""
    profiles = committed or {}
    by_id = {request.id: request for request in requests}
    pools = {pool.id: (lot, pool) for lot in lots for pool in lot.pools}
    answered = [a.request_id for a in (*result.assigned, *result.unserved)]
    assert sorted(answered) == sorted(by_id)
    for given in result.assigned:
        lot, pool = pools[given.pool_id]
        assert given.lot_id == lot.id
        found = judge(by_id[given.request_id], lot, pool)
        assert found == (given.drive_s, given.walk_s, given.price_fen, given.cost_fen)
    for pool_id, (_, pool) in pools.items():
        stays = [by_id[a.request_id] for a in result.assigned if a.pool_id == pool_id]
        profile = profiles.get(pool_id, Profile())
        for at_ms in {s.arrive_ms for s in stays} | set(profile.times_ms):
            inside = sum(s.arrive_ms <= at_ms < s.leave_ms for s in stays)
            assert inside == 0 or inside + profile.peak(at_ms, at_ms + 1) <= pool.bookable
