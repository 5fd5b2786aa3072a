"""Is the allocation optimal? Beside an integer program that shares nothing with it."""

import random

import pytest

from parking.allocation import allocate
from parking.ledger import Profile
from tests.parking.allocation.cities import HOUR_MS, NOON_MS, mixed_city, mixed_requests
from tests.verification.allocation_model import check_answer, optimum

PATIENT_S = 600.0
"""A machine may be busy with other things; what is asked here is whether, not when."""


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
    result = allocate(requests, lots, time_limit_s=PATIENT_S)
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
    result = allocate(requests, lots, committed=committed, time_limit_s=PATIENT_S)
    check_answer(result, requests, lots, committed)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots, committed)
    assert result.proven


def test_two_thousand_requests_and_two_hundred_lots() -> None:
    """At one instant the linear program is whole by itself."""
    rng = random.Random(1)
    requests, lots = mixed_requests(rng, 2000), mixed_city(rng, 200, spaces=20)
    result = allocate(requests, lots, explain=False)
    check_answer(result, requests, lots)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots, whole=False)
    assert result.proven


def test_two_thousand_stays_that_come_and_go() -> None:
    """Who reaches what split cars cost at least is optimal."""
    rng = random.Random(1)
    requests = mixed_requests(rng, 2000, spread_ms=2 * HOUR_MS, width=3)
    lots = mixed_city(rng, 200, spaces=20, width=3)
    result = allocate(requests, lots, explain=False, time_limit_s=PATIENT_S)
    check_answer(result, requests, lots)
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots, whole=False)
    assert result.proven


@pytest.mark.parametrize("seed", range(10))
def test_hundreds_of_stays_that_come_and_go(seed: int) -> None:
    rng = random.Random(3000 + seed)
    requests = mixed_requests(rng, 200, spread_ms=4 * HOUR_MS)
    lots = mixed_city(rng, 25, spaces=3)
    result = allocate(requests, lots, time_limit_s=PATIENT_S)
    check_answer(result, requests, lots)
    assert result.proven
    assert (len(result.assigned), result.total_cost_fen) == optimum(requests, lots)


def test_what_is_not_proven_says_so() -> None:
    """Out of time at once: the bounds stay bounds, and nothing is called proven."""
    rng = random.Random(1)
    requests = mixed_requests(rng, 300, spread_ms=4 * HOUR_MS)
    lots = mixed_city(rng, 40, spaces=4)
    patient = allocate(requests, lots, time_limit_s=PATIENT_S)
    hasty = allocate(requests, lots, time_limit_s=0.0)
    assert patient.proven
    check_answer(hasty, requests, lots)
    served, cost_fen = len(patient.assigned), patient.total_cost_fen
    assert len(hasty.assigned) <= served <= hasty.served_bound
    if len(hasty.assigned) == served:
        assert hasty.bound_fen <= cost_fen <= hasty.total_cost_fen
    is_best = (len(hasty.assigned), hasty.total_cost_fen) == (served, cost_fen)
    assert not hasty.proven or is_best
