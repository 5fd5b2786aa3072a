"""A day of parking as it might be: who wants a space where, when and for how long, and asks when.

Everything here is **assumed**, published and seeded: a yardstick, not a finding. A recipe draws

1. *places* (where drivers want to go) with a weight and a kind, which has its purposes,
2. *arrivals*: a purpose's times of day, as a mixture of normal distributions,
3. *stays*: lognormal about the purpose's median,
4. *lead times*: how long before the arrival the driver asks; some ask on the way, others plan,
5. *drivers*: origins, classes, plugs, heights, values of time, walking limits,
6. *the forecast*: past days from the same recipe, counted by zone, class and slot, then made wrong
   on purpose: factors of the whole city, of each zone, of each slot and of each cell.

**Load** of a class: space-hours demanded over space-hours bookable (buffers taken off, lots that
are open) in the four whole hours in a row in which that is most. Demand is scaled to it in
expectation; the numbers of a day are Poisson.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from parking.allocation import RequestTable
from parking.allocation.tables import CLASS_CODE, CONNECTOR_CODE, NO_LIMIT
from parking.day import Bookings, Forecast, Zones
from parking.errors import InvalidInputError
from parking.inventory import Connector, Lot, SpaceClass
from parking.opening import is_open
from parking.travel import EARTH_RADIUS_M

HOUR_MS = 3_600_000
MIDNIGHT_MS = 1_795_363_200_000
"""Monday 2026-11-23 00:00 in Asia/Shanghai."""
FIRST_HOUR, LAST_HOUR = 6, 22
"""Arrivals lie between these hours."""
PEAK_HOURS = 4
BUFFER_SHARE = 0.1
PAST_DAYS = 10
METRES_A_DEGREE = EARTH_RADIUS_M * np.pi / 180

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why drivers come.

    Parameters
    ----------
    peaks
        ``(hour, spread_h, share)`` of the normal distributions that make up the arrivals.
    median_stay_h, stay_sigma
        Of the lognormal stays, cut to 10 min and 12 h.
    planned
        Share that asks 15 min to 2 h ahead; the others ask on the way, 2 to 15 min ahead.
    """

    peaks: tuple[tuple[float, float, float], ...]
    median_stay_h: float
    stay_sigma: float
    planned: float


PURPOSES = {
    "work": Purpose(((8.3, 0.5, 0.7), (13.8, 0.5, 0.3)), 4.0, 0.4, 0.7),
    "errand": Purpose(((9.7, 1.0, 0.55), (15.0, 1.0, 0.45)), 0.8, 0.5, 0.4),
    "hospital": Purpose(((8.8, 1.2, 0.65), (14.5, 1.2, 0.35)), 1.8, 0.5, 0.7),
    "shopping": Purpose(((11.5, 1.5, 0.4), (18.3, 1.3, 0.6)), 1.7, 0.5, 0.4),
    "visit": Purpose(((12.0, 2.0, 0.4), (19.0, 1.2, 0.6)), 2.2, 0.6, 0.4),
}
PURPOSES_OF = {
    "government": (("work", 0.5), ("errand", 0.5)),
    "hospital": (("hospital", 0.85), ("work", 0.15)),
    "mall": (("shopping", 0.85), ("work", 0.15)),
    "kerbside": (("errand", 0.5), ("shopping", 0.3), ("work", 0.2)),
    "residential": (("visit", 0.6), ("work", 0.2), ("errand", 0.2)),
}
OTHER_PURPOSES = (("errand", 0.4), ("shopping", 0.4), ("work", 0.2))
CHARGING_SHARE = 0.15
"""Of a day's drivers before each class is scaled to the load."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where drivers want to go: a point, scattered about, with a weight and a kind."""

    lon: float
    lat: float
    weight: float
    scatter_m: float
    kind: str


@dataclass(frozen=True, slots=True)
class ForecastError:
    """How wrong forecasts are: sigmas of lognormal factors with mean 1."""

    city: float = 0.1
    zone: float = 0.2
    slot: float = 0.15
    cell: float = 0.3

    def times(self, share: float) -> "ForecastError":
        """Return errors that are so many times as large."""
        return ForecastError(
            self.city * share, self.zone * share, self.slot * share, self.cell * share
        )


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """A drawn day with its forecast.

    Parameters
    ----------
    lots
        With the walk-ins' buffers.
    bookings
        What really comes, by the time of asking.
    forecast
        What was expected at the day's begin.
    """

    lots: tuple[Lot, ...]
    bookings: Bookings
    forecast: Forecast


def with_buffers(lots: Sequence[Lot], share: float = BUFFER_SHARE) -> tuple[Lot, ...]:
    """Keep a share of each pool's free spaces for walk-ins, rounded up; larger buffers stay."""
    return tuple(
        replace(
            lot,
            pools=tuple(
                replace(
                    pool,
                    walk_in_buffer=max(pool.walk_in_buffer, int(np.ceil(share * pool.free))),
                )
                for pool in lot.pools
            ),
        )
        for lot in lots
    )


def places_around(lots: Sequence[Lot], *, hot: int = 8) -> tuple[Place, ...]:
    """Return places for lots of which nothing else is known.

    Half of the demand goes to the surroundings of every lot by its size, half to ``hot`` ones of
    the largest lots, where it is more than they can hold.
    """
    size = {lot.id: sum(pool.quota for pool in lot.pools) for lot in lots}
    total = max(1, sum(size.values()))
    places = [Place(lot.lon, lot.lat, size[lot.id] / total, 330.0, lot.kind) for lot in lots]
    largest = sorted(lots, key=lambda lot: (-size[lot.id], lot.id))[:hot]
    return tuple(
        places + [Place(lot.lon, lot.lat, 1 / len(largest), 280.0, lot.kind) for lot in largest]
    )


def draw_day(
    lots: Sequence[Lot],
    places: Sequence[Place],
    *,
    load: float,
    seed: int,
    error: ForecastError | None = None,
) -> Day:
    """Draw a day at a load, and the forecast that was made for it.

    Parameters
    ----------
    lots
        As they are, buffers included (``with_buffers``).
    load
        See the head of this file; 0.95 = 95 %.
    seed
        Same arguments and seed, same day.
    error
        Of the forecast; None = ``ForecastError()``.

    Raises
    ------
    InvalidInputError
        No lot has a bookable space, or none is open by day.
    """
    rate = _scale(lots, places, load) if places else {}
    if not rate:
        raise InvalidInputError("no space is bookable by day", where="lots")
    day = _draw(places, rate, np.random.default_rng([seed, 0]))
    past = [_draw(places, rate, np.random.default_rng([seed, 1, k])) for k in range(PAST_DAYS)]
    forecast = Forecast.of_past(past, Zones.around(lots))
    wrong = error or ForecastError()
    return Day(tuple(lots), day, _made_wrong(forecast, wrong, np.random.default_rng([seed, 2])))


def _made_wrong(forecast: Forecast, error: ForecastError, rng: np.random.Generator) -> Forecast:
    """Multiply expected counts by the errors' factors."""

    def factors(sigma: float, count: int) -> Floats:
        return np.exp(rng.normal(-sigma * sigma / 2, sigma, count)) if sigma else np.ones(count)

    zones, zone = np.unique(forecast.zone, return_inverse=True)
    slots, slot = np.unique(forecast.slot, return_inverse=True)
    return forecast.scaled(
        factors(error.city, 1)[0]
        * factors(error.zone, len(zones))[zone]
        * factors(error.slot, len(slots))[slot]
        * factors(error.cell, len(zone))
    )


def _scale(lots: Sequence[Lot], places: Sequence[Place], load: float) -> dict[SpaceClass, float]:
    """Return the drivers to be expected in a day, by class, at a load."""
    wanted = {}
    sample = _drivers(places, 60_000, np.random.default_rng(0))
    hours = np.arange(FIRST_HOUR, LAST_HOUR + 1)
    begin = MIDNIGHT_MS + hours * HOUR_MS
    for kind in (SpaceClass.STANDARD, SpaceClass.CHARGING):
        spaces = np.array(
            [
                sum(
                    pool.bookable
                    for lot in lots
                    if not lot.closed and is_open(lot.opening, int(ms), int(ms) + HOUR_MS)
                    for pool in lot.pools
                    if pool.space_class is kind
                )
                for ms in begin
            ]
        )
        if not spaces.any():
            continue
        own = sample.take(np.flatnonzero(sample.asked.space_class == CLASS_CODE[kind])).asked
        inside = np.minimum(own.leave_ms[:, None], begin + HOUR_MS) - np.maximum(
            own.arrive_ms[:, None], begin
        )
        demanded = np.maximum(0, inside).sum(axis=0) / HOUR_MS / len(own)
        window = np.ones(PEAK_HOURS)
        share = np.convolve(demanded, window, "valid") / np.maximum(
            1, np.convolve(spaces, window, "valid")
        )
        wanted[kind] = load / float(share.max())
    return wanted


def _draw(
    places: Sequence[Place], rate: dict[SpaceClass, float], rng: np.random.Generator
) -> Bookings:
    """Draw a day's drivers: Poisson numbers of each class."""
    count = {CLASS_CODE[kind]: int(rng.poisson(mean)) for kind, mean in rate.items()}
    # Of a very quiet day nothing else may be left.
    drawn = [_drivers(places, 1, np.random.default_rng(0)).take(np.zeros(0, dtype=np.int64))]
    while any(count.values()):
        some = _drivers(places, 20_000, rng)
        for code, missing in count.items():
            own = np.flatnonzero(some.asked.space_class == code)
            # Any of them, not the first: they stand in the order of the day.
            own = rng.permutation(own)[:missing]
            drawn.append(some.take(np.sort(own)))
            count[code] = missing - len(own)
    return Bookings.together(drawn)


def _drivers(places: Sequence[Place], count: int, rng: np.random.Generator) -> Bookings:
    """Draw drivers, in no order."""
    weight = np.array([place.weight for place in places])
    place = rng.choice(len(places), count, p=weight / weight.sum())
    names = list(PURPOSES)
    shares = np.zeros((len(places), len(names)))
    for k, one in enumerate(places):
        for name, share in PURPOSES_OF.get(one.kind, OTHER_PURPOSES):
            shares[k, names.index(name)] = share
    purpose = (rng.random(count)[:, None] > np.cumsum(shares, axis=1)[place]).sum(axis=1)
    purpose = np.minimum(purpose, len(names) - 1)
    hour, stay_h, ahead_s = np.zeros(count), np.zeros(count), np.zeros(count)
    for k, name in enumerate(names):
        own = np.flatnonzero(purpose == k)
        hour[own], stay_h[own], ahead_s[own] = _times(PURPOSES[name], len(own), rng)
    charging = rng.random(count) < CHARGING_SHARE
    plug = np.where(rng.random(count) < 0.5, CONNECTOR_CODE[Connector.GBT_AC], -1)
    arrive = MIDNIGHT_MS + np.round(hour * 3600).astype(np.int64) * 1000
    leave = arrive + np.round(stay_h * 3600).astype(np.int64) * 1000
    ahead_s = np.where(charging, np.minimum(ahead_s, 3600), ahead_s)
    lon, lat = np.array([[p.lon, p.lat] for p in places])[place].T
    scatter = np.array([p.scatter_m for p in places])[place]
    lon, lat = _moved(lon, lat, rng.normal(0, scatter), rng.normal(0, scatter))
    angle, away = rng.uniform(0, 2 * np.pi, count), rng.gamma(2.0, 1500.0, count)
    from_lon, from_lat = _moved(lon, lat, away * np.cos(angle), away * np.sin(angle))
    table = RequestTable(
        origin_lon=from_lon,
        origin_lat=from_lat,
        dest_lon=lon,
        dest_lat=lat,
        arrive_ms=arrive,
        leave_ms=leave,
        space_class=np.where(
            charging, CLASS_CODE[SpaceClass.CHARGING], CLASS_CODE[SpaceClass.STANDARD]
        ).astype(np.int8),
        height_cm=np.where(rng.random(count) < 0.06, 220, 160),
        connector=np.where(charging, plug, -1).astype(np.int8),
        min_power_kw=np.where(charging & (plug < 0) & (rng.random(count) < 0.5), 30.0, 0.0),
        max_walk_m=np.where(rng.random(count) < 0.3, 800.0, 1500.0),
        max_price_fen=np.full(count, NO_LIMIT),
        value_of_time_fen_per_h=rng.choice([1500, 3000, 5000], count, p=[0.2, 0.6, 0.2]),
        permit_set=np.zeros(count, dtype=np.int64),
    )
    return Bookings.of(table, arrive - np.round(ahead_s).astype(np.int64) * 1000)


def _times(purpose: Purpose, count: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Draw hours of arrival, stays in h, lead times in s."""
    centre, spread, share = np.array(purpose.peaks).T
    peak = rng.choice(len(share), count, p=share)
    hour = rng.normal(centre[peak], spread[peak])
    hour = np.clip(hour, FIRST_HOUR, LAST_HOUR - 1 / 60)
    stay = np.exp(rng.normal(np.log(purpose.median_stay_h), purpose.stay_sigma, count))
    on_the_way = rng.uniform(120, 900, count)
    planned = rng.uniform(900, 7200, count)
    ahead = np.where(rng.random(count) < purpose.planned, planned, on_the_way)
    return hour, np.clip(stay, 1 / 6, 12), ahead


def _moved(lon: Floats, lat: Floats, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    return (
        lon + east_m / (METRES_A_DEGREE * np.cos(np.radians(lat))),
        lat + north_m / METRES_A_DEGREE,
    )
