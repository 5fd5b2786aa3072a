"""How long it takes to a lot by car and from it on foot.

The engine knows great circles; the composition root may give it times on the road network.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M = 6_371_008.8
DETOUR = 1.3
"""Road and footpath length over the great circle."""
DRIVE_SPEED_MPS = 8.333
WALK_SPEED_MPS = 1.25

Degrees = NDArray[np.float64]
Metres = NDArray[np.float64]
Seconds = NDArray[np.int64]


class TravelTimes(Protocol):
    """Travel between points; ``lon`` and ``lat`` are arrays of WGS84 degrees, broadcast.

    ``least_detour``: a walk is never shorter than that many great circles, so that far pools can
    be left out unseen; 1.3 for ``GreatCircle``, 1.0 for walks on a network.
    """

    @property
    def least_detour(self) -> float:
        """Least length of a walk over the great circle."""

    def drive_s(
        self, from_lon: Degrees, from_lat: Degrees, to_lon: Degrees, to_lat: Degrees
    ) -> Seconds:
        """Seconds by car, whole; less than 0 where there is no way."""

    def walk_m(
        self, from_lon: Degrees, from_lat: Degrees, to_lon: Degrees, to_lat: Degrees
    ) -> Metres:
        """Metres on foot; infinite where there is no way."""


def half_up(value: NDArray[np.float64]) -> Seconds:
    """Round half up: floor(x + 0.5)."""
    return np.floor(value + 0.5).astype(np.int64)


def great_circle_m(
    from_lon: Degrees, from_lat: Degrees, to_lon: Degrees, to_lat: Degrees
) -> Metres:
    """Great-circle distance in m (haversine, sphere of radius 6,371,008.8 m)."""
    lon_1, lat_1, lon_2, lat_2 = (np.radians(x) for x in (from_lon, from_lat, to_lon, to_lat))
    a = (
        np.sin((lat_2 - lat_1) / 2) ** 2
        + np.cos(lat_1) * np.cos(lat_2) * np.sin((lon_2 - lon_1) / 2) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(1.0, a))))


def unit_vectors(lon: Degrees, lat: Degrees) -> NDArray[np.float64]:
    """Return points on a sphere of radius 1, shape (points, 3).

    Between two of them the straight line ("chord") is ``2 sin(d / 2R)`` long, d the great circle.
    """
    lon, lat = np.radians(lon), np.radians(lat)
    level = np.cos(lat)
    x = level * np.cos(lon)
    # Filled in place: "stack" takes several times as long for a few points.
    points = np.empty((*x.shape, 3))
    points[..., 0], points[..., 1], points[..., 2] = x, level * np.sin(lon), np.sin(lat)
    return points


def walk_s(walk_m: Metres) -> Seconds:
    """Whole seconds for a walk."""
    return half_up(np.asarray(walk_m) / WALK_SPEED_MPS)


class GreatCircle:
    """Travel along great circles, lengthened by 1.3: driving at 30 km/h, walking at 4.5 km/h."""

    least_detour: float = DETOUR

    def drive_s(
        self, from_lon: Degrees, from_lat: Degrees, to_lon: Degrees, to_lat: Degrees
    ) -> Seconds:
        """Seconds by car, whole."""
        metres = great_circle_m(from_lon, from_lat, to_lon, to_lat)
        return half_up(DETOUR * metres / DRIVE_SPEED_MPS)

    def walk_m(
        self, from_lon: Degrees, from_lat: Degrees, to_lon: Degrees, to_lat: Degrees
    ) -> Metres:
        """Metres on foot."""
        return np.asarray(DETOUR * great_circle_m(from_lon, from_lat, to_lon, to_lat))
