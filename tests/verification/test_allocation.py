"""Is the allocation optimal? Beside an integer program that shares nothing with it."""

import random

import pytest

from parking.allocation import allocate
from parking.ledger import Profile
from tests.parking.allocation.cities import HOUR_MS, NOON_MS, mixed_city, mixed_requests
from tests.verification.allocation_model import check_answer, optimum


@pytest.mark.parametrize("seed", range(100))
def test_stays_that_share_an_instant(seed: int) -> None:
    rng = random.Random(seed)
    requests, lots = mixed_requests(rng, rng.randint(1, 60)), mixed_city(rng, rng.randint(1, 25))
    result = allocate(requests, lots)
    check_answer(result, requests, lots)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots)
    assert result.proven
    assert (result.served_bound, result.bound_fen) == optimum(requests, lots)


@pytest.mark.parametrize("seed", range(100))
def test_stays_that_come_and_go(seed: int) -> None:
    rng = random.Random(1000 + seed)
    spread_ms = rng.choice([1, 4, 24]) * HOUR_MS
    requests = mixed_requests(rng, rng.randint(2, 60), spread_ms=spread_ms)
    lots = mixed_city(rng, rng.randint(1, 15), spaces=2)
    result = allocate(requests, lots)
    check_answer(result, requests, lots)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots)
    assert result.proven


@pytest.mark.parametrize("seed", range(60))
def test_beside_what_is_committed(seed: int) -> None:
    rng = random.Random(2000 + seed)
    requests = mixed_requests(rng, 40, spread_ms=rng.choice([0, 2 * HOUR_MS]))
    lots = mixed_city(rng, 12)
    committed = {}
    for lot in lots:
        for pool in lot.pools:
            profile = Profile()
            for _ in range(rng.randint(0, pool.bookable)):
                begin = NOON_MS + rng.randint(-2 * HOUR_MS, 3 * HOUR_MS)
                profile = profile.add(begin, begin + rng.randint(1, 4 * HOUR_MS))
            committed[pool.id] = profile
    result = allocate(requests, lots, committed=committed)
    check_answer(result, requests, lots, committed)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots, committed)
    assert result.proven
