"""Queues at stop lines: lanes of an approach whose drivers may go the same ways wait together.

An approach is an edge at whose end a signal controls turns, or at which drivers without a signal
let others go first, or are let go first: at such junctions the waiting depends on the gaps that
signals before them leave. Its lanes are grouped by the turns that they allow and by when they are
green; each turn's demand is shared out among the groups that serve it, so that the fullest group
is as empty as possible, as drivers who choose their lanes would.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traffic.delay.discharge import Discharge, discharge
from traffic.demand import Demand
from traffic.network import Connection, RoadGraph

# A yielding turn holds its lane for longer than its own headway.
YIELD_WEIGHT = 2.5
LEVELLING_ROUNDS = 40
# Gaps in s that a yielding driver takes at a signal, and without one where he has to stop first.
# Fitted to SUMO's junctions; HCM has 4.5 for permissive lefts, 6.2 to 7.1 from minor roads.
CRITICAL_GAP_S, CRITICAL_GAP_OPEN_S = 5.0, 8.5
# Behind a junction drivers keep their lane over a shorter edge than this.
SHORT_M = 50.0
# Without a signal, ways that yield are modelled from this degree of saturation on.
LEAST_CROSSING_LOAD = 0.12


@dataclass(frozen=True, slots=True)
class TurnQueue:
    """The drivers of one turn who wait in one lane group.

    Parameters
    ----------
    to_edge
        Where they go.
    signal_id, link_index
        The signal, and the character of its state, that lets them go; None and -1 without one.
    yields
        Without a signal: whether others go first.
    connections
        Indices of ``RoadGraph.connections``, a lane each.
    flow_veh
        Demand over the window.
    share
        Of the turn's whole demand.
    discharge
        Of one lane.
    """

    to_edge: str
    signal_id: str | None
    link_index: int
    yields: bool
    connections: tuple[int, ...]
    flow_veh: float
    share: float
    discharge: Discharge


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Lanes of an approach that share the same turns; each lane is one line of drivers."""

    approach: str
    lanes: tuple[int, ...]
    queues: tuple[TurnQueue, ...]


def lane_groups(graph: RoadGraph, demand: Demand) -> tuple[LaneGroup, ...]:
    """Group the lanes of every approach that a signal controls; turns without demand are left out.

    Returns
    -------
    tuple of LaneGroup
        Ordered by approach.
    """
    chosen = _waiting_approaches(graph, demand)
    by_approach: dict[str, list[int]] = {}
    for k, connection in enumerate(graph.connections):
        if connection.from_edge in chosen and _used(demand, connection):
            by_approach.setdefault(connection.from_edge, []).append(k)
    groups: list[LaneGroup] = []
    for approach, indices in sorted(by_approach.items()):
        groups += _groups_of(graph, demand, approach, indices)
    return tuple(groups)


def _used(demand: Demand, connection: Connection) -> bool:
    return demand.flow_vph(connection.from_edge, connection.to_edge) > 0


def is_controlled(graph: RoadGraph, connection: Connection) -> bool:
    """Whether a road signal controls a connection."""
    signal = graph.signals.get(connection.signal_id or "")
    return signal is not None and signal.kind == "road"


def _waiting_approaches(graph: RoadGraph, demand: Demand) -> set[str]:
    """Edges at whose ends drivers may have to wait, or are waited for."""
    found: set[str] = set()
    for connection in graph.connections:
        if not _used(demand, connection):
            continue
        if is_controlled(graph, connection):
            found.add(connection.from_edge)
            continue
        waited_for = [
            other
            for other in (graph.connections[k] for k in connection.yields_to)
            if _used(demand, other)
        ]
        if _crossing_load(demand, connection, waited_for) >= LEAST_CROSSING_LOAD:
            found.add(connection.from_edge)
            found.update(other.from_edge for other in waited_for)
    return found


def _crossing_load(
    demand: Demand, connection: Connection, waited_for: Sequence[Connection]
) -> float:
    """Degree of saturation of a way that yields to random traffic (HCM's potential capacity)."""
    turns = {(other.from_edge, other.to_edge) for other in waited_for}
    prior_vps = sum(demand.flow_vph(*turn) for turn in turns) / 3600
    own_vps = demand.flow_vph(connection.from_edge, connection.to_edge) / 3600
    if prior_vps <= 0:
        return 0.0
    follow_s = discharge(demand.fleet, connection.speed_mps).headway_s
    gaps = prior_vps * math.exp(-prior_vps * CRITICAL_GAP_OPEN_S)
    return own_vps * (1 - math.exp(-prior_vps * follow_s)) / gaps


def _groups_of(
    graph: RoadGraph, demand: Demand, approach: str, indices: Sequence[int]
) -> list[LaneGroup]:
    def shown(k: int) -> str:
        """What a connection sees over all programs; lanes that see the same may be grouped."""
        connection = graph.connections[k]
        if not is_controlled(graph, connection):
            return "-" if _yields(graph, demand, k) else "+"
        programs = graph.signals[connection.signal_id or ""].programs
        return "".join(p.state[connection.link_index] for own in programs for p in own.phases)

    lanes: dict[int, dict[str, int]] = {}
    for k in indices:
        connection = graph.connections[k]
        # A lane that leads to two lanes of an edge is one way for a queue.
        lanes.setdefault(connection.from_lane, {}).setdefault(connection.to_edge, k)
    alike: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for lane, turns in sorted(lanes.items()):
        key = tuple(sorted((to_edge, shown(k)) for to_edge, k in turns.items()))
        alike.setdefault(key, []).append(lane)
    served = [(tuple(own), lanes[own[0]]) for own in alike.values()]
    flows = {
        to_edge: float(demand.turns[approach, to_edge].sum())
        for _, turns in served
        for to_edge in turns
    }
    splits = _levelled(graph, demand, served, flows, _lane_shares(graph, demand, served, flows))
    return [
        LaneGroup(
            approach,
            own,
            tuple(
                TurnQueue(
                    to_edge=to_edge,
                    signal_id=graph.connections[k].signal_id
                    if is_controlled(graph, graph.connections[k])
                    else None,
                    link_index=graph.connections[k].link_index,
                    yields=_yields(graph, demand, k),
                    connections=tuple(lanes[lane][to_edge] for lane in own),
                    flow_veh=split[to_edge],
                    share=split[to_edge] / flows[to_edge],
                    discharge=discharge(demand.fleet, graph.connections[k].speed_mps),
                )
                for to_edge, k in sorted(turns.items())
                if split[to_edge] > 0
            ),
        )
        for (own, turns), split in zip(served, splits, strict=True)
        if any(split[to_edge] > 0 for to_edge in turns)
    ]


def _yields(graph: RoadGraph, demand: Demand, k: int) -> bool:
    prior = (graph.connections[other] for other in graph.connections[k].yields_to)
    return any(_used(demand, other) for other in prior)


def _lane_shares(
    graph: RoadGraph,
    demand: Demand,
    served: Sequence[tuple[tuple[int, ...], Mapping[str, int]]],
    flows: Mapping[str, float],
) -> dict[str, list[float]]:
    """How a turn's drivers share its groups where the edge behind is too short to change lanes.

    They take the lane from which their next turn is possible.
    """
    shares: dict[str, list[float]] = {}
    for to_edge in flows:
        if graph.edges[to_edge].length_m >= SHORT_M:
            continue
        # For each group its lanes' lanes behind the junction.
        behind = [
            [
                c.to_lane
                for c in graph.connections_from(_approach(graph, turns))
                if c.to_edge == to_edge and c.from_lane in own
            ]
            if to_edge in turns
            else []
            for own, turns in served
        ]
        weight = [0.0] * len(served)
        for movement in graph.movements_from(to_edge):
            onward = demand.flow_vph(to_edge, movement.to_edge)
            able = [
                len([lane for lane in lanes if lane in movement.from_lanes]) for lanes in behind
            ]
            if onward > 0 and any(able):
                for g, count in enumerate(able):
                    weight[g] += onward * count / sum(able)
        if sum(weight) > 0:
            shares[to_edge] = [w / sum(weight) for w in weight]
    return shares


def _approach(graph: RoadGraph, turns: Mapping[str, int]) -> str:
    return graph.connections[next(iter(turns.values()))].from_edge


def _levelled(
    graph: RoadGraph,
    demand: Demand,
    served: Sequence[tuple[tuple[int, ...], Mapping[str, int]]],
    flows: Mapping[str, float],
    given: Mapping[str, Sequence[float]],
) -> list[dict[str, float]]:
    """Share each turn's flow out among groups until the groups that it uses are equally full."""

    def cost(group: int, to_edge: str) -> float:
        own, turns = served[group]
        connection = graph.connections[turns[to_edge]]
        weight = YIELD_WEIGHT if connection.direction in {"l", "L", "t"} else 1.0
        return weight * discharge(demand.fleet, connection.speed_mps).headway_s / len(own)

    options = {
        to_edge: [g for g, (_, turns) in enumerate(served) if to_edge in turns] for to_edge in flows
    }
    costs = {(g, t): cost(g, t) for t, groups in options.items() for g in groups}
    split = [dict.fromkeys(turns, 0.0) for _, turns in served]
    for to_edge, groups in options.items():
        shares = given.get(to_edge)
        for g in groups:
            part = 1 / len(groups) if shares is None else shares[g]
            split[g][to_edge] = flows[to_edge] * part
    options = {t: groups for t, groups in options.items() if t not in given}
    if all(len(groups) == 1 for groups in options.values()):
        return split
    loads = [sum(costs[g, t] * x for t, x in turns.items()) for g, turns in enumerate(split)]
    for _ in range(LEVELLING_ROUNDS):
        for to_edge, groups in options.items():
            for g in groups:
                loads[g] -= costs[g, to_edge] * split[g][to_edge]
            for g, x in zip(groups, _filled(to_edge, groups, loads, costs, flows), strict=True):
                split[g][to_edge] = x
                loads[g] += costs[g, to_edge] * x
    return split


def _filled(
    to_edge: str,
    groups: Sequence[int],
    loads: Sequence[float],
    costs: Mapping[tuple[int, str], float],
    flows: Mapping[str, float],
) -> list[float]:
    """Pour one turn's flow into groups up to a common level."""
    order = sorted(groups, key=lambda g: (loads[g], g))
    rest = flows[to_edge]
    level = 0.0
    for k in range(1, len(order) + 1):
        used = order[:k]
        inverse = sum(1 / costs[g, to_edge] for g in used)
        level = (rest + sum(loads[g] / costs[g, to_edge] for g in used)) / inverse
        if k == len(order) or level <= loads[order[k]]:
            break
    return [max(0.0, (level - loads[g]) / costs[g, to_edge]) for g in groups]
