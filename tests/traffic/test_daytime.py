"""Periods of the day: exact against an enumeration, and sensible on a day's profile."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic.daytime import demand_between, find_periods, profile_of
from traffic.demand import Demand
from traffic.errors import InvalidInputError


def enumerated(flows: np.ndarray, most: int, shortest: int, min_gain: float) -> float:
    """Least objective over every cut."""
    whole = ((flows - flows.mean(axis=0)) ** 2).sum()
    best = np.inf
    for k in range(1, most + 1):
        for inner in combinations(range(1, len(flows)), k - 1):
            edges = (0, *inner, len(flows))
            if min(b - a for a, b in pairwise(edges)) < shortest and k > 1:
                continue
            parts = (flows[a:b] for a, b in pairwise(edges))
            cost = sum(((part - part.mean(axis=0)) ** 2).sum() for part in parts)
            best = min(best, cost / whole + min_gain * (k - 1))
    return float(best)


@given(
    st.lists(st.tuples(*[st.integers(0, 20)] * 2), min_size=2, max_size=8),
    st.integers(1, 4),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_cuts_are_the_best_of_all(
    rows: list[tuple[int, int]], most: int, shortest: int, min_gain: float
) -> None:
    flows = np.array(rows, dtype=float)
    if np.ptp(flows, axis=0).max() == 0:
        return
    found = find_periods(flows, 300, most=most, min_length_s=300 * shortest, min_gain=min_gain)
    objective = found.deviation + min_gain * (len(found.periods) - 1)
    assert objective == pytest.approx(enumerated(flows, most, shortest, min_gain), abs=1e-9)
    assert all(a.end_s == b.begin_s for a, b in pairwise(found.periods))
    for period in found.periods:
        long_enough = period.end_s - period.begin_s >= 300 * shortest
        assert long_enough or len(found.periods) == 1


def test_a_day_with_two_peaks_has_five_periods() -> None:
    hours = np.arange(0, 24, 0.25)
    flows = np.full(96, 1000.0)
    flows[(hours >= 7) & (hours < 9)] = 3000
    flows[(hours >= 17) & (hours < 19.5)] = 2800
    found = find_periods(flows, 900)
    assert found.switches_s == (7 * 3600, 9 * 3600, 17 * 3600, 19.5 * 3600)
    assert found.periods[1].flows_vph == (3000,)
    assert found.deviation == pytest.approx(0, abs=1e-9)


def test_the_other_direction_makes_a_period_of_its_own() -> None:
    tide = np.array([[900.0, 100.0]] * 8 + [[100.0, 900.0]] * 8)
    assert find_periods(tide, 900).switches_s == (7200,)
    assert find_periods(tide.sum(axis=1), 900).switches_s == ()


def test_a_flat_day_is_one_period() -> None:
    flat = find_periods(np.full(96, 0.1), 900, min_gain=0.0)
    assert len(flat.periods) == 1
    assert flat.deviation == pytest.approx(0, abs=1e-6)
    assert len(find_periods(np.zeros(4), 900).periods) == 1


def test_profiles_shorter_than_a_period_are_one() -> None:
    found = find_periods(np.array([1.0, 100.0]), 300, begin_s=25200)
    assert [(p.begin_s, p.end_s) for p in found.periods] == [(25200, 25800)]


def test_a_profile_is_what_turns_in_the_network() -> None:
    demand = Demand(
        0,
        450,
        300,
        {},
        {("a", "b"): np.array([50.0, 10.0]), ("b", "c"): np.array([25.0, 0])},
        {},
        50,
    )
    np.testing.assert_allclose(profile_of(demand), [900, 240])


def _day() -> Demand:
    # 10 vehicles drive a, b, c; each edge takes a slice.
    return Demand(
        begin_s=0,
        end_s=1000,
        slice_s=300,
        departures={"a": np.array([10.0, 4, 0, 0])},
        turns={("a", "b"): np.array([0.0, 10, 4, 0]), ("b", "c"): np.array([0.0, 0, 10, 4])},
        arrivals={"c": np.array([0.0, 0, 0, 10])},
        vehicles=14,
    )


def test_a_period_takes_over_who_is_under_way() -> None:
    part = demand_between(_day(), 600, 1000)
    assert (part.begin_s, part.end_s, part.slices) == (600, 1000, 2)
    # 4 are on a, 10 on b: they depart there.
    assert {edge: list(counts) for edge, counts in part.departures.items()} == {
        "a": [4, 0],
        "b": [10, 0],
    }
    assert list(part.turns["b", "c"]) == [10, 4]
    assert part.vehicles == 14
    whole = demand_between(_day(), 0, 1000)
    assert whole.vehicles == 14
    assert set(whole.departures) == {"a"}


@pytest.mark.parametrize(("begin_s", "end_s"), [(100, 600), (0, 500), (-300, 600), (600, 600)])
def test_periods_that_cut_slices_are_refused(begin_s: float, end_s: float) -> None:
    with pytest.raises(InvalidInputError, match="slices of 300 s"):
        demand_between(_day(), begin_s, end_s)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"flows_vph": np.array([])}, "flows_vph"),
        ({"flows_vph": np.array([-1.0])}, "flows_vph"),
        ({"flows_vph": np.array([np.nan])}, "flows_vph"),
        ({"slice_s": 0}, "slice_s"),
        ({"most": 0}, "most"),
        ({"min_gain": 1.5}, "min_gain"),
    ],
)
def test_values_out_of_range_are_refused(options: dict, where: str) -> None:
    given_options = {"flows_vph": np.ones(4), "slice_s": 300, **options}
    with pytest.raises(InvalidInputError) as caught:
        find_periods(given_options.pop("flows_vph"), given_options.pop("slice_s"), **given_options)
    assert caught.value.where == where
