"""The road network as a graph: junctions, edges, the movements between them, and the signals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from traffic.errors import InvalidInputError, NotFoundError
from traffic.signals import Signal


@dataclass(frozen=True, slots=True)
class Junction:
    """A node of the graph; ``lon`` and ``lat`` are None in a network without projection."""

    id: str
    x_m: float
    y_m: float
    lon: float | None
    lat: float | None


@dataclass(frozen=True, slots=True)
class RoadEdge:
    """A one-way road from junction to junction.

    Parameters
    ----------
    name, ref
        Street name and route number (G220); empty where unknown.
    length_m, speed_limit_mps
        More than 0.
    lanes
        Lanes that cars may use, at least 1.
    shape
        ``(x_m, y_m)`` points in driving direction.
    """

    id: str
    from_junction: str
    to_junction: str
    name: str
    ref: str
    length_m: float
    lanes: int
    speed_limit_mps: float
    shape: tuple[tuple[float, float], ...]

    @property
    def free_flow_s(self) -> float:
        """Seconds to drive it at the limit."""
        return self.length_m / self.speed_limit_mps


@dataclass(frozen=True, slots=True)
class Movement:
    """A turn from edge to edge.

    Parameters
    ----------
    direction
        s, l, r, t, L or R as in ``SignalLink``.
    from_lanes
        The lanes that it leaves from, 0 = rightmost.
    signal_id, link_indices
        What controls it; None and empty where nothing does.
    """

    from_edge: str
    to_edge: str
    direction: str
    from_lanes: tuple[int, ...]
    signal_id: str | None
    link_indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Connection:
    """A way from lane to lane, as fine as the network knows it.

    Parameters
    ----------
    from_edge, from_lane, to_edge, to_lane
        Lanes count from 0 = rightmost.
    direction
        s, l, r, t, L or R as in ``SignalLink``.
    signal_id, link_index
        What controls it; None and -1 where nothing does.
    length_m, speed_mps
        Of the way through the junction, curvature included; more than 0.
    yields_to, foes
        Indices into ``RoadGraph.connections``: whom its driver lets go first where both may go,
        and whose ways cross or merge with it.
    """

    from_edge: str
    from_lane: int
    to_edge: str
    to_lane: int
    direction: str
    signal_id: str | None
    link_index: int
    length_m: float
    speed_mps: float
    yields_to: frozenset[int] = frozenset()
    foes: frozenset[int] = frozenset()


class RoadGraph:
    """A road network.

    ``graph`` is a ``networkx.MultiDiGraph``: nodes are junction ids with a ``junction``
    attribute, edges are keyed by edge id with a ``road`` attribute and ``free_flow_s`` as weight.

    Parameters
    ----------
    junctions, edges, movements, signals
        The parts; each edge's junctions and each movement's edges and signal must be among them.
    connections
        The movements lane by lane; may be empty where nobody needs them.

    Raises
    ------
    InvalidInputError
        A part refers to one that is missing, or an id stands twice.
    """

    def __init__(
        self,
        junctions: tuple[Junction, ...],
        edges: tuple[RoadEdge, ...],
        movements: tuple[Movement, ...],
        signals: tuple[Signal, ...],
        connections: tuple[Connection, ...] = (),
    ) -> None:
        self.connections = connections
        self.graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
        for junction in junctions:
            self.graph.add_node(junction.id, junction=junction)
        self.junctions: Mapping[str, Junction] = {j.id: j for j in junctions}
        self.edges: Mapping[str, RoadEdge] = {edge.id: edge for edge in edges}
        if len(self.edges) != len(edges):
            raise InvalidInputError("an edge id stands twice", where="edges")
        for edge in edges:
            for end in (edge.from_junction, edge.to_junction):
                if end not in self.graph:
                    raise InvalidInputError(f"no junction {end!r}", where=f"edge {edge.id}")
            self.graph.add_edge(
                edge.from_junction,
                edge.to_junction,
                key=edge.id,
                road=edge,
                free_flow_s=edge.free_flow_s,
            )
        self.signals: Mapping[str, Signal] = {signal.id: signal for signal in signals}
        self.movements = movements
        for movement in movements:
            for end in (movement.from_edge, movement.to_edge):
                if end not in self.edges:
                    raise InvalidInputError(f"no edge {end!r}", where="movements")
            if movement.signal_id is not None and movement.signal_id not in self.signals:
                raise InvalidInputError(f"no signal {movement.signal_id!r}", where="movements")

    def with_signals(self, signals: Mapping[str, Signal]) -> "RoadGraph":
        """Return the same network with other signals of the same ids in place of its own."""
        unknown = sorted(set(signals) - set(self.signals))
        if unknown:
            raise InvalidInputError(f"no signal {unknown[0]!r}", where="signals")
        return RoadGraph(
            tuple(self.junctions.values()),
            tuple(self.edges.values()),
            self.movements,
            tuple(signals.get(key, own) for key, own in self.signals.items()),
            self.connections,
        )

    @cached_property
    def _by_from_edge(self) -> Mapping[str, tuple[Movement, ...]]:
        return _grouped(self.movements, lambda movement: movement.from_edge)

    @cached_property
    def _by_signal(self) -> Mapping[str, tuple[Movement, ...]]:
        controlled = tuple(m for m in self.movements if m.signal_id is not None)
        return _grouped(controlled, lambda movement: movement.signal_id or "")

    @cached_property
    def _connections_by_edge(self) -> Mapping[str, tuple[Connection, ...]]:
        groups: dict[str, list[Connection]] = {}
        for connection in self.connections:
            groups.setdefault(connection.from_edge, []).append(connection)
        return {key: tuple(group) for key, group in groups.items()}

    def connections_from(self, edge_id: str) -> tuple[Connection, ...]:
        """Return the ways from an edge's lanes."""
        return self._connections_by_edge.get(edge_id, ())

    def movements_from(self, edge_id: str) -> tuple[Movement, ...]:
        """Return the turns that leave an edge."""
        return self._by_from_edge.get(edge_id, ())

    def movements_at(self, signal_id: str) -> tuple[Movement, ...]:
        """Return the turns that a signal controls.

        Raises
        ------
        NotFoundError
            No such signal.
        """
        self.signal(signal_id)
        return self._by_signal.get(signal_id, ())

    def signal(self, signal_id: str) -> Signal:
        """Return a signal by id, or raise NotFoundError."""
        if signal_id not in self.signals:
            raise NotFoundError(f"no signal {signal_id!r} in the network", where="signal")
        return self.signals[signal_id]

    def road(self, name_or_ref: str) -> tuple[RoadEdge, ...]:
        """Return the edges of a road, by street name or route number; empty if there is none."""
        return tuple(
            edge
            for edge in self.edges.values()
            if name_or_ref == edge.name or name_or_ref in edge.ref.replace(",", ";").split(";")
        )

    def road_names(self) -> tuple[str, ...]:
        """Return every street name and route number, sorted."""
        names = {edge.name for edge in self.edges.values()}
        for edge in self.edges.values():
            names.update(edge.ref.replace(",", ";").split(";"))
        return tuple(sorted(names - {""}))


def _grouped(
    movements: tuple[Movement, ...], key: Callable[[Movement], str]
) -> dict[str, tuple[Movement, ...]]:
    groups: dict[str, list[Movement]] = {}
    for movement in movements:
        groups.setdefault(key(movement), []).append(movement)
    return {name: tuple(group) for name, group in groups.items()}
