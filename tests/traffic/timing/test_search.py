"""The search itself: cut short by time it still returns a plan; threads change nothing."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.traffic.timing.small import CYCLE_S, options, scenario
from traffic.delay.trip_model import TripModel
from traffic.io.sumo_additional import check_file, write_plans
from traffic.timing.optimize import plans_of
from traffic.timing.options import Options, options_of
from traffic.timing.search import CYCLES, EVALUATIONS, Search


def search(name: str, time_limit_s: float, **settings: object) -> Search:
    model, own = options(name)
    return Search(
        TripModel(model), own, cycle_s=CYCLE_S, seed=1, time_limit_s=time_limit_s, **settings
    )


@pytest.mark.parametrize("name", ["cologne3", "ingolstadt7", "grid4x4"])
@pytest.mark.parametrize("limit_s", [1e-6, 0.02])
def test_a_tiny_limit_returns_a_safe_plan(name: str, limit_s: float, tmp_path: Path) -> None:
    """Time is up when it begins: one cycle is started and judged, nothing else is looked at."""
    graph, _ = scenario(name)
    model, own = options(name)
    cut = search(name, limit_s)
    states, estimate = cut.run()
    assert len(states) == len(own.timed)
    assert estimate.delay_s > 0
    path = tmp_path / "plan.add.xml"
    write_plans(plans_of(own, states), path)
    assert not any(check_file(graph, path).values())
    # Few judgements, however much a search could do.
    assert cut.used < cut.budget / 4
    if limit_s < 1e-3:
        assert cut.used <= 3
        assert cut.alternatives == ()
    again = TripModel(model).judge([cut.encoder.encode(states)])[0]
    assert again.delay_s == pytest.approx(estimate.delay_s, rel=1e-12)


def test_the_limit_counts_from_the_beginning() -> None:
    """A search that has waited for longer than its limit is over when it runs."""
    late = search("cologne3", 0.05)
    time.sleep(0.06)
    late.run()
    assert late.used <= 3


def test_told_to_stop_it_stops_at_the_next_look() -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 4

    found = search("cologne3", 100.0, should_stop=stop)
    states, _ = found.run()
    assert states
    assert found.used < 4 * found.budget / CYCLES
    assert len(asked) < 30


def test_work_is_bounded() -> None:
    """Small networks are judged no more than so often, large ones at least a few times."""
    for name in ("cologne1", "grid4x4"):
        assert EVALUATIONS[0] <= search(name, 1.0).budget <= EVALUATIONS[1]
    assert search("cologne1", 1.0).budget >= search("grid4x4", 1.0).budget


@pytest.mark.parametrize("name", ["cologne3", "ingolstadt7"])
def test_options_found_side_by_side_are_those_found_one_by_one(name: str) -> None:
    model, alone = options(name)
    with ThreadPoolExecutor(3) as pool:
        together = options_of(model, cycle_s=CYCLE_S, pool=pool)
    assert describe(together) == describe(alone)


def describe(own: Options) -> list[object]:
    """All that a search reads of them, with splits at two cycles."""
    found: list[object] = [dict(own.kept), dict(own.own)]
    for signal in own.timed:
        found.append((signal.index, signal.signal.id, signal.base, signal.sequences))
        for cycle_s in (60, 90):
            found.append(signal.best(cycle_s))
            splits = [signal.splits(k, cycle_s) for k in range(len(signal.sequences))]
            found.append([None if s is None else (s[0], np.asarray(s[1]).tolist()) for s in splits])
    return found
