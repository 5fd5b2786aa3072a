"""Who drives where: vehicles that start on edges, and how they turn, by slices of time.

Counts are vehicles a slice, at the time at which they would pass without any delay. What a model
needs of the vehicles themselves (how closely they follow each other) is their ``Fleet``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from traffic.errors import InvalidInputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Means over the vehicles of a demand.

    Parameters
    ----------
    space_m
        Length and standing gap of a vehicle, more than 0.
    headway_s
        Time that a driver leaves to the one ahead (tau of Krauss' model), more than 0.
    accel_mps2
        Acceleration, more than 0.
    speed_factor
        Desired speed over the speed limit, more than 0.
    max_speed_mps
        Own top speed, more than 0.
    imperfection
        Krauss' sigma, 0 to 1.
    speed_deviation
        Standard deviation of desired speeds, as a share of the mean, 0 to 1: what spreads platoons.
    """

    space_m: float = 7.5
    headway_s: float = 1.0
    accel_mps2: float = 2.6
    speed_factor: float = 1.0
    max_speed_mps: float = 55.5
    imperfection: float = 0.5
    speed_deviation: float = 0.1

    def __post_init__(self) -> None:
        for name in ("space_m", "headway_s", "accel_mps2", "speed_factor", "max_speed_mps"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(f"{value}; expected more than 0", where=name)
        for name in ("imperfection", "speed_deviation"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InvalidInputError(f"{value}; expected 0 to 1", where=name)


@dataclass(frozen=True, slots=True)
class Trips:
    """Vehicles that drive one way.

    Parameters
    ----------
    edges
        The way, one edge or more.
    depart_s
        When each departs, (n,).
    weight
        Vehicles that each of them stands for, more than 0; less than 1 where drivers choose
        between ways or kinds of vehicles.
    """

    edges: tuple[str, ...]
    depart_s: Floats
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.edges:
            raise InvalidInputError("empty; expected one edge or more", where="edges")
        if not (math.isfinite(self.weight) and self.weight > 0):
            raise InvalidInputError(f"{self.weight}; expected more than 0", where="weight")
        if not np.all(np.isfinite(self.depart_s)):
            raise InvalidInputError("expected finite times", where="depart_s")


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand of a window of time.

    Parameters
    ----------
    begin_s, end_s
        The window, in s after local midnight (or the simulation's zero).
    slice_s
        Width of a slice; ``ceil((end_s - begin_s) / slice_s)`` slices, the last may be shorter.
    departures
        Vehicles that start on an edge, by edge: (slices,).
    turns
        Vehicles that pass from edge to edge: ``(from_edge, to_edge)`` -> (slices,).
    arrivals
        Vehicles that end their trip on an edge, by edge: (slices,).
    vehicles
        Trips that depart within the window.
    fleet
        Means over these vehicles.
    source
        For people: where the figures come from.
    trips
        Every vehicle that departs in the window by its way, where that is known; empty where only
        counts are.
    """

    begin_s: float
    end_s: float
    slice_s: float
    departures: Mapping[str, Floats]
    turns: Mapping[tuple[str, str], Floats]
    arrivals: Mapping[str, Floats]
    vehicles: float
    fleet: Fleet = field(default_factory=Fleet)
    source: str = ""
    trips: tuple[Trips, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.begin_s) and math.isfinite(self.end_s)):
            raise InvalidInputError("expected finite times", where="begin_s")
        if not self.begin_s < self.end_s:
            raise InvalidInputError(
                f"{self.end_s:g}; expected more than begin_s, {self.begin_s:g}", where="end_s"
            )
        if not self.slice_s > 0:
            raise InvalidInputError(f"{self.slice_s}; expected more than 0", where="slice_s")
        for name in ("departures", "turns", "arrivals"):
            for key, counts in getattr(self, name).items():
                if counts.shape != (self.slices,) or not np.all(counts >= 0):
                    raise InvalidInputError(
                        f"expected {self.slices} counts of 0 or more", where=f"{name}[{key!r}]"
                    )
        counted = sum(own.weight * own.depart_s.size for own in self.trips)
        if counted > self.vehicles * (1 + 1e-6) + 1e-6:
            raise InvalidInputError(
                f"{counted:g} vehicles; expected at most {self.vehicles:g}, the count",
                where="trips",
            )

    @property
    def slices(self) -> int:
        """Number of slices."""
        return math.ceil((self.end_s - self.begin_s) / self.slice_s - 1e-9)

    def trips_within(self, begin_s: float, end_s: float) -> tuple[Trips, ...]:
        """Trips that depart from ``begin_s`` to before ``end_s``."""
        found = []
        for own in self.trips:
            inside = (own.depart_s >= begin_s) & (own.depart_s < end_s)
            if inside.any():
                found.append(Trips(own.edges, own.depart_s[inside], own.weight))
        return tuple(found)

    def flow_vph(self, from_edge: str, to_edge: str) -> float:
        """Mean flow of a turn over the window."""
        counts = self.turns.get((from_edge, to_edge))
        return 0.0 if counts is None else float(counts.sum()) * 3600 / (self.end_s - self.begin_s)
