import itertools

import numpy as np
import pytest
from matplotlib.image import imread

from greenlot.report.city_map import COLOURS, draw_map
from greenlot.report.map_labels import RoadLine, place_labels
from parking.inventory import Lot, Pool, SpaceClass
from traffic.corridors import Corridor, Crossing, Link
from traffic.errors import InvalidInputError
from traffic.network import Junction, RoadEdge, RoadGraph
from traffic.signals import Phase, Program, Signal


def city(projected: bool = True) -> tuple[RoadGraph, Corridor, list[Lot]]:
    """A crossing of two roads, 1 km a side, and two car parks; x east, y north, in metres."""
    spots = {"w": (0, 500), "c": (500, 500), "e": (1000, 500), "n": (500, 1000), "s": (500, 0)}

    def degrees(x, y):
        return (118.6 + x / 88_400, 37.4 + y / 111_000) if projected else (None, None)

    junctions = tuple(Junction(key, x, y, *degrees(x, y)) for key, (x, y) in spots.items())
    edges = tuple(
        RoadEdge(f"{a}{b}", a, b, name, "", 500.0, 2, 16.7, (spots[a], spots[b]))
        for a, b, name in (
            ("w", "c", "黄河路"),
            ("c", "e", "黄河路"),
            ("n", "c", "东三路"),
            ("c", "s", "东三路"),
        )
    )
    signal = Signal(
        "c", "东三路/黄河路", *degrees(500, 500), (), (), (Program("0", (Phase(10, "G"),)),)
    )
    graph = RoadGraph(junctions, edges, (), (signal,))
    crossings = tuple(Crossing(key, (0,), (), (), (), "", "") for key in ("c", "c2"))
    corridor = Corridor("C5", "黄河路", crossings, (Link(("wc", "ce"), (), 1000, 0, 60, 0),))
    lots = (
        [
            Lot(
                f"l{n}",
                "停车场",
                *degrees(x, y),
                (Pool(f"p{n}", SpaceClass.STANDARD, n, n, 0, n),),
                kind="mall",
            )
            for n, x, y in ((40, 300, 700), (900, 700, 300))
        ]
        if projected
        else []
    )
    return graph, corridor, lots


def test_map_shows_corridor_and_lots_and_is_the_same_each_time(tmp_path):
    """The corridor's colour is there; nothing touches the edge; same city, same bytes."""
    graph, corridor, lots = city()
    for name in ("a.png", "b.png"):
        draw_map(graph, {"C5": corridor}, lots, tmp_path / name, title="东营")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    picture = imread(tmp_path / "a.png")[..., :3]
    pixels = np.round(255 * picture).astype(int)
    wanted = [int(COLOURS[0][k : k + 2], 16) for k in (1, 3, 5)]
    assert (pixels == wanted).all(axis=2).sum() > 500
    for edge in (picture[:4], picture[-4:], picture[:, :4], picture[:, -4:]):
        assert (edge == 1.0).all()


def test_north_is_up_and_a_metre_is_a_metre(tmp_path):
    """The corridor, 1,000 m east-west, is as long on paper as the map's scale says."""
    graph, corridor, lots = city()
    draw_map(graph, {"C5": corridor}, lots, tmp_path / "a.png", title="")
    pixels = np.round(255 * imread(tmp_path / "a.png")[..., :3]).astype(int)
    wanted = [int(COLOURS[0][k : k + 2], 16) for k in (1, 3, 5)]
    hits = np.argwhere((pixels == wanted).all(axis=2))
    hits = hits[hits[:, 0] < pixels.shape[0] - 220]  # above the legend
    line = np.bincount(hits[:, 0]).argmax()
    span = np.ptp(hits[hits[:, 0] == line][:, 1])
    # 1,000 m and 700 m of margin on each side take the sheet's 13.7 inches at 130 dots.
    assert span == pytest.approx(1000 / 2400 * 13.7 * 130, rel=0.02)
    # The car park of 900 spaces lies 200 m south and 200 m east of the crossing.
    mall = [round(255 - 0.62 * (255 - c)) for c in (0x8E, 0x44, 0xAD)]
    dots = np.argwhere((abs(pixels - mall) <= 1).all(axis=2))
    dots = dots[dots[:, 0] < pixels.shape[0] - 220]
    south, east = np.median(dots, axis=0) - (line, np.mean(hits[hits[:, 0] == line][:, 1]))
    scale = 13.7 * 130 / 2400
    assert south == pytest.approx(200 * scale, abs=4)
    assert east == pytest.approx(200 * scale, abs=8)


def test_network_without_projection_is_refused(tmp_path):
    """Nothing says where its roads are."""
    graph, corridor, lots = city(projected=False)
    with pytest.raises(InvalidInputError, match="no projection"):
        draw_map(graph, {"C5": corridor}, lots, tmp_path / "a.png", title="")


def test_names_stand_apart_and_inside():
    """Ten close roads: no name on another, none over the frame, north-south ones downwards."""
    low, high = np.array([0.0, 0.0]), np.array([4000.0, 4000.0])
    east = [
        RoadLine(f"东西{k}路", 8.0, [((0.0, 1000.0 + 60 * k), (4000.0, 1000.0 + 60 * k))])
        for k in range(10)
    ]
    north = RoadLine("C4 东二路", 10.0, [((2000.0, 0.0), (2000.0, 4000.0))], bold=True)
    places = place_labels([north, *east], np.zeros((0, 2)), low, high, 5.0)
    assert places[0].text == "C4\n东\n二\n路"
    assert abs(places[0].x_m - 2000.0) > 20  # beside its bold line
    for a, b in itertools.combinations(places[1:], 2):
        apart = abs(a.x_m - b.x_m) > 0.5 * 4 * 8 * 5 or abs(a.y_m - b.y_m) >= 0.9 * 8 * 5
        assert apart, (a, b)
    for place in places:
        assert 0 < place.x_m < 4000
        assert 0 < place.y_m < 4000


def test_a_road_outside_has_no_name():
    """Told by None, not put anywhere."""
    low, high = np.array([0.0, 0.0]), np.array([100.0, 100.0])
    road = RoadLine("远路", 8.0, [((5000.0, 0.0), (6000.0, 0.0))])
    assert place_labels([road], np.zeros((0, 2)), low, high, 1.0) == [None]
