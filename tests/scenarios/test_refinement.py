"""The last mile by simulation: never worse on its own seeds, repeatable, and safe."""

from concurrent.futures import Executor, Future
from pathlib import Path

import pytest

from scenarios import refinement
from scenarios.refinement import FIRST_SEED, Refined, refine
from scenarios.simulation import simulate
from tests.traffic.timing.small import scenario, window
from traffic.io.sumo_additional import check_file, write_plans
from traffic.timing.optimize import NetworkPlan, optimize_network
from traffic.timing.search import Step

CYCLE_S = (50, 90)
INPUTS = window("ingolstadt1", 300)


class Here(Executor):
    """Runs a job when it is given, and counts."""

    def __init__(self) -> None:
        self.jobs: list[tuple] = []

    def submit(self, function, /, *arguments, **named) -> Future:  # type: ignore[no-untyped-def]
        self.jobs.append(arguments)
        done: Future = Future()
        done.set_result(function(*arguments, **named))
        return done


@pytest.fixture(scope="module")
def found() -> NetworkPlan:
    left = iter(range(6))
    return optimize_network(
        *scenario("ingolstadt1", 300),
        cycle_s=CYCLE_S,
        time_limit_s=60.0,
        should_stop=lambda: next(left, None) is None,
    )


def refined(found: NetworkPlan, executor: Executor, *, rounds: int, **settings: object) -> Refined:
    """Refine for so many rounds, by count."""
    left = iter(range(rounds))
    return refine(
        INPUTS,
        *scenario("ingolstadt1", 300),
        found,
        cycle_s=CYCLE_S,
        min_green_s=5,
        time_limit_s=120.0,
        seed=0,
        executor=executor,
        should_stop=lambda: next(left, None) is None,
        **settings,
    )


def test_what_is_refined_is_no_worse_on_its_seeds(found: NetworkPlan, tmp_path: Path) -> None:
    """The delay that is reported is that of the returned plans, simulated again."""
    jobs, steps = Here(), list[Step]()
    better = refined(found, jobs, rounds=12, progress=steps.append)
    assert better.simulations == len(jobs.jobs) > 4
    path = tmp_path / "plan.add.xml"
    write_plans(better.network_plan.plans, path)
    assert not any(check_file(scenario("ingolstadt1", 300)[0], path).values())
    seeds = sorted({seed for _, _, seed in jobs.jobs})
    assert seeds == list(range(FIRST_SEED, FIRST_SEED + len(seeds)))
    again_s = sum(simulate(INPUTS, path, seed).delay_s for seed in seeds) / len(seeds)
    assert better.delay_s == pytest.approx(again_s)
    write_plans(found.plans, path)
    before_s = sum(simulate(INPUTS, path, seed).delay_s for seed in seeds) / len(seeds)
    assert better.delay_s <= before_s + 1e-9
    assert [step.message for step in steps[:1]] == ["starts"]


def test_same_seed_same_refinement(found: NetworkPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulations are left out: what is proposed depends on nothing but the seed."""
    monkeypatch.setattr(
        refinement, "_delay_s", lambda inputs, plan, seed: float(len(plan.read_bytes()) + seed % 7)
    )
    first = refined(found, Here(), rounds=30)
    again = refined(found, Here(), rounds=30)
    assert first.network_plan.plans == again.network_plan.plans
    assert (first.delay_s, first.simulations) == (again.delay_s, again.simulations)


def test_luck_on_the_first_seeds_is_no_gain(
    found: NetworkPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes are better on the seeds of the race alone: in the end the start is kept."""
    starts: list[bytes] = []

    def delay_s(inputs: object, plan: Path, seed: int) -> float:
        text = plan.read_bytes()
        if len(starts) < len(dict.fromkeys((found.states, *found.alternatives))):
            starts.append(text)
        if text in starts:
            return 30.0
        return 29.0 if seed < FIRST_SEED + refinement.SEEDS_EACH else 37.0

    monkeypatch.setattr(refinement, "_delay_s", delay_s)
    kept = refined(found, Here(), rounds=10)
    assert kept.network_plan.states in (found.states, *found.alternatives)
    assert kept.delay_s == 30.0


def test_what_is_better_on_all_seeds_is_taken(
    found: NetworkPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: dict[bytes, int] = {}

    def delay_s(inputs: object, plan: Path, seed: int) -> float:
        return 30.0 - order.setdefault(plan.read_bytes(), len(order)) + seed % 5

    monkeypatch.setattr(refinement, "_delay_s", delay_s)
    better = refined(found, Here(), rounds=12)
    assert better.network_plan.states not in (found.states, *found.alternatives)
    seeds = range(FIRST_SEED, FIRST_SEED + refinement.MOST_SEEDS)
    # It has run on all of them by then.
    assert better.delay_s == pytest.approx(
        30.0 - (len(order) - 1) + sum(seed % 5 for seed in seeds) / len(seeds), abs=2.0
    )


def test_stopped_at_once_it_keeps_a_start(found: NetworkPlan) -> None:
    kept = refined(found, Here(), rounds=0)
    starts = (found.states, *found.alternatives)
    assert kept.network_plan.states in starts
    assert kept.simulations == len(dict.fromkeys(starts))
