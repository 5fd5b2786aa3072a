"""Small random cities with everything in them that an allocation must mind."""

import random

from parking.inventory import Connector, Lot, Pool, SpaceClass
from parking.opening import OpeningWindow
from parking.requests import ParkingRequest
from parking.tariff import FREE, Night, Tariff

HOUR_MS = 3_600_000
NOON_MS = 1_795_363_200_000 + 12 * HOUR_MS
"""Monday 2026-11-23 12:00 in Asia/Shanghai."""

TARIFFS = (
    FREE,
    Tariff(fen=200),
    Tariff(fen=500),
    Tariff(free_minutes=30, steps=((60, 500),), per_started_minutes=30, fen=200, day_cap_fen=4000),
    Tariff(fen=300, night=Night(22 * 60, 7 * 60, 500)),
)
OPENINGS = (
    (),
    (),
    (OpeningWindow(frozenset(range(1, 6)), 7 * 60, 19 * 60),),
    (OpeningWindow(frozenset(range(1, 8)), 18 * 60, 8 * 60),),
    (
        OpeningWindow(frozenset({1, 2, 3}), 8 * 60, 12 * 60),
        OpeningWindow(frozenset({1, 2, 3}), 12 * 60, 24 * 60),
    ),
)
LON, LAT = 118.6, 37.4


def mixed_city(rng: random.Random, lots: int, spaces: int = 3, *, width: float = 1.0) -> list[Lot]:
    """Return lots of 1 to 3 pools with every kind of rule, in a square of ``width`` x 2 km."""
    city = []
    for k in range(lots):
        classes = rng.sample(list(SpaceClass), rng.choice([1, 1, 2, 3]))
        if rng.random() < 0.7 and SpaceClass.STANDARD not in classes:
            classes[0] = SpaceClass.STANDARD
        city.append(
            Lot(
                id=f"l{k}",
                name="",
                lon=LON + width * rng.uniform(-0.01, 0.01),
                lat=LAT + width * rng.uniform(-0.01, 0.01),
                tariff=rng.choice(TARIFFS),
                opening=rng.choice(OPENINGS),
                max_height_cm=rng.choice([None, 190, 210]),
                permits=rng.choice([frozenset(), frozenset(), frozenset({"staff"})]),
                closed=rng.random() < 0.05,
                pools=tuple(_pool(rng, f"l{k}-{kind}", kind, spaces) for kind in classes),
            )
        )
    return city


def _pool(rng: random.Random, key: str, kind: SpaceClass, spaces: int) -> Pool:
    capacity = rng.randint(0, spaces)
    if kind is not SpaceClass.CHARGING:
        return Pool(key, kind, capacity, capacity, 0, capacity)
    plug, power = rng.choice([Connector.GBT_AC, Connector.GBT_DC]), rng.choice([7.0, 60.0])
    return Pool(key, kind, capacity, capacity, 0, capacity, connector=plug, power_kw=power)


def mixed_requests(
    rng: random.Random, requests: int, *, spread_ms: int = 0, width: float = 1.0
) -> list[ParkingRequest]:
    """Return requests of every kind that arrive within ``spread_ms`` from noon on."""
    return [_request(rng, k, NOON_MS + rng.randint(0, spread_ms), width) for k in range(requests)]


def _request(rng: random.Random, number: int, arrive_ms: int, width: float) -> ParkingRequest:
    kind = rng.choice([SpaceClass.STANDARD] * 5 + list(SpaceClass))
    charging = kind is SpaceClass.CHARGING
    return ParkingRequest(
        id=f"r{number}",
        origin_lon=LON - 0.05,
        origin_lat=LAT + rng.uniform(-0.02, 0.02),
        dest_lon=LON + width * rng.gauss(0, 0.004),
        dest_lat=LAT + width * rng.gauss(0, 0.004),
        arrive_ms=arrive_ms,
        leave_ms=arrive_ms + rng.choice([20, 60, 90, 150, 600]) * 60_000,
        space_class=kind,
        height_cm=rng.choice([0, 0, 200]),
        connector=rng.choice([None, Connector.GBT_AC]) if charging else None,
        min_power_kw=rng.choice([0.0, 20.0]) if charging else 0.0,
        max_walk_m=rng.choice([800.0, 1500.0, float("inf")]),
        max_price_fen=rng.choice([None, None, 400, 1000]),
        value_of_time_fen_per_h=rng.choice([3000, 1500, 6000, 0]),
        permits=rng.choice([frozenset(), frozenset({"staff"})]),
    )
