"""``greenlot signals optimize`` with demand, as a user runs it."""

import json
import subprocess
from pathlib import Path

import pytest

from greenlot.cli import INPUT_ERRORS, app
from greenlot.cli.optimize import parse_cycle
from scenarios.resco import resco_inputs
from tests.conftest import sumo_tool
from tests.greenlot.test_cli_signals import greenlot
from traffic.errors import InvalidInputError
from traffic.io.sumo_additional import check_file, read_plans
from traffic.io.sumo_net import read_network

SCENARIO = resco_inputs("ingolstadt1")
NET, (ROUTES,) = SCENARIO.net, SCENARIO.routes
BEGIN, END = 57600, 58200


def options(plan: Path, **changes: object) -> list[str]:
    """A sound call, with some options changed, or left out where None."""
    given: dict[str, object] = {
        "net": NET,
        "routes": ROUTES,
        "begin": BEGIN,
        "end": END,
        "time-limit": 2,
        "output": plan,
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    pairs = [(f"--{name}", str(value)) for name, value in given.items() if value is not None]
    return ["signals", "optimize", *(part for pair in pairs for part in pair)]


def test_a_plan_is_safe_loads_and_is_evaluated(tmp_path: Path) -> None:
    """Stdout is one JSON document; SUMO loads the file; ``evaluate`` prints what it does."""
    plan = tmp_path / "plan.add.xml"
    done = greenlot(*options(plan), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["method"] == "delay"
    assert answer["kept"] == {}
    assert 30 <= answer["cycle_s"] <= 120
    assert answer["estimate"]["signal_delay_s"] < answer["own_programs"]["signal_delay_s"]
    (own,) = answer["plans"]
    assert own["cycle_s"] == sum(
        stage["green_s"] + sum(s for s, _ in stage["intergreen"]) for stage in own["stages"]
    )
    assert not any(check_file(read_network(NET), plan).values())
    (written,) = read_plans(plan)
    assert (written.signal_id, written.cycle_s) == (own["signal"], own["cycle_s"])
    ran = subprocess.run(
        [
            *(sumo_tool("sumo"), "-n", str(NET), "-r", str(ROUTES), "-a", str(plan)),
            *("-b", str(BEGIN), "-e", str(BEGIN + 100), "--no-step-log", "true"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = greenlot(
        *("signals", "evaluate", "--net", NET, "--routes", ROUTES, "--plan", plan),
        *("--begin", BEGIN, "--end", END, "--seeds", "2"),
    )
    assert told.returncode == 0, told.stderr
    assert "delay" in told.stdout


def test_people_are_told_in_a_few_lines(tmp_path: Path) -> None:
    """Without ``--json``: cycle, file, estimate; progress is no part of it."""
    plan = tmp_path / "plan.add.xml"
    done = greenlot(*options(plan, cycle=70))
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first == f"cycle 70 s, 1 plans -> {plan}"
    assert "estimated time lost at signals" in second
    assert plan.is_file()


def test_mixed_with_a_corridor(tmp_path: Path) -> None:
    """Delay and bands along chosen signals."""
    scenario = resco_inputs("cologne3")
    first, second = list(read_network(scenario.net).signals)[:2]
    plan = tmp_path / "plan.add.xml"
    done = greenlot(
        *options(
            plan,
            net=scenario.net,
            routes=scenario.routes[0],
            begin=25200,
            end=25800,
            method="mixed",
            corridor=f"{first},{second}",
            time_limit=1,
        ),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["method"] == "mixed"
    assert len(read_plans(plan)) == 3


def routes_file(path: Path, body: str) -> Path:
    path.write_text(f"<routes>{body}</routes>", encoding="utf-8")
    return path


ONE_EDGE = '<vehicle id="v" depart="57700"><route edges="{}"/></vehicle>'

MISTAKES = [
    ({"routes": "nowhere.rou.xml"}, "nowhere.rou.xml"),
    ({"net": "nowhere.net.xml"}, "nowhere.net.xml"),
    ({"additional": "nowhere.add.xml"}, "nowhere.add.xml"),
    ({"begin": 0, "end": 600}, "0"),
    ({"begin": 600, "end": 600}, "window"),
    ({"begin": -5}, "window"),
    ({"end": None}, "--end"),
    ({"routes": None, "method": "delay"}, "needs --routes or --turn-counts"),
    ({"routes": None, "method": "band"}, "needs a --corridor"),
    ({"routes": None}, "needs a --corridor"),
    ({"method": "band"}, "needs a --corridor"),
    ({"method": "magic"}, "expected delay, mixed, band"),
    ({"corridor": "No Such Road"}, "No Such Road"),
    ({"refine": -1}, "--refine: -1.0; expected 0 or more"),
    ({"refine": "nan"}, "--refine"),
    ({"time_limit": 0}, "--time-limit: 0.0; expected more than 0"),
    ({"time_limit": "nan"}, "--time-limit"),
    ({"cycle": "fast"}, "--cycle: 'fast'; expected 90 or 60:120"),
    ({"cycle": "120:60"}, "cycle_s: 120:60"),
    ({"cycle": "1:60"}, "cycle_s: 1:60"),
    ({"cycle": "60:9999"}, "cycle_s: 60:9999"),
    # No sequence of the signal's stages is so short.
    ({"cycle": "60:60", "min_green": 60}, "no signal can be timed"),
    ({"min_green": 3}, "min_green_s: 3; expected 5 to 60"),
    ({"stop_penalty": -1}, "stop_penalty_s"),
    ({"stop_penalty": "nan"}, "stop_penalty_s"),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES, ids=[str(c) for c, _ in MISTAKES])
def test_a_mistake_is_told_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    """``main`` prints these errors in one line and exits with 2 (see below)."""
    _refused(options(tmp_path / "plan.add.xml", **changes), words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "no vehicle"),
        (ONE_EDGE.format("no_such_edge"), "no_such_edge"),
        (ONE_EDGE.format("201963537#1 no_such_edge"), "no_such_edge"),
        ('<vehicle id="v" depart="3"><route edges="201963537#1"/></vehicle>', "no vehicle"),
        # It ends before the signal.
        (ONE_EDGE.format("201963537#1"), "no signal of the network is on any vehicle's way"),
        ("<vehicle", "routes.rou.xml"),
    ],
)
def test_demand_that_is_none(tmp_path: Path, body: str, words: str) -> None:
    """Empty, over unknown edges, outside the window, past no signal, broken off."""
    path = routes_file(tmp_path / "routes.rou.xml", body)
    _refused(options(tmp_path / "plan.add.xml", routes=path), words)
    assert list(tmp_path.iterdir()) == [path]


def _refused(arguments: list[str], words: str) -> None:
    with pytest.raises(INPUT_ERRORS) as caught:
        app(arguments, standalone_mode=False)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"begin": 0, "end": 600}, "greenlot: "),
        ({"refine": -1}, "greenlot: --refine: -1.0; expected 0 or more"),
        ({"output": "no/such/folder/plan.add.xml"}, "greenlot: -o: no directory no/such/folder"),
    ],
)
def test_one_line_on_stderr_and_exit_2(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    """The whole command, in a process of its own."""
    done = greenlot(*options(tmp_path / "plan.add.xml", **changes))
    assert done.returncode == 2
    # The progress bar leaves an empty line.
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(words)
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_directory(tmp_path: Path) -> None:
    """Told before the search, not after it."""
    _refused(options(tmp_path), "-o")


@pytest.mark.parametrize(
    ("text", "expected"), [("90", (90, 90)), ("60:120", (60, 120)), ("7:3", (7, 3))]
)
def test_cycles_are_parsed(text: str, expected: tuple[int, int]) -> None:
    assert parse_cycle(text) == expected


@pytest.mark.parametrize("text", ["", "60-120", "60:", ":90", "6e1", "60:120:2", "-60", "99999"])
def test_cycles_that_are_none(text: str) -> None:
    with pytest.raises(InvalidInputError, match="--cycle"):
        parse_cycle(text)
