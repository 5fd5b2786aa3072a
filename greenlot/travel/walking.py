"""Walking distances along the streets, both ways."""

import numba
import numpy as np
from numpy.typing import NDArray

from greenlot.travel.searches import Ends, Searches
from greenlot.travel.streets import Meeting, Streets

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def _along(out, road, place_m, x_m, y_m, other_road, other_place_m, other_x_m, other_y_m, i, j):  # type: ignore[no-untyped-def]
    """Lower distances where both points lie on one road."""
    for k in range(len(i)):
        p, q = i[k], j[k]
        if road[p] == other_road[q]:
            across_m = np.hypot(x_m[p] - other_x_m[q], y_m[p] - other_y_m[q])
            out[k] = min(out[k], max(abs(place_m[p] - other_place_m[q]), across_m))


class Walking:
    """Shortest ways on foot between places on the streets.

    Nodes are junctions. A street is as long as its shape, and never shorter than the straight
    line between its junctions, so that no way is shorter than the straight line of the map.
    """

    def __init__(self, streets: Streets) -> None:
        self._streets = streets
        a, b = streets.begins, streets.ends
        straight_m = np.hypot(
            streets.junction_x_m[a] - streets.junction_x_m[b],
            streets.junction_y_m[a] - streets.junction_y_m[b],
        )
        self.street_m = np.maximum(streets.shape_m, np.maximum(straight_m, 1e-3))
        apart = a != b
        self._searches = Searches(
            begins=np.concatenate([a[apart], b[apart]]),
            ends=np.concatenate([b[apart], a[apart]]),
            weight=np.concatenate([self.street_m[apart]] * 2),
            nodes=len(streets.junctions),
        )

    def metres(self, start: Meeting, goal: Meeting, i: Ints, j: Ints) -> Floats:
        """Return ways from ``start[i[k]]`` to ``goal[j[k]]``, m; infinite = no way."""
        found = self._searches.between(self._ends(start), self._ends(goal), i, j)
        _along(found, *self._on_road(start), *self._on_road(goal), i, j)
        return found

    def _ends(self, met: Meeting) -> Ends:
        """Let points reach both junctions of their street."""
        streets, length_m = self._streets, self.street_m[met.street]
        node = np.column_stack([streets.begins[met.street], streets.ends[met.street]])
        straight_m = np.hypot(
            streets.junction_x_m[node] - met.x_m[:, None],
            streets.junction_y_m[node] - met.y_m[:, None],
        )
        along_m = np.column_stack([met.share * length_m, (1 - met.share) * length_m])
        return Ends(node, np.maximum(along_m, straight_m))

    def _on_road(self, met: Meeting) -> tuple[Ints, Floats, Floats, Floats]:
        """Return the road, both ways together, and how far along it points are, with x and y."""
        back = self._streets.back[met.street]
        second = (back >= 0) & (back < met.street)
        road = np.where(second, back, met.street)
        share = np.where(second, 1 - met.share, met.share)
        return road, share * self.street_m[road], met.x_m, met.y_m
