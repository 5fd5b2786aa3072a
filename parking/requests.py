"""What a driver asks for."""

import math
from dataclasses import dataclass

from parking.errors import InvalidInputError
from parking.inventory import Connector, SpaceClass, check_position

MIN_STAY_MS = 60_000
MAX_STAY_MS = 14 * 86_400_000
MAX_TIME_MS = 7_258_118_400_000
"""2200-01-01 UTC; no stay begins later."""
MAX_WALK_M = 1500.0
VALUE_OF_TIME_FEN_PER_H = 3000


@dataclass(frozen=True, slots=True)
class ParkingRequest:
    """One driver's wish for a space from ``arrive_ms`` to ``leave_ms``.

    Parameters
    ----------
    id
        Unique in its batch.
    origin_lon, origin_lat, dest_lon, dest_lat
        WGS84 degrees: where the car is, and where the driver wants to be.
    arrive_ms, leave_ms
        At the lot, UTC epoch milliseconds, before the year 2200; 1 min to 14 days apart.
    space_class
        Taken exactly.
    height_cm
        Of the vehicle; 0 = low.
    connector, min_power_kw
        Of a charger; None and 0 = any.
    max_walk_m
        Walking limit; infinite = none.
    max_price_fen
        Highest price of the stay; None = any.
    value_of_time_fen_per_h
        What an hour of the driver is worth, 0 to 100,000.
    permits
        That the driver holds.
    """

    id: str
    origin_lon: float
    origin_lat: float
    dest_lon: float
    dest_lat: float
    arrive_ms: int
    leave_ms: int
    space_class: SpaceClass = SpaceClass.STANDARD
    height_cm: int = 0
    connector: Connector | None = None
    min_power_kw: float = 0.0
    max_walk_m: float = MAX_WALK_M
    max_price_fen: int | None = None
    value_of_time_fen_per_h: int = VALUE_OF_TIME_FEN_PER_H
    permits: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_position(self.origin_lon, self.origin_lat, where="origin")
        check_position(self.dest_lon, self.dest_lat, where="destination")
        if not 0 <= self.arrive_ms <= MAX_TIME_MS:
            raise InvalidInputError(
                f"{self.arrive_ms} ms; expected the years 1970 to 2199", where="arrive_at"
            )
        if not MIN_STAY_MS <= self.leave_ms - self.arrive_ms <= MAX_STAY_MS:
            raise InvalidInputError(
                f"{(self.leave_ms - self.arrive_ms) / 1000:g} s; expected 60 s to 14 days",
                where="duration",
            )
        if not 0 <= self.height_cm <= 1000:
            raise InvalidInputError(f"{self.height_cm}; expected 0 to 1000", where="height_cm")
        if not 0 <= self.min_power_kw < math.inf:
            raise InvalidInputError(
                f"{self.min_power_kw}; expected 0 or more", where="min_power_kw"
            )
        if not self.max_walk_m >= 0:
            raise InvalidInputError(f"{self.max_walk_m}; expected 0 or more", where="max_walk_m")
        if self.max_price_fen is not None and self.max_price_fen < 0:
            raise InvalidInputError(
                f"{self.max_price_fen}; expected 0 or more", where="max_price_fen"
            )
        if not 0 <= self.value_of_time_fen_per_h <= 100_000:
            raise InvalidInputError(
                f"{self.value_of_time_fen_per_h}; expected 0 to 100000",
                where="value_of_time_fen_per_h",
            )
