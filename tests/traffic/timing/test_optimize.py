"""A network's plans from its demand: repeatable, safe on the written file, honest about limits."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.traffic.timing.small import scaled, scenario
from traffic.delay.model import DelayModel, Timing
from traffic.delay.trip_model import TripModel
from traffic.errors import InvalidInputError
from traffic.io.sumo_additional import check_file, read_plans, write_plans
from traffic.network import RoadGraph
from traffic.safety import Rules
from traffic.signals import Phase
from traffic.timing.optimize import NetworkPlan, optimize_network
from traffic.timing.search import Step


@cache
def plan_of(name: str, **settings: object) -> NetworkPlan:
    """A search of few steps, cut by their count and not by time: the same on any machine."""
    return searched(name, scenario(name)[0], **settings)


def searched(name: str, graph: RoadGraph, *, steps: int = 2, **settings: object) -> NetworkPlan:
    _, demand = scenario(name)
    left = iter(range(3 * steps))
    return optimize_network(
        graph,
        settings.pop("demand", demand),
        time_limit_s=100.0,
        should_stop=lambda: next(left, None) is None,
        **settings,
    )


def documents(found: NetworkPlan) -> list[object]:
    return [found.plans, found.cycle_s, found.estimate.delay_s, found.states, found.evaluations]


@pytest.mark.parametrize("threads", [1, 3])
def test_same_seed_same_plans(threads: int) -> None:
    """However many threads judge."""
    first = searched("cologne3", scenario("cologne3")[0], seed=7, threads=2)
    again = searched("cologne3", scenario("cologne3")[0], seed=7, threads=threads)
    assert documents(first) == documents(again)


def test_another_seed_searches_elsewhere() -> None:
    """The best may be the same; the ones beside it are found on other ways."""
    assert plan_of("cologne3", seed=1).alternatives != plan_of("cologne3", seed=2).alternatives


@pytest.mark.parametrize("name", ["cologne1", "ingolstadt1", "cologne3", "ingolstadt7"])
def test_written_plans_are_safe(name: str, tmp_path: Path) -> None:
    """The file, read phase by phase; and it says what was found."""
    graph, _ = scenario(name)
    found = plan_of(name)
    path = tmp_path / "plan.add.xml"
    write_plans(found.plans, path)
    broken = check_file(graph, path)
    assert len(broken) == len(found.plans) >= 1
    assert not any(broken.values())
    assert read_plans(path) == found.plans
    assert {plan.signal_id for plan in found.plans}.isdisjoint(found.kept)
    model = DelayModel(graph, scenario(name)[1])
    assert {plan.signal_id for plan in found.plans} | set(found.kept) == set(model.signal_ids)


@pytest.mark.parametrize("name", ["cologne1", "cologne3", "ingolstadt7"])
def test_the_model_prefers_the_plans_to_the_own_programs(name: str) -> None:
    """The estimate that is reported is what the model says of the written plans."""
    found = plan_of(name, steps=12)
    assert found.estimate.delay_s < found.own.delay_s
    assert not found.kept
    model = DelayModel(*scenario(name))
    timings = {
        plan.signal_id: Timing(plan.phases(), plan.program_start_s % plan.cycle_s)
        for plan in found.plans
    }
    assert TripModel(model).evaluate(timings).delay_s == pytest.approx(
        found.estimate.delay_s, rel=1e-9
    )


@pytest.mark.parametrize("min_green_s", [5, 9])
def test_least_green_and_cycle_range(min_green_s: int, tmp_path: Path) -> None:
    graph, _ = scenario("cologne3")
    found = plan_of("cologne3", min_green_s=min_green_s, cycle_s=(62, 76))
    assert 62 <= found.cycle_s <= 76
    for plan in found.plans:
        assert 62 <= plan.cycle_s <= 76
        assert all(stage.green_s >= min_green_s for stage in plan.stages)
    path = tmp_path / "plan.add.xml"
    write_plans(found.plans, path)
    assert not any(check_file(graph, path, Rules(min_green_s=min_green_s)).values())


def test_a_fixed_cycle_is_kept() -> None:
    found = plan_of("cologne3", cycle_s=(80, 80))
    assert {plan.cycle_s for plan in found.plans} == {found.cycle_s} == {80}


def test_too_much_demand_is_said() -> None:
    """Three times what passes well: approaches are named, and a plan is there all the same."""
    graph, demand = scenario("cologne1")
    assert plan_of("cologne1").oversaturated == ()
    found = searched("cologne1", graph, steps=30, demand=scaled(demand, 3.0))
    assert found.oversaturated
    assert set(found.oversaturated) <= set(graph.edges)
    assert found.plans
    # It discharges more than the own program.
    assert found.estimate.served.sum() > found.own.served.sum()


def test_a_signal_that_cannot_be_timed_is_kept_and_named() -> None:
    """One signal's program is red for good: it keeps it, the others are timed."""
    graph, _ = scenario("cologne3")
    broken, *_ = graph.signals
    signal = graph.signals[broken]
    red = (Phase(60, "r" * signal.link_count),)
    bad = replace(signal, programs=(replace(signal.program, phases=red),))
    signals = tuple(bad if s.id == broken else s for s in graph.signals.values())
    changed = RoadGraph(
        tuple(graph.junctions.values()),
        tuple(graph.edges.values()),
        graph.movements,
        signals,
        graph.connections,
    )
    found = searched("cologne3", changed)
    assert list(found.kept) == [broken]
    assert found.kept[broken]
    assert {plan.signal_id for plan in found.plans} == set(graph.signals) - {broken}


def test_the_best_so_far_is_returned_when_time_is_up() -> None:
    """Long before the search is through: a plan is there, and few were judged."""
    graph, demand = scenario("cologne3")
    found = optimize_network(graph, demand, time_limit_s=0.05, seed=3)
    assert len(found.plans) == 3
    assert found.evaluations < plan_of("cologne3", steps=40).evaluations


def test_progress_is_told() -> None:
    steps: list[Step] = []
    searched("cologne1", scenario("cologne1")[0], steps=10, progress=steps.append)
    assert steps
    assert all(0 <= step.done_share <= 1 and step.delay_s > 0 for step in steps)


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"cycle_s": (90, 60)}, "cycle_s"),
        ({"cycle_s": (1, 60)}, "cycle_s"),
        ({"cycle_s": (60, 9000)}, "cycle_s"),
        ({"min_green_s": 3}, "min_green_s"),
        ({"min_green_s": 61}, "min_green_s"),
        ({"stop_penalty_s": -1.0}, "stop_penalty_s"),
        ({"stop_penalty_s": float("nan")}, "stop_penalty_s"),
        ({"time_limit_s": 0.0}, "time_limit_s"),
        ({"time_limit_s": float("nan")}, "time_limit_s"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], where: str) -> None:
    graph, demand = scenario("cologne1")
    with pytest.raises(InvalidInputError) as caught:
        optimize_network(graph, demand, **{"time_limit_s": 1.0, **settings})
    assert caught.value.where == where


def test_no_signal_on_anybodys_way() -> None:
    graph, demand = scenario("cologne1")
    with pytest.raises(InvalidInputError, match="no signal of the network"):
        optimize_network(graph, replace(demand, turns={}), time_limit_s=1.0)
