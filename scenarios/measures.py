"""What a simulated run did to its vehicles: delay, stops, and control delay at each signal."""

import gzip
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast
from xml.etree import ElementTree as ET

from scenarios.approaches import approaches_of, longest_queues_m
from traffic.network import RoadGraph

LEVELS_S = ((10.0, "A"), (20.0, "B"), (35.0, "C"), (55.0, "D"), (80.0, "E"))


@dataclass(frozen=True, slots=True)
class ApproachMeasured:
    """An edge that ends at a signal, and its longest queue, in m.

    A queue reaches from the stop line to the last vehicle that is slower than 5 km/h, on over the
    edges behind where it fills the first one. It is looked at every 5 s.
    """

    edge_id: str
    max_queue_m: float


@dataclass(frozen=True, slots=True)
class JunctionMeasured:
    """What a signal did to the vehicles that came to it.

    Parameters
    ----------
    vehicles
        Who came to a stop line of it, or waited outside the network to come to one.
    control_delay_s
        Time lost before and in the junction, and waiting to enter its approaches, per vehicle; an
        approach reaches back to the signal before. What is lost while speeding up again behind
        the junction is not in it.
    approaches
        The edges with its stop lines.
    """

    signal_id: str
    vehicles: int
    control_delay_s: float
    approaches: tuple[ApproachMeasured, ...]

    @property
    def level_of_service(self) -> str:
        """A to F by the control delay."""
        return level_of_service(self.control_delay_s)

    @property
    def max_queue_m(self) -> float:
        """The longest queue of all approaches."""
        return max((approach.max_queue_m for approach in self.approaches), default=0.0)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run's figures, per demanded trip.

    Parameters
    ----------
    demanded
        Trips that wanted to depart in the window; the sum of the next three.
    finished, running, undeparted
        Trips that had arrived, were on their way, and had found no room to depart at its end.
    delay_s
        Time lost against driving freely and waiting to depart, as the RESCO benchmark counts:
        trips that never departed wait until the window's end.
    insertion_s
        The part of ``delay_s`` that was waiting to depart.
    stops
        Halts.
    travel_s
        From wanting to depart to arriving; of unfinished trips, until the window's end.
    teleports
        Vehicles that SUMO took out of a jam or a collision and put elsewhere.
    wall_s
        Seconds that the simulation took.
    junctions
        One a signal, where they were asked for.
    """

    seed: int
    demanded: int
    finished: int
    running: int
    undeparted: int
    delay_s: float
    insertion_s: float
    stops: float
    travel_s: float
    teleports: int
    wall_s: float
    junctions: tuple[JunctionMeasured, ...] = ()


def level_of_service(control_delay_s: float) -> str:
    """Return A to F for a control delay in s: 10, 20, 35, 55 and 80 s still are A, B, C, D, E."""
    return next((name for limit_s, name in LEVELS_S if control_delay_s <= limit_s), "F")


@dataclass(slots=True)
class Trips:
    """Sums over a run's trips, in vehicles, s and halts.

    ``waiting_s`` has, for each edge, the waiting to depart of those who departed there;
    ``undeparted_s`` has it for each vehicle that never departed.
    """

    finished: int = 0
    running: int = 0
    loss_s: float = 0.0
    travel_s: float = 0.0
    stops: int = 0
    waiting_s: dict[str, float] = field(default_factory=dict)
    undeparted_s: dict[str, float] = field(default_factory=dict)

    @property
    def demanded(self) -> int:
        """Trips that wanted to depart."""
        return self.finished + self.running + len(self.undeparted_s)

    @property
    def insertion_s(self) -> float:
        """Waiting to depart."""
        return sum(self.waiting_s.values()) + sum(self.undeparted_s.values())


def read_trips(path: Path) -> Trips:
    """Sum up a ``--tripinfo-output`` that holds unfinished and undeparted trips, too."""
    trips = Trips()
    for row in rows(path, {"tripinfo"}):
        waited_s = float(row["departDelay"])
        if float(row["depart"]) < 0:
            if waited_s <= 0:
                continue  # due at the very end: SUMO names it, but the window is over
            trips.undeparted_s[row["id"]] = waited_s
        else:
            edge = row["departLane"].rpartition("_")[0]
            trips.waiting_s[edge] = trips.waiting_s.get(edge, 0.0) + waited_s
            trips.loss_s += float(row["timeLoss"])
            trips.stops += int(row["waitingCount"])
            if float(row["arrival"]) < 0:
                trips.running += 1
            else:
                trips.finished += 1
        trips.travel_s += waited_s + max(0.0, float(row["duration"]))
    return trips


def read_junctions(
    graph: RoadGraph, trips: Trips, edges: Path, queues: Path, routes: Sequence[Path]
) -> tuple[JunctionMeasured, ...]:
    """Share a run's delay out to the signals.

    ``edges`` is edge data with internal edges, ``queues`` a ``--queue-output``, both over the
    whole window; ``routes`` tell where vehicles that never departed wanted to start.
    """
    flows = {row["id"]: row for row in rows(edges, {"edge"})}
    waiting_s, waiting = dict(trips.waiting_s), dict[str, int]()
    if trips.undeparted_s:
        first = first_edges(routes, trips.undeparted_s)
        for vehicle, waited_s in trips.undeparted_s.items():
            edge = first.get(vehicle, "")
            waiting_s[edge] = waiting_s.get(edge, 0.0) + waited_s
            waiting[edge] = waiting.get(edge, 0) + 1
    loss_s = {edge: float(row.get("timeLoss", 0)) for edge, row in flows.items()}
    inside: dict[str, float] = {}
    for edge, lost_s in loss_s.items():
        if edge.startswith(":"):
            node = edge[1:].rpartition("_")[0]
            inside[node] = inside.get(node, 0.0) + lost_s
    approaches = approaches_of(graph)
    longest_m = longest_queues_m(approaches, graph, queues)
    junctions = []
    for signal in graph.signals:
        ways = [approach for approach in approaches if signal in approach.signal_ids]
        own = {edge for way in ways for edge in way.behind}
        vehicles = sum(_came(flows.get(way.line, {})) for way in ways)
        vehicles += sum(waiting.get(edge, 0) for edge in own)
        lost_s = sum(loss_s.get(edge, 0.0) + waiting_s.get(edge, 0.0) for edge in own)
        lost_s += sum(inside.get(node, 0.0) for node in {way.node for way in ways})
        measured = tuple(ApproachMeasured(way.line, longest_m[way.line]) for way in ways)
        delay_s = lost_s / vehicles if vehicles else 0.0
        junctions.append(JunctionMeasured(signal, vehicles, delay_s, measured))
    return tuple(junctions)


def first_edges(routes: Sequence[Path], vehicles: Collection[str]) -> dict[str, str]:
    """Find the edges where vehicles start; a vehicle of a flow is named after it, as ``f.12``."""
    wanted = {vehicle.rpartition(".")[0] for vehicle in vehicles} | set(vehicles)
    named: dict[str, str] = {}
    found: dict[str, str] = {}
    for path in routes:
        with _opened(path) as stream:
            for _, row in ET.iterparse(stream):
                if row.tag == "route" and "id" in row.attrib:
                    named[row.attrib["id"]] = _first(row.attrib.get("edges", ""))
                elif row.tag in {"vehicle", "trip", "flow"}:
                    if row.attrib.get("id") in wanted:
                        inner = row.find("route")
                        edges = "" if inner is None else inner.attrib.get("edges", "")
                        start = row.attrib.get("from") or _first(edges)
                        start = start or named.get(row.attrib.get("route", ""), "")
                        found[row.attrib["id"]] = start
                    row.clear()
    starts = {v: found.get(v) or found.get(v.rpartition(".")[0], "") for v in vehicles}
    return {vehicle: start for vehicle, start in starts.items() if start}


def rows(path: Path, tags: Collection[str]) -> Iterator[Mapping[str, str]]:
    """Yield the attributes of the rows with given tags, holding one row at a time."""
    root = None
    for event, row in ET.iterparse(path, events=("start", "end")):
        if root is None:
            root = row
        if event == "end" and row.tag in tags:
            yield row.attrib
            root.clear()


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _first(edges: str) -> str:
    return edges.split(maxsplit=1)[0] if edges.strip() else ""


def _came(flow: Mapping[str, str]) -> int:
    return sum(int(flow.get(key, 0)) for key in ("entered", "departed")) - int(
        flow.get("arrived", 0)
    )
