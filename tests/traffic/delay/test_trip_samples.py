"""Days drawn from a demand: as many vehicles as it says, where and when it says."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.traffic.timing.small import scaled, scenario
from traffic.delay.trip_samples import Day, vehicles_of
from traffic.demand import Demand, Trips
from traffic.errors import InvalidInputError


def counted(demand: Demand, day: Day) -> int:
    return sum(departs_s.size for _, departs_s in vehicles_of(demand, day))


def two_ways(weight: float = 1.0) -> Demand:
    """100 vehicles on a-b, a tenth of that on a-c, departing over 1,000 s from 3,600 on."""
    times = 3600 + 10.0 * np.arange(100)
    trips = (Trips(("a", "b"), times, weight), Trips(("a", "c"), times[::10], weight))
    return Demand(3600, 4600, 100, {}, {}, {}, 110 * weight, trips=trips)


def test_the_demands_own_day_is_its_trips() -> None:
    """Seed, scale 1 and no shift: each vehicle once, at its own time after the window's begin."""
    found = dict(vehicles_of(two_ways(), Day(5)))
    np.testing.assert_array_equal(found["a", "b"], 10.0 * np.arange(100))
    np.testing.assert_array_equal(found["a", "c"], 100.0 * np.arange(10))


def test_trips_outside_the_window_are_left_out() -> None:
    demand = two_ways()
    late = replace(demand, begin_s=4100.0)
    found = dict(vehicles_of(late, Day(0)))
    np.testing.assert_array_equal(found["a", "b"], 10.0 * np.arange(50))


@pytest.mark.parametrize(("weight", "scale"), [(1.0, 1.2), (0.5, 1.0), (0.3, 2.0), (2.5, 1.0)])
def test_scale_and_weight_on_average(weight: float, scale: float) -> None:
    """Each vehicle stands for weight x scale: whole ones, whose mean over days is that."""
    demand = two_ways(weight)
    counts = [counted(demand, Day(seed, scale)) for seed in range(60)]
    each = weight * scale
    spread = np.sqrt(110 * (each % 1) * (1 - each % 1) / 60)
    assert np.mean(counts) == pytest.approx(110 * each, abs=4 * spread + 1e-9)
    assert min(counts) >= 110 * np.floor(each)
    assert max(counts) <= 110 * np.ceil(each)


def test_shifted_departures_stay_in_the_window() -> None:
    """As many as before, others' times, their deviation as asked for; none is lost at an end."""
    demand = two_ways()
    own = dict(vehicles_of(demand, Day(3)))["a", "b"]
    shifted = dict(vehicles_of(demand, Day(3, shift_s=60.0)))["a", "b"]
    assert shifted.size == own.size
    assert np.all((shifted >= 0) & (shifted < 1000))
    # The short way round the window.
    moved = (shifted - own + 500) % 1000 - 500
    assert np.std(moved) == pytest.approx(60, rel=0.3)
    assert np.mean(moved) == pytest.approx(0, abs=4 * 60 / 10)


def test_same_seed_same_day() -> None:
    demand = two_ways(0.7)
    for day in (Day(1, 1.2, 30.0), Day(2)):
        first, again = (list(vehicles_of(demand, day)) for _ in range(2))
        assert [way for way, _ in first] == [way for way, _ in again]
        for (_, a), (_, b) in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)


def counts_only(shares: dict[str, list[float]], departures: list[float]) -> Demand:
    """Vehicles that start on a and turn to the edges of ``shares`` by slice; b's all go on to d."""
    turns = {("a", to): np.array(own) for to, own in shares.items()}
    turns["b", "d"] = np.array(shares["b"])
    arrivals = {to: np.array(own) for to, own in shares.items() if to != "b"}
    arrivals["d"] = np.array(shares["b"])
    total = float(np.sum(departures))
    return Demand(0, 1200, 600, {"a": np.array(departures)}, turns, arrivals, total)


def test_vehicles_of_counts_turn_by_the_shares_of_their_slice() -> None:
    demand = counts_only({"b": [300.0, 100.0], "c": [100.0, 300.0]}, [400.0, 400.0])
    ways: Counter[tuple[bool, tuple[str, ...]]] = Counter()
    for way, departs_s in vehicles_of(demand, Day(0)):
        ways[True, way] += int((departs_s < 600).sum())
        ways[False, way] += int((departs_s >= 600).sum())
    assert {way for _, way in ways} == {("a", "b", "d"), ("a", "c")}
    assert sum(ways.values()) == 800
    # Four deviations of a binomial of 400.
    most = 4 * np.sqrt(400 * 0.75 * 0.25)
    assert ways[True, ("a", "b", "d")] == pytest.approx(300, abs=most)
    assert ways[False, ("a", "b", "d")] == pytest.approx(100, abs=most)


def test_a_slice_without_counts_turns_as_the_others_do() -> None:
    demand = counts_only({"b": [300.0, 0.0], "c": [100.0, 0.0]}, [0.0, 400.0])
    ways = {way: departs_s.size for way, departs_s in vehicles_of(demand, Day(0))}
    assert ways["a", "b", "d"] == pytest.approx(300, abs=35)


def test_an_edge_whose_counts_are_all_zero_is_an_end() -> None:
    """No warning, no vehicle on a way that nobody drives."""
    demand = counts_only({"b": [300.0, 100.0], "c": [100.0, 300.0]}, [400.0, 400.0])
    nobody = {**demand.turns, ("c", "e"): np.zeros(2)}
    found = {way for way, _ in vehicles_of(replace(demand, turns=nobody, arrivals={}), Day(0))}
    assert found == {("a", "b", "d"), ("a", "c")}


@pytest.mark.parametrize("name", ["cologne3", "grid4x4"])
def test_trips_and_their_counts_pass_about_as_many_vehicles(name: str) -> None:
    """Turns of vehicles drawn from the counts alone are those of the trips, within chance."""
    _, demand = scenario(name)
    assert demand.trips
    bare = scaled(replace(demand, trips=()), 4.0)
    turned: Counter[tuple[str, str]] = Counter()
    for way, departs_s in vehicles_of(bare, Day(0)):
        for turn in pairwise(way):
            turned[turn] += departs_s.size
    assert sum(turned.values()) > 0
    for turn, own in bare.turns.items():
        wanted = float(own.sum())
        if wanted >= 100:
            # Who passes after the window's end is counted among these, and not in the demand.
            assert 0.75 * wanted <= turned[turn] <= 1.6 * wanted


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"scale": 0.0}, "scale"),
        ({"scale": float("nan")}, "scale"),
        ({"shift_s": -1.0}, "shift_s"),
        ({"weight": 0.0}, "weight"),
    ],
)
def test_days_out_of_range(settings: dict[str, float], where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Day(0, **settings)
    assert caught.value.where == where
