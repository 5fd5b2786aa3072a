"""Opening hours over midnight and over the week's end, one stay and many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parking.errors import InvalidInputError
from parking.opening import FIXED_FROM_MS, OpeningWindow, is_open, is_open_many, parse_minutes

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# Monday 2026-11-23 00:00 in Asia/Shanghai.
MONDAY_MS = 1_795_363_200_000
EVERY_DAY = frozenset(range(1, 8))

windows = st.builds(
    OpeningWindow,
    st.frozensets(st.integers(1, 7), min_size=1),
    st.integers(0, 1439) | st.sampled_from([0, 420, 1140]),
    st.integers(0, 1440) | st.sampled_from([0, 420, 1140, 1440]),
)
arrivals_ms = st.integers(0, 21 * 1440).map(lambda n: MONDAY_MS + n * MINUTE_MS) | st.integers(
    FIXED_FROM_MS - 5 * 365 * DAY_MS, FIXED_FROM_MS + 50 * 365 * DAY_MS
)
stays_ms = st.integers(1, 14 * 1440).map(lambda n: n * MINUTE_MS) | st.integers(1, 14 * DAY_MS)


@settings(max_examples=300)
@given(st.lists(windows, max_size=4), st.lists(st.tuples(arrivals_ms, stays_ms), max_size=12))
def test_many_stays_are_judged_as_each_is(
    hours: list[OpeningWindow], stays: list[tuple[int, int]]
) -> None:
    arrive = np.array([a for a, _ in stays], dtype=np.int64)
    leave = np.array([a + b for a, b in stays], dtype=np.int64)
    assert is_open_many(hours, arrive, leave).tolist() == [
        is_open(hours, a, a + b) for a, b in stays
    ]


def both(hours: list[OpeningWindow], from_h: float, to_h: float) -> bool:
    """Whether a stay fits, hours after Monday's midnight; one way of asking must say the other."""
    begin, end = MONDAY_MS + round(from_h * HOUR_MS), MONDAY_MS + round(to_h * HOUR_MS)
    found = is_open(hours, begin, end)
    assert bool(is_open_many(hours, np.int64(begin), np.int64(end))) is found
    return found


SUNDAY_NIGHT = OpeningWindow(frozenset({7}), 20 * 60, 8 * 60)
MONDAY = OpeningWindow(frozenset({1}), 8 * 60, 24 * 60)
ALWAYS = [OpeningWindow(EVERY_DAY, 7 * 60, 19 * 60), OpeningWindow(EVERY_DAY, 19 * 60, 7 * 60)]
WEEKDAYS = OpeningWindow(frozenset({1, 2, 3, 4, 5}), 0, 24 * 60)


@pytest.mark.parametrize(
    ("hours", "from_h", "to_h", "open_"),
    [
        # Sunday night into Monday, this week's and the next.
        ([SUNDAY_NIGHT], 0, 8, True),
        ([SUNDAY_NIGHT], 0, 8.1, False),
        ([SUNDAY_NIGHT], 6 * 24 + 20, 7 * 24 + 8, True),
        ([SUNDAY_NIGHT], 6 * 24 + 19.9, 7 * 24 + 8, False),
        ([SUNDAY_NIGHT, MONDAY], 6 * 24 + 20, 8 * 24, True),
        ([SUNDAY_NIGHT, MONDAY], 6 * 24 + 20, 8 * 24 + 0.1, False),
        # A union without a gap is open for as long as a stay may last.
        (ALWAYS, 3.3, 3.3 + 14 * 24, True),
        ([OpeningWindow(EVERY_DAY, 540, 540)], 1, 1 + 14 * 24, True),
        ([OpeningWindow(EVERY_DAY, 0, 1440)], 1, 1 + 14 * 24, True),
        ([OpeningWindow(EVERY_DAY, 0, 1439)], 1, 25, False),
        # Whole days follow one another up to the weekend.
        ([WEEKDAYS], 0, 5 * 24, True),
        ([WEEKDAYS], 0, 5 * 24 + 0.1, False),
        ([WEEKDAYS], 7 * 24, 12 * 24, True),
    ],
)
def test_stays_over_midnight_and_over_the_weeks_end(
    hours: list[OpeningWindow], from_h: float, to_h: float, open_: bool
) -> None:
    assert both(hours, from_h, to_h) is open_


@pytest.mark.parametrize(("text", "minutes"), [("00:00", 0), ("07:30", 450), ("24:00", 1440)])
def test_times_of_day(text: str, minutes: int) -> None:
    assert parse_minutes(text, where="from") == minutes


@pytest.mark.parametrize(
    "text",
    ["7:30", "24:01", "25:00", "12:60", "", "0730", "07:30:00", "０７:30", "-1:00", "07:30 "],
)
def test_other_times_of_day_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match="expected HH:MM"):
        parse_minutes(text, where="from")


@pytest.mark.parametrize(
    "arguments",
    [(frozenset(), 0, 60), (frozenset({0}), 0, 60), (frozenset({8}), 0, 60), (EVERY_DAY, 1440, 60)],
)
def test_a_window_without_days_or_times_is_refused(
    arguments: tuple[frozenset[int], int, int],
) -> None:
    with pytest.raises(InvalidInputError):
        OpeningWindow(*arguments)
