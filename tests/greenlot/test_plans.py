"""From a scenario's files to a file of plans."""

from dataclasses import replace
from pathlib import Path

import pytest

from greenlot.plans import optimize_to_file, read_scenario
from scenarios.simulation import Inputs
from tests.traffic.timing.small import window
from traffic.errors import InvalidInputError, NotFoundError
from traffic.io.sumo_additional import check_file, read_plans
from traffic.timing.search import Step


def few_steps(count: int = 4):
    """Stop after so many questions, so that machines of any speed do the same."""
    left = iter(range(3 * count))
    return lambda: next(left, None) is None


def test_a_scenario_is_read() -> None:
    """In slices of a minute, or of the whole window where that is shorter."""
    graph, demand = read_scenario(window("cologne1", 300))
    assert (demand.begin_s, demand.end_s, demand.slice_s) == (25200, 25500, 60)
    assert demand.vehicles > 0
    assert set(demand.departures) <= set(graph.edges)
    assert read_scenario(window("cologne1", 40))[1].slice_s == 40


def test_the_file_holds_what_the_report_says(tmp_path: Path) -> None:
    inputs = window("cologne3")
    out = tmp_path / "plan.add.xml"
    report = optimize_to_file(inputs, out, seed=2, should_stop=few_steps(), time_limit_s=60)
    assert read_plans(out) == report.network_plan.plans
    assert not any(check_file(read_scenario(inputs)[0], out).values())
    assert (report.simulated_s, report.simulations) == (None, 0)
    assert report.seconds > 0


def test_same_inputs_same_bytes(tmp_path: Path) -> None:
    inputs = window("cologne3")
    files = []
    for name in ("a", "b"):
        out = tmp_path / name
        optimize_to_file(inputs, out, seed=5, should_stop=few_steps(), time_limit_s=60)
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_settings_reach_the_search(tmp_path: Path) -> None:
    out = tmp_path / "plan.add.xml"
    steps: list[Step] = []
    optimize_to_file(
        window("cologne3"),
        out,
        cycle_s=(70, 70),
        min_green_s=8,
        progress=steps.append,
        should_stop=few_steps(),
    )
    plans = read_plans(out)
    assert {plan.cycle_s for plan in plans} == {70}
    assert min(stage.green_s for plan in plans for stage in plan.stages) >= 8
    assert steps


def test_turn_counts_instead_of_routes(small_city: Path, tmp_path: Path) -> None:
    """A table of counts is demand enough; it cannot be simulated."""
    inputs = Inputs(
        small_city / "network.net.xml", (small_city / "turn_counts.csv",), (), 25200, 27000
    )
    out = tmp_path / "plan.add.xml"
    report = optimize_to_file(inputs, out, turn_count_period="", should_stop=few_steps())
    assert "B1" in {plan.signal_id for plan in read_plans(out)}
    assert report.network_plan.estimate.vehicles > 0
    with pytest.raises(InvalidInputError, match="turn counts cannot be simulated"):
        optimize_to_file(inputs, out, turn_count_period="", refine_s=1.0)
    with pytest.raises((InvalidInputError, NotFoundError), match="no period"):
        optimize_to_file(inputs, out, turn_count_period="night")


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({"net": Path("nowhere.net.xml")}, {}, "nowhere.net.xml"),
        ({"routes": (Path("nowhere.rou.xml"),)}, {}, "nowhere.rou.xml"),
        ({"begin_s": 10, "end_s": 20}, {}, "no vehicle"),
        ({}, {"corridors": ["Nowhere Road"]}, "Nowhere Road"),
        ({}, {"cycle_s": (90, 60)}, "cycle_s"),
    ],
)
def test_a_mistake_leaves_no_file(
    tmp_path: Path, changes: dict[str, object], settings: dict[str, object], words: str
) -> None:
    inputs = replace(window("cologne1"), **changes)
    with pytest.raises((InvalidInputError, NotFoundError), match=words):
        optimize_to_file(inputs, tmp_path / "plan.add.xml", **settings)
    assert list(tmp_path.iterdir()) == []
