"""The compiled delay model against the plain one, and what the plain one's books say."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.delay.hand import Plan, Queue, Way, hand_network, judge, shown
from tests.verification import reference_delay
from traffic.delay.flow_network import FlowNetwork

SEEDS = 30


def random_case(seed: int, *, duration_s: int = 240) -> tuple[FlowNetwork, Plan]:
    """A network of a few junctions with all that the model knows, and a plan for it."""
    rng = random.Random(seed)
    groups = rng.randint(2, 6)
    signals = rng.randint(1, 3)
    sizes = [rng.randint(1, 3) for _ in range(groups)]
    of_group = [g for g, size in enumerate(sizes) for _ in range(size)]
    count = len(of_group)
    lanes = [rng.randint(1, 2) for _ in range(groups)]
    # A turn of a group may be free of the group's signal, as some right turns are.
    at = [rng.randrange(signals) for _ in range(groups)]
    free = [rng.random() < 0.15 for _ in range(count)]
    queues = []
    for q, g in enumerate(of_group):
        ways: list[Way] = []
        left = 1.0
        others = [k for k in range(count) if of_group[k] != g]
        for to in rng.sample(others, min(len(others), rng.randint(0, 3))):
            share = rng.choice([0.02, 0.2, 0.5, 0.9]) * left
            left -= share
            ways.append(Way(to, share, rng.randint(1, 25), rng.choice([0.0, 0.3, 0.8])))
        queues.append(
            Queue(
                group=g,
                signal=-1 if free[q] else at[g],
                saturation=rng.uniform(0.3, 0.6) * lanes[g],
                start_loss_s=rng.choice([0.0, 1.3, 2.6]),
                end_gain_s=rng.choice([0.0, 1.5, 2.0]),
                foes=tuple(rng.sample(others, min(len(others), rng.choice([0, 0, 1, 2])))),
                ways=tuple(ways),
                outside=[
                    rng.choice([0, 1, 1]) * rng.uniform(2, 15) for _ in range(duration_s // 30)
                ],
            )
        )
    network = hand_network(
        queues,
        duration_s=duration_s,
        slice_s=30.0,
        begin_s=rng.choice([0, 17]),
        lanes=lanes,
        storage=[rng.choice([2.0, 6.0, np.inf]) * lanes[g] for g in range(groups)],
    )
    return network, random_plan(network, rng)


def random_plan(network: FlowNetwork, rng: random.Random) -> Plan:
    """States as signals show them: green, yellow, red; some yield, some never change."""
    cycles = [rng.randint(20, 70) for _ in network.signal_ids]
    states = []
    for s in network.queue_signal:
        if s >= len(cycles):
            states.append("")
            continue
        cycle_s, letter = cycles[s], rng.choice("GGgs")
        green_s = rng.randint(0, cycle_s)
        second = rng.randint(0, green_s)
        state = letter * second + rng.choice("Gg") * (green_s - second)
        state = (state + "y" * rng.randint(0, 4) + "r" * cycle_s)[:cycle_s]
        shift = rng.randrange(cycle_s)
        states.append(state[shift:] + state[:shift])
    return shown(network, *states)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_compiled_and_plain_model_agree(seed: int) -> None:
    """Shared lanes, yielding turns, ways without a signal, spillback: to the ninth digit."""
    network, plan = random_case(seed)
    scale = 1.0 if seed % 2 else 1.3
    compiled, plain = judge(network, plan, scale), reference_delay.run(network, *plan, scale)
    for name in ("delay", "random", "stops", "served", "longest"):
        given_name = {"delay": "delay_veh_s", "random": "random_veh_s"}.get(name, name)
        np.testing.assert_allclose(
            getattr(compiled, given_name), getattr(plain, name), rtol=1e-9, atol=1e-9, err_msg=name
        )


def test_the_cases_have_what_they_are_to_prove() -> None:
    """Or the agreement would mean little: full links, gaps, shared lanes, lasting queues."""
    full = yielding = shared = lasting = 0
    for seed in range(SEEDS):
        network, plan = random_case(seed)
        books = reference_delay.run(network, *plan)
        full += bool(np.any(np.max(books.inside, axis=0) > network.storage - 0.01))
        yielding += bool(np.any(np.diff(network.foe_first) > 0) and np.any(plan[0] == 2))
        shared += bool(np.any(np.diff(network.group_first) > 1))
        lasting += bool(np.max(books.queues[-1]) > 5)
    assert min(full, yielding, shared, lasting) >= SEEDS // 3


@given(seed=st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_vehicles_are_neither_made_nor_lost(seed: int) -> None:
    """In = out + queues + on the way at every second; no queue and no link below 0.

    A link takes in at most one second's flow more than it holds: those who enter in the same
    second do not see each other. Only drivers of way shares that do not bind may add to that.
    """
    network, plan = random_case(seed, duration_s=150)
    books = reference_delay.run(network, *plan)
    queues, out, inside = (np.array(x) for x in (books.queues, books.out, books.inside))
    assert queues.min() >= 0
    assert inside.min() >= -1e-9
    leaves = np.array(
        [
            1 - network.way_share[network.way_first[q] : network.way_first[q + 1]].sum()
            for q in range(network.queues)
        ]
    )
    came = np.cumsum(np.repeat(network.from_outside / 30.0, 30, axis=1).sum(axis=0))
    gone = np.cumsum((out * leaves).sum(axis=1))
    on_the_way = np.array(books.on_the_way)
    np.testing.assert_allclose(came, gone + queues.sum(axis=1) + on_the_way, atol=1e-3)
    # What stands or drives before a stop line is on its link.
    np.testing.assert_allclose(inside.sum(axis=1), queues.sum(axis=1) + on_the_way, atol=1e-3)


@given(seed=st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_a_link_holds_no_more_than_fits(seed: int) -> None:
    """Beside one second's flow from each queue that leads there, and its first driver of each lane.

    Those who wait for room at the head of their lanes are counted to the link already.
    """
    network, plan = random_case(seed, duration_s=150)
    # Nobody starts on a link that can be full.
    group_of = np.searchsorted(network.group_first, np.arange(network.queues), "right") - 1
    network.from_outside[np.isfinite(network.storage)[group_of]] = 0.0
    inside = np.array(reference_delay.run(network, *plan).inside)
    for g, storage in enumerate(network.storage):
        lead = [
            (q, network.way_share[w])
            for q in range(network.queues)
            for w in range(network.way_first[q], network.way_first[q + 1])
            if network.way_group[w] == g
        ]
        second = sum(network.saturation[q] * share for q, share in lead) + 2.4 * len(lead)
        small = sum(share * 150 for _, share in lead if share < 0.05)
        first = sum(network.group_lanes[group_of[q]] for q, _ in lead)
        assert inside[:, g].max() <= storage + second + first + small
