"""``greenlot signals day`` as a user runs it."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from greenlot.cli.day import day
from tests.greenlot.test_cli_signals import greenlot
from tests.traffic.io.test_sumo_net import resco
from traffic.errors import InvalidInputError
from traffic.io.sumo_additional import check_file
from traffic.io.sumo_net import read_network
from traffic.safety import check_phases
from traffic.transition import phases_of

NET = resco("cologne1")
ROUTES = NET.with_name("cologne1.rou.xml")
BEGIN_S, SWITCH_S, END_S = 25200, 25800, 26400


@pytest.fixture(scope="module")
def falling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario's trips; of those after the switch only every sixth."""
    rows = []
    for k, line in enumerate(ROUTES.read_text(encoding="utf-8").splitlines()):
        is_late = "<trip" in line and float(line.split('depart="')[1].split('"')[0]) >= SWITCH_S
        if not is_late or k % 6 == 0:
            rows.append(line)
    path = tmp_path_factory.mktemp("demand") / "falling.rou.xml"
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def states_in_sumo(additional: str, routes: str, signal_id: str) -> list[str]:
    """What SUMO shows at each second; in a process of its own."""
    import libsumo

    files = ["-n", str(NET), "-r", routes, "-a", additional]
    libsumo.start(["sumo", *files, "-b", str(BEGIN_S), "--no-step-log", "true"])
    states = []
    for _ in range(END_S - BEGIN_S):
        libsumo.simulationStep()
        states.append(libsumo.trafficlight.getRedYellowGreenState(signal_id))
    libsumo.close()
    return states


def scheduled(signal: dict[str, Any], t_s: int) -> str:
    """What the JSON schedule says that a signal shows, from its text alone."""
    part = next(p for p in signal["day"] if p["begin_s"] <= t_s < p["end_s"])
    if t_s < part["in_step_s"]:
        left_s = t_s - part["begin_s"]
        for duration_s, state in part["transition"]:
            if left_s < duration_s:
                return str(state)
            left_s -= duration_s
    plan = signal["plans"][part["plan"]]
    main = plan["coordinated_stage"]
    rows = [
        row
        for stage in (*plan["stages"][main:], *plan["stages"][:main])
        for row in ([stage["green_s"], stage["green_state"]], *stage["intergreen"])
    ]
    left_s = (t_s - plan["offset_s"]) % plan["cycle_s"]
    for duration_s, state in rows:
        if left_s < duration_s:
            return str(state)
        left_s -= duration_s
    raise AssertionError("the stages do not add up to the cycle")


def test_sumo_shows_the_schedule_over_a_switch(falling: Path, tmp_path: Path) -> None:
    """Every second of the window as scheduled, no minimum green broken, no intergreen skipped."""
    out, schedule = tmp_path / "day.add.xml", tmp_path / "day.json"
    # Where both plans happen to show the same stage there is nothing to go over: others then.
    for longest_s in (120, 90, 70, 50):
        done = greenlot(
            *("signals", "day", "--net", NET, "--routes", falling, "--begin", BEGIN_S),
            *("--end", END_S, "--periods", 2, "--min-period", 600, "--time-limit", 2),
            *("--cycle", f"30:{longest_s}", "-o", out, "--schedule", schedule, "--json"),
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        if any(p["in_step_s"] > p["begin_s"] > 0 for p in answer["signals"][0]["day"]):
            break
    assert answer == json.loads(schedule.read_text(encoding="utf-8"))
    assert [p["begin_s"] for p in answer["periods"]] == [BEGIN_S, SWITCH_S]
    assert [p["plan"] for p in answer["periods"]] == [0, 1]
    assert answer["signal_delay_s"] < answer["one_plan_signal_delay_s"]
    (signal,) = answer["signals"]
    # Midnight, where the cycle jumps, is a planned transition too.
    assert [p["begin_s"] for p in signal["day"]] == [0, SWITCH_S]
    switch = signal["day"][1]
    assert answer["worst_transition"]["seconds"] >= switch["in_step_s"] - SWITCH_S > 0

    with multiprocessing.get_context("spawn").Pool(1) as pool:
        shown = pool.apply(states_in_sumo, (str(out), str(falling), signal["signal"]))
    assert shown == [scheduled(signal, t_s) for t_s in range(BEGIN_S, END_S)]
    graph = read_network(NET)
    assert check_phases(graph.signals[signal["signal"]], phases_of(shown), goes_round=False) == ()
    assert check_file(graph, out) == {signal["signal"]: ()}
    evening = [scheduled(signal, t_s) for t_s in range(86400 - 300, 86400)]
    morning = [scheduled(signal, t_s) for t_s in range(300)]
    around = phases_of([*evening, *morning])
    assert check_phases(graph.signals[signal["signal"]], around, goes_round=False) == ()


def test_a_mistake_is_one_line_and_exit_2(tmp_path: Path) -> None:
    done = greenlot(
        *("signals", "day", "--net", NET, "--routes", ROUTES, "--begin", "80000"),
        *("--end", "90000", "-o", tmp_path / "day.add.xml"),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    expected = "window: 80000 to 90000 s; expected one that ends by midnight, 86400 s"
    assert done.stderr.strip() == f"greenlot: {expected}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"periods": "3"}, "^periods: 3 of at least 600 s do not fit into 1200 s"),
        ({"periods": "49", "min_period": 60}, "^periods: 49; expected 1 to 48"),
        ({"periods": "many"}, "^--periods: 'many'; expected a number, or auto"),
        ({"periods": "0"}, "^--periods: '0'"),
        ({"min_period": 1800}, "^min_period_s: 1800; expected 60 s to the window's 1200 s"),
        ({"transition": "jump"}, "^--transition: 'jump'; expected dwell, add, subtract"),
        ({"cycle": "fast"}, "^--cycle: 'fast'"),
        ({"cycle": "5:20"}, "^cycle_s: 5:20; expected 10 <= low"),
        ({"time_limit": 0.0}, "^--time-limit: 0.0; expected more than 0"),
        ({"time_limit": float("nan")}, "^--time-limit: nan"),
        ({"output": Path()}, "^-o: . is a directory; expected a file"),
        ({"output": Path("no/such/folder/x.xml")}, "^-o: no directory no/such/folder"),
        ({"schedule": Path("no/such/x.json")}, "^--schedule: no directory no/such"),
        ({"routes": "gone.rou.xml"}, r"^gone\.rou\.xml: no such file"),
        ({"net": Path("gone.net.xml")}, r"^gone\.net\.xml: no such file"),
        ({"begin": 0, "end": 1200}, "no vehicle departs from 0 to 1200 s"),
    ],
)
def test_what_a_user_gets_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    out = tmp_path / "day.add.xml"
    sound = {"net": NET, "routes": str(ROUTES), "begin": BEGIN_S, "end": END_S, "output": out}
    with pytest.raises(InvalidInputError, match=words):
        day(**(sound | {"min_period": 600} | changes))
    assert not out.exists()
