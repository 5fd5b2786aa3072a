"""Splits of one signal: against every possibility, and against Webster by hand."""

import itertools

import numpy as np
import pytest

from tests.traffic.delay.hand import Queue, hand_network, judge, shown
from tests.traffic.timing.small import options
from traffic.plan import Stage
from traffic.signals import Phase
from traffic.timing.isolated import SignalFlows, best_splits
from traffic.timing.options import SignalOptions
from traffic.timing.sequences import Sequence_


def all_splits(sequence: Sequence_, cycle_s: int) -> itertools.chain:
    """Every list of whole greens that fills the cycle, longest list of choices last."""
    least = [stage.min_green_s for stage in sequence.stages]
    spare_s = cycle_s - sequence.least_cycle_s
    return (
        tuple(low + more for low, more in zip(least, extra, strict=True))
        for extra in itertools.product(range(spare_s + 1), repeat=len(least))
        if sum(extra) == spare_s
    )


def cost_of(flows: SignalFlows, sequence: Sequence_, greens_s: tuple[int, ...]) -> float:
    """What the product says of given greens: with them as least greens there is no choice."""
    fixed = tuple(
        Stage(s.name, s.green_state, g, g, s.intergreen)
        for s, g in zip(sequence.stages, greens_s, strict=True)
    )
    only = Sequence_(sequence.order, fixed)
    found = best_splits(flows, only, only.least_cycle_s)
    assert found is not None
    assert tuple(found[1]) == greens_s
    return found[0]


def cases() -> list[tuple[str, SignalOptions]]:
    return [
        (name, own)
        for name in ("cologne1", "ingolstadt1", "cologne3")
        for own in options(name)[1].timed
    ]


@pytest.mark.parametrize("slack_s", [0, 6, 13])
def test_best_of_all_whole_seconds(slack_s: int) -> None:
    """A short cycle's greens, all tried: the search finds the best one, or one within 0.5%."""
    tried = 0
    for _, own in cases():
        for sequence in own.sequences[:4]:
            if len(sequence.stages) > 4:
                continue
            cycle_s = sequence.least_cycle_s + slack_s
            found = best_splits(own.flows, sequence, cycle_s)
            assert found is not None
            cost, greens = found
            assert int(greens.sum()) + sequence.lost_s == cycle_s
            assert all(g >= s.min_green_s for g, s in zip(greens, sequence.stages, strict=True))
            every = [cost_of(own.flows, sequence, g) for g in all_splits(sequence, cycle_s)]
            assert cost >= min(every) - 1e-9
            assert cost <= 1.005 * min(every)
            assert cost == pytest.approx(cost_of(own.flows, sequence, tuple(map(int, greens))))
            tried += len(every)
    assert tried >= 5


def test_a_cycle_that_is_too_short_has_no_splits() -> None:
    own = options("cologne1")[1].timed[0]
    assert best_splits(own.flows, own.sequences[0], own.sequences[0].least_cycle_s - 1) is None


def two_stages(flow: tuple[float, float], *, loss_s: float = 0.0) -> tuple[SignalFlows, Sequence_]:
    """Two roads that cross, a lane each; 5 s of yellow and red between them."""
    saturation = 0.5
    flows = SignalFlows(
        queues=np.array([0, 1]),
        group=np.array([0, 1]),
        link=np.array([0, 1]),
        saturation=np.full(2, saturation),
        lanes=np.ones(2),
        start_loss_s=np.full(2, loss_s),
        end_gain_s=np.zeros(2),
        flow=np.array(flow),
        stop_loss_s=np.zeros(2),
        foe_first=np.zeros(3, dtype=np.int64),
        foe=np.zeros(0, dtype=np.int64),
        short=np.zeros(2, dtype=bool),
        hours=1.0,
    )
    stages = (
        Stage("a", "Gr", 5, 5, (Phase(3, "yr"), Phase(2, "rr"))),
        Stage("b", "rG", 5, 5, (Phase(3, "ry"), Phase(2, "rr"))),
    )
    return flows, Sequence_((0, 1), stages)


def test_equal_roads_share_the_cycle() -> None:
    flows, sequence = two_stages((0.15, 0.15))
    found = best_splits(flows, sequence, 70)
    assert found is not None
    assert list(found[1]) == [30, 30]


@pytest.mark.parametrize("loss_s", [0.0, 2.4])
def test_cost_is_webster_and_hcm(loss_s: float) -> None:
    """Uniform and incremental delay of both roads, written out."""
    flows, sequence = two_stages((0.2, 0.1), loss_s=loss_s)
    found = best_splits(flows, sequence, 70)
    assert found is not None
    expected = 0.0
    for green_s, flow in zip(found[1], (0.2, 0.1), strict=True):
        effective_s = green_s - loss_s
        red_s, y = 70 - effective_s, flow / 0.5
        x = flow * 70 / (0.5 * effective_s)
        capacity_vph = 3600 * 0.5 * effective_s / 70
        uniform_s = red_s**2 / (2 * 70 * (1 - y))
        extra_s = 900 * ((x - 1) + ((x - 1) ** 2 + 4 * x / capacity_vph) ** 0.5)
        expected += flow * (uniform_s + extra_s)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_the_network_model_agrees_about_one_signal() -> None:
    """The isolated cost and the second-by-second model, of the same greens: within 3%."""
    flows, sequence = two_stages((0.17, 0.12))
    found = best_splits(flows, sequence, 70)
    assert found is not None
    first, second = (int(g) for g in found[1])
    network = hand_network(
        [Queue(0, 0, 0.5, outside=0.17 * 70), Queue(1, 0, 0.5, outside=0.12 * 70)],
        duration_s=3500,
        slice_s=70.0,
    )
    plan = shown(
        network,
        "G" * first + "y" * 3 + "r" * (67 - first),
        "r" * (first + 5) + "G" * second + "y" * 3 + "r" * 2,
    )
    estimate = judge(network, plan)
    per_second = float((estimate.delay_veh_s + estimate.random_veh_s).sum()) / network.duration_s
    assert per_second == pytest.approx(found[0], rel=0.03)
