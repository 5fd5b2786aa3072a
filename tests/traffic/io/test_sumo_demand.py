"""Demand of SUMO route files: counts by hand, every kind of element, and mistakes named."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.traffic.io.test_sumo_net import resco
from traffic.demand import Demand
from traffic.errors import InvalidInputError
from traffic.io.sumo_demand import read_demand
from traffic.io.sumo_net import read_network

Reader = Callable[..., Demand]


GRID = resco("grid4x4")
WAY = "left0A0 A0A1 A1A2 A2A3 A3top0"


@pytest.fixture
def demand_of(tmp_path: Path) -> Reader:
    """Read the elements of a route file over the 4x4 grid."""

    def read(text: str, begin_s: float = 0, end_s: float = 3600, **options: object) -> Demand:
        path = tmp_path / "demand.rou.xml"
        path.write_text(f"<routes>\n{text}\n</routes>", encoding="utf-8")
        return read_demand(GRID, [path], begin_s, end_s, **options)  # type: ignore[arg-type]

    return read


@pytest.mark.parametrize(
    ("name", "begin_s"),
    [
        *(("cologne1", 25200), ("cologne3", 25200), ("ingolstadt7", 57600)),
        *(("grid4x4", 0), ("arterial4x4", 0)),
    ],
)
def test_vehicles_are_those_of_a_count_by_hand(name: str, begin_s: int) -> None:
    (routes,) = resco(name).parent.glob("*.rou.xml")
    end_s = begin_s + 3600
    demand = read_demand(resco(name), [routes], begin_s, end_s)
    text = re.sub("<!--.*?-->", "", routes.read_text(encoding="utf-8"), flags=re.DOTALL)
    departs = re.findall(r'<(?:vehicle|trip)\b[^>]*?\bdepart="([\d.]+)"', text)
    assert demand.vehicles == sum(begin_s <= float(depart) < end_s for depart in departs)
    assert sum(map(np.sum, demand.departures.values())) == pytest.approx(demand.vehicles)


@pytest.mark.parametrize("name", ["cologne3", "ingolstadt7"])
def test_no_edge_gives_out_more_than_it_takes_in(name: str) -> None:
    net = resco(name)
    (routes,) = resco(name).parent.glob("*.rou.xml")
    begin_s = 25200 if name == "cologne3" else 57600
    demand = read_demand(net, [routes], begin_s, begin_s + 3600)
    graph = read_network(net)
    known = {(m.from_edge, m.to_edge) for m in graph.movements}
    assert demand.turns.keys() <= known
    for edge in graph.edges:
        into = sum(np.sum(v) for (_, b), v in demand.turns.items() if b == edge)
        out = sum(np.sum(v) for (a, _), v in demand.turns.items() if a == edge)
        into += np.sum(demand.departures.get(edge, 0))
        assert out + np.sum(demand.arrivals.get(edge, 0)) <= into + 1e-9


def test_a_turn_is_counted_when_an_undelayed_vehicle_would_pass(demand_of: Reader) -> None:
    first = read_network(GRID).edges["left0A0"]
    text = f'<vehicle id="v" depart="100"><route edges="{WAY}"/></vehicle>'
    passes_s = 100 + first.length_m / first.speed_limit_mps
    demand = demand_of(text, slice_s=1.0)
    assert demand.departures["left0A0"].nonzero()[0] == [100]
    assert demand.turns["left0A0", "A0A1"].nonzero()[0] == [int(passes_s)]
    slow = demand_of('<vType id="s" maxSpeed="5"/>' + text.replace("<vehicle", '<vehicle type="s"'))
    assert slow.fleet.max_speed_mps == 5
    assert slow.turns["left0A0", "A0A1"][int((100 + first.length_m / 5) // 300)] == 1


def test_passages_after_the_window_are_left_out(demand_of: Reader) -> None:
    demand = demand_of(f'<vehicle id="v" depart="99"><route edges="{WAY}"/></vehicle>', 90, 100)
    assert demand.vehicles == 1
    assert demand.turns == {}
    assert demand.arrivals == {}


@pytest.mark.parametrize(
    ("text", "vehicles"),
    [
        (f'<route id="w" edges="{WAY}"/><vehicle id="v" route="w" depart="0:01:40"/>', 1),
        ('<trip id="t" depart="0" from="left0A0" to="A3top0"/>', 1),
        ('<trip id="t" depart="0" from="left0A0" to="A3top0" via="A0B0"/>', 1),
        ('<flow id="f" begin="0" end="100" number="7" from="left0A0" to="A3top0"/>', 7),
        (f'<flow id="f" begin="-50" end="100" period="10"><route edges="{WAY}"/></flow>', 10),
        (f'<flow id="f" begin="0" end="100" perHour="360"><route edges="{WAY}"/></flow>', 10),
        (f'<flow id="f" begin="0" vehsPerHour="100"><route edges="{WAY}"/></flow>', 100),
        (f'<flow id="f" end="1000" probability="0.0105"><route edges="{WAY}"/></flow>', 10.5),
        (f'<flow id="f" end="1000" period="exp(0.02)"><route edges="{WAY}"/></flow>', 20),
        (
            f'<interval begin="10" end="20"><flow id="f" number="3"><route edges="{WAY}"/></flow>'
            "</interval>",
            3,
        ),
        (
            f'<routeDistribution id="d"><route id="a" edges="{WAY}" probability="3"/>'
            '<route id="b" edges="left0A0 A0B0" probability="1"/></routeDistribution>'
            '<vehicle id="v" route="d" depart="5"/>',
            1,
        ),
        (
            '<person id="p" depart="0"><walk from="left0A0" to="A3top0"/></person>'
            f'<vType id="bike" vClass="bicycle"/>'
            f'<vehicle id="b" type="bike" depart="0"><route edges="{WAY}"/></vehicle>'
            f'<vehicle id="w" depart="triggered"><route edges="{WAY}"/></vehicle>'
            f'<vehicle id="v" depart="0"><route edges="{WAY}"/></vehicle>',
            1,
        ),
    ],
)
def test_every_kind_of_element_is_counted(demand_of: Reader, text: str, vehicles: float) -> None:
    demand = demand_of(text)
    assert demand.vehicles == pytest.approx(vehicles)
    assert np.sum(demand.departures["left0A0"]) == pytest.approx(vehicles)


def test_weights_share_a_vehicle_among_routes_and_types(demand_of: Reader) -> None:
    demand = demand_of(
        '<vTypeDistribution id="mix"><vType id="long" length="10" minGap="2" probability="0.25"/>'
        '<vType id="short" length="4" minGap="2" probability="0.75"/></vTypeDistribution>'
        '<route id="a" edges="left0A0 A0A1"/><route id="b" edges="left0A0 A0B0"/>'
        '<routeDistribution id="d" routes="a b" probabilities="1 4"/>'
        '<flow id="f" type="mix" begin="0" end="100" number="10" route="d"/>'
    )
    assert demand.fleet.space_m == pytest.approx(0.25 * 12 + 0.75 * 6)
    assert demand.turns["left0A0", "A0A1"].sum() == pytest.approx(2)
    assert demand.turns["left0A0", "A0B0"].sum() == pytest.approx(8)


@pytest.mark.parametrize(
    ("attributes", "factor", "deviation"),
    [
        ("", 1.0, 0.1),
        ('vClass="truck"', 1.0, 0.05),
        ('speedFactor="1.1" speedDev="0.2"', 1.1, 0.2),
        ('speedFactor="normc(0.9,0.08,0.8,1.2)"', 0.9, 0.08),
        ('speedFactor="norm(1.2, 0)"', 1.2, 0.0),
    ],
)
def test_desired_speeds_are_read(
    demand_of: Reader, attributes: str, factor: float, deviation: float
) -> None:
    kind = f'<vType id="t" {attributes}/>'
    fleet = demand_of(
        f'{kind}<vehicle id="v" type="t" depart="0"><route edges="left0A0"/></vehicle>'
    ).fleet
    assert fleet.speed_factor == pytest.approx(factor)
    assert fleet.speed_deviation == pytest.approx(deviation)


def test_types_and_zones_of_additional_files_are_known(tmp_path: Path) -> None:
    extra, routes = tmp_path / "extra.xml", tmp_path / "trips.rou.xml.gz"
    extra.write_text(
        '<additional><vType id="lorry" vClass="truck"/>'
        '<taz id="here"><tazSource id="left0A0" weight="1"/></taz>'
        '<taz id="there"><tazSink id="A3top0" weight="1"/></taz></additional>',
        encoding="utf-8",
    )
    trip = '<routes><trip id="t" type="lorry" depart="0" fromTaz="here" toTaz="there"/></routes>'
    routes.write_bytes(gzip.compress(trip.encode()))
    demand = read_demand(GRID, [routes], 0, 3600, additional=[extra])
    assert demand.fleet.space_m == pytest.approx(7.1 + 2.5)
    assert demand.departures["left0A0"].sum() == 1
    assert demand.arrivals["A3top0"].sum() == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<vehicle id="v" depart="0"><route edges="left0A0 nowhere"/></vehicle>',
         "vehicle 'v' goes over the unknown edge 'nowhere'"),
        ('<trip id="t" depart="0" from="left0A0" to="nowhere"/>',
         "trip 't' goes over the unknown edge 'nowhere'"),
        ('<trip id="t" depart="0" from="A3top0" to="left0A0"/>', "trip 't' cannot be routed"),
        ('<vehicle id="v" depart="0"><route edges="left0A0 A3top0"/></vehicle>',
         "vehicle 'v' has no connection from edge 'left0A0' to 'A3top0'"),
        ('<vehicle id="v" depart="0"/>', "vehicle 'v' has no route"),
        ('<vehicle id="v" depart="0" route="r"/>', "unknown route 'r'"),
        ('<vehicle id="v" depart="0" type="t"><route edges="left0A0"/></vehicle>',
         "unknown type 't'"),
        ('<vehicle id="v" depart="noon"><route edges="left0A0"/></vehicle>', "depart='noon'"),
        ('<flow id="f" begin="0" end="9"><route edges="left0A0"/></flow>', "flow 'f' has no rate"),
        ('<flow id="f" end="9" period="-1"><route edges="left0A0"/></flow>', "period='-1'"),
        ('<vType id="t" length="long"/>', "length='long'"),
        ('<vType id="t" speedFactor="quick"/>', "speedFactor='quick'"),
        ('<vehicle id="v" depart="4000"><route edges="left0A0"/></vehicle>',
         "no vehicle departs from 0 to 3600 s"),
        ("", "no vehicle, trip or flow"),
        ("<vehicle>", "not well-formed XML"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_place(demand_of: Reader, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(message)) as caught:
        demand_of(text)
    assert "demand.rou.xml" in caught.value.where


def test_missing_files_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read_demand(GRID, [tmp_path / "missing.rou.xml"], 0, 3600)
    with pytest.raises(InvalidInputError, match="expected a SUMO route file"):
        read_demand(GRID, [GRID], 0, 3600)
    with pytest.raises(InvalidInputError, match="expected at least one"):
        read_demand(GRID, [], 0, 3600)
    with pytest.raises(InvalidInputError, match="end_s"):
        read_demand(GRID, [GRID], 10, 10)
