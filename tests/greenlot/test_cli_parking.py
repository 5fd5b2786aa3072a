"""``greenlot parking`` as a user runs it, with the files that the README names."""

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parking.allocation import allocate
from parking.io.assignments_csv import ARC_COLUMNS, ASSIGNMENT_COLUMNS
from parking.io.lots import read_lots
from parking.io.requests_csv import COLUMNS, read_requests
from tests.greenlot.travel.test_network import net
from traffic.io.sumo_net import read_network
from traffic.io.sumo_projection import SumoProjection

__all__ = ["net"]
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LOTS, REQUESTS = EXAMPLES / "parking-lots.geojson", EXAMPLES / "parking-requests.csv"
FIGURES = [
    *("assigned", "served_bound", "unserved", "total_cost_fen", "bound_fen", "gap", "proven"),
    *("method", "build_s", "solve_s", "candidates"),
]


def greenlot(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command beside the interpreter."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("greenlot")), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def allocate_files(*arguments: object, lots: Path = LOTS, requests: Path = REQUESTS) -> Any:
    return greenlot("parking", "allocate", "--lots", lots, "--requests", requests, *arguments)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great circle by the law of cosines, unlike the engine's own."""
    (lon, lat), (other_lon, other_lat) = (tuple(map(math.radians, p)) for p in (a, b))
    angle = math.sin(lat) * math.sin(other_lat)
    angle += math.cos(lat) * math.cos(other_lat) * math.cos(lon - other_lon)
    return 6_371_008.8 * math.acos(min(1.0, angle))


def test_the_readmes_command(tmp_path: Path) -> None:
    output, costs = tmp_path / "assignments.csv", tmp_path / "arcs.csv"
    done = allocate_files("-o", output, "--costs", costs, "--json", "--explain", "r10")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert list(document) == [*FIGURES, "explained"]
    answer, arcs = rows(output), rows(costs)
    assert list(answer[0]) == list(ASSIGNMENT_COLUMNS)
    assert list(arcs[0]) == list(ARC_COLUMNS)
    wanted = {row["id"]: row for row in rows(REQUESTS)}
    assert [row["request_id"] for row in answer] == list(wanted)
    assigned = [row for row in answer if row["status"] == "assigned"]
    assert document["assigned"] == len(assigned) == document["served_bound"]
    assert document["unserved"] == len(answer) - len(assigned) > 0
    assert document["total_cost_fen"] == sum(int(row["cost_fen"]) for row in assigned)
    assert document["proven"] is True
    assert document["gap"] == 0
    priced = {(arc["request_id"], arc["pool_id"]): arc for arc in arcs}
    places = {
        feature["properties"]["id"]: tuple(feature["geometry"]["coordinates"])
        for feature in json.loads(LOTS.read_text(encoding="utf-8"))["features"]
    }
    for row in assigned:
        arc = priced[row["request_id"], row["pool_id"]]
        assert {key: row[key] for key in ARC_COLUMNS} == arc
        asked, place = wanted[row["request_id"]], places[row["lot_id"]]
        origin, goal = (
            (float(asked[f"{end}_lon"]), float(asked[f"{end}_lat"])) for end in ("origin", "dest")
        )
        drive_s = math.floor(1.3 * distance_m(origin, place) / 8.333 + 0.5)
        walk_s = math.floor(1.3 * distance_m(place, goal) / 1.25 + 0.5)
        assert (int(row["drive_s"]), int(row["walk_s"])) == (drive_s, walk_s)
        value = int(asked["value_of_time_fen_per_h"] or 3000)
        cost_fen = (value * (drive_s + 2 * walk_s) + 1800) // 3600 + int(row["price_fen"])
        assert int(row["cost_fen"]) == cost_fen
    for row in answer:
        if row["status"] == "unserved":
            assert row["reason"]
            assert not any(row[key] for key in ASSIGNMENT_COLUMNS[2:-1])
    explained = document["explained"]
    assert explained["request_id"] == "r10"
    assert explained["cost_fen"] == next(
        int(row["cost_fen"]) for row in answer if row["request_id"] == "r10"
    )


def test_three_lines_of_python_say_the_same(tmp_path: Path) -> None:
    output = tmp_path / "assignments.csv"
    done = allocate_files("-o", output, "--explain", "r01")
    lots = read_lots(str(LOTS))
    requests = read_requests(str(REQUESTS))
    result = allocate(requests, lots)
    assert done.returncode == 0, done.stderr
    assert f"{len(result.assigned)} of {len(requests)} served" in done.stdout
    assert f"cost {result.total_cost_fen} fen, proven best" in done.stdout
    assert f"{len(result.unserved)} not served: " in done.stdout
    assert "西城 west" in done.stdout
    assert "r01: " in done.stdout
    total = sum(int(row["cost_fen"]) for row in rows(output) if row["cost_fen"])
    assert total == result.total_cost_fen


def test_the_documents_lines_run_as_they_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parents[1])
    text = Path("docs/parking-files.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["result"].proven
    lines = code.partition("\n\n")[2]
    for readme in ("README.md", "README.zh-CN.md"):
        assert lines in Path(readme).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--travel", "teleport"], "--travel: 'teleport'; expected great-circle, network"),
        (["--travel", "network"], "--travel: network needs --net"),
        (["--net", "nowhere.net.xml"], "nowhere.net.xml: cannot be read: No such file"),
        (["--explain", "r99"], "--explain: no request 'r99'"),
        (["--requests", "broken.csv"], "broken.csv:3: dest_lat: 'north'; expected a number"),
        (["--requests", "nowhere.csv"], "nowhere.csv: cannot be read: No such file"),
        (["--lots", "broken.geojson"], "feature 0 (l1): pools[0].free: 9; expected 0 to the quota"),
        (["--costs", "out.csv"], "--costs: out.csv is -o as well"),
        (["-o", str(REQUESTS)], "is --requests as well"),
        (["-o", "no/such/place.csv"], "-o: no directory no/such"),
        (["-o", "."], "-o: . is a directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = REQUESTS.read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace(lines[2].split(",")[4], "north")
    Path("broken.csv").write_text("\n".join(lines))
    pool = {"id": "p", "capacity": 3, "free": 9}
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [118.6, 37.4]},
        "properties": {"id": "l1", "pools": [pool]},
    }
    Path("broken.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    Path("out.csv").write_text("as it was")
    before = sorted(path.name for path in tmp_path.iterdir())
    done = allocate_files("-o", "out.csv", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert Path("out.csv").read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    costs = tmp_path / "arcs.csv"
    done = allocate_files("-o", "/dev/full", "--costs", costs)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_asked_and_nothing_there(tmp_path: Path) -> None:
    empty_lots, no_requests = tmp_path / "lots.geojson", tmp_path / "requests.csv"
    empty_lots.write_text('{"type": "FeatureCollection", "features": []}')
    no_requests.write_text(",".join(COLUMNS) + "\n")
    output = tmp_path / "out.csv"
    done = allocate_files("-o", output, "--json", lots=empty_lots)
    assert done.returncode == 0, done.stderr
    assert {row["reason"] for row in rows(output)} == {"no_pool_in_reach"}
    done = allocate_files("-o", output, "--json", requests=no_requests)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert [figures[key] for key in FIGURES[:7]] == [0, 0, 0, 0, 0, 0, True]
    assert output.read_text() == ",".join(ASSIGNMENT_COLUMNS) + "\n"
    assert allocate_files("-o", output, lots=empty_lots, requests=no_requests).returncode == 0


def test_ids_go_through_as_they_are(tmp_path: Path) -> None:
    ids = ['comma, "quote"', "东营 🚗", "=1+2", "[red]x[/red]:smile:"]
    lines = REQUESTS.read_text(encoding="utf-8").splitlines()
    template = next(csv.reader([lines[1]]))
    requests, output = tmp_path / "requests.csv", tmp_path / "out.csv"
    with requests.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(lines[0].split(","))
        writer.writerows([key, *template[1:]] for key in ids)
    done = allocate_files("-o", output, "--explain", ids[3], requests=requests)
    assert done.returncode == 0, done.stderr
    assert [row["request_id"] for row in rows(output)] == ids
    assert f"{ids[3]}: " in done.stdout


def test_travel_on_a_network(tmp_path: Path, net: Path) -> None:
    # Down one street: from a quarter of it to three quarters.
    edge = max(read_network(net).edges.values(), key=lambda e: math.dist(e.shape[0], e.shape[-1]))
    (ax, ay), (bx, by) = edge.shape[0], edge.shape[-1]
    shares = np.array([0.25, 0.75])
    lon, lat = SumoProjection.read(net).to_degrees(ax + shares * (bx - ax), ay + shares * (by - ay))
    lots, requests = tmp_path / "lots.geojson", tmp_path / "requests.csv"
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [x, y]},
            "properties": {"id": f"l{k}", "pools": [{"id": f"p{k}", "capacity": 1}]},
        }
        for k, (x, y) in enumerate([(lon[1], lat[1]), (118.0, 36.0)])
    ]
    lots.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    cells = {
        "id": "r",
        "origin_lon": lon[0],
        "origin_lat": lat[0],
        "dest_lon": lon[1],
        "dest_lat": lat[1],
        "arrive_at": "2026-11-23T08:00:00+08:00",
        "duration_s": 3600,
        "max_walk_m": "inf",
    }
    rows_ = [",".join(str(cells.get(name, "")) for name in COLUMNS)]
    requests.write_text("\n".join([",".join(COLUMNS), *rows_, ""]))
    output, costs = tmp_path / "out.csv", tmp_path / "arcs.csv"
    done = allocate_files(
        *("--net", net, "--travel", "network", "-o", output, "--costs", costs, "--json"),
        lots=lots,
        requests=requests,
    )
    assert done.returncode == 0, done.stderr
    assert "warning: 1 of 2 lots are more than 1000 m from every street" in done.stderr
    assert json.loads(done.stdout)["candidates"] == 1
    (arc,) = rows(costs)
    (row,) = rows(output)
    assert (arc["pool_id"], row["pool_id"], row["walk_s"]) == ("p0", "p0", "0")
    metres = math.dist((ax, ay), (bx, by)) / 2
    assert float(row["drive_s"]) == pytest.approx(metres / edge.speed_limit_mps, rel=0.1, abs=3)


def test_check_sums_lots_up_and_warns_of_what_is_lost(tmp_path: Path) -> None:
    done = greenlot("parking", "check", "--lots", LOTS)
    assert done.returncode == 0, done.stderr
    assert "6 lots" in done.stdout
    sites = tmp_path / "sites.json"
    site = {"id": 1, "lat": 37.4, "lon": 118.6, "capacity": 9, "has_fee": True, "purpose": "CAR"}
    sites.write_text(json.dumps({"items": [site]}))
    done = greenlot("parking", "check", "--lots", sites)
    assert done.returncode == 0, done.stderr
    assert "standard: 9 spaces in 1 pools, 9 bookable" in done.stdout
    assert "sites.json: 1: its fee is in words" in done.stderr
