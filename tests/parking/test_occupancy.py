"""Cars in a pool from counts and passages, and caution that grows with age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.occupancy import MOVES_KEPT, Caution, Sight, left_unseen, open_capacity, walk_ins

MINUTE = 60_000


def test_a_count_is_the_truth_of_its_moment():
    sight = Sight.starting(5).passed(10, 1).passed(30, 1)
    counted = sight.counted(7, 20)
    assert counted.cars == 8
    assert counted.passed(15, 1) == counted, "it is in the count already"
    assert counted.counted(9, 19) == counted, "older than the last"
    assert counted.counted(0, 40).cars == 0


def test_cars_are_never_fewer_than_none_but_reports_on_their_way_make_up():
    sight = Sight.starting(0).passed(20, -1)
    assert sight.cars == 0
    assert sight.passed(10, 1).cars == 0
    assert sight.passed(10, 1).passed(30, 1).cars == 1


def test_a_negative_count_is_refused():
    with pytest.raises(InvalidInputError):
        Sight().counted(-1, 0)


@given(
    st.integers(0, 700),
    st.randoms(use_true_random=False),
    st.integers(0, 900),
)
def test_passages_in_any_order_add_up_however_many(count, random, start):
    moves = [(random.randint(1, 10_000), random.choice([1, -1])) for _ in range(count)]
    sight = Sight.starting(start)
    for at_ms, cars in moves:
        sight = sight.passed(at_ms, cars)
        assert len(sight.moves) <= MOVES_KEPT
        times = [at_ms for at_ms, _ in sight.moves]
        assert times == sorted(times)
    assert sight.cars == max(0, start + sum(cars for _, cars in moves))


@given(*(st.integers(0, 50) for _ in range(4)))
def test_what_a_pool_can_carry(spaces, quota, cars, parked):
    quota = min(quota, spaces)
    capacity = open_capacity(spaces, quota, cars, parked)
    assert 0 <= capacity <= quota
    # Who is parked never loses its own space to the count.
    assert capacity + walk_ins(cars, parked) <= spaces or capacity == 0
    assert walk_ins(cars, parked) - left_unseen(cars, parked) == cars - parked


@pytest.mark.parametrize(
    ("age_min", "withheld", "stale"),
    [(0, 2, False), (10, 2, False), (11, 3, True), (70, 12, True), (6000, 100, True)],
)
def test_caution_grows_with_age(age_min, withheld, stale):
    caution = Caution(fresh_s=600, share_per_h=0.1)
    now = 10**9
    assert caution.reserve(100, 2, now - age_min * MINUTE, now) == withheld
    assert caution.is_stale(now - age_min * MINUTE, now) is stale


def test_a_pool_never_counted_keeps_its_plain_buffer():
    assert Caution().reserve(100, 2, None, 10**9) == 2
    assert not Caution().is_stale(None, 10**9)


@given(st.integers(0, 500), st.integers(0, 9), st.lists(st.integers(0, 10**7), max_size=9))
def test_caution_never_falls_with_age_nor_passes_the_spaces(spaces, buffer, ages_ms):
    held = [Caution().reserve(spaces, buffer, 10**8 - age, 10**8) for age in sorted(ages_ms)]
    assert held == sorted(held)
    assert all(0 <= item <= spaces for item in held)


@pytest.mark.parametrize("fields", [{"fresh_s": 0}, {"share_per_h": 1.1}])
def test_limits(fields):
    with pytest.raises(InvalidInputError):
        Caution(**fields)
