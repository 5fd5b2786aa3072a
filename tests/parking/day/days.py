"""Small days: a lot or a random city, and drivers who ask at their times."""

import numpy as np

from parking.allocation import LotTable, RequestTable
from parking.day import Bookings
from parking.inventory import Lot, Pool, SpaceClass
from parking.tariff import FREE, Tariff

HOUR_MS = 3_600_000
MORNING_MS = 1_795_363_200_000 + 8 * HOUR_MS
"""Monday 2026-11-23 08:00 in Asia/Shanghai."""
LON, LAT = 118.6, 37.4
DEGREE_M = 111_195.0


def lot(
    key: str, spaces: int, *, buffer: int = 0, away_m: float = 0.0, tariff: Tariff = FREE
) -> Lot:
    """Return a lot with one pool, so many metres north of the middle."""
    pool = Pool(f"{key}-p", SpaceClass.STANDARD, spaces, spaces, buffer, spaces)
    return Lot(key, "", LON, LAT + away_m / DEGREE_M, (pool,), district=key, tariff=tariff)


def drivers(
    booked_h: list[float], arrive_h: list[float], stay_h: list[float], drive_m: list[float]
) -> Bookings:
    """Return drivers to the middle; hours after 08:00, and how far each comes from."""
    arrive = MORNING_MS + np.rint(np.array(arrive_h) * HOUR_MS).astype(np.int64)
    middle = np.full(len(arrive), LON), np.full(len(arrive), LAT)
    table = RequestTable.of_coordinates(
        middle[0],
        middle[1] - np.array(drive_m) / DEGREE_M,
        *middle,
        arrive,
        arrive + np.rint(np.array(stay_h) * HOUR_MS).astype(np.int64),
    )
    return Bookings.of(table, MORNING_MS + np.rint(np.array(booked_h) * HOUR_MS).astype(np.int64))


def random_city(rng: np.random.Generator, lots: int, spaces: int = 4) -> LotTable:
    """Return lots of 1 to ``spaces`` spaces within 600 m of the middle, some with a buffer of 1."""
    found = []
    for k in range(lots):
        size = int(rng.integers(1, spaces + 1))
        buffer = int(rng.random() < 0.3 and size > 1)
        found.append(lot(f"l{k}", size, buffer=buffer, away_m=float(rng.uniform(-600, 600))))
    return LotTable.of(found)


def random_day(rng: np.random.Generator, requests: int) -> Bookings:
    """Return drivers of six hours, asking up to two hours ahead."""
    arrive = rng.uniform(2, 8, requests)
    return drivers(
        list(arrive - rng.uniform(0.03, 2, requests)),
        list(arrive),
        list(rng.uniform(0.2, 3, requests)),
        list(rng.uniform(0, 6000, requests)),
    )
