"""Which lots lie within each request's walking limit.

Points are unit vectors; nearer than a great circle d means a chord of at most ``2 sin(d / 2R)``.
Lots are sorted along the axis on which they spread most; a request looks only at the stretch of
that axis which its limit covers. The limit is taken a millimetre wide: what is found is judged
again by the travel times themselves, what is not found is too far by every measure.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from parking.travel import EARTH_RADIUS_M

MARGIN_M = 1e-3
MARGIN = 1e-9

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def chord(distance_m: Floats) -> Floats:
    """Return the chord, in earth radii, of great circles in m; 2 and a little from half the
    earth on.
    """
    angle = np.minimum(distance_m / EARTH_RADIUS_M, np.pi)
    return np.asarray(np.where(angle < np.pi, 2 * np.sin(angle / 2), 2.1))


def widest(radius_m: Floats) -> Floats:
    """Return radii with their safe margin, as chords."""
    return chord(radius_m * (1 + MARGIN) + MARGIN_M)


@numba.njit(cache=True, nogil=True)
def _count(  # type: ignore[no-untyped-def]
    points, reach, lots, axis
):
    counts = np.zeros(len(points), dtype=np.int64)
    for i in range(len(points)):
        x, y, z, r = points[i, 0], points[i, 1], points[i, 2], reach[i]
        r2, n = r * r, 0
        first = np.searchsorted(axis, points[i, 3] - r)
        for k in range(first, len(axis)):
            if axis[k] > points[i, 3] + r:
                break
            dx, dy, dz = lots[k, 0] - x, lots[k, 1] - y, lots[k, 2] - z
            n += dx * dx + dy * dy + dz * dz <= r2
        counts[i] = n
    return counts


@numba.njit(cache=True, nogil=True)
def _fill(  # type: ignore[no-untyped-def]
    points, reach, lots, axis, order, start, request, lot
):
    for i in range(len(points)):
        x, y, z, r = points[i, 0], points[i, 1], points[i, 2], reach[i]
        r2, at = r * r, start[i]
        first = np.searchsorted(axis, points[i, 3] - r)
        for k in range(first, len(axis)):
            if axis[k] > points[i, 3] + r:
                break
            dx, dy, dz = lots[k, 0] - x, lots[k, 1] - y, lots[k, 2] - z
            if dx * dx + dy * dy + dz * dz <= r2:
                request[at], lot[at] = i, order[k]
                at += 1


class Reach:
    """The lots within reach of some points.

    Parameters
    ----------
    points
        Unit vectors, shape (requests, 3).
    radius_m
        Great-circle radius around each, shape (requests,); infinite allowed.
    lots
        Unit vectors, shape (lots, 3).
    """

    def __init__(self, points: Floats, radius_m: Floats, lots: Floats) -> None:
        axis = int(np.argmax(np.ptp(lots, axis=0))) if len(lots) else 0
        self._order = np.argsort(lots[:, axis], kind="stable")
        self._lots = np.ascontiguousarray(lots[self._order])
        self._axis = np.ascontiguousarray(self._lots[:, axis])
        self._points = np.ascontiguousarray(np.column_stack([points, points[:, axis]]))
        self._reach = widest(radius_m)
        self.counts: Ints = _count(self._points, self._reach, self._lots, self._axis)

    def pairs(self) -> tuple[Ints, Ints]:
        """Return request and lot of every pair within reach, requests in order."""
        start = np.concatenate([[0], np.cumsum(self.counts)])
        request = np.empty(start[-1], dtype=np.int64)
        lot = np.empty(start[-1], dtype=np.int64)
        _fill(
            self._points,
            self._reach,
            self._lots,
            self._axis,
            self._order,
            start,
            request,
            lot,
        )
        return request, lot
