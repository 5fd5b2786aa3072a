"""The question as the solvers see it: plain arrays, one road after the other.

Shares of the cycle and seconds; nothing here is chosen yet. z = 1 / cycle.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from traffic.bandwidth.corridor import Corridor, Direction, Pattern, Range
from traffic.bandwidth.network import Network, NetworkCorridor
from traffic.errors import InvalidInputError

Floats = NDArray[np.float64]
Method = Literal["maxband", "multiband", "amband"]

METHODS: tuple[Method, ...] = ("maxband", "multiband", "amband")
# A green of the whole cycle never binds: its phase is free.
ALWAYS_GREEN = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Road:
    """One corridor in arrays.

    Parameters
    ----------
    id
        Of the corridor.
    green_out, green_in
        Shares, (n,).
    queue_out_s, queue_in_s
        Clearance times, (n,); 0 at each direction's first signal.
    patterns
        For each signal its permitted patterns; those that place the greens alike are named once.
    starts
        For each signal and pattern, when the outbound and the inbound green begin after the
        block's start, in cycles.
    length_m
        (n - 1,).
    fast_out_s, slow_out_s, fast_in_s, slow_in_s
        Least and largest travel time of each link, (n - 1,).
    change_s_per_m
        Largest change of slowness between neighbouring links; infinite = any.
    direction, inbound_weight
        As in the corridor.
    weight_out, weight_in
        Of each link's band in the multi-band methods, including ``inbound_weight`` and 1/(n - 1).
    weight
        Of the whole road.
    junction
        For each signal, the index of its junction.
    block
        For each signal, when the road's block starts after the junction's cycle start, in cycles.
    """

    id: str
    green_out: Floats
    green_in: Floats
    queue_out_s: Floats
    queue_in_s: Floats
    patterns: tuple[tuple[Pattern, ...], ...]
    starts: tuple[tuple[tuple[float, float], ...], ...]
    length_m: Floats
    fast_out_s: Floats
    slow_out_s: Floats
    fast_in_s: Floats
    slow_in_s: Floats
    change_s_per_m: float
    direction: Direction
    inbound_weight: float
    weight_out: Floats
    weight_in: Floats
    weight: float
    junction: tuple[int, ...]
    block: tuple[float, ...]

    @property
    def n(self) -> int:
        """Number of signals."""
        return len(self.junction)

    @property
    def counts(self) -> tuple[bool, bool]:
        """Whether the outbound and the inbound direction count."""
        return self.direction != "in", self.direction != "out"

    @property
    def speeds_fixed(self) -> bool:
        """Whether every link has one speed in either direction."""
        return bool(
            np.array_equal(self.fast_out_s, self.slow_out_s)
            and np.array_equal(self.fast_in_s, self.slow_in_s)
        )

    def value(self, band_out: float, band_in: float) -> float:
        """MAXBAND's objective, b + k bb under the ratio of both, of bands this wide (cycles)."""
        k = self.inbound_weight
        if self.direction == "out":
            return band_out
        if self.direction == "in":
            return band_in
        if k == 1:
            return 2 * min(band_out, band_in)
        if k > 1:
            band_in = min(band_in, k * band_out)
        elif k > 0:
            band_out = min(band_out, band_in / k)
        return band_out + k * band_in


@dataclass(frozen=True, slots=True)
class Problem:
    """Roads with one cycle; signals with the same junction index share its offset."""

    method: Method
    cycle_s: Range
    roads: tuple[Road, ...]
    junctions: tuple[str, ...]

    @property
    def z(self) -> tuple[float, float]:
        """Range of 1 / cycle."""
        return 1 / self.cycle_s.high, 1 / self.cycle_s.low

    def shared(self) -> dict[int, list[tuple[int, int]]]:
        """Junctions that two roads or more use: their (road, signal) pairs."""
        users: dict[int, list[tuple[int, int]]] = {}
        for r, road in enumerate(self.roads):
            for i, junction in enumerate(road.junction):
                users.setdefault(junction, []).append((r, i))
        return {key: members for key, members in users.items() if len(members) > 1}


def corridor_problem(corridor: Corridor, method: Method, cycle_s: Range | None) -> Problem:
    """Lay out a corridor that is solved alone."""
    cycle = cycle_s if cycle_s is not None else corridor.cycle_s
    if cycle is None:
        raise InvalidInputError("expected a cycle", where="cycle_s")
    road = road_of(
        corridor, 1.0, tuple(range(len(corridor.signals))), (0.0,) * len(corridor.signals)
    )
    return Problem(method, cycle, (road,), tuple(signal.id for signal in corridor.signals))


def network_problem(network: Network, method: Method, cycle_s: Range | None) -> Problem:
    """Lay out a network."""
    index = {key: k for k, key in enumerate(network.users())}
    shares = {
        (junction.id, block.corridor): block.start_share
        for junction in network.junctions
        for block in junction.blocks
    }

    def road(item: NetworkCorridor) -> Road:
        corridor = item.corridor
        ids = [signal.id for signal in corridor.signals]
        blocks = tuple(shares.get((key, corridor.id), 0.0) for key in ids)
        return road_of(corridor, item.weight, tuple(index[key] for key in ids), blocks)

    roads = tuple(road(item) for item in network.corridors)
    return Problem(method, cycle_s or network.cycle_s, roads, tuple(index))


def road_of(
    corridor: Corridor, weight: float, junction: tuple[int, ...], block: tuple[float, ...]
) -> Road:
    """Lay one road out; ``junction`` and ``block`` are those of its signals, as in ``Road``."""
    signals = corridor.signals
    n = len(signals)
    links = range(n - 1)
    length_m = np.array(corridor.lengths_m)
    queue_out_s = np.array([signal.queue_out_s for signal in signals])
    queue_in_s = np.array([signal.queue_in_s for signal in signals])
    queue_out_s[0] = queue_in_s[-1] = 0.0
    places: list[dict[tuple[float, float], Pattern]] = []
    for signal in signals:
        place: dict[tuple[float, float], Pattern] = {}
        for pattern in signal.patterns:
            place.setdefault(signal.starts(pattern), pattern)
        places.append(place)
    weights = np.array([corridor.link_weights(k) for k in links]).reshape(n - 1, 2) / (n - 1)
    out_counts, in_counts = corridor.direction != "in", corridor.direction != "out"
    k = corridor.inbound_weight if corridor.direction == "both" else 1.0
    change = corridor.slowness_change_s_per_m
    return Road(
        id=corridor.id,
        green_out=np.array([signal.green_out for signal in signals]),
        green_in=np.array([signal.green_in for signal in signals]),
        queue_out_s=queue_out_s,
        queue_in_s=queue_in_s,
        patterns=tuple(tuple(place.values()) for place in places),
        starts=tuple(tuple(place) for place in places),
        length_m=length_m,
        fast_out_s=length_m / [corridor.speed_out(j).high for j in links],
        slow_out_s=length_m / [corridor.speed_out(j).low for j in links],
        fast_in_s=length_m / [corridor.speed_in(j).high for j in links],
        slow_in_s=length_m / [corridor.speed_in(j).low for j in links],
        change_s_per_m=math.inf if change is None else change,
        direction=corridor.direction,
        inbound_weight=corridor.inbound_weight,
        weight_out=weights[:, 0] * out_counts,
        weight_in=weights[:, 1] * k * in_counts,
        weight=weight,
        junction=junction,
        block=block,
    )


def travel_sums(times_s: Floats) -> Floats:
    """Running sums from the first signal on, (n,)."""
    return np.array([0.0, *itertools.accumulate(times_s)])
