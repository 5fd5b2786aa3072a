"""The allocation as an integer program of its own, and a check of dual prices.

Shares nothing with the engine but its data classes: pairs are judged one by one by the rules as
they are written, every instant at which somebody arrives is a constraint (as a balance of free
spaces from one to the next), HiGHS solves it.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from parking.allocation import AllocationResult
from parking.inventory import Lot, Pool
from parking.ledger import Profile
from parking.opening import is_open
from parking.requests import ParkingRequest

Floats = NDArray[np.float64]
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
    *,
    whole: bool = True,
) -> tuple[int, int]:
    """Most that can be served, and the least cost with that many.

    ``whole=False``: of the linear program, where cars may be split: quicker; who reaches it is
    optimal.
    """
    costs, balance, room = model(requests, lots, committed or {})
    if not len(costs):
        return 0, 0
    solve = _whole if whole else _split
    served = math.floor(-solve(-np.ones(len(costs)), balance, room, 0) + 1e-6)
    return served, math.ceil(solve(costs, balance, room, served) - 1e-3)


def model(
    requests: Sequence[ParkingRequest], lots: Sequence[Lot], profiles: dict[str, Profile]
) -> tuple[Floats, sparse.csc_array, Floats]:
    """Balances: what is taken, and what stays free, at each event.

    Columns are the pairs, whose costs come back first, then slack: of each request whether it is
    left out, of each instant in a pool how many spaces are free. A row a request: it is taken once
    or left out. A row an instant in a pool: who comes takes a free space, who has left since the
    instant before gives one back.
    """
    pools = [(lot, pool) for lot in lots for pool in lot.pools]
    pairs, costs = [], []
    for i, request in enumerate(requests):
        for j, (lot, pool) in enumerate(pools):
            found = judge(request, lot, pool)
            if found is not None:
                pairs.append((i, j))
                costs.append(found[3])
    entries: list[tuple[int, int, int]] = []
    room: list[int] = []
    slack = len(pairs)
    of_request, of_pool = defaultdict(list), defaultdict(list)
    for k, (i, j) in enumerate(pairs):
        of_request[i].append(k)
        of_pool[j].append(k)
    for own in of_request.values():
        entries += [(len(room), k, 1) for k in [*own, slack]]
        slack += 1
        room.append(1)
    for j, own in of_pool.items():
        pool = pools[j][1]
        profile = profiles.get(pool.id, Profile())
        stays = {k: requests[pairs[k][0]] for k in own}
        instants = sorted({stay.arrive_ms for stay in stays.values()} | set(profile.times_ms))
        begin = len(room)
        before = 0
        for k, stay in stays.items():
            entries.append((begin + bisect_left(instants, stay.arrive_ms), k, 1))
            if stay.leave_ms <= instants[-1]:
                entries.append((begin + bisect_left(instants, stay.leave_ms), k, -1))
        for number, at_ms in enumerate(instants):
            entries.append((begin + number, slack, 1))
            if number:
                entries.append((begin + number, slack - 1, -1))
            slack += 1
            limit = max(0, pool.bookable - profile.peak(at_ms, at_ms + 1))
            room.append(limit - before)
            before = limit
    if not pairs:
        return np.zeros(0), sparse.csc_array((0, 0)), np.zeros(0)
    row, column, value = (np.array(part) for part in zip(*entries, strict=True))
    balance = sparse.csc_array((value.astype(float), (row, column)), shape=(len(room), slack))
    return np.array(costs, dtype=float), balance, np.array(room, dtype=float)


def _whole(cost: Floats, balance: sparse.csc_array, room: Floats, served: int) -> float:
    slack = np.zeros(len(room))
    result = optimize.milp(
        np.append(cost, slack),
        constraints=[
            optimize.LinearConstraint(balance, room, room),
            optimize.LinearConstraint(np.append(np.ones(len(cost)), slack), lb=served),
        ],
        integrality=np.ones(balance.shape[1]),
        options={"mip_rel_gap": 0.0},
    )
    assert result.status == 0, result.message
    return float(result.fun)


def _split(cost: Floats, balance: sparse.csc_array, room: Floats, served: int) -> float:
    slack = np.zeros(len(room))
    result = optimize.linprog(
        np.append(cost, slack),
        A_ub=-np.append(np.ones(len(cost)), slack)[None, :],
        b_ub=[-served],
        A_eq=balance,
        b_eq=room,
        method="highs-ipm",
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
