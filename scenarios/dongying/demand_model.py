"""Who drives where: a gravity model on road segments, assigned with capacity restraint.

Everything here is assumed, and said so in the files that it writes; docs/data.md explains it.

1. *Production and attraction* of a segment: its length times a density that falls off around the
   centres of the west and the east city, and a factor for its part of the city and the time of
   day (tidal between west and east); a gate to the world outside counts as a fixed number of
   metres of street.
2. *Gravity model*: trips between two segments fall exponentially with the travel time between
   them (Wilson 1967), balanced to the productions.
3. *Assignment*: successive averages of all-or-nothing loads on shortest paths (method of
   successive averages), travel times by the BPR function.
4. *Scale*: all trips times one factor, so that the busiest crossing reaches a set degree of
   saturation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from scenarios.dongying.junctions import SignalPlan, Turn, approach_id
from scenarios.dongying.streets import OPPOSITE, PROJECTION, StreetPlan
from traffic.network import RoadGraph
from traffic.splits import TurnFlows, flow_ratios, lost_time_s
from traffic.stages import stages_of

Matrix = NDArray[np.float64]

CYCLE_S = 90
ITERATIONS = 8
DECAY_S = 280.0
"""Mean of the gravity model's exponential, s."""
GATE_METRES = 250.0
BPR_ALPHA, BPR_BETA = 0.15, 4.0
LANE_CAPACITY_VPH = 720.0
"""A lane before a signal: 1,800 veh/h for 40% of the time."""
TURN_S = {"l": 28.0, "s": 18.0, "r": 10.0}
CENTRES = ((118.514, 37.457), (118.660, 37.433))
"""银座 and 万达 in the west, 市政府 and 市人民医院 in the east."""
CENTRE_RADIUS_M, EDGE_DENSITY = 1000.0, 0.05
WEST_LON, EAST_LON = 118.555, 118.600


@dataclass(frozen=True, slots=True)
class Period:
    """A time of day.

    Parameters
    ----------
    name, begin_s, end_s
        Seconds after local midnight.
    produce, attract
        Density by part of the city: west, middle, east.
    saturation
        Degree of saturation of the busiest crossing.
    """

    name: str
    begin_s: int
    end_s: int
    produce: tuple[float, float, float]
    attract: tuple[float, float, float]
    saturation: float


PERIODS = (
    Period("morning", 26100, 28800, (1.35, 0.6, 0.85), (0.75, 0.6, 1.35), 0.82),
    Period("midday", 43200, 45900, (1.0, 0.6, 1.0), (1.0, 0.6, 1.0), 0.62),
    Period("evening", 62100, 64800, (0.75, 0.6, 1.35), (1.35, 0.6, 0.85), 0.82),
)


@dataclass(frozen=True, slots=True)
class Demand:
    """A period's trips.

    Parameters
    ----------
    segments
        Segment ids, the index of everything else.
    trips_vph
        From segment to segment, veh/h.
    before
        For each load of the assignment, the segment before each on the way from each origin,
        shape (loads, segments, segments); -9999 = none. Every load carries an equal part.
    turns
        Flow of each turn ``(from_edge, to_edge)``, veh/h.
    """

    segments: tuple[str, ...]
    trips_vph: Matrix
    before: NDArray[np.int16]
    turns: TurnFlows


def model_demand(
    plan: StreetPlan, signals: list[SignalPlan], graph: RoadGraph, period: Period
) -> Demand:
    """Model one period."""
    net = _Net.of(plan, signals)
    scale_vph = 12_000.0
    for _ in range(6):
        trips, before, turns = _assign(net, period, scale_vph)
        flows = TurnFlows(net.turn_flows(turns))
        busiest = max(saturation(graph, key, flows) for key in graph.signals)
        if abs(busiest / period.saturation - 1) < 0.004:
            break
        scale_vph *= period.saturation / busiest
    return Demand(net.segments, trips, before, flows)


def saturation(graph: RoadGraph, signal_id: str, flows: TurnFlows) -> float:
    """Degree of saturation of a signal at the scenario's cycle with the best splits: Y C/(C-L)."""
    stages = stages_of(graph.signals[signal_id])
    total = sum(flow_ratios(graph, signal_id, stages, flows))
    return total * CYCLE_S / (CYCLE_S - lost_time_s(stages))


@dataclass(frozen=True, slots=True)
class _Net:
    """The street plan as arrays; turns are arcs between segments."""

    segments: tuple[str, ...]
    free_s: Matrix
    capacity_vph: Matrix
    metres: Matrix
    part: NDArray[np.int64]
    starts: NDArray[np.bool_]
    ends: NDArray[np.bool_]
    arc_from: NDArray[np.int64]
    arc_to: NDArray[np.int64]
    arc_s: Matrix
    names: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, plan: StreetPlan, signals: list[SignalPlan]) -> "_Net":
        segments = tuple(plan.segments)
        index = {key: k for k, key in enumerate(segments)}
        rows = [plan.segments[key] for key in segments]
        at_signal: dict[str, list[Turn]] = {
            turn.from_edge: [] for signal in signals for turn in signal.turns
        }
        for signal in signals:
            for turn in signal.turns:
                at_signal.setdefault(turn.from_edge, []).append(turn)
        arcs: list[tuple[int, int, float, tuple[str, str]]] = []
        for segment in rows:
            edge = approach_id(plan, segment)
            if plan.nodes[segment.to_node].kind == "signal":
                arcs += [
                    (index[segment.id], index[t.to_edge], TURN_S[t.kind], (edge, t.to_edge))
                    for t in at_signal.get(edge, [])
                ]
                continue
            for side, after in plan.out_of(segment.to_node).items():
                if side != segment.to_side:
                    cost_s = 3.0 if side == OPPOSITE[segment.to_side] else 8.0
                    arcs.append((index[segment.id], index[after.id], cost_s, (edge, after.id)))
        length = np.array([plan.length_m(s) for s in rows])
        speed = np.array([s.speed_kmh / 3.6 for s in rows])
        gate_out = np.array([plan.nodes[s.from_node].kind == "gate" for s in rows])
        gate_in = np.array([plan.nodes[s.to_node].kind == "gate" for s in rows])
        outside = np.array([not _inside(plan, s.from_node, s.to_node) for s in rows])
        middle_x = np.array(
            [(plan.nodes[s.from_node].x_m + plan.nodes[s.to_node].x_m) / 2 for s in rows]
        )
        lon = _longitudes(plan, middle_x)
        part = np.where(lon < WEST_LON, 0, np.where(lon < EAST_LON, 1, 2))
        # Long links run through fields: they house no more than a kilometre of street does.
        middle_y = np.array(
            [(plan.nodes[s.from_node].y_m + plan.nodes[s.to_node].y_m) / 2 for s in rows]
        )
        street = np.where(outside, 0, np.minimum(length, 1000)) * _density(middle_x, middle_y)
        metres = np.where(gate_out | gate_in, GATE_METRES, street)
        return cls(
            segments=segments,
            free_s=length / speed,
            capacity_vph=np.array([s.lanes for s in rows]) * LANE_CAPACITY_VPH,
            metres=metres,
            part=part,
            starts=~gate_in,
            ends=~gate_out,
            arc_from=np.array([a[0] for a in arcs]),
            arc_to=np.array([a[1] for a in arcs]),
            arc_s=np.array([a[2] for a in arcs]),
            names=tuple(a[3] for a in arcs),
        )

    def turn_flows(self, flows_vph: Matrix) -> Mapping[tuple[str, str], float]:
        """Name the flows of the arcs."""
        return {name: float(flow) for name, flow in zip(self.names, flows_vph, strict=True)}

    def times(self, load_vph: Matrix) -> Matrix:
        """Seconds from entering a segment to entering the next, for each arc."""
        delay = 1 + BPR_ALPHA * (load_vph / self.capacity_vph) ** BPR_BETA
        return np.asarray((self.free_s * delay)[self.arc_from] + self.arc_s)


def _inside(plan: StreetPlan, *nodes: str) -> bool:
    """Whether a segment lies between crossings or on a local stub."""
    return all(plan.nodes[node].kind in {"signal", "local"} for node in nodes)


def _density(x_m: Matrix, y_m: Matrix) -> Matrix:
    """Density of the dumbbell: it falls off around the centres of the west and the east city."""
    projection = pyproj.Proj(PROJECTION)
    density = np.full(len(x_m), EDGE_DENSITY)
    for lon, lat in CENTRES:
        at_x_m, at_y_m = projection(lon, lat)
        away_m = np.hypot(x_m - at_x_m, y_m - at_y_m)
        density = np.maximum(density, np.exp(-((away_m / CENTRE_RADIUS_M) ** 2) / 2))
    return density


def _longitudes(plan: StreetPlan, x_m: Matrix) -> Matrix:
    """Longitude of an easting in the city: linear is near enough to tell its parts apart."""
    west, east = plan.nodes["xisi-huanghe"], plan.nodes["dengzhou-huanghe"]
    share = (x_m - west.x_m) / (east.x_m - west.x_m)
    return np.asarray(118.48353 + share * (118.67524 - 118.48353))


def _assign(
    net: _Net, period: Period, scale_vph: float
) -> tuple[Matrix, NDArray[np.int16], Matrix]:
    n = len(net.segments)
    load, turns = np.zeros(n), np.zeros(len(net.arc_from))
    arc_of = np.full((n, n), -1)
    arc_of[net.arc_from, net.arc_to] = np.arange(len(net.arc_from))
    befores = []
    trips = np.zeros((n, n))
    for k in range(ITERATIONS):
        graph = csr_matrix((net.times(load), (net.arc_from, net.arc_to)), shape=(n, n))
        dist, before = dijkstra(graph, return_predecessors=True)
        if k == 0:
            # Travel times without traffic decide who goes where: one matrix for all loads.
            trips = _gravity(net, period, dist) * scale_vph
        befores.append(before.astype(np.int16))
        new_load, new_turns = _load(trips, dist, before, arc_of, len(turns))
        share = 1 / (k + 1)
        load += (new_load - load) * share
        turns += (new_turns - turns) * share
    return trips, np.stack(befores), turns


def _gravity(net: _Net, period: Period, dist: Matrix) -> Matrix:
    """Shares of all trips, summing to 1; none shorter than two links."""
    produce = net.metres * np.array(period.produce)[net.part] * net.starts
    attract = net.metres * np.array(period.attract)[net.part] * net.ends
    pull = np.exp(-np.where(np.isfinite(dist), dist, np.inf) / DECAY_S) * attract
    pull[dist < 90.0] = 0.0
    np.fill_diagonal(pull, 0.0)
    rows = pull.sum(axis=1, keepdims=True)
    trips = produce[:, None] * np.divide(pull, rows, out=np.zeros_like(pull), where=rows > 0)
    return np.asarray(trips / trips.sum())


def _load(
    trips: Matrix,
    dist: Matrix,
    before: NDArray[np.int32],
    arc_of: NDArray[np.int64],
    arcs: int,
) -> tuple[Matrix, Matrix]:
    """Load every trip on its shortest path.

    All origins' trees are gone through at once, each from its far end inwards: what reaches a
    segment has then been gathered there before it is handed on to the segment before.
    """
    n = len(trips)
    load, turns = np.zeros(n), np.zeros(arcs)
    origins = np.arange(n)
    through = np.where(np.isfinite(dist), trips, 0.0)
    inwards = np.argsort(-np.where(np.isfinite(dist), dist, -np.inf), axis=1, kind="stable")
    for node in inwards.T:
        flow = through[origins, node]
        np.add.at(load, node, flow)
        parent = before[origins, node]
        reached = parent >= 0
        through[origins[reached], parent[reached]] += flow[reached]
        np.add.at(turns, arc_of[parent[reached], node[reached]], flow[reached])
    return load, turns
