"""Worked prices of parking."""

import pytest

from parking.opening import OpeningWindow, is_open
from parking.tariff import Night, Tariff

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
# Monday 2026-11-23 00:00 in Asia/Shanghai.
MONDAY_MS = 1_795_363_200_000

STEPPED = Tariff(
    free_minutes=30, steps=((60, 500),), per_started_minutes=30, fen=200, day_cap_fen=4000
)


@pytest.mark.parametrize(
    ("minutes", "fen"),
    [(30, 0), (31, 500), (60, 500), (61, 700), (120, 900), (600, 4000), (1440, 4000), (1460, 4500)],
)
def test_a_stepped_tariff(minutes: int, fen: int) -> None:
    assert STEPPED.price_fen(MONDAY_MS, MONDAY_MS + minutes * MINUTE_MS) == fen


@pytest.mark.parametrize(("minutes", "fen"), [(1, 500), (60, 500), (61, 1000), (150, 1500)])
def test_each_started_hour(minutes: int, fen: int) -> None:
    assert Tariff(fen=500).price_fen(0, minutes * MINUTE_MS) == fen


@pytest.mark.parametrize(
    ("from_h", "to_h", "fen"),
    [(22, 31, 500), (23, 30, 500), (0, 6, 500), (21, 30, 4500), (22, 32, 5000)],
)
def test_a_stay_wholly_inside_one_night_is_capped(from_h: int, to_h: int, fen: int) -> None:
    tariff = Tariff(fen=500, night=Night(22 * 60, 7 * 60, 500))
    begin = MONDAY_MS + from_h * HOUR_MS
    assert tariff.price_fen(begin, MONDAY_MS + to_h * HOUR_MS) == fen


DAY = OpeningWindow(frozenset({1, 2, 3, 4, 5}), 7 * 60, 19 * 60)
EVENING = OpeningWindow(frozenset({1}), 19 * 60, 2 * 60)
NOON_TO_END = OpeningWindow(frozenset({1}), 12 * 60, 24 * 60)


@pytest.mark.parametrize(
    ("windows", "from_h", "to_h", "open_"),
    [
        ((), 0, 100, True),
        ((DAY,), 7, 19, True),
        ((DAY,), 6.9, 8, False),
        ((DAY,), 18, 19.1, False),
        ((DAY, EVENING), 18, 26, True),
        ((DAY, EVENING), 18, 26.1, False),
        ((DAY,), 5 * 24 + 8, 5 * 24 + 9, False),
        ((EVENING,), 25, 25.5, True),
        ((NOON_TO_END,), 23, 24, True),
        ((NOON_TO_END,), 23, 24.1, False),
    ],
)
def test_the_whole_stay_must_lie_in_the_union_of_the_windows(
    windows: tuple[OpeningWindow, ...], from_h: float, to_h: float, open_: bool
) -> None:
    begin, end = MONDAY_MS + int(from_h * HOUR_MS), MONDAY_MS + int(to_h * HOUR_MS)
    assert is_open(windows, begin, end) is open_
