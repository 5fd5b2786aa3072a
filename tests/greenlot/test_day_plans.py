"""Days of plans: which plan when, and where periods begin."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlot.day_plans import SWITCH_S, cheapest_plans, day_periods, flows_by_direction, plan_day
from scenarios.resco import resco_inputs
from tests.traffic.io.test_sumo_net import resco
from traffic.demand import Demand
from traffic.io.sumo_net import read_network

GRAPH = read_network(resco("cologne1"))
TURNS = sorted({(m.from_edge, m.to_edge) for m in GRAPH.movements if m.signal_id})


def demand_of(
    means: np.ndarray, turns: list[tuple[str, str]] = TURNS, seed: int | None = None
) -> Demand:
    """Counts of each 60 s slice for some turns; with a seed, random ones of these means."""
    rng = np.random.default_rng(seed)
    counts = {t: means if seed is None else rng.poisson(means).astype(float) for t in turns}
    return Demand(
        begin_s=0,
        end_s=60.0 * len(means),
        slice_s=60.0,
        departures={edge: means for edge, _ in turns},
        turns=counts,
        arrivals={},
        vehicles=float(means.sum()),
    )


@given(
    st.integers(1, 3).flatmap(
        lambda plans: st.lists(
            st.lists(st.integers(0, 100), min_size=plans, max_size=plans), min_size=1, max_size=5
        )
    )
)
def test_plans_and_switches_cost_the_least_of_all(rows: list[list[int]]) -> None:
    """Against an enumeration."""
    costs = np.array(rows, dtype=float)
    lengths_s = [600 + 60 * k for k in range(len(rows))]

    def total(choice: tuple[int, ...]) -> float:
        rates = costs.min(axis=1) / lengths_s
        switches = sum(
            SWITCH_S * rates[k] for k in range(1, len(choice)) if choice[k] != choice[k - 1]
        )
        return float(sum(costs[k, c] for k, c in enumerate(choice)) + switches)

    best = min(total(choice) for choice in product(range(costs.shape[1]), repeat=len(rows)))
    assert total(tuple(cheapest_plans(costs, lengths_s))) == pytest.approx(best)


def test_a_period_that_gains_nothing_by_its_own_plan_keeps_the_one_before() -> None:
    costs = np.array([[10.0, 12], [11, 10.999], [10, 12]])
    assert cheapest_plans(costs, [600, 600, 600]) == [0, 0, 0]


def test_noise_alone_makes_no_period_and_a_peak_does() -> None:
    for seed in range(20):
        flat = demand_of(np.full(240, 1.0), seed=seed)
        assert len(day_periods(GRAPH, flat, None, 1800).periods) == 1
        peak = demand_of(np.where(np.arange(240) // 60 == 1, 3.0, 1.0), seed=seed)
        found = day_periods(GRAPH, peak, None, 1800)
        assert found.switches_s == (3600, 7200)


def test_a_tide_that_turns_makes_a_period() -> None:
    """As many vehicles all the time, first on one half of the approaches, then on the other."""
    edges = sorted({turn[0] for turn in TURNS})
    eastward = [e for e in edges if flows_by_direction(GRAPH, only(e), 1)[0, 0] > 0]
    assert 0 < len(eastward) < len(edges)
    early, late = np.repeat([4.0, 1.0], 60), np.repeat([1.0, 4.0], 60)
    first = demand_of(early, [turn for turn in TURNS if turn[0] in eastward])
    then = demand_of(late, [turn for turn in TURNS if turn[0] not in eastward])
    both = replace(first, turns={**first.turns, **then.turns})
    assert day_periods(GRAPH, both, None, 1800).switches_s == (3600,)


def only(edge: str) -> Demand:
    return demand_of(np.ones(2), [turn for turn in TURNS if turn[0] == edge])


def test_a_time_without_vehicles_goes_on_with_its_neighbour_s_plan(tmp_path: Path) -> None:
    own = resco_inputs("cologne1")
    kept = [
        line
        for line in own.routes[0].read_text(encoding="utf-8").splitlines()
        if "<trip" not in line or float(line.split('depart="')[1].split('"')[0]) < 25500
    ]
    routes = tmp_path / "morning.rou.xml"
    routes.write_text("\n".join(kept), encoding="utf-8")
    inputs = replace(own, routes=(routes,), end_s=25200 + 1200)
    day = plan_day(inputs, periods=2, min_period_s=600, time_limit_s=1.0)
    busy, empty = day.periods
    assert (busy.plan, empty.plan, len(day.plans)) == (0, 0, 1)
    assert (empty.vehicles, empty.estimate, empty.own) == (0, None, None)
    assert [len(signal.parts) for signal in day.days] == [1]
    assert day.delay_s == day.one_plan_s > 0
