"""Prices of many stays at once, and tariffs that are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.opening import FIXED_FROM_MS
from parking.tariff import MAX_FEN, Night, Tariff

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
# Monday 2026-11-23 00:00 in Asia/Shanghai.
MONDAY_MS = 1_795_363_200_000

minutes = st.integers(0, 1439)
fens = st.integers(0, 5000)
nights = st.builds(Night, minutes, st.integers(0, 1440), fens)
steps = st.dictionaries(st.integers(1, 2000), fens, max_size=4).map(
    lambda found: tuple(sorted(found.items()))
)
tariffs = st.builds(
    Tariff,
    per_started_minutes=st.integers(1, 200),
    fen=fens,
    free_minutes=st.sampled_from([0, 15, 30, 60, 1440, 2000]),
    steps=steps,
    day_cap_fen=st.none() | fens,
    night=st.none() | nights,
)
# Whole minutes and whole days are where the rules turn.
stays_ms = (
    st.integers(1, 14 * 1440).map(lambda n: n * MINUTE_MS)
    | st.integers(1, 14).map(lambda n: n * DAY_MS)
    | st.integers(MINUTE_MS, 14 * DAY_MS)
)
arrivals_ms = st.integers(0, 14 * 1440).map(lambda n: MONDAY_MS + n * MINUTE_MS) | st.integers(
    FIXED_FROM_MS - 3 * 365 * DAY_MS, FIXED_FROM_MS + 30 * 365 * DAY_MS
)


@settings(max_examples=300)
@given(tariffs, st.lists(st.tuples(arrivals_ms, stays_ms), max_size=12))
def test_many_stays_cost_what_each_costs(tariff: Tariff, stays: list[tuple[int, int]]) -> None:
    arrive = np.array([a for a, _ in stays], dtype=np.int64)
    leave = np.array([a + b for a, b in stays], dtype=np.int64)
    found = tariff.prices_fen(arrive, leave)
    assert found.dtype == np.int64
    assert found.tolist() == [tariff.price_fen(a, a + b) for a, b in stays]


def test_prices_keep_the_shape_of_the_stays() -> None:
    arrive = np.full((2, 3), MONDAY_MS)
    leave = arrive + np.array([30, 61, 1460]) * MINUTE_MS
    tariff = Tariff(
        free_minutes=30, steps=((60, 500),), per_started_minutes=30, fen=200, day_cap_fen=4000
    )
    assert tariff.prices_fen(arrive, leave).tolist() == [[0, 700, 4500]] * 2
    assert tariff.prices_fen(np.int64(MONDAY_MS), np.int64(MONDAY_MS + 61 * MINUTE_MS)) == 700


def test_the_free_time_counts_on_the_first_day_only() -> None:
    tariff = Tariff(free_minutes=60, fen=100)
    assert tariff.price_fen(0, 60 * MINUTE_MS) == 0
    assert tariff.price_fen(0, 61 * MINUTE_MS) == 200
    assert tariff.price_fen(0, DAY_MS + 10 * MINUTE_MS) == 2500


def test_a_night_may_begin_before_midnight_or_after() -> None:
    late = Tariff(fen=1000, night=Night(0, 8 * 60, 300))
    assert late.price_fen(MONDAY_MS, MONDAY_MS + 8 * 60 * MINUTE_MS) == 300
    assert late.price_fen(MONDAY_MS - MINUTE_MS, MONDAY_MS + 60 * MINUTE_MS) == 2000
    # The cap never makes a stay dearer.
    assert late.price_fen(MONDAY_MS, MONDAY_MS + MINUTE_MS) == 300
    assert Tariff(fen=100, night=Night(0, 480, 300)).price_fen(MONDAY_MS, MONDAY_MS + 1) == 100


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"fen": -1}, "fen"),
        ({"fen": MAX_FEN + 1}, "fen"),
        ({"free_minutes": -1}, "free_minutes"),
        ({"day_cap_fen": -1}, "day_cap_fen"),
        ({"per_started_minutes": 0}, "per_started_minutes"),
        ({"steps": ((60, 100), (60, 200))}, "steps[1].upto_minutes"),
        ({"steps": ((0, 100),)}, "steps[0].upto_minutes"),
        ({"steps": ((60, -1),)}, "steps[0].fen"),
    ],
)
def test_a_tariff_that_makes_no_sense_is_refused(arguments: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Tariff(**arguments)  # type: ignore[arg-type]
    assert caught.value.where == where


@pytest.mark.parametrize("arguments", [(1440, 60, 0), (0, 1441, 0), (-1, 60, 0), (0, 60, -1)])
def test_a_night_outside_the_day_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInputError):
        Night(*arguments)
