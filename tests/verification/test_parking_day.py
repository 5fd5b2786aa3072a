"""Bid prices beside the closed form for one resource and two fares: Littlewood's rule (1972).

A lot of 10 spaces at ten o'clock. Drivers from far away ask first: a space is worth 1,440 fen to
each of them. After them come drivers from next door, Poisson in number, to each of whom it is worth
3,000 fen. With x spaces left, one more from far away should be let in if and only if
1,440 >= 3,000 P(D >= x): what is lost when the x-th driver from next door finds no space.
"""

import numpy as np
import pytest
from scipy.stats import poisson

from parking.allocation import LotTable
from parking.day import Batches, BidPricer, FirstCome, Forecast, Priced, PriceRule, Zones, run_day
from parking.ledger.profile import Profile
from tests.parking.day.days import HOUR_MS, MORNING_MS, drivers, lot

SPACES, NEXT_DOOR, FAR = 10, 6, 14
FAR_M = 12_000.0
"""1.3 x 12 km at 8.333 m/s: 1,872 s, 1,560 fen; 3,000 - 1,560 = 1,440 fen are left."""
FAR_FEN, NEXT_DOOR_FEN = 1440, 3000
TEN_MS = MORNING_MS + 2 * HOUR_MS
CITY = LotTable.of([lot("a", SPACES)])


def day_of(next_door):
    """Return a day with so many from next door: 14 ask from 08:30 on, these from 09:15 on."""
    booked = [0.5 + k / 60 for k in range(FAR)] + [1.25 + k / 120 for k in range(next_door)]
    count = FAR + next_door
    away = [FAR_M] * FAR + [0.0] * next_door
    return drivers(booked, [2.0] * count, [1.0] * count, away)


def pricer(futures, seed):
    """Return a pricer that knows what is to be expected, but not what comes."""
    forecast = Forecast.of_past([day_of(NEXT_DOOR)], Zones.around(CITY.lots))
    rule = PriceRule(futures=futures, every_ms=60_000, smooth_fen=10.0, first_steps=60)
    return BidPricer(forecast, CITY, rule=rule, seed=seed)


@pytest.mark.parametrize("left", [2, 4, 6, 8, 10])
def test_price_is_littlewoods(left):
    """When nobody from far away is to come any more, an hour costs 3,000 P(D >= x).

    The number from next door is uncertain beyond Poisson by as much as an uncertain rate makes it
    (a market is known as well as from 20 drivers), which is drawn here as the pricer is told.
    """
    futures = 400
    prices = pricer(futures, 3).solve(
        MORNING_MS + int(1.2 * HOUR_MS),
        {"a-p": Profile().add(TEN_MS, TEN_MS + HOUR_MS, SPACES - left)},
    )
    hour = prices.of_stays(np.zeros(1, int), np.array([TEN_MS]), np.array([TEN_MS + HOUR_MS]))
    mood = np.exp(np.random.default_rng(0).standard_normal(200_000) / 20**0.5 - 1 / 40)
    expected = NEXT_DOOR_FEN * float(poisson.sf(left - 1, NEXT_DOOR * mood).mean())
    assert hour[0] == pytest.approx(expected, abs=4 * NEXT_DOOR_FEN * 0.5 / futures**0.5)


def test_spaces_are_kept_for_those_who_are_worth_more():
    """Over 10 days: as many from far away as Littlewood lets in, and nearly the best value."""
    rng = np.random.default_rng(8)
    # Let in while 1,440 >= 3,000 P(D >= x): 4 of 10.
    let_in = sum(
        NEXT_DOOR_FEN * poisson.sf(x - 1, NEXT_DOOR) <= FAR_FEN for x in range(1, SPACES + 1)
    )
    assert let_in == 4
    value = {"priced": 0, "batches": 0, "first come": 0, "littlewood": 0}
    far = []
    for seed in range(10):
        next_door = int(rng.poisson(NEXT_DOOR))
        day = day_of(next_door)
        policies = {
            "priced": Priced(CITY, pricer(25, seed)),
            "batches": Batches(CITY),
            "first come": FirstCome(CITY),
        }
        for name, policy in policies.items():
            found = run_day(day, CITY, policy)
            value[name] += found.value_fen
            if name == "priced":
                far.append(int((found.pool[:FAR] >= 0).sum()))
        value["littlewood"] += let_in * FAR_FEN
        value["littlewood"] += min(next_door, SPACES - let_in) * NEXT_DOOR_FEN
    assert value["first come"] == value["batches"] == 10 * SPACES * FAR_FEN
    assert np.mean(far) == pytest.approx(let_in, abs=1.0)
    assert value["priced"] >= 0.96 * value["littlewood"] > 1.3 * value["batches"]
