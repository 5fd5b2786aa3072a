"""The whole network in arrays: queues, whom they let go first, and where those who leave turn up.

Between signals drivers follow the demand's turn shares over any number of junctions without a
signal; what is left is, for each queue, a list of other queues that its drivers reach, with shares,
travel times and the room that they find on the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traffic.delay.lane_groups import LaneGroup, TurnQueue, lane_groups
from traffic.demand import Demand
from traffic.network import RoadGraph

# What a queue sees in a second.
RED, PROTECTED, YIELDING, AFTER_STOP, YELLOW = 0, 1, 2, 3, 4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# Shares of a queue's drivers that are followed no further, and how many edges at most.
LEAST_SHARE = 0.015
MOST_EDGES = 80
MOST_TRAVEL_S = 400.0


@dataclass(frozen=True, slots=True)
class FlowNetwork:
    """Queues (q), lane groups (g), onward ways (w), signals (s).

    Parameters
    ----------
    signal_ids
        Names of s.
    fixed_code
        What each queue without a signal sees all the time, 0 where a signal decides: (q,). Its
        ``queue_signal`` is one past the last signal.
    groups
        The lane groups in order; their queues follow each other.
    group_first
        First queue of each group and one past the last, (g + 1,).
    group_lanes
        Lanes of each group, (g,).
    queue_signal, queue_link
        Indices, (q,).
    saturation
        Vehicles a second of green of all lanes of the group, (q,).
    start_loss_s, end_gain_s
        (q,).
    foe_first, foe
        Queues that each queue lets go first where it yields: (q + 1,) and their indices.
    way_first, way_to, way_group, way_share, way_lag_s, way_keep
        For each queue its onward ways: (q + 1,), then target queue and its group, share of the
        drivers, delay in whole seconds after which the platoon's head arrives, and the share kept
        back each second by dispersion.
    storage
        Vehicles that fit in a group's lanes on the way from the queues before it, (g,); infinite
        where none is before it.
    edge_m
        Length of each group's approach, (g,).
    from_outside
        Vehicles that reach each queue without passing a signal, (q, slices).
    slice_s
        Width of a slice.
    vehicles
        Trips of the demand.
    flow_veh
        Demand of each queue over the window, (q,).
    stop_loss_s
        Time that slowing down and starting again cost beside the wait, (q,).
    """

    signal_ids: tuple[str, ...]
    fixed_code: NDArray[np.uint8]
    groups: tuple[LaneGroup, ...]
    group_first: Ints
    group_lanes: Floats
    queue_signal: Ints
    queue_link: Ints
    saturation: Floats
    start_loss_s: Floats
    end_gain_s: Floats
    foe_first: Ints
    foe: Ints
    way_first: Ints
    way_to: Ints
    way_group: Ints
    way_share: Floats
    way_lag_s: Ints
    way_keep: Floats
    storage: Floats
    edge_m: Floats
    from_outside: Floats
    slice_s: float
    begin_s: float
    duration_s: int
    vehicles: float
    flow_veh: Floats
    stop_loss_s: Floats

    @property
    def queues(self) -> int:
        """Number of queues."""
        return int(self.queue_signal.size)


def flow_network(graph: RoadGraph, demand: Demand) -> FlowNetwork:
    """Lay a demand out on a network's signals."""
    groups = lane_groups(graph, demand)
    signal_ids = tuple(
        sorted({queue.signal_id for group in groups for queue in group.queues if queue.signal_id})
    )
    signal_at = {key: k for k, key in enumerate(signal_ids)}
    queues = [(g, queue) for g, group in enumerate(groups) for queue in group.queues]
    group_first = np.cumsum([0, *(len(group.queues) for group in groups)])
    of_turn: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for q, (g, queue) in enumerate(queues):
        of_turn.setdefault((groups[g].approach, queue.to_edge), []).append((q, queue.share))
    lanes = np.array([len(group.lanes) for group in groups], dtype=float)
    walker = _Walker(graph, demand, of_turn)
    ways = _ways(walker, graph, groups, queues, demand)
    outside = _from_outside(walker, demand, len(queues))
    foe_first, foe = _foes(graph, queues)
    speed = np.array(
        [graph.edges[groups[g].approach].speed_limit_mps for g, _ in queues], dtype=float
    )
    accel = demand.fleet.accel_mps2
    return FlowNetwork(
        signal_ids=signal_ids,
        fixed_code=np.array(
            [
                0 if queue.signal_id else YIELDING if queue.yields else PROTECTED
                for _, queue in queues
            ],
            dtype=np.uint8,
        ),
        groups=groups,
        group_first=group_first.astype(np.int64),
        group_lanes=lanes,
        queue_signal=np.array(
            [signal_at.get(queue.signal_id or "", len(signal_ids)) for _, queue in queues],
            dtype=np.int64,
        ),
        queue_link=np.array([queue.link_index for _, queue in queues], dtype=np.int64),
        saturation=np.array([lanes[g] / queue.discharge.headway_s for g, queue in queues]),
        start_loss_s=np.array([queue.discharge.start_loss_s for _, queue in queues]),
        end_gain_s=np.array([queue.discharge.end_gain_s for _, queue in queues]),
        foe_first=foe_first,
        foe=foe,
        **ways,
        edge_m=np.array([graph.edges[group.approach].length_m for group in groups], dtype=float),
        from_outside=outside,
        slice_s=demand.slice_s,
        begin_s=demand.begin_s,
        duration_s=round(demand.end_s - demand.begin_s),
        vehicles=demand.vehicles,
        flow_veh=np.array([queue.flow_veh for _, queue in queues]),
        # Against driving through at speed: v/2a each for slowing down (about twice as hard as
        # speeding up) and starting again.
        stop_loss_s=0.75 * speed / accel,
    )


@dataclass(frozen=True, slots=True)
class _Reached:
    """A queue that some drivers reach: share of them, seconds, and room on the way in vehicles."""

    queue: int
    share: float
    travel_s: float
    room_veh: float


class _Walker:
    """Follows drivers from the start of an edge to the next signals, by turn shares."""

    def __init__(
        self,
        graph: RoadGraph,
        demand: Demand,
        of_turn: Mapping[tuple[str, str], list[tuple[int, float]]],
    ) -> None:
        self.graph = graph
        self._demand = demand
        self._of_turn = of_turn
        self._turn_s = {
            (c.from_edge, c.to_edge): c.length_m / c.speed_mps for c in graph.connections
        }
        self._onward: dict[str, list[tuple[str, float]]] = {}
        for (a, b), counts in demand.turns.items():
            self._onward.setdefault(a, []).append((b, float(counts.sum())))
        self._known: dict[str, tuple[_Reached, ...]] = {}

    def from_edge(self, start: str) -> tuple[_Reached, ...]:
        """Queues that drivers who enter an edge reach before any other signal."""
        if start not in self._known:
            self._known[start] = self._walk(start)
        return self._known[start]

    def _walk(self, start: str) -> tuple[_Reached, ...]:
        fleet = self._demand.fleet
        found: dict[int, list[float]] = {}
        front: dict[str, tuple[float, float, float]] = {start: (1.0, 0.0, 0.0)}
        for _ in range(MOST_EDGES):
            after: dict[str, tuple[float, float, float]] = {}
            for edge_id, (share, travel_s, room) in front.items():
                edge = self.graph.edges[edge_id]
                speed = min(edge.speed_limit_mps * fleet.speed_factor, fleet.max_speed_mps)
                travel_s += edge.length_m / speed
                room += edge.length_m * edge.lanes / fleet.space_m
                onward = self._onward.get(edge_id, [])
                ended = self._demand.arrivals.get(edge_id)
                total = sum(x for _, x in onward) + (0.0 if ended is None else float(ended.sum()))
                if total <= 0 or travel_s > MOST_TRAVEL_S:
                    continue
                for to_edge, count in onward:
                    part = share * count / total
                    if part < LEAST_SHARE / 10:
                        continue
                    waiting = self._of_turn.get((edge_id, to_edge))
                    if waiting is not None:
                        for queue, own in waiting:
                            row = found.setdefault(queue, [0.0, 0.0, 0.0])
                            row[0] += part * own
                            row[1] += part * own * travel_s
                            row[2] += part * own * room
                        continue
                    turn_s = self._turn_s.get((edge_id, to_edge), 0.0)
                    old = after.get(to_edge, (0.0, 0.0, 0.0))
                    both = old[0] + part
                    after[to_edge] = (
                        both,
                        (old[0] * old[1] + part * (travel_s + turn_s)) / both,
                        (old[0] * old[2] + part * room) / both,
                    )
            if not after:
                break
            front = after
        kept = {q: row for q, row in sorted(found.items()) if row[0] >= LEAST_SHARE}
        # Those who are followed stand for the others, too.
        lost = sum(row[0] for row in found.values()) / max(
            sum(row[0] for row in kept.values()), LEAST_SHARE
        )
        return tuple(
            _Reached(q, row[0] * lost, row[1] / row[0], row[2] / row[0]) for q, row in kept.items()
        )


def _ways(
    walker: _Walker,
    graph: RoadGraph,
    groups: tuple[LaneGroup, ...],
    queues: Sequence[tuple[int, TurnQueue]],
    demand: Demand,
) -> dict[str, Any]:
    """Onward ways of every queue, and the room on the way to each group."""
    first, to, at, share, lag_s, keep = [0], [], [], [], [], []
    flow = np.zeros(len(groups))
    room = np.zeros(len(groups))
    group_of = [g for g, _ in queues]
    lanes = np.array([len(own.lanes) for own in groups], dtype=float)
    for _, queue in queues:
        for reached in walker.from_edge(queue.to_edge):
            spread_s = demand.fleet.speed_deviation * reached.travel_s
            to.append(reached.queue)
            share.append(reached.share)
            lag_s.append(max(1, round(reached.travel_s - spread_s)))
            keep.append(spread_s / (1 + spread_s))
            g = group_of[reached.queue]
            at.append(g)
            came = queue.flow_veh * reached.share
            flow[g] += came
            part = len(groups[g].lanes) / graph.edges[groups[g].approach].lanes
            room[g] += came * reached.room_veh * min(1.0, part)
        first.append(len(to))
    return {
        "way_first": np.array(first, dtype=np.int64),
        "way_to": np.array(to, dtype=np.int64),
        "way_group": np.array(at, dtype=np.int64),
        "way_share": np.array(share, dtype=float),
        "way_lag_s": np.array(lag_s, dtype=np.int64),
        "way_keep": np.array(keep, dtype=float),
        # Vehicles are whole: a link of one and a half vehicles' length holds one a lane.
        "storage": np.where(
            flow > 0,
            lanes * np.maximum(1.0, np.floor(room / np.where(flow > 0, flow, 1.0) / lanes + 0.05)),
            np.inf,
        ),
    }


def _from_outside(walker: _Walker, demand: Demand, count: int) -> Floats:
    """Vehicles that start their trips, by the queue that they reach first and when."""
    outside = np.zeros((count, demand.slices))
    at = np.arange(demand.slices)
    for edge_id, counts in sorted(demand.departures.items()):
        if counts.sum() <= 0 or edge_id not in walker.graph.edges:
            continue
        for reached in walker.from_edge(edge_id):
            # What would arrive between two slices is shared by both.
            shift = reached.travel_s / demand.slice_s
            whole = int(shift)
            part = shift - whole
            for more, weight in ((whole, 1 - part), (whole + 1, part)):
                keep = at + more < demand.slices
                np.add.at(
                    outside[reached.queue],
                    at[keep] + more,
                    counts[keep] * reached.share * weight,
                )
    return outside


def _foes(graph: RoadGraph, queues: Sequence[tuple[int, TurnQueue]]) -> tuple[Ints, Ints]:
    """Queues whose drivers go first where a queue's drivers must yield."""
    at: dict[int, int] = {}
    for q, (_, queue) in enumerate(queues):
        for k in queue.connections:
            at[k] = q
    first, foe = [0], []
    for q, (_, queue) in enumerate(queues):
        prior = {
            at[other]
            for k in queue.connections
            for other in graph.connections[k].yields_to
            if other in at and at[other] != q
        }
        foe += sorted(prior)
        first.append(len(foe))
    return np.array(first, dtype=np.int64), np.array(foe, dtype=np.int64)
