"""Lane groups and onward ways of real networks: nobody is counted twice, nobody is forgotten."""

import numpy as np
import pytest

from tests.traffic.timing.small import scaled, scenario
from traffic.delay.flow_network import flow_network
from traffic.delay.lane_groups import is_controlled, lane_groups
from traffic.delay.model import DelayModel, Timing
from traffic.timing.options import own_timing

NAMES = (
    "cologne1",
    "cologne3",
    "cologne8",
    "ingolstadt1",
    "ingolstadt7",
    "ingolstadt21",
    "grid4x4",
    "arterial4x4",
)


@pytest.mark.parametrize("name", NAMES)
def test_flows_of_groups_are_the_demand(name: str) -> None:
    """Of each turn: shares sum to 1, flows to its demand; each lane is in one group."""
    graph, demand = scenario(name)
    flow: dict[tuple[str, str], float] = {}
    share: dict[tuple[str, str], float] = {}
    lanes: set[tuple[str, int]] = set()
    for group in lane_groups(graph, demand):
        assert group.queues
        for lane in group.lanes:
            assert (group.approach, lane) not in lanes
            lanes.add((group.approach, lane))
        for queue in group.queues:
            key = group.approach, queue.to_edge
            assert queue.flow_veh > 0
            assert queue.share > 0
            assert len(queue.connections) == len(group.lanes)
            flow[key] = flow.get(key, 0.0) + queue.flow_veh
            share[key] = share.get(key, 0.0) + queue.share
    for key, total in flow.items():
        assert total == pytest.approx(float(demand.turns[key].sum()))
        assert share[key] == pytest.approx(1.0)
    controlled = {
        (c.from_edge, c.to_edge)
        for c in graph.connections
        if is_controlled(graph, c) and demand.flow_vph(c.from_edge, c.to_edge) > 0
    }
    assert controlled <= set(flow)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_goes_two_ways(name: str) -> None:
    """Shares of a queue's ways are at most all of its drivers; platoons need time to arrive."""
    graph, demand = scenario(name)
    network = flow_network(graph, demand)
    for q in range(network.queues):
        ways = slice(network.way_first[q], network.way_first[q + 1])
        assert network.way_share[ways].sum() <= 1 + 1e-9
    assert np.all(network.way_share > 0)
    assert np.all(network.way_lag_s >= 1)
    assert np.all((network.way_keep >= 0) & (network.way_keep < 1))
    assert np.all(network.from_outside >= 0)
    # Whoever starts comes to at most one queue first.
    started = sum(float(x.sum()) for x in demand.departures.values())
    assert float(network.from_outside.sum()) <= started + 1e-6
    assert np.all(network.storage[np.isfinite(network.storage)] >= 1)


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt7", "grid4x4"])
def test_all_who_come_are_served_or_wait(name: str) -> None:
    """Under the own programs, at a tenth of the demand: about as many pass as want to.

    The last ones of the window are on their way; ways of a small share are followed no further.
    """
    graph, demand = scenario(name)
    light = scaled(demand, 0.1)
    model = DelayModel(graph, light)
    timings: dict[str, Timing] = {k: own_timing(graph.signals[k]) for k in model.signal_ids}
    estimate = model.evaluate(timings)
    wanted = float(model.network.flow_veh.sum())
    assert 0.85 * wanted < float(estimate.served.sum()) < 1.02 * wanted


def test_platoons_take_the_free_time_and_spread_as_the_fleet_does() -> None:
    """A way's mean is its edges' free-flow time, its deviation the fleet's share of that.

    In whole seconds: the head's lag is rounded, and a geometric tail of mean m has a deviation of
    sqrt(m^2 + m), which is m and half a second.
    """
    graph, demand = scenario("grid4x4")
    network = flow_network(graph, demand)
    checked = 0
    for g, group in enumerate(network.groups):
        for k, queue in enumerate(group.queues):
            q = int(network.group_first[g]) + k
            edge = graph.edges[queue.to_edge]
            fleet = demand.fleet
            speed_mps = min(edge.speed_limit_mps * fleet.speed_factor, fleet.max_speed_mps)
            travel_s = edge.length_m / speed_mps
            for w in range(network.way_first[q], network.way_first[q + 1]):
                keep = float(network.way_keep[w])
                tail_s = keep / (1 - keep)
                assert network.way_lag_s[w] + tail_s == pytest.approx(travel_s, abs=0.51)
                wanted_s = fleet.speed_deviation * travel_s
                assert keep**0.5 / (1 - keep) == pytest.approx(wanted_s + 0.5, abs=0.25)
                checked += 1
    assert checked > 50


def test_storage_is_the_room_on_the_way() -> None:
    """On the grid each approach is one edge: lanes times length over a vehicle's space.

    Less than a vehicle a lane may be lost to whole numbers.
    """
    graph, demand = scenario("grid4x4")
    network = flow_network(graph, demand)
    for group, storage in zip(network.groups, network.storage, strict=True):
        if np.isfinite(storage):
            length_m = graph.edges[group.approach].length_m
            lanes = len(group.lanes)
            room = length_m * lanes / demand.fleet.space_m
            assert room - lanes < storage <= room + 0.1 * lanes
