"""Dongying's street plan, and what netconvert makes of it."""

import itertools
import math

import pyproj
import pytest

from scenarios.dongying import junctions, netfiles, streets, tables
from scenarios.dongying.junctions import StagePlan
from scenarios.dongying.streets import PROJECTION, StreetPlan
from traffic.io.sumo_net import read_network
from traffic.network import RoadGraph
from traffic.signals import GREEN

LANE_M = 3.2
WALK_MPS = 1.2


@pytest.fixture(scope="module")
def plan() -> StreetPlan:
    return streets.street_plan()


@pytest.fixture(scope="module")
def graph(plan: StreetPlan, tmp_path_factory: pytest.TempPathFactory) -> RoadGraph:
    work = tmp_path_factory.mktemp("net")
    signals = [
        junctions.signal_plan(plan, node.id)
        for node in plan.nodes.values()
        if node.kind == "signal"
    ]
    netfiles.write_network(plan, signals, work / "plain", work / "network.net.xml")
    return read_network(work / "network.net.xml")


def test_ids_are_ascii_and_every_crossing_has_its_own(plan: StreetPlan) -> None:
    roads = tables.roads()
    ids = {f"{roads[r.ns_road].slug}-{roads[r.ew_road].slug}" for r in tables.crossings()}
    assert len(ids) == 107
    assert ids == set(plan.signal_at.values())
    assert all(key.isascii() for key in [*plan.nodes, *plan.segments])


def test_crossings_of_unnamed_roads_stand_where_the_table_puts_them(graph: RoadGraph) -> None:
    """By id, as the road has no name that the signal could be found by."""
    roads, geod = tables.roads(), pyproj.Geod(ellps="WGS84")
    for row in tables.crossings():
        signal = graph.signal(f"{roads[row.ns_road].slug}-{roads[row.ew_road].slug}")
        assert signal.lon is not None
        assert signal.lat is not None
        assert geod.inv(row.lon, row.lat, signal.lon, signal.lat)[2] < 1.0


def test_roads_meet_only_at_nodes(plan: StreetPlan) -> None:
    """Two links that cross on the map without a junction would be a bridge that nobody saw."""
    seen = {frozenset((s.from_node, s.to_node)) for s in plan.segments.values()}
    for a, b in itertools.combinations([tuple(sorted(pair)) for pair in seen], 2):
        if set(a) & set(b):
            continue
        p, q, r, s = (plan.nodes[key] for key in (*a, *b))
        crosses = _side(p, q, r) * _side(p, q, s) < 0 and _side(r, s, p) * _side(r, s, q) < 0
        assert not crosses, (a, b)


def _side(a: streets.Node, b: streets.Node, c: streets.Node) -> float:
    return (b.x_m - a.x_m) * (c.y_m - a.y_m) - (b.y_m - a.y_m) * (c.x_m - a.x_m)


def test_what_is_assumed_says_so_in_the_tables() -> None:
    for row in [*tables.rows_of("roads.csv"), *tables.rows_of("stubs.csv")]:
        assert "assumed" in row["label"]
    for row in tables.rows_of("outer_roads.csv"):
        assert row["lanes_speed_label"] == "assumed"
        assert row["position_label"] in {"found", "inferred"}


def test_every_road_joins_all_its_crossings_in_order(plan: StreetPlan) -> None:
    """From each crossing the next along the road is one segment away, both ways."""
    projection = pyproj.Proj(PROJECTION)
    roads = tables.roads()
    pairs = {(s.from_node, s.to_node) for s in plan.segments.values()}
    for name, road in roads.items():
        mine = [r for r in tables.crossings() if name in {r.ns_road, r.ew_road}]
        mine.sort(key=lambda r: projection(r.lon, r.lat)[1 if road.axis == "ns" else 0])
        ids = [f"{roads[r.ns_road].slug}-{roads[r.ew_road].slug}" for r in mine]
        for a, b in itertools.pairwise(ids):
            assert (a, b) in pairs
            assert (b, a) in pairs


def test_no_two_conflicting_ways_are_green_together(graph: RoadGraph) -> None:
    for signal in graph.signals.values():
        for phase in signal.program.phases:
            green = {k for k, aspect in enumerate(phase.state) if aspect in GREEN}
            assert all(not green & signal.foes[k] for k in green), signal.id


def test_every_movement_gets_green_once_a_cycle(graph: RoadGraph) -> None:
    for signal in graph.signals.values():
        for link in signal.links:
            greens = [p for p in signal.program.phases if p.state[link.index] in GREEN]
            assert len(greens) == 1, (signal.id, link)


def test_lefts_have_a_lane_and_a_stage_of_their_own(graph: RoadGraph) -> None:
    crossed = 0
    for signal in graph.signals.values():
        for movement in graph.movements_at(signal.id):
            others = [
                m for m in graph.movements_from(movement.from_edge) if m.to_edge != movement.to_edge
            ]
            if movement.direction == "l":
                assert not any(set(m.from_lanes) & set(movement.from_lanes) for m in others)
                opposing = signal.foes[movement.link_indices[0]]
                crossed += bool(opposing)
    assert crossed > 200


def test_minimum_greens_let_a_pedestrian_cross_the_other_road(graph: RoadGraph) -> None:
    """Recomputed from the lanes in the network: walk 5 s, then the width, less the intergreen."""
    for signal in graph.signals.values():
        for phase in signal.program.phases:
            if "G" not in phase.state:
                continue
            assert phase.min_duration_s is not None
            assert phase.duration_s >= phase.min_duration_s >= 5
            served = [
                m
                for m in graph.movements_at(signal.id)
                if any(phase.state[k] == "G" for k in m.link_indices)
            ]
            if all(m.direction == "l" for m in served):
                continue
            walking = {_axis(graph, m.from_edge) for m in served}
            widths = [
                graph.edges[m.from_edge].lanes
                + max(
                    graph.edges[o.to_edge].lanes
                    for o in graph.movements_at(signal.id)
                    if _axis(graph, o.to_edge) == _axis(graph, m.from_edge)
                )
                for m in graph.movements_at(signal.id)
                if _axis(graph, m.from_edge) not in walking
            ]
            need_s = 5 + max(widths) * LANE_M / WALK_MPS - 5
            assert phase.min_duration_s >= need_s, signal.id


def _axis(graph: RoadGraph, edge_id: str) -> str:
    (ax_m, ay_m), (bx_m, by_m) = (graph.edges[edge_id].shape[k] for k in (0, -1))
    return "ns" if abs(by_m - ay_m) > abs(bx_m - ax_m) else "ew"


@pytest.mark.parametrize(
    ("weights", "least", "greens"),
    [
        ([1, 1, 1, 1], [5, 19, 5, 19], [16, 19, 16, 19]),
        ([1, 1, 1, 1], [5, 5, 5, 5], [18, 18, 17, 17]),
        ([1, 6, 1, 2], [5, 5, 5, 5], [7, 42, 7, 14]),
        ([0, 0, 0, 0], [10, 20, 10, 30], [10, 20, 10, 30]),
        ([0, 9, 0, 1], [5, 19, 5, 19], [5, 41, 5, 19]),
    ],
)
def test_a_split_keeps_minimum_greens_and_adds_up(
    weights: list[float], least: list[int], greens: list[int]
) -> None:
    stages = tuple(StagePlan((), low) for low in least)
    assert junctions.split_greens_s(weights, stages, 90) == greens
    assert sum(greens) + 5 * len(greens) == 90


def test_minimum_greens_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="80 s; expected at most 70 s"):
        junctions.split_greens_s([1.0] * 4, tuple(StagePlan((), 20) for _ in range(4)), 90)


def test_left_lanes_never_overrun_the_link(plan: StreetPlan) -> None:
    for segment in plan.segments.values():
        length_m = junctions.approach_length_m(plan, segment)
        assert 0 <= length_m <= min(100.0, 0.4 * plan.length_m(segment)) + 1e-9
        assert math.isfinite(length_m)
