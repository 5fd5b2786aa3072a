"""The link-additive offset problem: against enumeration, and its bound."""

import itertools

import numpy as np
import pytest

from tests.traffic.timing.small import scenario
from traffic.delay.model import DelayModel
from traffic.timing.offsets import OffsetLinks, best_offsets, offset_links
from traffic.timing.options import own_timing


def links(ends: list[tuple[int, int]], cycle_s: int, seed: int) -> OffsetLinks:
    """Random costs of links between given signals."""
    cost = np.random.default_rng(seed).uniform(0, 10, (len(ends), cycle_s))
    before, after = (np.array(side, dtype=np.int64) for side in zip(*ends, strict=True))
    return OffsetLinks(cycle_s, before, after, cost)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "ends", [[(0, 1), (1, 2)], [(0, 1), (1, 0), (1, 2), (2, 1)], [(0, 1), (1, 2), (2, 0)]]
)
def test_offsets_equal_the_enumeration(ends: list[tuple[int, int]], seed: int) -> None:
    problem = links(ends, 8, seed)
    least = min(
        problem.value_veh_s(np.array([0, a, b])) for a, b in itertools.product(range(8), repeat=2)
    )
    found = best_offsets(problem, 3, (), seed=seed)
    assert found.value_veh_s == pytest.approx(least)
    assert found.bound_veh_s <= found.value_veh_s + 1e-9


def test_the_bound_is_tight_on_a_tree() -> None:
    problem = links([(0, 1), (1, 2), (1, 3), (3, 4)], 10, 3)
    found = best_offsets(problem, 5, (), seed=0)
    assert found.gap == pytest.approx(0.0)
    assert found.bound_veh_s > 0


def test_fixed_signals_stay() -> None:
    problem = links([(0, 1), (1, 2), (2, 0)], 8, 1)
    found = best_offsets(problem, 3, (0, 1), seed=0)
    assert found.offsets_s[:2].tolist() == [0, 0]
    least = min(problem.value_veh_s(np.array([0, 0, b])) for b in range(8))
    assert found.value_veh_s == pytest.approx(least)


def test_shifting_both_ends_of_a_link_changes_nothing() -> None:
    """What leaves a signal moves with it: only differences of offsets count."""
    graph, demand = scenario("cologne3")
    model = DelayModel(graph, demand)
    timings = {key: own_timing(graph.signals[key]) for key in model.signal_ids}
    cycle_s = max(timing.cycle_s for timing in timings.values())
    codes, cycles = model.blank(cycle_s)
    for s, key in enumerate(model.signal_ids):
        own = model.codes(s, timings[key])
        codes[model.queues_of(s), : own.shape[1]] = own
        cycles[s] = own.shape[1]
    problem = offset_links(model.network, codes, cycles, model.profiles(codes, cycles), cycle_s)
    assert problem.before.size
    offsets = np.arange(len(model.signal_ids)) * 7 % cycle_s
    assert problem.value_veh_s(offsets) == pytest.approx(problem.value_veh_s(offsets + 11))
    assert (problem.cost_veh_s >= 0).all()
