"""Reads the demand of a window of time from SUMO's route files.

A turn is counted when a vehicle would pass the end of the edge without any delay: its departure
and the free-flow times of the edges so far, at its type's desired speed. Vehicles begin at the
start of their first edge; time within junctions is left out. Passages at or after the window's
end are not counted, so that over a window an edge takes in at least what it gives out.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traffic.demand import Demand, Floats, Trips
from traffic.errors import InvalidInputError
from traffic.io.demand_departures import departures_of
from traffic.io.demand_files import Attributes, Journey, RouteFiles, Row, read_route_files, walk
from traffic.io.demand_routing import route, wish_of
from traffic.io.demand_types import OFF_ROAD, VehicleType, fleet_of
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph


@dataclass(slots=True)
class _Ride:
    """Everyone who drives the same way in the same type of vehicle; ``row`` is one of them."""

    row: Row
    parts: list[tuple[Floats, float]] = field(default_factory=list)

    @property
    def vehicles(self) -> float:
        return sum(times_s.size * weight for times_s, weight in self.parts)


Way = tuple[str, ...]
Rides = dict[tuple[Way, VehicleType], _Ride]


def read_demand(
    net: Path,
    routes: Sequence[Path],
    begin_s: float,
    end_s: float,
    *,
    additional: Sequence[Path] = (),
    slice_s: float = 300.0,
    graph: RoadGraph | None = None,
) -> Demand:
    """Read who departs within ``[begin_s, end_s)`` and where they turn.

    Vehicles with routes, named routes and distributions of routes are read as they are; trips and
    flows from place to place are routed once with ``duarouter`` over the empty network. As in a
    simulation that begins at ``begin_s``, vehicles that departed before are not there. Persons,
    bicycles, rail and what another vehicle triggers are not counted. A vehicle that leaves the
    roads for cars (a bus lane) and comes back counts as an arrival and a departure of its edges,
    and as one vehicle.

    Parameters
    ----------
    net
        The SUMO network.
    routes
        Route files, plain or gzipped.
    begin_s, end_s
        The window, in s of the files' own clock.
    additional
        Further files with types, routes, zones or stopping places.
    slice_s
        Width of a slice of the result.
    graph
        The network, where it has been read already.

    Raises
    ------
    InvalidInputError
        A file is missing or broken, a route goes over an unknown edge or a missing connection, a
        trip has no route, or nobody departs within the window.
    """
    if not begin_s < end_s:
        raise InvalidInputError(
            f"{end_s:g}; expected more than the begin, {begin_s:g}", where="end_s"
        )
    if not routes:
        raise InvalidInputError("no route files; expected at least one", where="routes")
    graph = graph or read_network(net)
    files = read_route_files(routes, additional)
    listed = ", ".join(str(path) for path in routes)
    if not files.rows:
        raise InvalidInputError("no vehicle, trip or flow", where=listed)
    rides, trips = _departures(files, begin_s, end_s)
    roads = _Roads(net, graph)
    for (journey, _), ride in trips.items():
        roads.check_places(journey, ride.row)
    found = route(
        net, {wish_of(kind, to): ride.row for (to, kind), ride in trips.items()}, additional
    )
    for (journey, kind), ride in trips.items():
        way = found[wish_of(kind, journey)]
        rides.setdefault((way, kind), _Ride(ride.row)).parts.extend(ride.parts)
    if not rides:
        raise InvalidInputError(f"no vehicle departs from {begin_s:g} to {end_s:g} s", where=listed)
    passages = _Passages(roads)
    for (way, kind), ride in rides.items():
        passages.add(way, kind, ride)
    sums = passages.sums(begin_s, end_s, slice_s)
    return Demand(
        begin_s=begin_s,
        end_s=end_s,
        slice_s=slice_s,
        departures={b: found for (a, b), found in sums.items() if not a},
        turns={turn: found for turn, found in sums.items() if all(turn)},
        arrivals={a: found for (a, b), found in sums.items() if not b},
        vehicles=sum(ride.vehicles for ride in rides.values()),
        fleet=fleet_of((kind, ride.vehicles) for (_, kind), ride in rides.items()),
        source=listed,
        trips=tuple(passages.trips),
    )


def _departures(
    files: RouteFiles, begin_s: float, end_s: float
) -> tuple[Rides, dict[tuple[Journey, VehicleType], _Ride]]:
    """Split what departs within the window into rides with a route and trips that need one."""
    rides: Rides = {}
    trips: dict[tuple[Journey, VehicleType], _Ride] = {}
    for row in files.rows:
        times_s, weight = departures_of(row, begin_s, end_s)
        if not times_s.size:
            continue
        ways, journey = files.ways_of(row), row.journey
        if not ways and not journey.places and not journey.stops:
            raise InvalidInputError(f"{row.name} has no route", where=row.where)
        for share, kind in files.types_of(row):
            if kind.vehicle_class in OFF_ROAD or not share > 0:
                continue
            if not ways:
                ride = trips.setdefault((journey, kind), _Ride(row))
                ride.parts.append((times_s, weight * share))
            for part, way in ways:
                if part > 0:
                    ride = rides.setdefault((way, kind), _Ride(row))
                    ride.parts.append((times_s, weight * share * part))
    return rides, trips


class _Roads:
    """The edges that routes may use: those of the graph, and those that no car may use."""

    def __init__(self, net: Path, graph: RoadGraph) -> None:
        self._net = net
        self.edges = graph.edges
        self._turns = {(m.from_edge, m.to_edge) for m in graph.movements}

    @cached_property
    def _without_cars(self) -> frozenset[str]:
        found: list[str] = []

        def start(tag: str, attributes: Attributes, line: int) -> None:
            if tag == "edge" and attributes["id"] not in self.edges:
                found.append(attributes["id"])

        walk(self._net, start, lambda tag: None)
        return frozenset(found)

    def check(self, edge: str, row: Row) -> None:
        """Refuse an edge that the network does not have."""
        if edge not in self.edges and edge not in self._without_cars:
            raise InvalidInputError(
                f"{row.name} goes over the unknown edge {edge!r}", where=row.where
            )

    def check_places(self, journey: Journey, row: Row) -> None:
        """Refuse a trip that begins, ends or passes at an edge that the network does not have."""
        for key, value in journey.places:
            if key in {"from", "to", "via"}:
                for edge in value.split():
                    self.check(edge, row)

    def pieces(self, way: Way, kind: VehicleType, row: Row) -> Iterator[tuple[int, int]]:
        """Split a route where it leaves the roads for cars: ``[first, last)`` of each piece."""
        first = 0
        for k, edge in enumerate(way):
            self.check(edge, row)
            if edge not in self.edges:
                if first < k:
                    yield first, k
                first = k + 1
            elif first < k:
                self._check_turn(way[k - 1], edge, kind, row)
        if first < len(way):
            yield first, len(way)

    def _check_turn(self, a: str, b: str, kind: VehicleType, row: Row) -> None:
        if (a, b) in self._turns:
            return
        # A bus may have a connection of its own, which is none of the graph's movements.
        meets = self.edges[a].to_junction == self.edges[b].from_junction
        if not meets or kind.vehicle_class == "passenger":
            raise InvalidInputError(
                f"{row.name} has no connection from edge {a!r} to {b!r}", where=row.where
            )


class _Passages:
    """Who passes where and when, gathered ride by ride and added up by slices in the end."""

    def __init__(self, roads: _Roads) -> None:
        self._roads = roads
        # ("", edge) is a departure, (edge, "") an arrival, (edge, edge) a turn.
        self._places: dict[tuple[str, str], int] = {}
        self._at: list[NDArray[np.intp]] = []
        self._times_s: list[Floats] = []
        self._weights: list[Floats] = []
        self.trips: list[Trips] = []

    def add(self, way: Way, kind: VehicleType, ride: _Ride) -> None:
        """Add everyone who drives a way."""
        # Edges without cars pass in no time: nothing is known of them.
        known = (self._roads.edges.get(edge) for edge in way)
        paces_s = (kind.pace_s(r.length_m, r.speed_limit_mps) if r else 0.0 for r in known)
        ends_s = [0.0, *accumulate(paces_s)]
        at: list[int] = []
        after_s: list[float] = []
        for first, last in self._roads.pieces(way, kind, ride.row):
            stops = ("", *way[first:last], "")
            at += [self._places.setdefault(p, len(self._places)) for p in pairwise(stops)]
            after_s += ends_s[first : last + 1]
            for times_s, weight in ride.parts:
                self.trips.append(Trips(way[first:last], times_s + ends_s[first], weight))
        for times_s, weight in ride.parts:
            passes_s = np.add.outer(times_s, after_s).ravel()
            self._times_s.append(passes_s)
            self._at.append(np.tile(np.array(at, dtype=np.intp), times_s.size))
            self._weights.append(np.full(passes_s.size, weight))

    def sums(self, begin_s: float, end_s: float, slice_s: float) -> dict[tuple[str, str], Floats]:
        """Count by place and slice; places that nobody passes within the window are left out."""
        slices = math.ceil((end_s - begin_s) / slice_s - 1e-9)
        counts = np.zeros((len(self._places), slices))
        times_s = np.concatenate(self._times_s)
        inside = times_s < end_s
        slots = ((times_s[inside] - begin_s) / slice_s).astype(np.intp)
        places = np.concatenate(self._at)[inside]
        weights = np.concatenate(self._weights)[inside]
        np.add.at(counts, (places, np.minimum(slots, slices - 1)), weights)
        return {place: counts[k] for place, k in self._places.items() if counts[k].any()}
