"""Distances, times and costs of pairs, compiled.

On a sphere the great circle between two unit vectors a chord c apart is ``2R asin(c / 2)``. For
the chords of a city the series of the arcsine is exact in double precision; this is several times
quicker than the haversine and as accurate (some nanometres).
"""

import math

import numba
import numpy as np

from parking.allocation.tables import Floats, Ints, LotTable, RequestTable
from parking.travel import (
    DETOUR,
    DRIVE_SPEED_MPS,
    EARTH_RADIUS_M,
    GreatCircle,
    TravelTimes,
    unit_vectors,
    walk_s,
)

NEAR = 0.02
"""Chord in earth radii, 127 km, below which four terms of the arcsine's series are exact."""


@numba.njit(cache=True, nogil=True, inline="always")
def arc_m(square):  # type: ignore[no-untyped-def]
    """Return the great circle in m that belongs to a squared chord in earth radii."""
    chord = math.sqrt(square)
    if chord < NEAR:
        series = 1 + square / 24 * (1 + square * (9 / 80) * (1 + square * (25 / 168)))
        return EARTH_RADIUS_M * chord * series
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, chord / 2))


@numba.njit(cache=True, nogil=True, inline="always")
def time_cost_fen(value, drive, walking):  # type: ignore[no-untyped-def]
    """Return the time's part of the cost; see ``arcs.cost_fen``."""
    return (value * (drive + 2 * walking) + 1800) // 3600


@numba.njit(cache=True, nogil=True)
def _pairs(origin, dest, lots, request, lot, drive, walk):  # type: ignore[no-untyped-def]
    for k in range(len(request)):
        i, j = request[k], lot[k]
        x, y, z = lots[j, 0], lots[j, 1], lots[j, 2]
        a, b, c = origin[i, 0] - x, origin[i, 1] - y, origin[i, 2] - z
        drive[k] = math.floor(DETOUR * arc_m(a * a + b * b + c * c) / DRIVE_SPEED_MPS + 0.5)
        a, b, c = dest[i, 0] - x, dest[i, 1] - y, dest[i, 2] - z
        walk[k] = DETOUR * arc_m(a * a + b * b + c * c)


def measure(
    asked: RequestTable, city: LotTable, request: Ints, lot: Ints, travel: TravelTimes
) -> tuple[Ints, Ints, Floats]:
    """Return driving s, walking s and walking m of pairs of request and lot, shape of the pairs."""
    if isinstance(travel, GreatCircle):
        drive = np.empty(len(request), dtype=np.int64)
        walk_m = np.empty(len(request))
        origin = unit_vectors(asked.origin_lon, asked.origin_lat)
        dest = unit_vectors(asked.dest_lon, asked.dest_lat)
        _pairs(origin, dest, city.position, request, lot, drive, walk_m)
        return drive, walk_s(walk_m), walk_m
    lon, lat = city.lon[lot], city.lat[lot]
    drive = travel.drive_s(asked.origin_lon[request], asked.origin_lat[request], lon, lat)
    walk_m = travel.walk_m(lon, lat, asked.dest_lon[request], asked.dest_lat[request])
    # Where there is no way, no limit is kept: not a number is within nothing, infinity included.
    no_way = (drive < 0) | np.isinf(walk_m)
    return drive, walk_s(np.where(no_way, 0.0, walk_m)), np.where(no_way, np.nan, walk_m)
