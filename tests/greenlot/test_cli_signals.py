"""``greenlot signals optimize`` as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.traffic.io.test_sumo_net import resco


def greenlot(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command beside the interpreter."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("greenlot")), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_plan_for_a_network_that_nobody_tuned_for_is_loaded_by_sumo(tmp_path: Path) -> None:
    net, plan = resco("ingolstadt7"), tmp_path / "plan.add.xml"
    corridor = "gneJ207,gneJ143,cluster_1757124350_1757124352"
    done = greenlot(
        *("signals", "optimize", "--net", net, "--corridor", corridor),
        *("--cycle", "70:100", "-o", plan, "--json"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert 70 <= answer["cycle_s"] <= 100
    assert [p["signal"] for p in answer["plans"]] == sorted(corridor.split(","))
    sumo = Path(sys.executable).with_name("sumo")
    ran = subprocess.run(
        [sumo, "-n", net, "-a", plan, "-b", "57600", "-e", "57900", "--no-step-log", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Error" not in ran.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--corridor": "No Such Road"}, "no road or list of signals 'No Such Road'"),
        ({"--corridor": "gneJ207,gneJ209"}, "no signal 'gneJ209'; near: gneJ"),
        ({"--corridor": "gneJ207,gneJ210"}, "no way from signal 'gneJ207' to 'gneJ210'"),
        ({"--cycle": "fast"}, "--cycle: 'fast'; expected 90 or 60:120"),
        ({"--cycle": "120:60"}, "cycle_s: 120:60"),
        ({"--net": "nowhere.net.xml"}, "nowhere.net.xml: cannot be read"),
        ({"--speed-kmh": "-5"}, "speed_mps"),
        ({"-o": "no/such/folder/plan.xml"}, "-o: no directory no/such/folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    options = {
        "--net": str(resco("ingolstadt7")),
        "--corridor": "gneJ207,gneJ143",
        "-o": str(tmp_path / "plan.add.xml"),
    } | changes
    done = greenlot("signals", "optimize", *(x for pair in options.items() for x in pair))
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lots_file_with_a_negative_capacity_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lots.geojson"
    lot = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [118.6, 37.4]},
        "properties": {"id": "l1", "pools": [{"id": "p1", "capacity": -3}]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [lot]}))
    done = greenlot("parking", "check", "--lots", path)
    assert done.returncode == 2
    assert f"{path}: feature 0 (l1): pools[0].capacity: -3; expected 0 to" in done.stderr
