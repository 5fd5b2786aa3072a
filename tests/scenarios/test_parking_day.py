"""The recipe of parking days, and a short run of what the benchmark measures."""

from collections.abc import Sequence

import numpy as np
import pytest

from parking.allocation import LotTable
from parking.day import (
    Batches,
    BidPricer,
    FirstCome,
    Priced,
    PriceRule,
    clairvoyant,
    run_day,
)
from parking.inventory import Connector, Lot, Pool, SpaceClass
from scenarios.dongying.parking_day import dongying_lots, dongying_places
from scenarios.parking_day import (
    HOUR_MS,
    MIDNIGHT_MS,
    Day,
    ForecastError,
    draw_day,
    places_around,
    with_buffers,
)


def town() -> tuple[Lot, ...]:
    """Return seven lots within a kilometre, two with chargers."""
    kinds = ("mall", "kerbside", "kerbside", "hospital", "residential", "government", "kerbside")
    found = []
    for k, (kind, spaces) in enumerate(zip(kinds, (30, 8, 10, 20, 25, 15, 12), strict=True)):
        pools = [Pool(f"t{k}-s", SpaceClass.STANDARD, spaces, spaces, 0, spaces)]
        if k in (0, 3):
            plug = {"connector": Connector.GBT_AC, "power_kw": 60.0}
            pools.append(Pool(f"t{k}-c", SpaceClass.CHARGING, 10, 10, 0, 10, **plug))
        lon, lat = 118.6 + 0.004 * np.cos(k), 37.4 + 0.004 * np.sin(k)
        found.append(Lot(f"t{k}", "", lon, lat, tuple(pools), kind=kind, district=kind))
    return with_buffers(found)


def peak_load(days: Sequence[Day], kind: int, spaces: int) -> float:
    """Return the load as it is defined, counted from drawn days."""
    begin = MIDNIGHT_MS + np.arange(6, 23) * HOUR_MS
    demanded = np.zeros(len(begin))
    for day in days:
        asked = day.bookings.asked
        own = asked.space_class == kind
        inside = np.minimum(asked.leave_ms[own, None], begin + HOUR_MS) - np.maximum(
            asked.arrive_ms[own, None], begin
        )
        demanded += np.maximum(0, inside).sum(axis=0) / HOUR_MS / len(days)
    return float(np.convolve(demanded, np.ones(4), "valid").max() / (4 * spaces))


def test_load_is_as_defined():
    """Mean over 8 days of a town whose lots are always open, standard spaces and chargers."""
    lots = town()
    days = [draw_day(lots, places_around(lots), load=0.9, seed=seed) for seed in range(8)]
    for kind, name in ((0, SpaceClass.STANDARD), (2, SpaceClass.CHARGING)):
        pools = [pool for lot in lots for pool in lot.pools if pool.space_class is name]
        spaces = sum(pool.bookable for pool in pools)
        assert peak_load(days, kind, spaces) == pytest.approx(0.9, rel=0.08)


def test_same_seed_same_day():
    """Requests and forecast, to the last bit; another seed is another day."""
    lots = town()
    first, again, other = (
        draw_day(lots, places_around(lots), load=0.9, seed=seed) for seed in (1, 1, 2)
    )
    assert (first.bookings.asked.dest_lon == again.bookings.asked.dest_lon).all()
    assert (first.bookings.booked_ms == again.bookings.booked_ms).all()
    assert (first.forecast.expected == again.forecast.expected).all()
    assert len(first.bookings) != len(other.bookings)


def test_forecast_errors_have_mean_one():
    """Without errors the forecast is the past days' mean; with them it is off, but not in all."""
    lots = town()
    right = draw_day(lots, places_around(lots), load=0.9, seed=1, error=ForecastError(0, 0, 0, 0))
    wrong = [draw_day(lots, places_around(lots), load=0.9, seed=seed) for seed in range(8)]
    assert right.forecast.expected.sum() * 10 == pytest.approx(len(right.forecast.examples))
    ratio = [day.forecast.expected.sum() * 10 / len(day.forecast.examples) for day in wrong]
    assert np.std(ratio) > 0.03
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.15)
    assert ForecastError().times(2).zone == 2 * ForecastError().zone


def test_buffers_are_a_tenth_rounded_up():
    """8 free: 1 kept; a larger buffer stays."""
    kept = [pool.walk_in_buffer for lot in town() for pool in lot.pools]
    assert kept == [3, 1, 1, 1, 2, 1, 3, 2, 2]


def test_short_day():
    """In a small town at 95%: prices beat batches without them, nobody beats the bound."""
    lots = town()
    city = LotTable.of(lots)
    day = draw_day(lots, places_around(lots), load=0.95, seed=1)
    rule = PriceRule(futures=6, slot_ms=1_800_000, every_ms=1_800_000)
    policies = {
        "priced": Priced(city, BidPricer(day.forecast, city, rule=rule, seed=1)),
        "batches": Batches(city),
        "first come": FirstCome(city),
    }
    value = {
        name: run_day(day.bookings, city, policy).value_fen for name, policy in policies.items()
    }
    value["bound"] = clairvoyant(day.bookings.asked, city).bound_fen
    assert value["batches"] < value["priced"] < value["bound"]
    assert value["first come"] < value["priced"]


def test_dongying_has_places_and_buffers():
    """76 car parks, every pool with a buffer, half of the demand at the known places."""
    lots = dongying_lots()
    places = dongying_places(lots)
    assert len(lots) == 76
    assert all(pool.walk_in_buffer >= 1 for lot in lots for pool in lot.pools)
    known = sum(place.weight for place in places[: len(places) - len(lots)])
    assert known == pytest.approx(sum(place.weight for place in places) / 2)
