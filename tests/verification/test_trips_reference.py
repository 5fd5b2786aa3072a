"""The compiled vehicle-by-vehicle model against a plain one, driver by driver."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.delay.hand_trips import (
    Driver,
    Lane,
    Plan,
    Stop,
    Town,
    Turn,
    driven,
    shown,
    town,
)
from tests.verification.reference_trips import Simulation
from traffic.delay.trips import ENDLESS

SEEDS = 40
DURATION_S = 260


def random_case(seed: int) -> tuple[Town, Plan, float]:
    """A few lanes and turns, drivers with ways over some of them, signals that change at random."""
    rng = random.Random(seed)
    lanes = [
        Lane(rng.choice([ENDLESS, 1, 2, 3, 6]), rng.choice([0, 1, 2]), rng.randrange(3))
        for _ in range(rng.randint(3, 7))
    ]
    signals = rng.randint(1, 3)
    count = rng.randint(3, 8)

    def others(q: int, most: int) -> tuple[int, ...]:
        return tuple(rng.sample([k for k in range(count) if k != q], rng.randint(0, most)))

    turns = [
        Turn(
            signal=-1 if rng.random() < 0.2 else rng.randrange(signals),
            headway_s=rng.choice([1.4, 1.9, 2.7]),
            start_loss_s=rng.choice([0.0, 1.3, 2.6]),
            end_gain_s=rng.choice([0.0, 1.5, 2.0]),
            foes=others(q, 2) if rng.random() < 0.6 else (),
            crossed=others(q, 2),
        )
        for q in range(count)
    ]
    # The last signal is somebody's.
    turns[0] = Turn(signal=signals - 1, headway_s=2.0)
    stops = []
    for _ in range(10):
        since_s = rng.choice([0.0, 0.7, 4.0, 11.5, 40.0])
        choices = [
            (lane, rng.randrange(count), rng.randrange(4))
            for lane in rng.sample(range(len(lanes)), rng.choice([1, 1, 2, 3]))
        ]
        stops.append(Stop(tuple(choices), since_s, rng.random() * since_s))
    drivers = [
        Driver(
            rng.random() * 0.8 * DURATION_S,
            tuple(rng.choices(stops, k=rng.randint(1, 4))),
            rng.uniform(0.8, 1.3),
        )
        for _ in range(rng.choice([20, 60, 100]))
    ]
    rooms = {edge: rng.choice([0, 0, 4, 9]) for edge in range(3)}
    own = town(turns, lanes, drivers, rooms)
    return own, random_plan(own, rng), rng.choice([0.0, 17.0, 1003.0])


def random_plan(own: Town, rng: random.Random) -> Plan:
    cycles = [rng.randint(15, 60) for _ in range(own.queues.signals)]
    states = []
    for turn in own.turns:
        if turn.signal < 0:
            states.append("")
            continue
        cycle_s = cycles[turn.signal]
        green_s = rng.randint(0, cycle_s)
        second = rng.randint(0, green_s)
        state = rng.choice("GGgs") * second + rng.choice("Gg") * (green_s - second)
        state = (state + "y" * rng.randint(0, 4) + "r" * cycle_s)[:cycle_s]
        shift = rng.randrange(cycle_s)
        states.append(state[shift:] + state[:shift])
    # Every signal of a turn that nobody has is still there.
    return shown(own, *states)


def same(seed: int, duration_s: int = DURATION_S) -> Simulation:
    own, plan, begin_s = random_case(seed)
    books, streets = driven(own, plan, duration_s, begin_s)
    plain = Simulation(*plan, begin_s, own.queues, own.vehicles)
    plain.run(duration_s)
    np.testing.assert_array_equal(books.served, plain.served)
    np.testing.assert_array_equal(books.stops, plain.stops)
    np.testing.assert_array_equal(books.longest, plain.longest)
    np.testing.assert_allclose(books.delay, plain.delay, rtol=1e-12, atol=1e-9)
    for driver in plain.drivers[: plain.departed]:
        assert streets.passage[driver.number] == driver.passage
        assert streets.ready[driver.number] == driver.ready_s
        if driver.lane >= 0:
            assert streets.waits_on[driver.number] == driver.lane
    for number, lane in enumerate(plain.lanes):
        line, v = [], streets.head[number]
        while v >= 0:
            line.append(int(v))
            v = streets.follows[v]
        assert line == [driver.number for driver in lane.line]
        assert streets.on_lane[number] == lane.count
        assert streets.inside[number] == len(lane.inside)
    return plain


@pytest.mark.parametrize("seed", range(SEEDS))
def test_compiled_and_plain_model_agree(seed: int) -> None:
    """Every driver is in the same line, of the same lane, ready at the same time."""
    same(seed)


@given(seed=st.integers(0, 10**9), duration_s=st.integers(1, DURATION_S))
@settings(max_examples=40, deadline=None)
def test_they_agree_whenever_the_window_ends(seed: int, duration_s: int) -> None:
    same(seed, duration_s)


def test_the_cases_have_what_they_are_to_prove() -> None:
    """Or the agreement would mean little."""
    full = wide = inside = left_over = stopped_twice = 0
    for seed in range(SEEDS):
        plain = same(seed)
        full += any(
            lane.room < ENDLESS and most >= lane.room
            for lane, most in zip(plain.lanes, plain.most_on, strict=True)
        )
        wide += any(
            lane.room < ENDLESS and most > lane.room + lane.extra
            for lane, most in zip(plain.lanes, plain.most_on, strict=True)
        )
        inside += max(plain.clear_s) > 0
        left_over += any(len(lane.line) > 3 for lane in plain.lanes)
        stopped_twice += any(d.reds > 1 for d in plain.drivers)
    assert min(full, wide, inside, left_over, stopped_twice) >= SEEDS // 8


@given(seed=st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_vehicles_are_neither_made_nor_lost(seed: int) -> None:
    """Served + waiting + not yet departed = all, at every stop line; nothing is below 0."""
    own, plan, begin_s = random_case(seed)
    for duration_s in (0, 50, DURATION_S):
        books, streets = driven(own, plan, duration_s, begin_s)
        departed = int(np.searchsorted(own.vehicles.depart_s, duration_s))
        arrived = departed - int(streets.on_lane.sum())
        assert arrived >= 0
        # Everybody has crossed as many lines as his passage says; who has arrived, all of them.
        begun = streets.passage[:departed] - own.vehicles.trip_first[:departed]
        assert int(books.served.sum()) == int(begun.sum()) + arrived
        assert np.array_equal(streets.came - streets.left, streets.on_lane)
        for array in (streets.on_lane, streets.on_edge, streets.inside, streets.standing_from):
            assert array.min() >= 0
        assert int(streets.on_edge.sum()) == int(streets.on_lane.sum())
        assert int(streets.standing_from.sum()) == int(streets.inside.sum())
        for array in books:
            assert array.min() >= 0


@pytest.mark.parametrize("seed", range(5))
def test_same_plan_same_answer(seed: int) -> None:
    own, plan, begin_s = random_case(seed)
    first, _ = driven(own, plan, DURATION_S, begin_s)
    again, _ = driven(own, plan, DURATION_S, begin_s)
    for a, b in zip(first, again, strict=True):
        assert a.tobytes() == b.tobytes()
