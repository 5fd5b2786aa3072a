"""The allocator against enumeration and against an independent integer program."""

import itertools
import random

import highspy
import numpy as np
import pytest

from parking.allocation import AllocationResult, allocate, find_arcs
from parking.errors import InvalidInputError
from parking.inventory import Lot, Pool, SpaceClass
from parking.ledger import Profile
from parking.requests import ParkingRequest
from parking.tariff import Tariff

NOON_MS = 1_795_363_200_000 + 12 * 3_600_000
HOUR_MS = 3_600_000


def instance(
    seed: int, requests: int, lots: int, spaces: int, *, spread_ms: int = 0
) -> tuple[list[ParkingRequest], tuple[Lot, ...]]:
    """Random requests around a hot spot, lots with prices and height limits."""
    rng = random.Random(seed)
    city = tuple(
        Lot(
            id=f"l{k}",
            name="",
            lon=118.6 + rng.uniform(-0.01, 0.01),
            lat=37.4 + rng.uniform(-0.01, 0.01),
            tariff=Tariff(fen=rng.choice([0, 200, 500])),
            max_height_cm=rng.choice([None, 190]),
            pools=(_pool(f"p{k}", rng.randint(0, spaces)),),
        )
        for k in range(lots)
    )
    asked = []
    for k in range(requests):
        arrive = NOON_MS + rng.randint(0, spread_ms)
        asked.append(
            ParkingRequest(
                id=f"r{k}",
                origin_lon=118.55,
                origin_lat=37.41,
                dest_lon=118.6 + rng.gauss(0, 0.004),
                dest_lat=37.4 + rng.gauss(0, 0.004),
                arrive_ms=arrive,
                leave_ms=arrive + rng.choice([HOUR_MS, 2 * HOUR_MS]),
                height_cm=rng.choice([0, 200]),
                max_walk_m=rng.choice([800.0, 1500.0]),
            )
        )
    return asked, city


def _pool(key: str, spaces: int) -> Pool:
    return Pool(key, SpaceClass.STANDARD, spaces, spaces, 0, spaces)


def by_enumeration(requests: list[ParkingRequest], lots: tuple[Lot, ...]) -> tuple[int, int]:
    """Most served, then least cost, over every choice; capacity at every instant."""
    found = find_arcs(requests, lots)
    cost = dict(
        zip(
            zip(found.request.tolist(), found.pool.tolist(), strict=True),
            found.cost_fen.tolist(),
            strict=True,
        )
    )
    best = (-1, 0)
    for choice in itertools.product([None, *range(len(found.pools))], repeat=len(requests)):
        pairs = [(k, j) for k, j in enumerate(choice) if j is not None]
        if not all(pair in cost for pair in pairs):
            continue
        fits = all(
            sum(
                jj == j and requests[kk].arrive_ms <= requests[k].arrive_ms < requests[kk].leave_ms
                for kk, jj in pairs
            )
            <= found.pools[j][1].bookable
            for k, j in pairs
        )
        if fits:
            best = max(best, (len(pairs), -sum(cost[pair] for pair in pairs)))
    return best


@pytest.mark.parametrize("seed", range(60))
def test_small_batches_equal_enumeration(seed: int) -> None:
    requests, lots = instance(seed, 4, 3, 2)
    result = allocate(requests, lots)
    assert (len(result.assigned), -result.total_cost_fen) == by_enumeration(requests, lots)
    assert result.proven
    assert result.bound_fen == result.total_cost_fen


@pytest.mark.parametrize("seed", range(40))
def test_stays_that_come_and_go_equal_enumeration(seed: int) -> None:
    requests, lots = instance(seed, 5, 2, 2, spread_ms=2 * HOUR_MS)
    result = allocate(requests, lots)
    assert (len(result.assigned), -result.total_cost_fen) == by_enumeration(requests, lots)
    assert result.proven
    assert_fits(result, requests, lots)


@pytest.mark.parametrize("seed", range(2))
def test_a_large_batch_of_such_stays_fits_at_every_instant(seed: int) -> None:
    requests, lots = instance(seed, 200, 20, 8, spread_ms=4 * HOUR_MS)
    result = allocate(requests, lots)
    assert len(result.assigned) + len(result.unserved) == 200
    assert_fits(result, requests, lots)
    assert result.proven


def assert_fits(
    result: AllocationResult, requests: list[ParkingRequest], lots: tuple[Lot, ...]
) -> None:
    """Count cars at every arrival, independently of the solver."""
    by_id = {request.id: request for request in requests}
    for lot in lots:
        for pool in lot.pools:
            stays = [by_id[a.request_id] for a in result.assigned if a.pool_id == pool.id]
            for stay in stays:
                inside = sum(o.arrive_ms <= stay.arrive_ms < o.leave_ms for o in stays)
                assert inside <= pool.bookable


@pytest.mark.parametrize("seed", range(3))
def test_a_large_batch_equals_an_independent_program(seed: int) -> None:
    requests, lots = instance(seed, 300, 40, 12)
    result = allocate(requests, lots)
    found = find_arcs(requests, lots)
    pairs = np.column_stack([found.request, found.pool])
    cost = found.cost_fen
    big = int(cost.max()) * len(requests) + 1
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    x = [solver.addBinary() for _ in pairs]
    for k in range(len(requests)):
        own = [x[i] for i in np.flatnonzero(pairs[:, 0] == k)]
        if own:
            solver.addConstr(sum(own) <= 1)
    for j, (_, pool) in enumerate(found.pools):
        own = [x[i] for i in np.flatnonzero(pairs[:, 1] == j)]
        if own:
            solver.addConstr(sum(own) <= pool.bookable)
    solver.minimize(sum((int(c) - big) * v for c, v in zip(cost, x, strict=True)))
    chosen = [i for i, v in enumerate(x) if solver.val(v) > 0.5]
    assert len(result.assigned) == len(chosen)
    assert result.total_cost_fen == int(cost[chosen].sum())


def test_spaces_that_are_promised_are_not_given_again() -> None:
    requests, lots = instance(1, 1, 1, 1)
    lots = (Lot("l", "", 118.6, 37.4, (_pool("p", 1),)),)
    (request,) = requests
    free = allocate(requests, lots)
    assert [a.pool_id for a in free.assigned] == ["p"]
    later = Profile().add(request.leave_ms, request.leave_ms + HOUR_MS)
    assert allocate(requests, lots, committed={"p": later}).assigned
    overlapping = Profile().add(request.leave_ms - 1, request.leave_ms + HOUR_MS)
    taken = allocate(requests, lots, committed={"p": overlapping})
    assert [(u.request_id, u.reason) for u in taken.unserved] == [("r0", "full")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"max_height_cm": 150}, "too_high"),
        ({"closed": True}, "closed"),
        ({"permits": frozenset({"staff"})}, "no_permit"),
        ({"lon": 118.9}, "no_pool_in_reach"),
        ({"tariff": Tariff(fen=99_999)}, "over_price"),
    ],
)
def test_who_is_not_served_is_told_why(change: dict[str, object], reason: str) -> None:
    fields = {"id": "l", "name": "", "lon": 118.6, "lat": 37.4, "pools": (_pool("p", 5),)}
    lot = Lot(**(fields | change))  # type: ignore[arg-type]
    request = ParkingRequest(
        "r", 118.5, 37.4, 118.6, 37.4, NOON_MS, NOON_MS + HOUR_MS, height_cm=180, max_price_fen=900
    )
    (unserved,) = allocate([request], [lot]).unserved
    assert unserved.reason == reason


def test_an_id_that_stands_twice_is_refused() -> None:
    requests, lots = instance(1, 1, 1, 1)
    with pytest.raises(InvalidInputError, match="stands twice"):
        allocate([*requests, *requests], lots)
