"""How a queue leaves a stop line: the model's formula against fresh runs of SUMO."""

import itertools
import subprocess
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree as ET

import pytest

from scenarios.sumo_process import run_sumo
from tests.conftest import sumo_tool
from traffic.delay.discharge import discharge
from traffic.demand import Fleet
from traffic.io.sumo_net import read_network

GREEN_S, RED_S = 60, 40
# Vehicles of a green whose headways are counted: the first ones still speed up.
FIRST, LAST = 6, 18


def approach(directory: Path, speed_mps: float) -> Path:
    """One lane to a signal in the middle, with one lane on to the north, the east and the west."""
    ends = {"s": (0, -400), "n": (0, 400), "e": (400, 0), "w": (-400, 0)}
    nodes = [f'<node id="{k}" x="{x}" y="{y}"/>' for k, (x, y) in ends.items()]
    nodes.append('<node id="c" x="0" y="0" type="traffic_light"/>')
    edges = [
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="1" speed="{speed_mps}"/>'
        for a, b in (("s", "c"), ("c", "n"), ("c", "e"), ("c", "w"))
    ]
    for name, rows in (("nodes", nodes), ("edges", edges)):
        (directory / f"{name}.xml").write_text(f"<{name}>{''.join(rows)}</{name}>", "utf-8")
    subprocess.run(
        [
            *(sumo_tool("netconvert"), "-n", "nodes.xml", "-e", "edges.xml", "-o", "net.net.xml"),
            *("--no-turnarounds", "true"),
        ],
        cwd=directory,
        check=True,
        capture_output=True,
    )
    return directory / "net.net.xml"


def crossings_s(directory: Path, net: Path, to_edge: str, fleet: Fleet) -> list[list[float]]:
    """Times at which vehicles of a standing queue pass the stop line, from each green's start."""
    kind = (
        f'<vType id="car" tau="{fleet.headway_s}" accel="{fleet.accel_mps2}" '
        f'sigma="{fleet.imperfection}" length="{fleet.space_m - 2.5}" minGap="2.5"/>'
    )
    (directory / "routes.xml").write_text(
        f'<routes>{kind}<route id="way" edges="sc c{to_edge}"/>'
        '<flow id="f" type="car" route="way" begin="0" end="1000" period="1.2" departSpeed="max" '
        'departPos="base"/></routes>',
        "utf-8",
    )
    (signal,) = read_network(net).signals.values()
    green, red = "G" * signal.link_count, "r" * signal.link_count
    (directory / "plan.xml").write_text(
        f'<additional><tlLogic id="{signal.id}" type="static" programID="p" offset="0">'
        f'<phase duration="{RED_S}" state="{red}"/><phase duration="{GREEN_S}" state="{green}"/>'
        '</tlLogic><instantInductionLoop id="d" lane="sc_0" pos="-0.1" file="passed.xml"/>'
        "</additional>",
        "utf-8",
    )
    run_sumo(
        [
            *("-n", str(net), "-r", str(directory / "routes.xml"), "-e", "1000", "--seed", "5"),
            *("-a", str(directory / "plan.xml"), "--no-step-log", "--no-warnings"),
        ]
    )
    passed = [
        float(row.attrib["time"])
        for row in ET.parse(directory / "passed.xml").getroot().iter("instantOut")
        if row.attrib["state"] == "enter"
    ]
    cycle_s = RED_S + GREEN_S
    greens = [
        [t % cycle_s - RED_S for t in own]
        for _, own in itertools.groupby(passed, key=lambda t: t // cycle_s)
    ]
    # The first cycles' queues are short.
    return greens[3:]


@pytest.mark.parametrize(
    ("speed_mps", "to_edge", "fleet"),
    [
        (8.33, "n", Fleet()),
        (13.89, "n", Fleet()),
        (19.44, "n", Fleet()),
        (13.89, "e", Fleet()),
        (13.89, "w", Fleet()),
        (13.89, "n", Fleet(imperfection=0.0)),
        (13.89, "n", Fleet(headway_s=0.5)),
    ],
)
def test_headways_of_a_saturated_approach(
    tmp_path: Path, speed_mps: float, to_edge: str, fleet: Fleet
) -> None:
    """Headways, and vehicles of a whole green, are met within 8%."""
    net = approach(tmp_path, speed_mps)
    greens = crossings_s(tmp_path, net, to_edge, fleet)
    assert len(greens) >= 5
    assert all(len(own) > LAST for own in greens)
    (way,) = (c for c in read_network(net).connections if c.to_edge == f"c{to_edge}")
    said = discharge(fleet, way.speed_mps)
    headway_s = fmean((own[LAST] - own[FIRST]) / (LAST - FIRST) for own in greens)
    assert said.headway_s == pytest.approx(headway_s, rel=0.08)
    served = (GREEN_S - said.start_loss_s) / said.headway_s
    assert served == pytest.approx(fmean(len(own) for own in greens), rel=0.08)
    assert said.saturation_vph == pytest.approx(3600 / said.headway_s)
