"""The day as it rolls on: what is promised, what is known, what is repeated."""

from dataclasses import replace

import numpy as np
import pytest

from parking.allocation import LotTable
from parking.day import (
    Batches,
    BidPricer,
    Bookings,
    FirstCome,
    Forecast,
    Priced,
    PriceRule,
    Zones,
    clairvoyant,
    run_day,
)
from parking.errors import InvalidInputError, SolverError
from tests.parking.day.days import HOUR_MS, MORNING_MS, drivers, lot, random_city, random_day

QUICK = PriceRule(futures=3, steps=15, first_steps=40)


def policies(city, seed):
    """Return one of each kind, fresh."""
    past = [random_day(np.random.default_rng([seed, k]), 120) for k in range(3)]
    forecast = Forecast.of_past(past, Zones.around(city.lots))
    return {
        "first come": FirstCome(city),
        "batches": Batches(city),
        "priced": Priced(city, BidPricer(forecast, city, rule=QUICK, seed=seed)),
    }


@pytest.mark.parametrize("name", ["first come", "batches", "priced"])
@pytest.mark.parametrize("seed", range(3))
def test_no_pool_is_over_full_and_buffers_are_kept(name, seed):
    """Counted anew at every arrival; the value too."""
    rng = np.random.default_rng(seed)
    city, day = random_city(rng, 6), random_day(rng, 120)
    found = run_day(day, city, policies(city, seed)[name])
    arrive, leave = day.asked.arrive_ms, day.asked.leave_ms
    for j, (_, pool) in enumerate(city.pools):
        own = found.pool == j
        for moment in arrive[own]:
            inside = int((own & (arrive <= moment) & (moment < leave)).sum())
            assert inside + pool.walk_in_buffer <= pool.free
    served = found.pool >= 0
    assert found.value_fen == int((3000 - found.cost_fen[served]).sum())
    assert found.served == int(served.sum()) > 0
    assert sum(one.served for one in found.districts) == found.served
    assert sum(one.requests for one in found.districts) == len(day)


@pytest.mark.parametrize("name", ["first come", "batches", "priced"])
@pytest.mark.parametrize("seed", range(3))
def test_nobody_beats_the_clairvoyant(name, seed):
    """The bound is never below what any policy reaches."""
    rng = np.random.default_rng([seed, 9])
    city, day = random_city(rng, 6), random_day(rng, 120)
    bound = clairvoyant(day.asked, city, slot_ms=600_000).bound_fen
    assert run_day(day, city, policies(city, seed)[name]).value_fen <= bound


@pytest.mark.parametrize("name", ["first come", "batches", "priced"])
def test_nobody_sees_the_future(name):
    """With other requests from ten o'clock on, all decisions before are the same."""
    rng = np.random.default_rng(4)
    city, day, other = random_city(rng, 6), random_day(rng, 120), random_day(rng, 150)
    ten_ms = MORNING_MS + 4 * HOUR_MS
    before = day.booked_ms < ten_ms
    changed = Bookings.together([day.take(before), other.take(other.booked_ms >= ten_ms)])
    first = run_day(day, city, policies(city, 1)[name])
    second = run_day(changed, city, policies(city, 1)[name])
    count = int(before.sum())
    assert 20 < count < 100
    assert (first.pool[:count] == second.pool[:count]).all()
    assert not np.array_equal(first.pool, second.pool)


def test_same_seed_same_day():
    """Byte for byte."""
    rng = np.random.default_rng(5)
    city, day = random_city(rng, 6), random_day(rng, 120)
    first, again = (run_day(day, city, policies(city, 2)["priced"]) for _ in range(2))
    assert (first.pool == again.pool).all()
    assert first.value_fen == again.value_fen


def test_batches_without_prices_solve_each_minute_for_itself():
    """Two ask in a minute, one could go elsewhere: first come strands one, a batch does not."""
    city = LotTable.of([lot("near", 1), lot("far", 1, away_m=1000.0)])
    day = drivers([1.0, 1.001], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0])
    asked = replace(day.asked, max_walk_m=np.array([1500.0, 500.0]))
    day = Bookings(asked, day.booked_ms)
    assert run_day(day, city, FirstCome(city)).served == 1
    assert run_day(day, city, Batches(city)).served == 2


def test_a_policy_that_promises_too_much_is_refused():
    """The engine counts for itself."""

    class Careless:
        def decide(self, now_ms, asked, committed):
            return np.zeros(len(asked), dtype=int), np.zeros(len(asked), dtype=int)

    city = LotTable.of([lot("a", 2, buffer=1)])
    day = drivers([1.0, 1.5], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0])
    with pytest.raises(SolverError, match="a-p: 2 promised of 1"):
        run_day(day, city, Careless())


def test_a_day_without_requests():
    """Nothing asked, nothing given, nothing lost."""
    city = LotTable.of([lot("a", 2)])
    found = run_day(drivers([], [], [], []), city, FirstCome(city))
    assert (found.value_fen, found.share, found.batches) == (0, 1.0, 0)
    assert clairvoyant(drivers([], [], [], []).asked, city).bound_fen == 0
    with pytest.raises(InvalidInputError, match="batch_ms"):
        run_day(drivers([], [], [], []), city, FirstCome(city), batch_ms=0)
