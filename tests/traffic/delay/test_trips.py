"""Vehicles of real networks laid out for the model, and judged day by day."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from tests.traffic.timing.small import scaled, scenario
from traffic.delay.model import DelayModel, Timing
from traffic.delay.trip_lanes import LaneChoice
from traffic.delay.trip_model import DAYS, TripModel
from traffic.delay.trip_samples import Day, vehicles_of
from traffic.delay.trips import ENDLESS, HOLE_S, PACES
from traffic.timing.options import own_timing

NAMES = ("cologne3", "ingolstadt7", "grid4x4")


@cache
def trips(name: str) -> TripModel:
    return TripModel(DelayModel(*scenario(name)))


@cache
def own_plan(name: str) -> tuple[np.ndarray, np.ndarray]:
    model = trips(name).model
    timings: dict[str, Timing] = {
        key: own_timing(model.graph.signals[key]) for key in model.signal_ids
    }
    return model.encoded(timings)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_consistent(name: str) -> None:
    """All indices are within bounds; departures in order; every vehicle passes a stop line."""
    for table in trips(name).tables:
        assert np.all(np.diff(table.depart_s) >= 0)
        assert np.all(np.diff(table.trip_first) >= 1)
        assert table.trip_first[-1] == table.passage_kind.size
        assert table.passage_kind.max() < table.kind_first.size - 1
        assert np.all(np.diff(table.kind_first) >= 1)
        assert table.kind_lane.max() < table.lane_room.size == table.lane_edge.size
        assert table.kind_queue.max() < trips(name).model.network.queues
        assert np.all(table.passage_s >= table.passage_edge_s)
        assert np.all(table.passage_edge_s > 0)
        assert np.all((table.pace >= PACES[0]) & (table.pace <= PACES[1]))
        assert np.all(table.lane_room >= 1)
        finite = table.lane_room < ENDLESS
        np.testing.assert_allclose(table.lane_hole_s[finite], table.lane_room[finite] * HOLE_S)
        assert np.all(table.edge_room >= 0)


@pytest.mark.parametrize("name", NAMES)
def test_every_lane_of_a_queue_lets_its_turn_go(name: str) -> None:
    """Choices are lanes from which the network has a connection to the queue's edge."""
    own = trips(name)
    queues = [(g, queue) for g in own.model.network.groups for queue in g.queues]
    choice = LaneChoice(own.model.graph)
    table = own.tables[0]
    first, lanes = table.lanes_of_queues(len(queues))
    assert first[0] == 0
    assert first[-1] == lanes.size
    for q, (group, queue) in enumerate(queues):
        used = lanes[first[q] : first[q + 1]]
        assert used.size <= len(group.lanes)
        assert set(group.lanes) <= set(choice.turn(group.approach, queue.to_edge))


@pytest.mark.parametrize("name", NAMES)
def test_the_demands_own_day_has_all_its_vehicles(name: str) -> None:
    """Those of the first day who pass a stop line, with a passage for each waiting turn."""
    own = trips(name)
    _, demand = scenario(name)
    waiting = {(g.approach, q.to_edge) for g in own.model.network.groups for q in g.queues}
    vehicles = passages = 0
    for way, departs_s in vehicles_of(demand, DAYS[0]):
        turns = sum(turn in waiting for turn in pairwise(way))
        vehicles += departs_s.size if turns else 0
        passages += departs_s.size * turns
    assert own.tables[0].vehicles == vehicles
    assert own.tables[0].passage_kind.size == passages


@pytest.mark.parametrize("name", NAMES)
def test_the_free_time_to_a_stop_line_is_that_of_the_edges(name: str) -> None:
    """Under signals that are all green at a hundredth of the demand hardly anybody waits."""
    graph, demand = scenario(name)
    light = TripModel(DelayModel(graph, scaled(demand, 0.01)), [Day(0)])
    codes, cycles = light.model.blank(1)
    codes[:, 0] = 1
    estimate = light.day(0, codes, cycles)
    assert float(estimate.served.sum()) > 0
    assert float(estimate.delay_veh_s.sum()) / float(estimate.served.sum()) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_served_who_did_not_come(name: str) -> None:
    """Of each queue at most the passages that could choose it; more plan time, no fewer served."""
    own = trips(name)
    table = own.tables[0]
    estimate = own.day(0, *own_plan(name))
    could = np.zeros(own.model.network.queues)
    counts = np.bincount(table.passage_kind, minlength=table.kind_first.size - 1)
    for kind, count in enumerate(counts):
        choices = slice(int(table.kind_first[kind]), int(table.kind_first[kind + 1]))
        for q in set(table.kind_queue[choices].tolist()):
            could[q] += count
    assert np.all(estimate.served <= could)
    for values in (estimate.delay_veh_s, estimate.stops, estimate.served, estimate.longest):
        assert np.all(values >= 0)
    assert float(estimate.served.sum()) <= table.passage_kind.size


def test_days_are_weighed() -> None:
    """The judgement is the mean of the days by their weights, which need not sum to 1."""
    model = trips("cologne3").model
    days = (Day(0, weight=3.0), Day(1, 1.4, 30.0, weight=1.0))
    own = TripModel(model, days)
    plan = own_plan("cologne3")
    first, second = (own.day(k, *plan) for k in range(2))
    mean = own.judge([plan])[0]
    for name in ("delay_veh_s", "stops", "served", "longest"):
        expected = 0.75 * getattr(first, name) + 0.25 * getattr(second, name)
        np.testing.assert_allclose(getattr(mean, name), expected, rtol=1e-12)
    assert mean.vehicles == pytest.approx(model.network.vehicles * (0.75 + 0.25 * 1.4))
    assert sum(day.weight for day in DAYS) == 1


def test_judged_side_by_side_as_one_by_one() -> None:
    own, plan = trips("ingolstadt7"), own_plan("ingolstadt7")
    shifted = (np.roll(plan[0], 1, axis=1), plan[1])
    with ThreadPoolExecutor(3) as pool:
        together = own.judge([plan, shifted, plan], pool)
    alone = own.judge([plan, shifted])
    for a, b in zip(together, [*alone, alone[0]], strict=True):
        assert a.delay_veh_s.tobytes() == b.delay_veh_s.tobytes()
        assert a.stops.tobytes() == b.stops.tobytes()
    assert alone[0].delay_s != alone[1].delay_s


@pytest.mark.parametrize("name", ["cologne3", "ingolstadt7"])
def test_a_demand_of_counts_gives_similar_loads(name: str) -> None:
    """The same demand without its trips: about as many vehicles over the stop lines."""
    graph, demand = scenario(name)
    bare = TripModel(DelayModel(graph, replace(demand, trips=())))
    plan = own_plan(name)
    known, drawn = trips(name).day(0, *plan), bare.day(0, *plan)
    assert float(drawn.served.sum()) == pytest.approx(float(known.served.sum()), rel=0.15)
    assert np.corrcoef(known.served, drawn.served)[0, 1] > 0.9


def test_no_vehicles_no_delay() -> None:
    """Trips that all leave before a signal: nothing to drive, nothing lost."""
    graph, demand = scenario("cologne3")
    model = DelayModel(graph, demand)
    empty = DelayModel(graph, replace(demand, trips=(), departures={}))
    own = TripModel(empty)
    assert own.tables[0].vehicles == 0
    estimate = own.judge([own_plan("cologne3")])[0]
    assert estimate.delay_s == 0
    assert empty.signal_ids == model.signal_ids
