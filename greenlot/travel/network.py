"""Travel on a road network: driving by its streets and turns, walking both ways along them.

*Driving*: free-flow times of edges and of the ways through junctions, turns that the network does
not have are not taken; signals and traffic cost nothing. A car begins on the street nearest to
its origin, in the better direction, and ends at the lot's entrance edge (``entrance_edge``, or
else its nearest street, from either side).

*Walking*: along the streets that cars may use, both ways, crossing them anywhere; footpaths are
not known. From a point to its street and back as the crow flies. Two points that are nearer to
each other than to their streets need no street: 1.3 x the straight line.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from greenlot.travel.driving import Cars, Driving
from greenlot.travel.streets import Meeting, Streets
from greenlot.travel.walking import Walking
from parking.errors import InvalidInputError
from parking.inventory import Lot
from parking.travel import DETOUR, DRIVE_SPEED_MPS, great_circle_m, half_up
from traffic.io.sumo_projection import SumoProjection
from traffic.network import RoadGraph

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_AWAY_M = 1000.0
"""Who is further from every street is out of reach."""
UNREACHABLE_S = -1
KEPT_QUESTIONS, KEPT_POINTS = 8, 100_000


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Different points, shape (points,) each; ``leg_m`` is infinite out of reach."""

    lon: Floats
    lat: Floats
    x_m: Floats
    y_m: Floats
    met: Meeting
    leg_m: Floats


class NetworkTravel:
    """``TravelTimes`` on a road network; searches are kept from call to call, for one thread.

    Parameters
    ----------
    graph
        With movements.
    projection
        Of the same network.
    lots
        Whose ``entrance_edge`` counts where a lot is the end of a drive; lots at the very same
        place share their entrances.

    Raises
    ------
    InvalidInputError
        A lot's entrance edge is not in the network, or the network has no streets.
    """

    def __init__(
        self, graph: RoadGraph, projection: SumoProjection, lots: Sequence[Lot] = ()
    ) -> None:
        if not graph.edges:
            raise InvalidInputError("has no street for cars", where="network")
        self._streets = Streets(graph)
        self._projection = projection
        self._driving = Driving(graph, self._streets)
        self._walking = Walking(self._streets)
        self._asked: OrderedDict[tuple[Any, ...], tuple[_Points, Ints]] = OrderedDict()
        self._entrances = self._read_entrances(lots)
        self.least_detour = self._measure_least_detour()

    def _read_entrances(self, lots: Sequence[Lot]) -> dict[tuple[float, float], list[int]]:
        found: dict[tuple[float, float], list[int]] = {}
        for lot in lots:
            if lot.entrance_edge:
                if lot.entrance_edge not in self._streets.number:
                    raise InvalidInputError(
                        f"entrance_edge: no edge {lot.entrance_edge!r} for cars in the network",
                        where=f"lot {lot.id}",
                    )
                streets = found.setdefault((lot.lon, lot.lat), [])
                street = self._streets.number[lot.entrance_edge]
                x_m, y_m = self._projection.to_metres([lot.lon], [lot.lat])
                away_m = float(self._streets.meet_on(street, x_m, y_m).away_m[0])
                if not away_m <= MAX_AWAY_M:
                    raise InvalidInputError(
                        f"entrance_edge: {lot.entrance_edge!r} is {away_m:.0f} m away from the "
                        f"lot; expected at most {MAX_AWAY_M:.0f}",
                        where=f"lot {lot.id}",
                    )
                if street not in streets:
                    streets.append(street)
        return found

    def _measure_least_detour(self) -> float:
        """Return how much shorter a straight line of the map may be than the great circle.

        A way on foot is never shorter than the straight line between its ends on the map. The map
        differs from the sphere by its projection and by the earth's flattening.
        """
        x_m, y_m = self._streets.junction_x_m, self._streets.junction_y_m
        step_m = 1000.0
        ratios = []
        for x in np.linspace(x_m.min(), x_m.max(), 5):
            for y in np.linspace(y_m.min(), y_m.max(), 5):
                around = np.linspace(0, np.pi, 8, endpoint=False)
                lon, lat = self._projection.to_degrees(
                    np.append(x + step_m * np.cos(around), x),
                    np.append(y + step_m * np.sin(around), y),
                )
                metres = great_circle_m(lon[:-1], lat[:-1], lon[-1:], lat[-1:])
                ratios.append(step_m / float(metres.max()))
        least = min(ratios)
        if not 0.9 < least < 1.1:
            raise InvalidInputError(
                f"a metre of its map is {1 / least:.2f} m; expected a projection true to length",
                where="network",
            )
        return 0.999 * min(1.0, least)

    def too_far(self, lon: Floats, lat: Floats) -> NDArray[np.bool_]:
        """Whether points are out of reach: more than ``MAX_AWAY_M`` from every street."""
        points, at = self._points(lon, lat)
        return np.asarray(np.isinf(points.leg_m)[at])

    def drive_s(self, from_lon: Floats, from_lat: Floats, to_lon: Floats, to_lat: Floats) -> Ints:
        """Seconds by car, whole; ``UNREACHABLE_S`` where there is no way."""
        (begin, i), (end, j) = self._points(from_lon, from_lat), self._points(to_lon, to_lat)
        i, j = np.broadcast_arrays(i, j)
        start = Cars.on_either_side(begin.met, self._streets)
        goal, leg_m = self._goals(end)
        seconds = self._driving.seconds(start, goal, i.ravel(), j.ravel()).reshape(i.shape)
        seconds += begin.leg_m[i] / DRIVE_SPEED_MPS + leg_m[j] / DRIVE_SPEED_MPS
        reached = np.isfinite(seconds)
        return np.where(reached, half_up(np.where(reached, seconds, 0.0)), UNREACHABLE_S)

    def walk_m(self, from_lon: Floats, from_lat: Floats, to_lon: Floats, to_lat: Floats) -> Floats:
        """Metres on foot; infinite where there is no way."""
        (begin, i), (end, j) = self._points(from_lon, from_lat), self._points(to_lon, to_lat)
        i, j = np.broadcast_arrays(i, j)
        metres = self._walking.metres(begin.met, end.met, i.ravel(), j.ravel()).reshape(i.shape)
        legs_m = begin.leg_m[i] + end.leg_m[j]
        straight_m = np.hypot(begin.x_m[i] - end.x_m[j], begin.y_m[i] - end.y_m[j])
        near = np.isfinite(legs_m) & (straight_m <= legs_m)
        metres += legs_m
        metres[near] = np.minimum(metres[near], DETOUR * straight_m[near])
        return metres

    def _points(self, lon: Floats, lat: Floats) -> tuple[_Points, Ints]:
        """Return the different points, and which of them stands where in the arrays.

        The answers to the last questions are kept: a city's lots are asked about over and over.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        if lon.size > KEPT_POINTS:
            return self._look_up(lon, lat)
        key = (lon.shape, lon.tobytes(), lat.tobytes())
        if key not in self._asked:
            self._asked[key] = self._look_up(lon, lat)
            if len(self._asked) > KEPT_QUESTIONS:
                self._asked.popitem(last=False)
        self._asked.move_to_end(key)
        return self._asked[key]

    def _look_up(self, lon: Floats, lat: Floats) -> tuple[_Points, Ints]:
        different, at = np.unique(lon.ravel() + 1j * lat.ravel(), return_inverse=True)
        x_m, y_m = self._projection.to_metres(different.real, different.imag)
        # Where the projection ends, the point is further off than any street.
        inside = np.isfinite(x_m) & np.isfinite(y_m)
        x_m, y_m = np.where(inside, x_m, 1e9), np.where(inside, y_m, 1e9)
        met = self._streets.meet(x_m, y_m)
        leg_m = np.where(met.away_m <= MAX_AWAY_M, met.away_m, np.inf)
        points = _Points(different.real, different.imag, x_m, y_m, met, leg_m)
        return points, at.reshape(lon.shape)

    def _goals(self, points: _Points) -> tuple[Cars, Floats]:
        """Return where drives to some points end, and how far that is from the points."""
        cars = Cars.on_either_side(points.met, self._streets)
        leg_m = points.leg_m.copy()
        for k, place in enumerate(zip(points.lon.tolist(), points.lat.tolist(), strict=True)):
            entrances = self._entrances.get(place, [])
            if not entrances:
                continue
            one = slice(k, k + 1)
            found = [
                self._streets.meet_on(street, points.x_m[one], points.y_m[one])
                for street in entrances
            ]
            cars.known[k] = [True, len(found) > 1]
            for slot, met in enumerate(found[:2]):
                cars.street[k, slot], cars.share[k, slot] = met.street[0], met.share[0]
            leg_m[k] = min(met.away_m[0] for met in found[:2])
        return cars, leg_m
