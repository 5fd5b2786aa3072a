"""Which lots lie within each request's walking limit.

Points are unit vectors; nearer than a great circle d means a chord of at most ``2 sin(d / 2R)``.
Lots are sorted along the axis on which they spread most; a request looks only at the stretch of
that axis which its limit covers. The limit is taken a millimetre wide: what is found is judged
again by the travel times themselves, what is not found is too far by every measure.
"""

import numba
import numpy as np

from parking.allocation.tables import Floats, Ints
from parking.travel import EARTH_RADIUS_M

MARGIN_M = 1e-3
MARGIN = 1e-9
EVERYWHERE = 2.1
"""A chord, in earth radii, longer than any."""


def chord(distance_m: Floats) -> Floats:
    """Return chords, in earth radii, of great circles in m; ``EVERYWHERE`` from half round on."""
    angle = np.minimum(distance_m / EARTH_RADIUS_M, np.pi)
    return np.asarray(np.where(angle < np.pi, 2 * np.sin(angle / 2), EVERYWHERE))


@numba.njit(cache=True, nogil=True)
def _count(points, reach, lots, axis):  # type: ignore[no-untyped-def]
    counts = np.zeros(len(points), dtype=np.int64)
    for i in range(len(points)):
        x, y, z, r = points[i, 0], points[i, 1], points[i, 2], reach[i]
        if r >= 2.0:
            counts[i] = len(axis)
            continue
        r2, n = r * r, 0
        first = np.searchsorted(axis, points[i, 3] - r)
        last = np.searchsorted(axis, points[i, 3] + r, side="right")
        for k in range(first, last):
            dx, dy, dz = lots[k, 0] - x, lots[k, 1] - y, lots[k, 2] - z
            n += dx * dx + dy * dy + dz * dz <= r2
        counts[i] = n
    return counts


@numba.njit(cache=True, nogil=True)
def _fill(points, reach, lots, axis, order, start, request, lot):  # type: ignore[no-untyped-def]
    for i in range(len(points)):
        x, y, z, r = points[i, 0], points[i, 1], points[i, 2], reach[i]
        r2, at = r * r, start[i]
        first = np.searchsorted(axis, points[i, 3] - r)
        last = np.searchsorted(axis, points[i, 3] + r, side="right")
        for k in range(first, last):
            dx, dy, dz = lots[k, 0] - x, lots[k, 1] - y, lots[k, 2] - z
            if r >= 2.0 or dx * dx + dy * dy + dz * dz <= r2:
                request[at], lot[at] = i, order[k]
                at += 1
        lot[start[i] : at].sort()


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
        self.order: Ints = np.argsort(lots[:, axis], kind="stable")
        self.lots: Floats = np.ascontiguousarray(lots[self.order])
        self.axis: Floats = np.ascontiguousarray(self.lots[:, axis])
        self.points: Floats = np.ascontiguousarray(np.column_stack([points, points[:, axis]]))
        self.chord: Floats = chord(radius_m * (1 + MARGIN) + MARGIN_M)
        self.counts: Ints = _count(self.points, self.chord, self.lots, self.axis)

    def pairs(self, first: int = 0, last: int | None = None) -> tuple[Ints, Ints]:
        """Return request and lot of every pair within reach, of requests ``first`` to ``last``.

        In the order of requests, then lots.
        """
        own = slice(first, last)
        start = np.concatenate([[0], np.cumsum(self.counts[own])])
        request = np.empty(start[-1], dtype=np.int64)
        lot = np.empty(start[-1], dtype=np.int64)
        _fill(
            self.points[own],
            self.chord[own],
            self.lots,
            self.axis,
            self.order,
            start,
            request,
            lot,
        )
        return request + first, lot
