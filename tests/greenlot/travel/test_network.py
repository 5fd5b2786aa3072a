"""Travel on a network against searches that share nothing with it."""

import math
import subprocess
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from greenlot.travel import MAX_AWAY_M, NetworkTravel
from greenlot.travel.searches import Ends, Searches
from parking.errors import InvalidInputError
from parking.inventory import Lot
from parking.travel import great_circle_m
from tests.conftest import sumo_tool
from traffic.errors import InvalidInputError as TrafficInputError
from traffic.io.sumo_net import read_network
from traffic.io.sumo_projection import SumoProjection
from traffic.network import RoadEdge, RoadGraph

UTM = "+proj=utm +zone=50 +ellps=WGS84 +datum=WGS84 +units=m +no_defs"
X_M, Y_M = 640_000.0, 4_140_000.0


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random network with one-way streets, put into Dongying."""
    path = tmp_path_factory.mktemp("net") / "random.net.xml"
    subprocess.run(
        [
            *(sumo_tool("netgenerate"), "--rand", "--rand.iterations", "60", "--seed", "4"),
            *("--rand.bidi-probability", "0.7", "--rand.min-distance", "120"),
            *("--no-turnarounds", "true", "-o", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    text = path.read_text()
    head, _, tail = text.partition("<location ")
    _, _, tail = tail.partition("/>")
    place = f'<location netOffset="{-X_M},{-Y_M}" projParameter="{UTM}"/>'
    path.write_text(f"{head}{place}{tail}")
    return path


@pytest.fixture(scope="module")
def graph(net: Path) -> RoadGraph:
    return read_network(net)


@pytest.fixture(scope="module")
def projection(net: Path) -> SumoProjection:
    return SumoProjection.read(net)


def nearest_on(edge: RoadEdge, x: float, y: float) -> tuple[float, float]:
    """Distance from a point to an edge, and the share of the edge where it is met."""
    pieces = list(zip(edge.shape[:-1], edge.shape[1:], strict=True))
    total = sum(math.dist(a, b) for a, b in pieces)
    best, done = (math.inf, 0.0), 0.0
    for a, b in pieces:
        length = math.dist(a, b)
        along = ((x - a[0]) * (b[0] - a[0]) + (y - a[1]) * (b[1] - a[1])) / length**2
        along = min(1.0, max(0.0, along))
        place = (a[0] + along * (b[0] - a[0]), a[1] + along * (b[1] - a[1]))
        best = min(best, (math.dist(place, (x, y)), (done + along * length) / total))
        done += length
    return best


def stands(graph: RoadGraph, x: float, y: float) -> tuple[float, list[tuple[RoadEdge, float]]]:
    """Where a point meets the streets: how far away, and the edges with their shares."""
    away, share, edge = min(
        ((*nearest_on(e, x, y), e) for e in graph.edges.values()), key=lambda m: (m[0], m[2].id)
    )
    found = [(edge, share)]
    back = [
        e
        for e in graph.edges.values()
        if (e.from_junction, e.to_junction) == (edge.to_junction, edge.from_junction)
    ]
    return away, found + [(e, 1 - share) for e in back]


def turns(graph: RoadGraph) -> nx.DiGraph:
    """Edges as nodes; a turn costs the way through and the edge before it."""
    found = nx.DiGraph()
    found.add_nodes_from(graph.edges)
    for way in graph.connections:
        seconds = graph.edges[way.from_edge].free_flow_s + way.length_m / way.speed_mps
        known = found.get_edge_data(way.from_edge, way.to_edge, {"weight": math.inf})["weight"]
        found.add_edge(way.from_edge, way.to_edge, weight=min(known, seconds))
    return found


def reference_s(
    graph: RoadGraph, ways: nx.DiGraph, a: tuple[float, float], goal: tuple[float, list]
) -> float:
    away, starts = stands(graph, *a)
    best = math.inf
    for edge, share in starts:
        for end, end_share in goal[1]:
            if edge is end and end_share >= share:
                best = min(best, (end_share - share) * edge.free_flow_s)
            # At least one turn, so that a goal behind the car is reached around the block.
            for _, after, turn in ways.out_edges(edge.id, data="weight"):
                try:
                    rest = nx.shortest_path_length(ways, after, end.id, weight="weight")
                except nx.NetworkXNoPath:
                    continue
                seconds = turn - share * edge.free_flow_s + rest + end_share * end.free_flow_s
                best = min(best, seconds)
    return best + (away + goal[0]) / 8.333


def places(graph: RoadGraph, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = [junction.x_m for junction in graph.junctions.values()]
    y = [junction.y_m for junction in graph.junctions.values()]
    return rng.uniform(min(x), max(x), count), rng.uniform(min(y), max(y), count)


def test_driving_equals_a_search_over_edges(graph: RoadGraph, projection: SumoProjection) -> None:
    travel, ways = NetworkTravel(graph, projection), turns(graph)
    (ox, oy), (lx, ly) = places(graph, 1, 12), places(graph, 2, 5)
    found = travel.drive_s(
        *(axis[:, None] for axis in projection.to_degrees(ox, oy)),
        *(axis[None] for axis in projection.to_degrees(lx, ly)),
    )
    assert found.shape == (12, 5)
    for j, point in enumerate(zip(lx, ly, strict=True)):
        goal = stands(graph, *point)
        for i, origin in enumerate(zip(ox, oy, strict=True)):
            want = reference_s(graph, ways, origin, goal)
            assert found[i, j] == (-1 if math.isinf(want) else pytest.approx(want, abs=0.51))
    assert (found >= 0).mean() > 0.5


def test_an_entrance_edge_is_where_a_drive_ends(
    graph: RoadGraph, projection: SumoProjection
) -> None:
    ways = turns(graph)
    edge = next(iter(graph.edges.values()))
    (lx, ly), (ox, oy) = places(graph, 3, 1), places(graph, 4, 10)
    lon, lat = projection.to_degrees(lx, ly)
    lot = Lot("l", "", float(lon[0]), float(lat[0]), (), entrance_edge=edge.id)
    travel = NetworkTravel(graph, projection, [lot])
    found = travel.drive_s(*projection.to_degrees(ox, oy), lon, lat)
    away, share = nearest_on(edge, lx[0], ly[0])
    for seconds, origin in zip(found, zip(ox, oy, strict=True), strict=True):
        want = reference_s(graph, ways, origin, (away, [(edge, share)]))
        assert seconds == (-1 if math.isinf(want) else pytest.approx(want, abs=0.51))
    with pytest.raises(InvalidInputError, match="lot l: entrance_edge: no edge 'nowhere'"):
        NetworkTravel(graph, projection, [Lot("l", "", 118, 37, (), entrance_edge="nowhere")])
    with pytest.raises(InvalidInputError, match=r"lot l: entrance_edge: .* m away from the lot"):
        NetworkTravel(graph, projection, [Lot("l", "", 118, 37, (), entrance_edge=edge.id)])


def test_the_same_from_many_origins_to_few_lots_and_the_other_way_round(
    graph: RoadGraph, projection: SumoProjection
) -> None:
    """Searches begin at the side with fewer points: both must say the same."""
    many, few = (projection.to_degrees(*places(graph, k, n)) for k, n in ((5, 40), (6, 3)))
    travel = NetworkTravel(graph, projection)
    to_few = travel.drive_s(*(a[:, None] for a in many), *(a[None] for a in few))
    one_by_one = [[travel.drive_s(*a, *b) for b in zip(*few)] for a in zip(*many)]  # noqa: B905
    assert to_few.tolist() == np.array(one_by_one).reshape(40, 3).tolist()
    back = travel.walk_m(*(a[None] for a in few), *(a[:, None] for a in many))
    forth = travel.walk_m(*(a[:, None] for a in many), *(a[None] for a in few))
    assert np.allclose(back, forth)


def test_walking_goes_both_ways_and_is_never_shorter_than_the_straight_line(
    graph: RoadGraph, projection: SumoProjection
) -> None:
    travel = NetworkTravel(graph, projection)
    (ax, ay), (bx, by) = places(graph, 7, 30), places(graph, 8, 30)
    a, b = projection.to_degrees(ax, ay), projection.to_degrees(bx, by)
    found = travel.walk_m(*(axis[:, None] for axis in a), *(axis[None] for axis in b))
    straight = great_circle_m(*(axis[:, None] for axis in a), *(axis[None] for axis in b))
    assert np.isfinite(found).all()
    assert (found >= travel.least_detour * straight).all()
    assert 0.99 < travel.least_detour <= 1
    streets = nx.Graph()
    for edge in graph.edges.values():
        ends = [graph.junctions[k] for k in (edge.from_junction, edge.to_junction)]
        length = sum(math.dist(p, q) for p, q in zip(edge.shape[:-1], edge.shape[1:], strict=True))
        length = max(length, math.dist(*((end.x_m, end.y_m) for end in ends)))
        known = streets.get_edge_data(ends[0].id, ends[1].id, {"weight": math.inf})["weight"]
        streets.add_edge(ends[0].id, ends[1].id, weight=min(known, length))
    lengths = dict(nx.all_pairs_dijkstra_path_length(streets))
    checked = 0
    for i, j in np.ndindex(found.shape):
        here, there = (ax[i], ay[i]), (bx[j], by[j])
        (away, (start, *_)), (other_away, (goal, *_)) = stands(graph, *here), stands(graph, *there)
        crow = math.dist(here, there)
        both = [{e.from_junction, e.to_junction} for e, _ in (start, goal)]
        if both[0] == both[1]:
            continue
        want = (
            away
            + other_away
            + min(
                first + lengths[p][q] + last
                for p, first in legs(graph, *start)
                for q, last in legs(graph, *goal)
            )
        )
        # Who is nearer to the goal than to the street needs no street.
        if crow <= away + other_away:
            want = min(want, 1.3 * crow)
        assert found[i, j] == pytest.approx(want, abs=0.01)
        checked += 1
    assert checked > 500


def legs(graph: RoadGraph, edge: RoadEdge, share: float) -> list[tuple[str, float]]:
    """Both junctions of an edge with the way to them from a place on it."""
    pieces = list(zip(edge.shape[:-1], edge.shape[1:], strict=True))
    shape = sum(math.dist(p, q) for p, q in pieces)
    rest = share * shape
    for p, q in pieces:
        length = math.dist(p, q)
        if rest <= length or q == edge.shape[-1]:
            place = tuple(a + rest / length * (b - a) for a, b in zip(p, q, strict=True))
            break
        rest -= length
    ends = [graph.junctions[k] for k in (edge.from_junction, edge.to_junction)]
    corners = [(end.x_m, end.y_m) for end in ends]
    length = max(shape, math.dist(*corners))
    return [
        (end.id, max(part * length, math.dist(place, corner)))
        for end, corner, part in zip(ends, corners, (share, 1 - share), strict=True)
    ]


def test_along_one_street_the_way_back_is_the_same_street(
    graph: RoadGraph, projection: SumoProjection
) -> None:
    travel = NetworkTravel(graph, projection)
    edge = max(graph.edges.values(), key=lambda e: math.dist(e.shape[0], e.shape[-1]))
    (px, py), (qx, qy) = edge.shape[0], edge.shape[-1]
    x, y = (
        np.array([0.75 * px + 0.25 * qx, 0.25 * px + 0.75 * qx]),
        np.array([0.75 * py + 0.25 * qy, 0.25 * py + 0.75 * qy]),
    )
    lon, lat = projection.to_degrees(x, y)
    metres = math.dist((x[0], y[0]), (x[1], y[1]))
    assert travel.walk_m(lon[0], lat[0], lon[1], lat[1]) == pytest.approx(metres, rel=0.02, abs=12)
    assert travel.walk_m(lon[1], lat[1], lon[0], lat[0]) == pytest.approx(metres, rel=0.02, abs=12)


def test_who_is_far_from_every_street_is_out_of_reach(
    graph: RoadGraph, projection: SumoProjection
) -> None:
    travel = NetworkTravel(graph, projection)
    x = np.array([min(j.x_m for j in graph.junctions.values()) - MAX_AWAY_M - 50])
    y = np.array([float(np.mean([j.y_m for j in graph.junctions.values()]))])
    far, near = projection.to_degrees(x, y), projection.to_degrees(*places(graph, 9, 1))
    assert travel.too_far(*far).tolist() == [True]
    assert travel.too_far(*near).tolist() == [False]
    assert travel.drive_s(*far, *near).tolist() == [-1]
    assert np.isinf(travel.walk_m(*far, *near)).all()
    # Neither does the other side of the earth upset it.
    assert travel.drive_s(np.array([-60.0]), np.array([-37.0]), *near).tolist() == [-1]


def test_nothing_asked_is_nothing_answered(graph: RoadGraph, projection: SumoProjection) -> None:
    travel, none = NetworkTravel(graph, projection), np.zeros(0)
    assert travel.drive_s(none, none, none, none).shape == (0,)
    assert travel.walk_m(none[:, None], none[:, None], none[None], none[None]).shape == (0, 0)


def test_searches_that_do_not_fit_the_store_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    begins, ends = rng.integers(0, 40, (2, 160))
    weight = rng.uniform(1, 9, 160)
    near = Ends(rng.integers(0, 40, (30, 2)), rng.uniform(0, 5, (30, 2)))
    far = Ends(rng.integers(0, 40, (50, 2)), rng.uniform(0, 5, (50, 2)))
    i, j = rng.integers(0, 30, 500), rng.integers(0, 50, 500)
    whole = Searches(begins, ends, weight, 40).between(near, far, i, j)
    monkeypatch.setattr("greenlot.travel.searches.KEPT_BYTES", 16 * 40 * 4)
    parted = Searches(begins, ends, weight, 40).between(near, far, i, j)
    assert np.array_equal(whole, parted)


def test_a_network_without_projection_is_refused(tmp_path: Path, net: Path) -> None:
    path = tmp_path / "plain.net.xml"
    path.write_text(net.read_text().replace(UTM, "!"))
    with pytest.raises(TrafficInputError, match="the network has no projection"):
        SumoProjection.read(path)
    path.write_text("<net><edge/></net>")
    with pytest.raises(TrafficInputError, match="no <location>"):
        SumoProjection.read(path)
    with pytest.raises(TrafficInputError, match="cannot be read: No such file"):
        SumoProjection.read(tmp_path / "nowhere.net.xml")
