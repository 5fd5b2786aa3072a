"""The street plan: nodes and one-way segments, from the tables.

Between two neighbouring crossings of a road lies one straight segment each way; positions are
approximate (see ``data/crossings.csv``), so bends inside a link are not known.
"""

import itertools
import math
from dataclasses import dataclass

import pyproj

from scenarios.dongying import tables
from scenarios.dongying.tables import Road

# UTM zone of 114-120 degrees east.
PROJECTION = "+proj=utm +zone=50 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"
# A national road's link this long lies outside the built-up parts.
OUTSIDE_LINK_M = 3000.0
OUTSIDE_KMH = 80
OPPOSITE = {"N": "S", "S": "N", "E": "W", "W": "E"}
# Coming from a side, the leg that a left turn leads to.
LEFT_OF = {"N": "E", "E": "S", "S": "W", "W": "N"}
SIDE_OF_END = {"north": "N", "south": "S", "east": "E", "west": "W"}


@dataclass(frozen=True, slots=True)
class Node:
    """A point of the plan; ``kind`` is signal, junction, bend, gate, local or end."""

    id: str
    x_m: float
    y_m: float
    kind: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A one-way road between two nodes.

    ``from_side`` and ``to_side`` are the legs (N, E, S, W) at which it leaves and meets them.
    """

    id: str
    from_node: str
    to_node: str
    from_side: str
    to_side: str
    name: str
    ref: str
    lanes: int
    speed_kmh: int
    label: str


@dataclass(frozen=True, slots=True)
class StreetPlan:
    """Nodes by id, segments by id, and the signal at each pair of roads."""

    nodes: dict[str, Node]
    segments: dict[str, Segment]
    signal_at: dict[frozenset[str], str]

    def length_m(self, segment: Segment) -> float:
        """Return the distance between a segment's nodes."""
        a, b = self.nodes[segment.from_node], self.nodes[segment.to_node]
        return math.hypot(b.x_m - a.x_m, b.y_m - a.y_m)

    def into(self, node_id: str) -> dict[str, Segment]:
        """Return the segments that end at a node, by the leg that they come in on."""
        return {s.to_side: s for s in self.segments.values() if s.to_node == node_id}

    def out_of(self, node_id: str) -> dict[str, Segment]:
        """Return the segments that begin at a node, by the leg that they go out on."""
        return {s.from_side: s for s in self.segments.values() if s.from_node == node_id}


def street_plan() -> StreetPlan:
    """Build the plan from the tables."""
    roads = tables.roads()
    projection = pyproj.Proj(PROJECTION)
    plan = StreetPlan({}, {}, {})
    along: dict[str, list[str]] = {name: [] for name in roads}
    for row in tables.crossings():
        node_id = f"{roads[row.ns_road].slug}-{roads[row.ew_road].slug}"
        x_m, y_m = projection(row.lon, row.lat)
        plan.nodes[node_id] = Node(node_id, x_m, y_m, "signal")
        plan.signal_at[frozenset((row.ns_road, row.ew_road))] = node_id
        along[row.ns_road].append(node_id)
        along[row.ew_road].append(node_id)
    for name, road in roads.items():
        _lay_road(plan, road, along[name])
    _lay_stubs(plan, roads, along)
    _lay_outer(plan, projection)
    return plan


def _lay_road(plan: StreetPlan, road: Road, node_ids: list[str]) -> None:
    """Join a road's crossings in order, northwards or eastwards."""
    is_ns = road.axis == "ns"
    node_ids.sort(key=lambda n: plan.nodes[n].y_m if is_ns else plan.nodes[n].x_m)
    for a, b in itertools.pairwise(node_ids):
        gap_m = math.dist(
            (plan.nodes[a].x_m, plan.nodes[a].y_m), (plan.nodes[b].x_m, plan.nodes[b].y_m)
        )
        outside = bool(road.ref) and gap_m > OUTSIDE_LINK_M
        speed_kmh = OUTSIDE_KMH if outside else road.speed_kmh
        _lay_both(plan, road, a, b, "N" if is_ns else "E", speed_kmh, road.label)


def _lay_both(
    plan: StreetPlan, road: Road, a: str, b: str, side: str, speed_kmh: int, label: str
) -> None:
    """Lay a segment each way between a and b; b lies on the given side of a."""
    # ref belongs to both directions; a node's own road slug is cut off to keep ids short.
    short = [node.replace(road.slug, "").strip("-") or node for node in (a, b)]
    for from_node, to_node, leaves, pair in (
        (a, b, side, short),
        (b, a, OPPOSITE[side], short[::-1]),
    ):
        segment_id = f"{road.slug}.{pair[0]}.{pair[1]}"
        plan.segments[segment_id] = Segment(
            id=segment_id,
            from_node=from_node,
            to_node=to_node,
            from_side=leaves,
            to_side=OPPOSITE[leaves],
            name=road.street_name,
            ref=road.ref,
            lanes=road.lanes,
            speed_kmh=speed_kmh,
            label=label,
        )


def _lay_stubs(plan: StreetPlan, roads: dict[str, Road], along: dict[str, list[str]]) -> None:
    for stub in tables.stubs():
        road = roads[stub.road]
        ends = along[stub.road]
        inner, last = (ends[-2], ends[-1]) if stub.end in {"north", "east"} else (ends[1], ends[0])
        a, b = plan.nodes[inner], plan.nodes[last]
        # Straight on along the road's own axis: the last link's bearing may be a bend's.
        dx_m, dy_m = b.x_m - a.x_m, b.y_m - a.y_m
        scale = stub.length_m / math.hypot(dx_m, dy_m)
        node_id = f"{road.slug}-{stub.end}"
        plan.nodes[node_id] = Node(node_id, b.x_m + dx_m * scale, b.y_m + dy_m * scale, stub.kind)
        national = bool(road.ref) and stub.kind == "gate"
        speed_kmh = OUTSIDE_KMH if national else road.speed_kmh
        _lay_both(plan, road, last, node_id, SIDE_OF_END[stub.end], speed_kmh, stub.label)


def _lay_outer(plan: StreetPlan, projection: pyproj.Proj) -> None:
    rows = tables.outer_nodes()
    slugs = {road.name: road.slug for road in tables.roads().values()} | {"永莘路": "s316"}
    for row in rows:
        if row.lon is not None and row.lat is not None:
            x_m, y_m = projection(row.lon, row.lat)
            plan.nodes.setdefault(row.node, Node(row.node, x_m, y_m, row.kind or "bend"))
    for a, b in itertools.pairwise(rows):
        if a.road != b.road:
            continue
        is_ns = a.road != "永莘路"
        axis, slug = ("ns", slugs[a.road]) if is_ns else ("ew", "s316")
        lanes, speed_kmh = a.lanes, a.speed_kmh
        inferred = "inferred" in {a.label, b.label}
        label = f"{'course inferred' if inferred else 'course found'}; lanes and limit assumed"
        road = Road(a.road, slug, axis, a.ref, lanes, speed_kmh, label)
        _lay_both(plan, road, a.node, b.node, "N" if is_ns else "E", speed_kmh, label)
