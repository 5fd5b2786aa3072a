"""Vehicles of a day laid out for the vehicle-by-vehicle model: what they pass, where they wait.

A trip is a chain of *passages*: the stop lines that it crosses, each with the lanes that suit the
way ahead, the free travel time from the stop line before, and the queue of the flow network whose
signal and foes are its own. Passages with the same choices are of one *kind*.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from traffic.delay.flow_network import Floats, FlowNetwork, Ints
from traffic.delay.trip_lanes import LaneChoice, Way
from traffic.delay.trip_samples import Day, vehicles_of
from traffic.demand import Demand
from traffic.network import RoadGraph

# A lane with no stop line behind it is as long as anybody needs.
ENDLESS = 1_000_000
# How far back, in s a vehicle, a place that comes free at the front of a queue is seen.
HOLE_S = 1.2
# Room that a moving vehicle takes inside a junction.
MOVING_M = 12.0
# On links from this length on drivers still change lanes; of such a link's room so much is used by
# queues in single lanes before they close it.
CHANGE_M, CHANGE_SHARE = 50.0, 0.85
# Bounds of a driver's own pace, as shares of the mean's.
PACES = (0.75, 1.3)


class TripTable(NamedTuple):
    """Kinds of passages (k), their choices (c), vehicles (v), passages (p), lanes (l), edges (e).

    A tuple, because compiled code takes it as it is.

    Parameters
    ----------
    kind_first, kind_lane, kind_queue, kind_to
        For each kind its choices: (k + 1,), then lane, queue of the flow network and the lane
        behind the junction, (c,).
    trip_first, depart_s, pace
        First passage of each vehicle and one past the last, (v + 1,); departure after the window's
        begin, in order; its free travel times over the mean driver's, (v,).
    passage_kind, passage_s, passage_edge_s
        Of each passage its kind, the mean driver's time from the stop line before, or the start,
        and the part of it on the last edge, (p,).
    lane_room, lane_extra, lane_hole_s
        Vehicles that may stand on each lane from the stop lines before it on, further ones that
        may be moving inside the junction there, and the time that a free place takes to get from
        the lane's front to its rear, (l,).
    lane_edge, edge_room
        Edge of each lane, (l,), and vehicles on it up to which its lanes stand in for each other,
        (e,).
    """

    kind_first: Ints
    kind_lane: Ints
    kind_queue: Ints
    kind_to: Ints
    trip_first: Ints
    depart_s: Floats
    pace: Floats
    passage_kind: Ints
    passage_s: Floats
    passage_edge_s: Floats
    lane_room: Ints
    lane_extra: Ints
    lane_hole_s: Floats
    lane_edge: Ints
    edge_room: Ints

    @property
    def vehicles(self) -> int:
        """Number of vehicles."""
        return int(self.depart_s.size)

    def lanes_of_queues(self, queues: int) -> tuple[Ints, Ints]:
        """Lanes on which each queue's vehicles wait: (queues + 1,) and their indices."""
        pairs = np.unique(np.stack([self.kind_queue, self.kind_lane]), axis=1)
        first = np.searchsorted(pairs[0], np.arange(queues + 1))
        return first.astype(np.int64), pairs[1].astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Passage:
    kind: int
    since_s: float
    edge_s: float


class TripLayout:
    """Lays days of a demand out on a network's stop lines; all share lanes and kinds."""

    def __init__(self, graph: RoadGraph, demand: Demand, network: FlowNetwork) -> None:
        self._graph = graph
        self._demand = demand
        self._choice = LaneChoice(graph)
        self._queue_of: dict[tuple[str, int, str], int] = {}
        queues = ((group, queue) for group in network.groups for queue in group.queues)
        for q, (group, queue) in enumerate(queues):
            for lane in group.lanes:
                self._queue_of[group.approach, lane, queue.to_edge] = q
        self._approaches = {group.approach for group in network.groups}
        self._lanes: dict[tuple[str, int], int] = {}
        self._targets: dict[tuple[str, int], int] = {}
        self._kinds: dict[tuple[tuple[int, int, int], ...], int] = {}
        self._chains: dict[Way, tuple[_Passage, ...]] = {}
        # Of each approach: metres from the stop lines before it, and across the junction there.
        self._stretch_m: dict[str, float] = {}
        self._crossing_m: dict[str, float] = {}

    def tables(self, days: tuple[Day, ...]) -> tuple[TripTable, ...]:
        """Draw the days; only vehicles that pass a stop line are in them."""
        drawn = [self._drawn(day) for day in days]
        # Only now are all lanes and kinds known.
        shared = self._shared()
        return tuple(TripTable(**own, **shared) for own in drawn)

    def _drawn(self, day: Day) -> dict[str, Any]:
        chains: list[tuple[_Passage, ...]] = []
        departs: list[Floats] = []
        numbers: list[Ints] = []
        for way, departs_s in vehicles_of(self._demand, day):
            chain = self._chain(way)
            if chain:
                numbers.append(np.full(departs_s.size, len(chains), dtype=np.int64))
                chains.append(chain)
                departs.append(departs_s)
        depart_s = np.concatenate([np.zeros(0), *departs])
        order = np.argsort(depart_s, kind="stable")
        chain_of = np.concatenate([np.zeros(0, dtype=np.int64), *numbers])[order]
        lengths = np.array([len(chain) for chain in chains], dtype=np.int64)
        begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        counts = lengths[chain_of] if chains else np.zeros(0, dtype=np.int64)
        trip_first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        # Each vehicle has its own copy of its chain's passages.
        at = np.arange(int(trip_first[-1])) + np.repeat(begins[chain_of] - trip_first[:-1], counts)
        flat = [passage for chain in chains for passage in chain]
        deviation = self._demand.fleet.speed_deviation
        # Paces must not change the draws of the vehicles themselves.
        speeds = np.random.default_rng((day.seed, 1)).normal(1.0, deviation, order.size)
        return {
            "trip_first": trip_first,
            "depart_s": depart_s[order],
            "pace": np.clip(1 / np.maximum(speeds, 0.1), *PACES),
            "passage_kind": np.array([p.kind for p in flat], dtype=np.int64)[at],
            "passage_s": np.array([p.since_s for p in flat], dtype=float)[at],
            "passage_edge_s": np.array([p.edge_s for p in flat], dtype=float)[at],
        }

    def _shared(self) -> dict[str, Any]:
        lanes = len(self._lanes)
        edges = {edge: k for k, edge in enumerate(dict.fromkeys(edge for edge, _ in self._lanes))}
        room = np.full(lanes, ENDLESS, dtype=np.int64)
        extra = np.zeros(lanes, dtype=np.int64)
        lane_edge = np.zeros(lanes, dtype=np.int64)
        edge_room = np.zeros(len(edges))
        space_m = self._demand.fleet.space_m
        for (edge, _), lane in self._lanes.items():
            lane_edge[lane] = edges[edge]
            stretch_m = self._stretch_m.get(edge)
            if stretch_m is None:
                continue
            room[lane] = max(1, math.floor(stretch_m / space_m + 0.05))
            extra[lane] = 1 + round(self._crossing_m[edge] / MOVING_M)
            if stretch_m >= CHANGE_M:
                edge_room[edges[edge]] += CHANGE_SHARE * room[lane]
        choices = list(self._kinds)
        flat = np.array([c for own in choices for c in own], dtype=np.int64).reshape(-1, 3)
        return {
            "kind_first": np.cumsum([0, *(len(own) for own in choices)]).astype(np.int64),
            "kind_lane": flat[:, 0].copy(),
            "kind_queue": flat[:, 1].copy(),
            "kind_to": flat[:, 2].copy(),
            "lane_room": room,
            "lane_extra": extra,
            "lane_hole_s": np.where(room < ENDLESS, room * HOLE_S, 0.0),
            "lane_edge": lane_edge,
            "edge_room": np.round(edge_room).astype(np.int64),
        }

    def _chain(self, way: Way) -> tuple[_Passage, ...]:
        if way not in self._chains:
            self._chains[way] = tuple(self._passages(way))
        return self._chains[way]

    def _passages(self, way: Way) -> list[_Passage]:
        fleet = self._demand.fleet
        found: list[_Passage] = []
        since_s = stretch_m = crossing_m = 0.0
        for k, edge in enumerate(way[:-1]):
            road = self._graph.edges[edge]
            speed_mps = min(road.speed_limit_mps * fleet.speed_factor, fleet.max_speed_mps)
            edge_s = road.length_m / speed_mps
            since_s += edge_s
            stretch_m += road.length_m
            turn = self._choice.turn(edge, way[k + 1])
            kind = self._kind(way, k) if edge in self._approaches else None
            across = next(iter(turn.values()))[0] if turn else None
            if kind is not None:
                if found:
                    self._keep_stretch(edge, stretch_m, crossing_m)
                found.append(_Passage(kind, since_s, edge_s))
                since_s = stretch_m = 0.0
                crossing_m = 0.0 if across is None else across.length_m
            if across is not None:
                since_s += across.length_m / across.speed_mps
        return found

    def _keep_stretch(self, edge: str, stretch_m: float, crossing_m: float) -> None:
        """Of several ways to an approach the shortest counts: there a queue ends first."""
        self._stretch_m[edge] = min(self._stretch_m.get(edge, math.inf), stretch_m)
        self._crossing_m[edge] = max(self._crossing_m.get(edge, 0.0), crossing_m)

    def _kind(self, way: Way, k: int) -> int | None:
        """What a driver may choose at a stop line; None where nobody waits for this turn."""
        edge, after = way[k], way[k + 1]
        suited = self._choices(way, k, self._choice.lanes(way, k))
        choices = suited or self._choices(way, k, tuple(self._choice.turn(edge, after)))
        return self._kinds.setdefault(choices, len(self._kinds)) if choices else None

    def _choices(
        self, way: Way, k: int, lanes: tuple[int, ...]
    ) -> tuple[tuple[int, int, int], ...]:
        found = []
        for lane in lanes:
            queue = self._queue_of.get((way[k], lane, way[k + 1]))
            if queue is not None:
                at = self._lanes.setdefault((way[k], lane), len(self._lanes))
                target = (way[k + 1], self._choice.target(way, k, lane))
                found.append((at, queue, self._targets.setdefault(target, len(self._targets))))
        return tuple(found)
