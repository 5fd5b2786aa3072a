"""Bid prices: what a stay costs, and what prices follow from a forecast."""

import numpy as np
import pytest

from parking.allocation import LotTable
from parking.day import BidPricer, BidPrices, Forecast, PriceRule, Zones
from parking.day.bid_prices import mean_levels, poisson
from parking.errors import InvalidInputError
from parking.ledger.profile import Profile
from tests.parking.day.days import HOUR_MS, MORNING_MS, drivers, lot


def test_stay_costs_its_share_of_each_slot():
    """Whole slots in full, the first and the last in part, nothing outside."""
    prices = BidPrices(1000, 100, np.array([[10.0, 20.0, 40.0]]))
    arrive = np.array([1000, 1050, 1100, 0, 1290, 1300])
    leave = np.array([1300, 1150, 1200, 5000, 1300, 1400])
    given = prices.of_stays(np.zeros(6, dtype=int), arrive, leave)
    assert given.tolist() == [70, 15, 20, 70, 4, 0]


def test_mean_levels_of_a_profile():
    """Half a slot at 2 is a mean of 1."""
    profile = Profile().add(100, 200).add(150, 250)
    edges = np.array([0, 100, 200, 300])
    assert mean_levels(profile, edges).tolist() == [0.0, 1.5, 0.5]


@pytest.mark.parametrize("mean", [0.05, 1.0, 7.0, 49.0, 80.0])
def test_poisson_has_its_mean_and_variance(mean):
    """Both are the mean, and more is never fewer."""
    chance = np.random.default_rng(0).random(40_000)
    drawn = poisson(chance, np.full(40_000, mean))
    assert drawn.mean() == pytest.approx(mean, rel=0.05)
    assert drawn.var() == pytest.approx(mean, rel=0.06)
    assert (poisson(chance, np.full(40_000, mean * 1.1)) >= drawn).all()


def pricer(spaces, coming, **rule):
    """Return a pricer for one lot that ``coming`` drivers want from 10:00 to 11:00."""
    city = LotTable.of([lot("a", spaces)])
    past = drivers([1.5] * coming, [2.0] * coming, [1.0] * coming, [0.0] * coming)
    forecast = Forecast.of_past([past], Zones.around(city.lots))
    return BidPricer(forecast, city, rule=PriceRule(**rule), seed=1)


def test_nothing_is_worth_keeping_where_there_is_plenty():
    """40 spaces for 5 drivers: every price is 0."""
    prices = pricer(40, 5).solve(MORNING_MS, {})
    assert prices.price_fen.max() < 1


def test_space_is_worth_its_next_driver_where_it_is_scarce():
    """2 spaces for 40 drivers at no cost: an hour costs the whole outside option, other hours 0."""
    prices = pricer(2, 40).solve(MORNING_MS, {})
    at_ten = MORNING_MS + 2 * HOUR_MS
    stays = np.array([[at_ten, at_ten + HOUR_MS], [at_ten - HOUR_MS, at_ten]])
    given = prices.of_stays(np.zeros(2, dtype=int), stays[:, 0], stays[:, 1])
    assert given[0] == pytest.approx(3000, rel=0.06)
    assert given[1] < 1


def test_promised_spaces_are_not_free():
    """With 38 of 40 spaces promised at that hour, they are as dear as 2 spaces."""
    at_ten = MORNING_MS + 2 * HOUR_MS
    promised = {"a-p": Profile().add(at_ten, at_ten + HOUR_MS, 38)}
    few = pricer(2, 40).solve(MORNING_MS, {})
    left = pricer(40, 40).solve(MORNING_MS, promised)
    assert left.price_fen == pytest.approx(few.price_fen, abs=1e-6)


def test_who_has_asked_does_not_come_again():
    """After everybody's time of asking nobody is expected any more."""
    assert pricer(2, 40).solve(MORNING_MS + int(1.6 * HOUR_MS), {}).price_fen.max() < 1


def test_same_seed_same_prices():
    """To the last bit."""
    first, again = (pricer(2, 4).solve(MORNING_MS, {}) for _ in range(2))
    assert (first.price_fen == again.price_fen).all()


@pytest.mark.parametrize(
    ("name", "value"), [("futures", 0), ("slot_ms", 0), ("smooth_fen", 0.0), ("steps", 0)]
)
def test_rule_checks_itself(name, value):
    """Everything is positive."""
    with pytest.raises(InvalidInputError, match=name):
        PriceRule(**{name: value})
