"""Forecasts from past days, and how a day's pace corrects them."""

import numpy as np
import pytest

from parking.allocation import LotTable
from parking.day import BidPricer, Bookings, Forecast, Zones
from parking.day.pace import CITY_DRIVERS, MARKET_DRIVERS, Pace
from parking.errors import InvalidInputError
from tests.parking.day.days import HOUR_MS, MORNING_MS, drivers, lot, random_day

ZONES = Zones.around([lot("a", 3)])


def test_cells_expect_the_mean_of_past_days():
    """3 and 5 drivers at ten, 2 and 0 at noon."""
    one = drivers([1.0] * 5, [2.0] * 3 + [4.0] * 2, [1.0] * 5, [0.0] * 5)
    other = drivers([1.0] * 5, [2.0] * 5, [1.0] * 5, [0.0] * 5)
    forecast = Forecast.of_past([one, other], ZONES)
    assert sorted(forecast.expected.tolist()) == [1.0, 4.0]
    assert forecast.weight.sum() == pytest.approx(5.0)
    assert forecast.scaled(2.0).weight.sum() == pytest.approx(10.0)


def test_thinned_forecast_expects_as_many():
    """30 of 100 examples, every cell still with one, in the order of asking."""
    day = random_day(np.random.default_rng(1), 100)
    forecast = Forecast.of_past([day], ZONES)
    few = forecast.thinned(30, seed=1)
    assert len(few.examples) == 30
    assert (few.expected == forecast.expected).all()
    assert few.weight.sum() == pytest.approx(100.0)
    assert forecast.thinned(100, seed=1) is forecast
    assert len(forecast.thinned(1, seed=1).examples) == len(forecast.expected)


def test_a_forecast_of_nobody():
    """No past driver: nothing is expected, nothing is worth keeping."""
    city = LotTable.of([lot("a", 3)])
    nobody = Forecast.of_past([drivers([], [], [], [])], ZONES)
    prices = BidPricer(nobody, city).solve(MORNING_MS, {})
    assert prices.price_fen.max() < 1


def test_past_day_on_todays_date():
    """Everything is so much later."""
    day = drivers([1.0], [2.0], [1.0], [0.0])
    later = day.later(24 * HOUR_MS)
    assert later.booked_ms[0] - day.booked_ms[0] == 24 * HOUR_MS
    assert later.asked.leave_ms[0] - day.asked.leave_ms[0] == 24 * HOUR_MS


def test_bookings_check_themselves():
    """Nobody asks after his arrival, and who asks later stands later."""
    with pytest.raises(InvalidInputError, match="after its arrival"):
        drivers([3.0], [2.0], [1.0], [0.0])
    day = drivers([1.0, 1.5], [2.0, 2.0], [1.0, 1.0], [0.0, 0.0])
    with pytest.raises(InvalidInputError, match="order"):
        Bookings(day.asked, day.booked_ms[::-1].copy())


def test_zones_are_squares():
    """Two points 600 m apart lie in different squares of 500 m, two 10 m apart here do not."""
    lat = np.array([37.401, 37.401 + 600 / 111_195, 37.401 + 10 / 111_195])
    first, far, near = ZONES.of(np.full(3, 118.601), lat).tolist()
    assert first == near != far


def test_pace_follows_what_was_asked():
    """60 come where 20 were expected: the factor is the gamma distribution's mean."""
    past = drivers([1.0] * 20, [2.0] * 20, [1.0] * 20, [0.0] * 20)
    today = drivers([1.0] * 60, [2.0] * 60, [1.0] * 60, [0.0] * 60)
    pace = Pace(Forecast.of_past([past], ZONES))
    factor, spread = pace.factors(MORNING_MS)
    assert factor.tolist() == [1.0]
    assert spread.tolist() == [MARKET_DRIVERS**-0.5]
    now_ms = MORNING_MS + int(1.1 * HOUR_MS)
    pace.see(now_ms, today.asked)
    city = (CITY_DRIVERS + 60) / (CITY_DRIVERS + 20)
    factor, _ = pace.factors(now_ms)
    assert factor[0] == pytest.approx(city * (MARKET_DRIVERS + 60) / (MARKET_DRIVERS + 20 * city))


def test_who_comes_from_nowhere_known_is_passed_over():
    """A request in a zone without any past has no market, and harms nothing."""
    past = drivers([1.0], [2.0], [1.0], [0.0])
    forecast = Forecast.of_past([past], ZONES)
    far = LotTable.of([lot("far", 1, away_m=9000.0)])
    markets, _ = forecast.market()
    there = drivers([1.0], [2.0], [1.0], [0.0]).asked
    moved = Bookings.of(there, np.array([MORNING_MS])).asked
    moved.dest_lat[:] = far.lat[0]
    assert forecast.market_of(moved, markets).tolist() == [-1]
