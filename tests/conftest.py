"""A small city that SUMO's own generator makes: four crossings, two corridors, three car parks."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.reliability.postgres_server import PostgresServer, running


def sumo_tool(name: str) -> str:
    """Path of a SUMO program beside the interpreter."""
    return str(Path(sys.executable).with_name(name))


def lot_feature(lot_id: str, lon: float, lat: float, capacity: int, **extra: object) -> dict:
    """A lot with one standard pool as a GeoJSON feature."""
    properties = {
        "id": lot_id,
        "name": f"停车场 {lot_id}",
        "kind": "mall",
        "entrance_edge": "A0A1",
        "tariff": {"fen_per_hour": 500},
        "pools": [{"id": f"{lot_id}-s", "class": "standard", "capacity": capacity}],
    }
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"type": "Feature", "geometry": geometry, "properties": properties | extra}


def write_city(directory: Path) -> Path:
    """Write a city directory and return it."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [
            *(sumo_tool("netgenerate"), "--grid", "--grid.number", "3", "--grid.length", "300"),
            *("--grid.attach-length", "200", "--default.lanenumber", "2"),
            *("--default-junction-type", "traffic_light", "--tls.yellow.time", "3"),
            *("--tls.allred.time", "2", "--no-turnarounds", "true"),
            *("-o", str(directory / "network.net.xml"), "--seed", "1"),
        ],
        check=True,
        capture_output=True,
    )
    manifest = {
        "id": "smallville",
        "name": "小城",
        "timezone": "Asia/Shanghai",
        "network": "network.net.xml",
        "lots": "lots.geojson",
        "corridors": "corridors.csv",
        "turn_counts": "turn_counts.csv",
        "periods": [{"name": "morning", "begin_s": 25200, "end_s": 27000}],
    }
    (directory / "city.json").write_text(json.dumps(manifest), encoding="utf-8")
    (directory / "corridors.csv").write_text(
        "id,road,direction,signals\nEW,东西路,east-west,A1;B1;C1\nNS,南北路,north-south,B0;B1;B2\n",
        encoding="utf-8",
    )
    (directory / "turn_counts.csv").write_text(
        "period,from_edge,to_edge,flow_vph,label\n"
        "morning,A1B1,B1C1,700,assumed\nmorning,C1B1,B1A1,500,assumed\n"
        "morning,B0B1,B1B2,400,assumed\nmorning,B2B1,B1B0,400,assumed\n",
        encoding="utf-8",
    )
    lots = [
        lot_feature("near", 118.6600, 37.4300, 2),
        lot_feature("far", 118.6650, 37.4330, 5),
        lot_feature("low", 118.6605, 37.4302, 50, max_height_cm=180),
    ]
    document = {"type": "FeatureCollection", "features": lots}
    (directory / "lots.geojson").write_text(json.dumps(document), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small city's directory; do not change it."""
    return write_city(tmp_path_factory.mktemp("city"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the whole session; do not stop it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def fresh_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes an empty database in it and returns its address."""
    numbers = itertools.count(1)
    return lambda: postgres_server.fresh_database(f"test_{next(numbers)}")
