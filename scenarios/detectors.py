"""Measures through traffic along corridors with SUMO's entry-exit detectors.

One detector a link and direction, from where the link begins to the stop line at its end; only
vehicles count that go on along the corridor there. A corridor's figures are the sums over its
links, the approach to the first signal included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from scenarios.spec import Flow
from traffic.corridors import Corridor
from traffic.network import RoadGraph

HALT_SPEED_MPS = 1.39
HALT_TIME_S = 1


@dataclass(frozen=True, slots=True)
class Section:
    """A measured stretch: its edges in driving order and the edge that follows."""

    id: str
    corridor_id: str
    direction: str
    edges: tuple[str, ...]
    next_edge: str


def sections(graph: RoadGraph, corridor: Corridor) -> list[Section]:
    """List a corridor's stretches, both directions."""
    found = []
    for direction in ("out", "in"):
        crossings = corridor.crossings if direction == "out" else corridor.crossings[::-1]
        links = corridor.links if direction == "out" else corridor.links[::-1]
        for k, crossing in enumerate(crossings):
            approach = crossing.approach_out if direction == "out" else crossing.approach_in
            through = crossing.through_out if direction == "out" else crossing.through_in
            if not approach:
                continue
            edges: tuple[str, ...] = (approach,)
            if k:
                edges = links[k - 1].edges_out if direction == "out" else links[k - 1].edges_in
            after = next(
                m.to_edge for m in graph.movements_from(approach) if m.link_indices == through
            )
            name = f"{corridor.id}.{direction}.{k}"
            found.append(Section(name, corridor.id, direction, edges, after))
    return found


def write_detectors(
    found: list[Section],
    lanes: Mapping[str, list[str]],
    path: Path,
    output: Path,
    period_s: int,
) -> None:
    """Write the detectors as a SUMO additional file; ``lanes`` lists each edge's car lanes."""
    root = ET.Element("additional")
    for section in found:
        detector = ET.SubElement(
            root,
            "entryExitDetector",
            id=section.id,
            period=str(period_s),
            file=str(output),
            timeThreshold=str(HALT_TIME_S),
            speedThreshold=str(HALT_SPEED_MPS),
            nextEdges=section.next_edge,
            openEntry="true",
        )
        for lane in lanes[section.edges[0]]:
            ET.SubElement(detector, "detEntry", lane=lane, pos="0.1", friendlyPos="true")
        for lane in lanes[section.edges[-1]]:
            ET.SubElement(detector, "detExit", lane=lane, pos="-0.1", friendlyPos="true")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def read_detectors(
    found: list[Section], output: Path, measured_from_s: int
) -> dict[tuple[str, str], Flow]:
    """Sum the measured time's figures up along each corridor and direction."""
    counts: dict[str, list[tuple[int, float, float, float]]] = {}
    for _, row in ET.iterparse(output):
        if row.tag == "interval" and float(row.attrib["begin"]) >= measured_from_s:
            vehicles = int(float(row.attrib["vehicleSum"]))
            if vehicles:
                counts.setdefault(row.attrib["id"], []).append(
                    (
                        vehicles,
                        float(row.attrib["meanTravelTime"]),
                        float(row.attrib["meanTimeLoss"]),
                        float(row.attrib["meanHaltsPerVehicle"]),
                    )
                )
    flows: dict[tuple[str, str], Flow] = {}
    for key in dict.fromkeys((s.corridor_id, s.direction) for s in found):
        own = [s for s in found if (s.corridor_id, s.direction) == key]
        means = [_means(counts[s.id]) for s in own if s.id in counts]
        if means:
            flows[key] = Flow(
                vehicles=round(sum(m[0] for m in means) / len(means)),
                travel_s=sum(m[1] for m in means),
                delay_s=sum(m[2] for m in means),
                stops=sum(m[3] for m in means),
            )
    return flows


def _means(rows: list[tuple[int, float, float, float]]) -> tuple[int, float, float, float]:
    total = sum(row[0] for row in rows)
    travel, delay, stops = (sum(row[0] * row[k] for row in rows) / total for k in (1, 2, 3))
    return total, travel, delay, stops
