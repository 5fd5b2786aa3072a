"""Draws a simulated day's vehicles and parkers from a city's modelled demand.

A city directory's ``demand/`` holds, for each period, the trips from segment to segment and the
shortest-path trees that they were assigned to (``NAME-trips.npy``, ``NAME-before.npy``), the
segments with their edges (``segments.json``) and what parkers want (``parkers.json``).
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

VEHICLE_TYPE = "car"
# Krauss' model with its usual urban values; drivers choose speeds around the limit.
VEHICLE = (
    f'<vType id="{VEHICLE_TYPE}" accel="2.6" decel="4.5" sigma="0.5" tau="1.2" minGap="2.5" '
    'length="5" speedFactor="normc(1,0.08,0.8,1.2)"/>'
)


@dataclass(frozen=True, slots=True)
class Parker:
    """A driver bound for a car park: where from, where to in the end, and for how long.

    Times in whole seconds after local midnight; degrees WGS84.
    """

    id: str
    depart_s: int
    from_edge: str
    origin_lon: float
    origin_lat: float
    dest_lon: float
    dest_lat: float
    duration_s: int


@dataclass(frozen=True, slots=True)
class _Trips:
    edges: tuple[tuple[str, ...], ...]
    share: NDArray[np.float64]
    total_vph: float
    before: NDArray[np.int16]


def write_routes(
    city_dir: Path, period: str, seed: int, begin_s: int, end_s: int, path: Path
) -> int:
    """Draw vehicles and write them as a SUMO route file; return how many.

    Departures are Poisson at the period's constant rate; each trip takes the path of one of the
    assignment's loads at random. The same arguments give the same file.
    """
    trips = _trips(city_dir, period)
    rng = _generator("vehicles", period, seed)
    count = int(rng.poisson(trips.total_vph * (end_s - begin_s) / 3600))
    departs = np.sort(rng.uniform(begin_s, end_s, count))
    pairs = rng.choice(len(trips.share), size=count, p=trips.share)
    loads = rng.integers(0, len(trips.before), size=count)
    n = len(trips.edges)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<routes>", f"  {VEHICLE}"]
    for k in range(count):
        edges = _path(trips, int(loads[k]), *divmod(int(pairs[k]), n))
        lines.append(
            f'  <vehicle id="{k}" type="{VEHICLE_TYPE}" depart="{departs[k]:.2f}" '
            f'departLane="best" departSpeed="max"><route edges="{" ".join(edges)}"/></vehicle>'
        )
    lines.append("</routes>\n")
    path.write_text("\n".join(lines), encoding="utf-8")
    return count


def draw_parkers(
    city_dir: Path, period: str, seed: int, begin_s: int, end_s: int
) -> tuple[Parker, ...]:
    """Draw the drivers who want to park, in the order of their departures.

    They start where other trips start; each wants to go to one of the city's destinations, drawn
    by its weight and scattered around it, for a lognormal time.
    """
    wishes = _read(city_dir / "demand" / "parkers.json")
    trips = _trips(city_dir, period)
    rng = _generator("parkers", period, seed)
    rate_vph = wishes["drivers_vph"][period]
    count = int(rng.poisson(rate_vph * (end_s - begin_s) / 3600))
    departs = np.sort(rng.integers(begin_s, end_s, count))
    n = len(trips.edges)
    starts = trips.share.reshape(n, n).sum(axis=1)
    places = wishes["destinations"]
    weights = np.array([place["weight"] for place in places])
    goals = rng.choice(len(places), size=count, p=weights / weights.sum())
    origins = [int(rng.choice(n, p=_nearby(starts, wishes, places[goal]))) for goal in goals]
    scatter = rng.normal(0.0, 1.0, (count, 2))
    durations = np.exp(rng.normal(np.log(wishes["median_stay_s"]), wishes["stay_sigma"], count))
    parkers = []
    for k in range(count):
        lon, lat = wishes["starts_lon_lat"][origins[k]]
        place = places[goals[k]]
        parkers.append(
            Parker(
                id=str(k),
                depart_s=int(departs[k]),
                from_edge=trips.edges[origins[k]][0],
                origin_lon=lon,
                origin_lat=lat,
                dest_lon=place["lon"] + scatter[k, 0] * place["scatter_deg"],
                dest_lat=place["lat"] + scatter[k, 1] * place["scatter_deg"],
                duration_s=int(np.clip(durations[k], 900, 12 * 3600)),
            )
        )
    return tuple(parkers)


def _nearby(
    starts: NDArray[np.float64], wishes: Any, place: Mapping[str, float]
) -> NDArray[np.float64]:
    """Chance of each segment as the start of a trip to a place: the nearer, the likelier."""
    at = np.array(wishes["starts_lon_lat"])
    east_m = (at[:, 0] - place["lon"]) * 88_500.0  # metres a degree at 37.4 degrees north
    north_m = (at[:, 1] - place["lat"]) * 111_000.0
    pull = starts * np.exp(-np.hypot(east_m, north_m) / wishes["origin_decay_m"])
    return np.asarray(pull / pull.sum())


def _generator(what: str, period: str, seed: int) -> Generator:
    """A stream of its own for each purpose and period: one never shifts another."""
    return np.random.default_rng([seed, zlib.crc32(f"{what}/{period}".encode())])


@lru_cache(maxsize=4)
def _trips(city_dir: Path, period: str) -> _Trips:
    folder = city_dir / "demand"
    trips = np.load(folder / f"{period}-trips.npy").astype(np.float64)
    total = float(trips.sum())
    return _Trips(
        edges=tuple(tuple(edges) for edges in _read(folder / "segments.json")),
        share=(trips / total).ravel(),
        total_vph=total,
        before=np.load(folder / f"{period}-before.npy"),
    )


def _path(trips: _Trips, load: int, origin: int, goal: int) -> list[str]:
    """Edges from the origin's segment to the goal's."""
    steps = [goal]
    while steps[-1] != origin:
        steps.append(int(trips.before[load, origin, steps[-1]]))
    return [edge for step in reversed(steps) for edge in trips.edges[step]]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
