"""Dongying's city directory, as built from its recipe."""

import csv
import json
import math
from pathlib import Path

import pyproj
import pytest

from greenlot.city import City, load_city
from scenarios.demand import draw_parkers, write_routes
from scenarios.dongying import build, tables
from traffic.network import RoadGraph

SATURATION_FLOW_VPH = 1800.0


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dongying") / "city")


@pytest.fixture(scope="module")
def city(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> City:
    return load_city(directory, cache=tmp_path_factory.mktemp("cache"))


def test_the_same_recipe_gives_the_same_files_byte_for_byte(
    directory: Path, tmp_path: Path
) -> None:
    again = build(tmp_path / "again")
    files = sorted(p.relative_to(directory) for p in directory.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert len(files) > 12
    for name in files:
        assert (directory / name).read_bytes() == (again / name).read_bytes(), name


def test_what_is_there_is_not_built_again(directory: Path) -> None:
    before = (directory / "network.net.xml").stat().st_mtime_ns
    build(directory)
    assert (directory / "network.net.xml").stat().st_mtime_ns == before


def test_every_crossing_is_a_signal_where_the_table_puts_it(city: City) -> None:
    rows = tables.crossings()
    assert len(rows) == len(city.graph.signals) == 107
    geod = pyproj.Geod(ellps="WGS84")
    by_roads = {
        frozenset(s.name.split("/")): s for s in city.graph.signals.values() if "/" in s.name
    }
    for row in rows:
        signal = by_roads.get(frozenset((row.ns_road, row.ew_road)))
        if signal is None:
            assert row.ns_road.startswith("unnamed")
            continue
        assert signal.lon is not None
        assert signal.lat is not None
        _, _, away_m = geod.inv(row.lon, row.lat, signal.lon, signal.lat)
        assert away_m < 1.0


def test_national_roads_are_found_by_their_numbers(city: City) -> None:
    for ref in ("G220", "G516", "S316"):
        assert sum(edge.length_m for edge in city.graph.road(ref)) > 5000


def test_the_seven_corridors_run_both_ways(city: City) -> None:
    assert [len(c.crossings) for c in city.corridors.values()] == [6, 6, 8, 9, 13, 13, 10]
    for corridor in city.corridors.values():
        for crossing in corridor.crossings:
            assert crossing.through_out
            assert crossing.through_in
        for link in corridor.links:
            assert 100 < link.length_out_m < 8000
            assert abs(link.length_out_m - link.length_in_m) < 30


def test_every_signal_has_a_safe_program_with_pedestrian_minimum_greens(city: City) -> None:
    for signal in city.graph.signals.values():
        program = signal.program
        assert program.cycle_s == 90
        assert program.offset_s == 0
        greens = [p for p in program.phases if "G" in p.state]
        # Someone can walk over 7 lanes of 3.2 m in the longest of them.
        assert max(p.min_duration_s or 0 for p in greens) >= 10
        kinds = [("y" in p.state, "G" in p.state, p.duration_s) for p in program.phases]
        for k in range(0, len(kinds), 3):
            assert [kinds[k][:2], *kinds[k + 1 : k + 3]] == [
                (False, True),
                (True, False, 3.0),
                (False, False, 2.0),
            ]


def saturation(graph: RoadGraph, signal_id: str, flows: dict[tuple[str, str], float]) -> float:
    """Y C/(C - L) from the turn counts, worked out apart from the recipe's own code."""
    signal = graph.signals[signal_id]
    stages = [p.state for p in signal.program.phases if "G" in p.state]
    total = 0.0
    for state in stages:
        worst = 0.0
        approaches: dict[str, list[tuple[set[int], float]]] = {}
        for m in graph.movements_at(signal_id):
            if any(state[k] == "G" for k in m.link_indices):
                flow = flows.get((m.from_edge, m.to_edge), 0.0)
                approaches.setdefault(m.from_edge, []).append((set(m.from_lanes), flow))
        for turns in approaches.values():
            for lanes, _ in turns:
                # All that must fit into these lanes alone.
                inside = sum(flow for other, flow in turns if other <= lanes)
                worst = max(worst, inside / (len(lanes) * SATURATION_FLOW_VPH))
            every = set().union(*(lanes for lanes, _ in turns))
            if len(turns) == 1 or all(a & b for a, _ in turns for b, _ in turns):
                total_flow = sum(flow for _, flow in turns)
                worst = max(worst, total_flow / (len(every) * SATURATION_FLOW_VPH))
        total += worst
    lost_s = 5.0 * len(stages)
    return total * 90 / (90 - lost_s)


@pytest.mark.parametrize(
    ("period", "low", "high"),
    [("morning", 0.75, 0.9), ("midday", 0.5, 0.75), ("evening", 0.75, 0.9)],
)
def test_the_busiest_crossings_are_as_busy_as_wanted(
    city: City, directory: Path, period: str, low: float, high: float
) -> None:
    with (directory / "turn_counts.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["period"] == period]
    assert all("assumed" in row["label"] for row in rows)
    flows = {(row["from_edge"], row["to_edge"]): float(row["flow_vph"]) for row in rows}
    busy = sorted(saturation(city.graph, key, flows) for key in city.graph.signals)
    assert low <= busy[-1] <= high


def test_the_tide_turns_between_morning_and_evening(directory: Path) -> None:
    with (directory / "turn_counts.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))

    def along(period: str, edge: str) -> float:
        return sum(
            float(r["flow_vph"]) for r in rows if r["period"] == period and r["to_edge"] == edge
        )

    east, west = "beiyi.xiyi.tianmushan", "beiyi.tianmushan.xiyi"
    assert along("morning", east) > 1.2 * along("morning", west)
    assert along("evening", west) > 1.2 * along("evening", east)


def test_the_car_parks_are_many_sized_and_have_3500_chargers(city: City, directory: Path) -> None:
    assert 60 <= len(city.lots) <= 100
    chargers = 0
    for lot in city.lots:
        assert lot.entrance_edge in city.graph.edges
        standard = [p for p in lot.pools if p.space_class == "standard"]
        assert [20 <= p.capacity <= 1500 for p in standard] == [True]
        chargers += sum(p.capacity for p in lot.pools if p.space_class == "charging")
    assert chargers == 3500
    kinds = {lot.kind for lot in city.lots}
    assert kinds == {"government", "hospital", "mall", "kerbside", "residential"}
    document = json.loads((directory / "lots.geojson").read_text(encoding="utf-8"))
    assert all("assumed" in f["properties"]["label"] for f in document["features"])


def test_drawn_traffic_is_the_same_for_a_seed_and_another_for_another(
    directory: Path, tmp_path: Path
) -> None:
    texts = []
    for k, seed in enumerate((1, 1, 2)):
        path = tmp_path / f"{k}.rou.xml"
        count = write_routes(directory, "morning", seed, 26100, 26400, path)
        texts.append(path.read_text())
        assert texts[-1].count("<vehicle ") == count > 300
    assert texts[0] == texts[1] != texts[2]
    parkers = draw_parkers(directory, "morning", 1, 26100, 28800)
    assert parkers == draw_parkers(directory, "morning", 1, 26100, 28800)
    assert [p.depart_s for p in parkers] == sorted(p.depart_s for p in parkers)
    assert all(math.dist((p.dest_lon, p.dest_lat), (118.6, 37.44)) < 0.3 for p in parkers)
