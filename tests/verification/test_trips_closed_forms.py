"""The vehicle-by-vehicle model against what can be worked out by hand, to the second.

Vehicles are at their stop line at their departure where nothing else is said: a passage without
travel time.
"""

import numpy as np
import pytest

from tests.traffic.delay.hand_trips import Driver, Lane, Stop, Turn, at, drive, driven, shown, town
from traffic.delay import trip_kernel as kernel
from traffic.delay.trips import HOLE_S

HEADWAY_S = 2.0


def at_headways(every_s: float, count: int, first_s: float = 0.0) -> list[Driver]:
    return [Driver(first_s + k * every_s, (at(0, 0),)) for k in range(count)]


def test_one_red_by_hand() -> None:
    """Red until 20: at 3, 8, 13 they come, at 20, 22, 24 they go; the one of 25.5 just passes."""
    own = town([Turn()], [Lane()], [Driver(s, (at(0, 0),)) for s in (3.0, 8.0, 13.0, 25.5, 26.0)])
    books = drive(own, shown(own, "r" * 20 + "G" * 20), 40)
    # The fourth is behind nobody, at 26; the one of 26 keeps 2 s behind him.
    assert float(books.delay[0]) == pytest.approx(17 + 14 + 11 + (26 - 25.5) + (28 - 26))
    # 2 s are no stop.
    assert float(books.stops[0]) == 3
    assert float(books.longest[0]) == 3
    assert float(books.served[0]) == 5


def test_start_loss_end_gain_and_yellow() -> None:
    """Green from 10 to 20: a start loss, and 1.5 s of the yellow that are driven."""
    turn = Turn(start_loss_s=1.75, end_gain_s=1.5)
    early = [Driver(2.0, (at(0, 0),))]
    own = town([turn], [Lane()], early)
    plan = shown(own, "r" * 10 + "G" * 10 + "y" * 3 + "r" * 7)
    assert float(drive(own, plan, 30).delay[0]) == pytest.approx(10 + 1.75 - 2)
    for late_s, wait_s in ((20.0, 0.0), (21.4, 0.0), (21.6, 10 + 30 + 1.75 - 21.6)):
        own = town([turn], [Lane()], [Driver(late_s, (at(0, 0),))])
        assert float(drive(own, plan, 60).delay[0]) == pytest.approx(wait_s)


@pytest.mark.parametrize("begin_s", [0.0, 7.0, 61.0])
def test_the_window_begins_within_a_cycle(begin_s: float) -> None:
    """Second c of the plan is the one whose time leaves the remainder c."""
    own = town([Turn()], [Lane()], [Driver(0.0, (at(0, 0),))])
    wait_s = float(drive(own, shown(own, "r" * 15 + "G" * 5), 60, begin_s).delay[0])
    assert wait_s == pytest.approx(max(0.0, 15 - begin_s % 20))


@pytest.mark.parametrize(
    ("red_s", "green_s", "every_s"),
    [(r, 80 - r, h) for r in (20, 40, 50) for h in (3.0, 4.5, 5.9, 9.5) if h * (80 - r) > 168],
)
def test_uniform_delay(red_s: int, green_s: int, every_s: float) -> None:
    """D/D/1: r^2 / (2 C (1 - q/s)) a vehicle, where vehicles are whole.

    The queue of n, who come at headway h from a phase on and go at s seconds each, is summed here
    exactly; the closed form differs by less than one vehicle's red a cycle.
    """
    cycle_s, cycles = red_s + green_s, 25
    assert (1 / every_s) / (green_s / cycle_s / HEADWAY_S) < 0.96
    count = int(cycles * cycle_s / every_s)
    own = town([Turn()], [Lane()], at_headways(every_s, count))
    books = drive(own, shown(own, "r" * red_s + "G" * green_s), (cycles + 1) * cycle_s)
    exact_s, free_s = 0.0, 0.0
    for k in range(count):
        at_s = max(k * every_s, free_s)
        if at_s % cycle_s < red_s:
            at_s += red_s - at_s % cycle_s
        exact_s += at_s - k * every_s
        free_s = at_s + HEADWAY_S
    assert float(books.delay[0]) == pytest.approx(exact_s, rel=1e-9)
    flow = 1 / every_s
    webster_s = red_s**2 / (2 * cycle_s * (1 - flow * HEADWAY_S))
    # Half a headway each way at the red's begin and at the queue's end.
    assert float(books.delay[0]) / count == pytest.approx(webster_s, abs=(every_s + 2) / 2)
    assert float(books.served[0]) == count


@pytest.mark.parametrize("every_s", [1.0, 2.0, 3.0])
def test_oversaturated_queue_grows_by_what_is_too_much(every_s: float) -> None:
    """(q - s g / C) t vehicles wait at the end; they have lost what they stood until then."""
    red_s, green_s, cycles = 40, 20, 15
    window_s = cycles * (red_s + green_s)
    count = int(window_s / every_s)
    own = town([Turn()], [Lane()], at_headways(every_s, count))
    books, streets = driven(own, shown(own, "r" * red_s + "G" * green_s), window_s)
    served = cycles * green_s / HEADWAY_S
    assert float(books.served[0]) == served
    left = window_s * (1 / every_s - green_s / (red_s + green_s) / HEADWAY_S)
    assert int(streets.on_lane[0]) == pytest.approx(left, abs=1)
    arrivals = np.arange(count) * every_s
    leaves = np.full(count, float(window_s))
    leaves[: int(served)] = [k // 10 * 60 + red_s + k % 10 * HEADWAY_S for k in range(int(served))]
    assert float(books.delay[0]) == pytest.approx(float((leaves - arrivals).sum()))


# A platoon of ten that goes over two stop lines, 23 s apart.
PLATOON, TRAVEL_S, RED_S, GREEN_S = 10, 23.0, 40, 40


def platoon(offset_s: int) -> tuple[float, float]:
    """Delay a vehicle and stops at the second stop line, green ``offset_s`` after the first."""
    way = (at(0, 0), at(1, 1, TRAVEL_S))
    drivers = [Driver(0.1 * k, way) for k in range(PLATOON)]
    own = town([Turn(0), Turn(1)], [Lane(), Lane()], drivers)
    first = "r" * RED_S + "G" * GREEN_S
    turn = offset_s % 80
    books = drive(own, shown(own, first, first[-turn:] + first[:-turn] if turn else first), 400)
    assert float(books.served[1]) == PLATOON
    return float(books.delay[1]) / PLATOON, float(books.stops[1])


def test_platoon_through_a_green_wave() -> None:
    """Offset = travel time: nobody loses anything or stops. A green that begins before, too."""
    assert platoon(int(TRAVEL_S)) == (0.0, 0.0)
    assert platoon(int(TRAVEL_S) - 15) == (0.0, 0.0)


@pytest.mark.parametrize("late_s", [5, 20, 40])
def test_platoon_before_a_green_that_is_late(late_s: int) -> None:
    """All wait as long as the green is late; they have the headways of the first stop line."""
    delay_s, stops = platoon(int(TRAVEL_S) + late_s)
    assert delay_s == pytest.approx(late_s)
    # In line behind who waits, also the ones who come when it has just begun to move.
    assert stops == pytest.approx(PLATOON)


def test_platoon_whose_tail_misses_the_green() -> None:
    """Half a platoon's time too late: six of ten pass, the others wait for the red to be over."""
    # The head comes when 11 s of green are left: 0, 2, ..., 10 s pass.
    delay_s, stops = platoon(int(TRAVEL_S) + 11 - GREEN_S)
    # The seventh is 1 s into the red, each other 2 s later; they go at 2 s each after it.
    assert delay_s * PLATOON == pytest.approx(4 * (RED_S - 1))
    assert stops == 4


@pytest.mark.parametrize("own_lane", [False, True])
def test_a_left_that_waits_blocks_who_is_behind_it_in_its_lane(own_lane: bool) -> None:
    """Through is green, left red: the through driver waits for it, unless he has a lane of his."""
    left = Driver(1.0, (at(0, 0),))
    through = Driver(2.0, (at(1 if own_lane else 0, 1),))
    own = town([Turn(0), Turn(0)], [Lane(), Lane()], [left, through])
    books = drive(own, shown(own, "r" * 30 + "G" * 30, "G" * 60), 60)
    assert float(books.delay[0]) == 29
    assert float(books.delay[1]) == (0 if own_lane else 30 + HEADWAY_S - 2)


def test_drivers_take_the_emptier_of_their_lanes() -> None:
    """Five at a red with two lanes: three in the first one, two in the other."""
    choice = Stop(((0, 0, 100), (1, 0, 101)))
    own = town([Turn()], [Lane(), Lane()], [Driver(0.2 * k, (choice,)) for k in range(5)])
    plan = shown(own, "r" * 20 + "G" * 20)
    _, streets = driven(own, plan, 10)
    assert streets.on_lane.tolist() == [3, 2]
    books = drive(own, plan, 40)
    came = sum(0.2 * k for k in range(5))
    assert float(books.delay[0]) == pytest.approx((20 + 22 + 24) + (20 + 22) - came)


@pytest.mark.parametrize(("room", "extra"), [(1, 0), (3, 0), (3, 1), (5, 2)])
def test_a_short_link_holds_so_many_and_the_next_waits_upstream(room: int, extra: int) -> None:
    """Behind the link is red for good: it takes what fits, the others stand before it.

    Those who may be moving inside the junction (``extra``) go in while few enough stand; without
    travel time all on the link stand at once.
    """
    way = (at(0, 0), at(1, 1))
    own = town([Turn(0), Turn(1)], [Lane(), Lane(room, extra)], [Driver(k, way) for k in range(9)])
    books, streets = driven(own, shown(own, "G" * 60, "r" * 60), 60)
    assert int(streets.on_lane[1]) == room
    assert float(books.served[0]) == room
    # From the moment at which they come: they cannot go and are counted until the end.
    assert float(books.delay[1]) > 0
    assert int(streets.on_lane[0]) == 9 - room


def test_lanes_of_a_wide_link_stand_in_for_each_other() -> None:
    """An edge with room for five takes five, though all are bound for one lane with room for 3."""
    way = (at(0, 0), at(1, 1))
    drivers = [Driver(k, way) for k in range(9)]
    lanes = [Lane(), Lane(3, 0, 1), Lane(3, 0, 1)]
    own = town([Turn(0), Turn(1)], lanes, drivers, {1: 5})
    books, streets = driven(own, shown(own, "G" * 60, "r" * 60), 60)
    assert int(streets.on_lane[1]) == 5
    # They stand beside each other on the link, not in the junction before it.
    assert int(streets.inside[1]) == 0
    assert float(books.served[0]) == 5


@pytest.mark.parametrize("room", [2, 4])
def test_a_place_reaches_the_rear_as_slowly_as_vehicles_move_up(room: int) -> None:
    """HOLE_S a vehicle: the next gets in when the hole has come through the whole link.

    The link's signal turns green at 50, a vehicle a headway leaves it; who waits before it follows
    each of them by ``room`` times HOLE_S.
    """
    last = (at(0, 0), at(1, 1), at(2, 2))
    drivers = [Driver(float(k), last) for k in range(room + 2)]
    own = town([Turn(0), Turn(1), Turn(2)], [Lane(), Lane(room), Lane()], drivers)
    plan = shown(own, "G" * 200, "r" * 50 + "G" * 150, "G" * 200)
    books = drive(own, plan, 200)
    waits_s = [50 + HEADWAY_S * k + room * HOLE_S - (room + k) for k in range(2)]
    # Headways at the stop line before it: the first ones follow each other, too.
    free_s, headways_s = 0.0, 0.0
    for k in range(room):
        free_s = max(float(k), free_s)
        headways_s += free_s - k
        free_s += HEADWAY_S
    assert float(books.delay[0]) == pytest.approx(headways_s + sum(waits_s))


GAP_S = kernel.BEFORE_FOE_S


def yielding(foe_times_s: list[float], comes_s: float = 5.0, state: str = "g" * 200) -> float:
    """How long a left that comes at ``comes_s`` waits for those on the other side."""
    foes = [Driver(s, (at(1, 1),)) for s in foe_times_s]
    own = town(
        [Turn(0, foes=(1,)), Turn(0)], [Lane(), Lane()], [Driver(comes_s, (at(0, 0),)), *foes]
    )
    books = drive(own, shown(own, state, "G" * 200), 200)
    assert float(books.served[0]) == 1
    assert float(books.delay[1]) == 0
    return float(books.delay[0])


def test_a_yielding_left_takes_a_gap_that_is_long_enough() -> None:
    """Nobody, or the next one further away than the gap: it goes at once."""
    assert yielding([]) == 0
    # Vehicles that are not on the road yet are not seen: all depart before it comes.
    assert yielding([4.9 + GAP_S + 2.0]) == 0


def test_a_yielding_left_waits_for_each_that_comes() -> None:
    """After the last of them has passed it waits AFTER_FOE_S, and looks every LOOK_S.

    They reach their stop line 10 s after their departures, so that all are seen in time.
    """
    foes = [Driver(s, (Stop(((1, 1, 9),), 10.0, 10.0),)) for s in (0.0, 3.0, 6.0)]
    own = town(
        [Turn(0, foes=(1,)), Turn(0)],
        [Lane(), Lane()],
        [*foes, Driver(8.0, (at(0, 0),))],
    )
    books = drive(own, shown(own, "g" * 60, "G" * 60), 60)
    # They pass at 10, 13 and 16: gaps of 3 s are too short.
    wait_s = 16 + kernel.AFTER_FOE_S - 8
    assert wait_s <= float(books.delay[0]) < wait_s + kernel.LOOK_S + 1e-9


@pytest.mark.parametrize(("gap_s", "goes_between"), [(6.0, False), (7.0, True), (9.0, True)])
def test_the_gap_that_is_taken(gap_s: float, goes_between: bool) -> None:
    """AFTER_FOE_S behind the one and BEFORE_FOE_S before the other: 6.5 s at a signal."""
    assert kernel.AFTER_FOE_S + kernel.BEFORE_FOE_S == 6.5
    far = (Stop(((1, 1, 9),), 12.0, 12.0),)
    foes = [Driver(0.0, far), Driver(gap_s, far)]
    own = town([Turn(0, foes=(1,)), Turn(0)], [Lane(), Lane()], [*foes, Driver(11.0, (at(0, 0),))])
    books = drive(own, shown(own, "g" * 60, "G" * 60), 60)
    leaves_s = 11 + float(books.delay[0])
    assert (leaves_s < 12 + gap_s) == goes_between
    passed_s = 12.0 if goes_between else 12 + gap_s
    assert passed_s + kernel.AFTER_FOE_S <= leaves_s < passed_s + kernel.AFTER_FOE_S + kernel.LOOK_S


def test_foes_at_red_are_not_waited_for() -> None:
    foes = [Driver(1.0 + k, (at(1, 1),)) for k in range(3)]
    own = town([Turn(0, foes=(1,)), Turn(0)], [Lane(), Lane()], [Driver(4.0, (at(0, 0),)), *foes])
    assert float(drive(own, shown(own, "g" * 60, "r" * 60), 60).delay[0]) == 0


def test_one_left_clears_the_junction_in_the_yellow() -> None:
    """Opposed all the green long, one of two goes when it ends; the other waits for the next."""
    foes = [Driver(0.5 * k, (at(1, 1),)) for k in range(100)]
    lefts = [Driver(1.0, (at(0, 0),)), Driver(1.1, (at(0, 0),))]
    # At 1 s each there would be time for both.
    turns = [Turn(0, headway_s=1.0, foes=(1,), end_gain_s=1.5), Turn(0)]
    own = town(turns, [Lane(), Lane()], [*foes, *lefts])
    cycle = "g" * 30 + "y" * 3 + "r" * 27
    plan = shown(own, cycle, "G" * 60)
    assert float(drive(own, plan, 60).served[0]) == 1
    assert float(drive(own, plan, 120).served[0]) == 2
    books = drive(own, plan, 40)
    first_s = 40 - 1.1
    assert 29 <= float(books.delay[0]) - first_s < 30.5


def test_right_turn_on_red_after_a_stop() -> None:
    """STOPPED_S at the line, then the gap; others may not go at all."""
    own = town([Turn(0, foes=(1,)), Turn(0)], [Lane(), Lane()], [Driver(4.0, (at(0, 0),))])
    assert float(drive(own, shown(own, "s" * 60, "G" * 60), 60).delay[0]) == kernel.STOPPED_S
    foes = [Driver(0.0, (Stop(((1, 1, 9),), 9.0, 9.0),))]
    own = town([Turn(0, foes=(1,)), Turn(0)], [Lane(), Lane()], [Driver(4.0, (at(0, 0),)), *foes])
    wait_s = float(drive(own, shown(own, "s" * 60, "G" * 60), 60).delay[0])
    after_s = 9 + kernel.AFTER_FOE_S - 4
    assert after_s <= wait_s < after_s + kernel.LOOK_S


def test_two_lanes_that_lead_into_one_go_one_after_the_other() -> None:
    """Five each, at once: into lanes of their own they need five headways, into one twice that."""
    for to, last_s in ((7, 9 * HEADWAY_S), (None, 4 * HEADWAY_S)):
        drivers = [
            Driver(0.0, (at(lane, lane, 0.0, to if to is not None else 20 + lane),))
            for lane in (0, 1)
            for _ in range(5)
        ]
        own = town([Turn(0), Turn(0)], [Lane(), Lane()], drivers)
        plan = shown(own, "G" * 60, "G" * 60)
        last = next(s for s in range(1, 60) if sum(drive(own, plan, s).served) == 10)
        assert last == last_s + 1


def test_who_stands_in_the_junction_is_in_the_way_of_those_who_cross() -> None:
    """A link is full; one more has gone in and stands in the junction: the cross street waits.

    Turn 0 leads onto a link with room for two, and one that moves. Its drivers take 3 s there,
    so the third goes in while the others still move. The link opens at 14 s; the first of it
    leaves, the hole takes 2 HOLE_S to the rear and the driver CLEARS_S to be out of the way.
    """
    way = (at(0, 0), Stop(((1, 1, 50),), 3.0, 3.0))
    into = [Driver(0.0, way), Driver(0.0, way), Driver(0.0, way)]
    across = Driver(10.0, (at(2, 2),))
    turns = [Turn(0, headway_s=1.0), Turn(1), Turn(0, crossed=(0,))]
    lanes = [Lane(), Lane(2, 1), Lane()]
    own = town(turns, lanes, [*into, across])
    red = "r" * 14 + "G" * 46
    books, streets = driven(own, shown(own, "G" * 60, red, "G" * 60), 12)
    assert float(books.served[0]) == 3
    assert int(streets.standing_from[0]) == 1
    books = drive(own, shown(own, "G" * 60, red, "G" * 60), 60)
    assert float(books.delay[2]) == pytest.approx(14 + 2 * HOLE_S + kernel.CLEARS_S - 10)
    # With room for all three nobody is in the way.
    free = town(turns, [Lane(), Lane(3, 1), Lane()], [*into, across])
    assert float(drive(free, shown(free, "G" * 60, red, "G" * 60), 60).delay[2]) == 0


def test_ways_round_who_stands_are_found_in_the_end() -> None:
    """A link that is closed for good blocks the cross street for LEAVES_S after the last one."""
    way = (at(0, 0), Stop(((1, 1, 50),), 3.0, 3.0))
    into = [Driver(0.0, way), Driver(0.0, way), Driver(0.0, way)]
    own = town(
        [Turn(0, headway_s=1.0), Turn(1), Turn(0, crossed=(0,))],
        [Lane(), Lane(2, 1), Lane()],
        [*into, Driver(10.0, (at(2, 2),))],
    )
    books = drive(own, shown(own, "G" * 60, "r" * 60, "G" * 60), 60)
    # The last one went in at 2.
    assert float(books.delay[2]) == pytest.approx(2 + kernel.LEAVES_S - 10)


@pytest.mark.parametrize("travel_s", [30.0, 500.0, 700.0])
def test_long_ways_are_driven_in_order(travel_s: float) -> None:
    """However far the start is: who is at the stop line first goes first.

    Two come on other ways, one takes long and departs first.
    """
    far = Driver(0.0, (Stop(((0, 0, 9),), travel_s, 1.0),))
    near = Driver(travel_s - 20, (Stop(((0, 0, 9),), 10.0, 1.0),))
    own = town([Turn(0)], [Lane()], [far, near])
    books = drive(own, shown(own, "G"), int(travel_s) + 30)
    assert float(books.delay[0]) == 0
    assert float(books.served[0]) == 2


def test_paces_stretch_the_way() -> None:
    """A driver of pace 1.2 is 12 s on a way of 10."""
    way = (Stop(((0, 0, 9),), 10.0),)
    own = town([Turn()], [Lane()], [Driver(0.0, way, 1.2)])
    # Red until 11.
    assert float(drive(own, shown(own, "r" * 11 + "G" * 49), 60).delay[0]) == 0
    own = town([Turn()], [Lane()], [Driver(0.0, way, 0.8)])
    assert float(drive(own, shown(own, "r" * 11 + "G" * 49), 60).delay[0]) == 3
