"""The delay model against closed forms: Webster and HCM at one signal, a platoon between two.

A model of whole seconds counts a queue at the end of each second. While it grows that is more than
its mean over the second, while it shrinks less; over a cycle that begins and ends without a queue
both cancel but for the second in which the queue vanishes: with Q0 <= s - q left it misses
Q0 / 2 (1 - Q0 / (s - q)), at most (s - q) / 8 vehicle seconds a cycle.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.traffic.delay.hand import Queue, Way, hand_network, judge, shown
from traffic.delay import kernel
from traffic.delay.lane_groups import CRITICAL_GAP_OPEN_S, CRITICAL_GAP_S

CYCLE_S, GREEN_S, YELLOW_S = 80, 36, 3
SATURATION = 0.55
LOADS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)


def one_signal(load: float, *, loss_s: float = 0.0, gain_s: float = 0.0, cycles: int = 30) -> tuple:
    """One queue, green at each cycle's end; return the network, its plan and effective green."""
    effective_s = GREEN_S - loss_s + gain_s
    flow = load * SATURATION * effective_s / CYCLE_S
    queue = Queue(
        saturation=SATURATION, start_loss_s=loss_s, end_gain_s=gain_s, outside=flow * CYCLE_S
    )
    network = hand_network([queue], duration_s=cycles * CYCLE_S, slice_s=CYCLE_S)
    red_s = CYCLE_S - GREEN_S - YELLOW_S
    # The window begins when the gained part of the yellow is over: without a queue.
    state = "y" * YELLOW_S + "r" * red_s + "G" * GREEN_S
    return network, shown(network, state), flow, effective_s


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize(("loss_s", "gain_s"), [(0.0, 0.0), (2.3, 1.5), (3.0, 0.0)])
def test_uniform_delay(load: float, loss_s: float, gain_s: float) -> None:
    """r^2 / (2 C (1 - y)) a vehicle (Webster 1958; HCM 2000 eq. 15-2), r the effective red."""
    network, plan, flow, effective_s = one_signal(load, loss_s=loss_s, gain_s=gain_s)
    delay_s = float(judge(network, plan).delay_veh_s[0]) / (flow * network.duration_s)

    def webster_s(red_s: float) -> float:
        return red_s**2 / (2 * CYCLE_S * (1 - flow / SATURATION))

    red_s = CYCLE_S - effective_s
    counting_s = (SATURATION - flow) / (8 * flow * CYCLE_S)
    # The yellow's last second, of which only a part is driven, has room for all who come in it.
    most_s = webster_s(red_s) + counting_s
    least_s = webster_s(red_s - (math.ceil(gain_s) - gain_s)) - counting_s
    assert least_s - 0.001 <= delay_s <= most_s + 0.001
    assert most_s - least_s < 0.05 * delay_s


@pytest.mark.parametrize("load", LOADS)
def test_stops(load: float) -> None:
    """Who comes in the red or while the queue lasts stops: r / (C (1 - y)) of all.

    A queue of less than NO_QUEUE vehicles is none, which is one second's worth at most each side.
    """
    network, plan, flow, effective_s = one_signal(load)
    red_s = CYCLE_S - effective_s
    expected = red_s / (CYCLE_S * (1 - flow / SATURATION))
    stops = float(judge(network, plan).stops[0]) / (flow * network.duration_s)
    late_s = kernel.NO_QUEUE / (SATURATION - flow)
    assert expected - (late_s + 2) / CYCLE_S <= stops <= expected + 1 / CYCLE_S


@pytest.mark.parametrize("load", [*LOADS, 1.0, 1.2])
def test_incremental_delay(load: float) -> None:
    """900 T [(x - 1) + sqrt((x - 1)^2 + 8 k I x / (c T))], less the queue that the fluid has."""
    network, plan, flow, effective_s = one_signal(load)
    hours = network.duration_s / 3600
    capacity_vph = 3600 * SATURATION * effective_s / CYCLE_S
    root = math.sqrt((load - 1) ** 2 + 8 * 0.5 * load / (capacity_vph * hours))
    hcm_s = 900 * hours * ((load - 1) + root)
    fluid_s = 900 * hours * 2 * max(0.0, load - 1)
    random_s = float(judge(network, plan).random_veh_s[0]) / (flow * network.duration_s)
    assert random_s == pytest.approx(hcm_s - fluid_s, rel=1e-9)


@pytest.mark.parametrize("load", [1.05, 1.3, 2.0])
def test_oversaturated_queue_grows_by_what_is_too_much(load: float) -> None:
    """(q - c) t vehicles stand at the end; the delay is that triangle and the saturated cycles.

    Arrivals q t less departures, which are s in every effective green: over N cycles
    q T^2 / 2 - s g (C N (N - 1) / 2) - N s g^2 / 2, and half a second's growth for the counting
    at the ends of seconds.
    """
    cycles = 12
    network, plan, flow, effective_s = one_signal(load, cycles=cycles)
    window_s = network.duration_s
    estimate = judge(network, plan)
    served = SATURATION * effective_s * cycles
    assert float(estimate.served[0]) == pytest.approx(served, rel=1e-9)
    left = flow * window_s - served
    assert left == pytest.approx((flow - served / window_s) * window_s)
    # The queue is longest when a green begins: that of the last cycle.
    peak = flow * (window_s - effective_s) - SATURATION * effective_s * (cycles - 1)
    assert float(estimate.longest[0]) == pytest.approx(peak, abs=SATURATION)
    expected = (
        flow * window_s**2 / 2
        - SATURATION * effective_s * CYCLE_S * cycles * (cycles - 1) / 2
        - cycles * SATURATION * effective_s**2 / 2
        + left / 2
    )
    assert float(estimate.delay_veh_s[0]) == pytest.approx(expected, rel=1e-9)


def test_demand_may_be_scaled() -> None:
    """A plan judged at 1.4 times the demand is the plan of a demand 1.4 times as high."""
    network, plan, flow, _ = one_signal(0.6)
    more = replace(network, from_outside=1.4 * network.from_outside)
    scaled, written = judge(network, plan, 1.4), judge(more, plan)
    assert float(scaled.delay_veh_s[0]) == pytest.approx(float(written.delay_veh_s[0]), rel=1e-12)
    assert scaled.vehicles == pytest.approx(1.4 * flow * network.duration_s)


# Two signals: the first one releases a platoon of its whole green at saturation.
PLATOON_S, TRAVEL_S = 30, 23


def two_signals(offset_s: int, *, keep: float = 0.0, cycles: int = 20) -> float:
    """Mean delay at the second signal, whose green begins ``offset_s`` after the first one's."""
    queues = [
        # More arrives than can leave: every green is full.
        Queue(0, 0, SATURATION, ways=(Way(1, 1.0, TRAVEL_S, keep),), outside=SATURATION * CYCLE_S),
        Queue(1, 1, SATURATION),
    ]
    network = hand_network(queues, duration_s=cycles * CYCLE_S + TRAVEL_S, slice_s=CYCLE_S)
    state = "G" * PLATOON_S + "r" * (CYCLE_S - PLATOON_S)
    later = offset_s % CYCLE_S
    estimate = judge(network, shown(network, state, state[-later:] + state[:-later]))
    return float(estimate.delay_veh_s[1]) / float(estimate.served[0])


@pytest.mark.parametrize("late_s", range(0, CYCLE_S, 5))
def test_platoon_at_every_offset(late_s: int) -> None:
    """A green that begins L s after the platoon's head arrives.

    Up to the red's length R = C - g everybody waits L. Beyond, (C - L) / g of them miss the end of
    the green before and wait R. Ideal: L = 0, nobody waits. Worst: L = R, everybody waits R.
    """
    red_s = CYCLE_S - PLATOON_S
    expected_s = late_s if late_s <= red_s else red_s * (CYCLE_S - late_s) / PLATOON_S
    # The run ends within a cycle of the second signal: that is one of 20 platoons at most.
    delay_s = two_signals(TRAVEL_S + late_s, cycles=200)
    assert delay_s == pytest.approx(expected_s, rel=0.006, abs=1e-9)


def test_the_ideal_offset_costs_nothing() -> None:
    assert two_signals(TRAVEL_S) == pytest.approx(0.0, abs=1e-9)
    assert two_signals(TRAVEL_S, keep=0.7) > 0.5


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.8])
def test_dispersion_keeps_the_mean(keep: float) -> None:
    """A pulse arrives after lag + F / (1 - F) s in the mean, with deviation sqrt(F) / (1 - F).

    The moments of Robertson's recursion. Arrivals are read off the stops at a signal that never
    turns green: all who have arrived by the end of a run have stopped.
    """
    first = [1.0] + [0.0] * 199
    queues = [
        Queue(0, -1, 5.0, ways=(Way(1, 1.0, 12, keep),), outside=first),
        Queue(1, 0, SATURATION),
    ]
    whole = hand_network(queues, duration_s=200)
    arrived = np.zeros(200)
    for end_s in range(1, 200):
        part = replace(whole, duration_s=end_s, from_outside=whole.from_outside[:, :end_s])
        arrived[end_s] = judge(part, shown(part, "", "r")).stops[1]
    came, at_s = np.diff(arrived), np.arange(199)
    assert came.sum() == pytest.approx(1.0, abs=1e-5)
    assert not came[:12].any()
    mean_s = float(came @ at_s)
    deviation_s = math.sqrt(float(came @ (at_s - mean_s) ** 2))
    assert mean_s == pytest.approx(12 + keep / (1 - keep), abs=1e-3)
    assert deviation_s == pytest.approx(math.sqrt(keep) / (1 - keep), abs=0.01)


@pytest.mark.parametrize("foe_vph", [150, 400, 800, 1200])
@pytest.mark.parametrize("signal", [0, -1])
def test_capacity_of_a_yielding_turn(foe_vph: float, signal: int) -> None:
    """HCM's potential capacity, q exp(-q t_c) / (1 - exp(-q t_f)), against foes without a queue."""
    queues = [
        Queue(0, -1, 2.0, outside=foe_vph / 3600),
        Queue(1, signal, SATURATION, foes=(0,), outside=1.0),
    ]
    network = hand_network(queues, duration_s=3600)
    estimate = judge(network, shown(network, "", "g" if signal == 0 else ""))
    flow, follow_s = foe_vph / 3600, 1 / (SATURATION * kernel.YIELD_FACTOR)
    gap_s = CRITICAL_GAP_S if signal == 0 else CRITICAL_GAP_OPEN_S
    capacity_vph = 3600 * flow * math.exp(-flow * gap_s) / (1 - math.exp(-flow * follow_s))
    # The table of gaps is straight between its points.
    assert float(estimate.served[1]) == pytest.approx(capacity_vph, rel=0.003)


@pytest.mark.parametrize("left_share", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_lane_is_open_until_its_first_left_turner(left_share: float, lanes: int) -> None:
    """Straight on green, left red: (1 - p) / p drivers of each lane pass until it is blocked."""
    waiting = 40.0
    queues = [
        Queue(0, 0, lanes * SATURATION, outside=[(1 - left_share) * waiting] + [0.0] * 199),
        Queue(0, 0, lanes * SATURATION, outside=[left_share * waiting] + [0.0] * 199),
    ]
    network = hand_network(queues, duration_s=200, lanes=(lanes,))
    estimate = judge(network, shown(network, "r" * 20 + "G" * 180, "r" * 200))
    assert float(estimate.served[0]) == pytest.approx(lanes * (1 - left_share) / left_share)
    assert float(estimate.served[1]) == 0


@pytest.mark.parametrize("storage", [4.0, 9.0])
def test_a_full_link_stops_the_signal_before(storage: float) -> None:
    """As many pass as fit; when the next signal opens, one comes in for each that leaves."""
    red_s, green_s = 100, 30
    queues = [
        Queue(0, -1, SATURATION, ways=(Way(1, 1.0, 5),), outside=1.0),
        Queue(1, 0, SATURATION),
    ]
    whole = hand_network(queues, duration_s=red_s + green_s, storage=(math.inf, storage))
    part = replace(whole, duration_s=red_s, from_outside=whole.from_outside[:, :red_s])
    assert float(judge(part, shown(part, "", "r")).served[0]) == pytest.approx(storage, abs=1e-9)
    after = judge(whole, shown(whole, "", "r" * red_s + "G" * green_s))
    left = SATURATION * green_s
    assert float(after.served[0]) > storage + 0.5 * min(left, storage)
    assert float(after.served[0]) <= storage + float(after.served[1]) + SATURATION


def test_the_same_run_gives_the_same_bits() -> None:
    network, plan, _, _ = one_signal(0.9, loss_s=2.3, gain_s=1.5)
    first, again = judge(network, plan), judge(network, plan)
    assert first.by_queue_veh_s.tobytes() == again.by_queue_veh_s.tobytes()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_lane_is_open_until_its_first_driver_to_a_full_link(share: float) -> None:
    """The link is full for good: (1 - p) / p drivers of other ways pass, and one waits in front."""
    queues = [
        Queue(0, -1, SATURATION, ways=(Way(1, share, 5),), outside=1.0),
        Queue(1, 0, SATURATION),
    ]
    storage = 4.0
    network = hand_network(queues, duration_s=400, storage=(math.inf, storage))
    served = float(judge(network, shown(network, "", "r")).served[0])
    assert served == pytest.approx(storage / share + (1 - share) / share, abs=2 * SATURATION)
