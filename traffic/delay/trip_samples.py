"""Whole vehicles of a demand, with their ways and times: one day of many that it stands for."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from traffic.demand import Demand, Floats
from traffic.errors import InvalidInputError

# Ways drawn from turn shares end after so many edges.
MOST_EDGES = 200

Way = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """How a day is drawn from a demand.

    Parameters
    ----------
    seed
        Of everything that is drawn.
    scale
        Factor of the demand, more than 0.
    shift_s
        Standard deviation of the departures' shifts against the demand's own times, 0 or more.
    weight
        Of the day among the days that judge a plan, more than 0.
    """

    seed: int
    scale: float = 1.0
    shift_s: float = 0.0
    weight: float = 1.0

    def __post_init__(self) -> None:
        for name in ("scale", "weight"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"{value}; expected more than 0", where=name)
        if not (math.isfinite(self.shift_s) and self.shift_s >= 0):
            raise InvalidInputError(f"{self.shift_s}; expected 0 or more", where="shift_s")


def vehicles_of(demand: Demand, day: Day) -> Iterator[tuple[Way, Floats]]:
    """Draw whole vehicles: each way with the departures on it, in s after the window's begin.

    A demand that knows its trips gives them, each as often as its weight and the day's scale say
    on average; one of counts gives vehicles that turn at random by the shares of their slice.
    """
    rng = np.random.default_rng(day.seed)
    last_s = demand.end_s - demand.begin_s
    drawn = _from_trips(demand, day, rng) if demand.trips else _from_counts(demand, day, rng)
    for way, departs_s in drawn:
        if day.shift_s > 0:
            departs_s = departs_s + rng.normal(0.0, day.shift_s, departs_s.size)
            # Who would be shifted out of the window comes in at its other end.
            departs_s = departs_s % last_s
        if departs_s.size:
            yield way, departs_s


def _from_trips(demand: Demand, day: Day, rng: np.random.Generator) -> Iterator[tuple[Way, Floats]]:
    for trips in demand.trips:
        inside = (trips.depart_s >= demand.begin_s) & (trips.depart_s < demand.end_s)
        departs_s = trips.depart_s[inside] - demand.begin_s
        times = np.floor(trips.weight * day.scale + rng.random(departs_s.size)).astype(np.int64)
        yield trips.edges, np.repeat(departs_s, times)


def _from_counts(
    demand: Demand, day: Day, rng: np.random.Generator
) -> Iterator[tuple[Way, Floats]]:
    onward = _onward(demand)
    found: dict[Way, list[float]] = {}
    for edge, counts in sorted(demand.departures.items()):
        for k, count in enumerate(counts):
            vehicles = int(np.floor(count * day.scale + rng.random()))
            begin_s = k * demand.slice_s
            wide_s = min(demand.slice_s, demand.end_s - demand.begin_s - begin_s)
            for _ in range(vehicles):
                way = _wander(edge, k, onward, rng)
                found.setdefault(way, []).append(begin_s + rng.random() * wide_s)
    for way, departs_s in found.items():
        yield way, np.array(departs_s)


def _onward(demand: Demand) -> Mapping[str, tuple[tuple[str, ...], Floats]]:
    """Where drivers go from an edge, "" = they have arrived: places and sums of shares by slice."""
    counts: dict[str, dict[str, Floats]] = {}
    for (edge, to_edge), own in demand.turns.items():
        counts.setdefault(edge, {})[to_edge] = own
    for edge, own in demand.arrivals.items():
        counts.setdefault(edge, {})[""] = own
    found = {}
    for edge, to in counts.items():
        rows = np.array(list(to.values()))
        if not rows.any():
            continue
        # A slice in which nobody was counted turns as the others do.
        rows = rows + 1e-9 * rows.sum(axis=1, keepdims=True)
        found[edge] = (tuple(to), np.cumsum(rows, axis=0) / rows.sum(axis=0))
    return found


def _wander(
    start: str,
    piece: int,
    onward: Mapping[str, tuple[tuple[str, ...], Floats]],
    rng: np.random.Generator,
) -> Way:
    way = [start]
    while len(way) < MOST_EDGES and way[-1] in onward:
        places, sums = onward[way[-1]]
        k = int(np.searchsorted(sums[:, piece], rng.random()))
        place = places[min(k, len(places) - 1)]
        if not place:
            break
        way.append(place)
    return tuple(way)
