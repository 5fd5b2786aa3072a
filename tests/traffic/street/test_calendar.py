"""Which plan set runs when, in Shanghai."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traffic.small_plans import plan
from tests.traffic.street.town import MIDNIGHT_MS, NOW_MS, Town
from traffic.corridors import Corridor, Crossing
from traffic.errors import InvalidInputError
from traffic.street.calendar import civil_date, clock_s, midnight_ms, running
from traffic.street.groups import coordination_groups
from traffic.street.records import DayPlan, Origin, Period, Schedule

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WORK = DayPlan("work", (Period(0, "night"), Period(25_200, "peak"), Period(32_400, "day")))
REST = DayPlan("rest", (Period(0, "night"), Period(36_000, "day"), Period(79_200, "night")))
SCHEDULE = Schedule(
    "7",
    (WORK, REST),
    ("work",) * 5 + ("rest",) * 2,
    Origin("", "", 0),
    exceptions=(("2026-12-01", "rest"), ("2027-02-17", "rest")),
)


def at(days: int, hours: float) -> tuple[str, float, float | None]:
    """Plan set, begin and end in hours after the midnight of a Thursday."""
    found = running(SCHEDULE, MIDNIGHT_MS + days * DAY_MS + round(hours * HOUR_MS))
    until = None if found.until_ms is None else (found.until_ms - MIDNIGHT_MS) / HOUR_MS
    return found.plan_set, (found.from_ms - MIDNIGHT_MS) / HOUR_MS, until


def test_days_of_the_week_and_dated_exceptions() -> None:
    assert civil_date(MIDNIGHT_MS) == date(2026, 11, 19)
    assert at(0, 6.99) == ("night", 0, 7)
    assert at(0, 7) == ("peak", 7, 9)
    # Thursday's last period goes on into the next day's first one only where they are alike.
    assert at(0, 12) == ("day", 9, 24)
    assert at(2, 8) == ("night", 48, 58), "Saturday"
    assert at(3, 23) == ("night", 94, 103), "from Sunday evening until Monday's peak"
    assert at(12, 8) == ("night", 288, 298), "Tuesday, 1 December: a holiday"
    assert at(13, 8) == ("peak", 319, 321)


def test_one_plan_set_for_ever_has_no_end_but_an_exception_far_ahead_is_seen() -> None:
    always = DayPlan("always", (Period(0, "x"),))
    other = DayPlan("other", (Period(0, "y"),))
    plain = Schedule("1", (always,), ("always",) * 7, Origin("", "", 0))
    assert running(plain, NOW_MS).until_ms is None
    holiday = Schedule(
        "1", (always, other), ("always",) * 7, Origin("", "", 0), (("2027-10-01", "other"),)
    )
    assert running(holiday, NOW_MS).until_ms == midnight_ms(date(2027, 10, 1))
    within = running(holiday, midnight_ms(date(2027, 10, 1)) + HOUR_MS)
    assert (within.plan_set, within.until_ms) == ("y", midnight_ms(date(2027, 10, 2)))


@given(st.integers(0, 40 * DAY_MS))
def test_every_moment_has_one_plan_set_and_lies_in_its_time(later_ms: int) -> None:
    time_ms = MIDNIGHT_MS + later_ms
    found = running(SCHEDULE, time_ms)
    assert found.from_ms <= time_ms < (found.until_ms or time_ms + 1)
    assert found.until_ms is not None
    assert running(SCHEDULE, found.until_ms).plan_set != found.plan_set
    assert running(SCHEDULE, found.until_ms - 1).plan_set == found.plan_set


@given(st.integers(0, 400 * DAY_MS))
def test_the_clock_counts_from_local_midnight(later_ms: int) -> None:
    time_ms = MIDNIGHT_MS + later_ms
    assert clock_s(time_ms) == later_ms % DAY_MS // 1000


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DayPlan("x", ()), "0 periods"),
        (lambda: DayPlan("x", (Period(60, "a"),)), "expected 0, then increasing"),
        (lambda: DayPlan("x", (Period(0, "a"), Period(0, "b"))), "expected 0, then increasing"),
        (lambda: Schedule("1", (), (), Origin("", "", 0)), "at least one"),
        (lambda: Schedule("1", (WORK,), ("work",), Origin("", "", 0)), "1; expected 7"),
        (lambda: Schedule("1", (WORK,), ("rest",) * 7, Origin("", "", 0)), "no day plan 'rest'"),
        (
            lambda: Schedule("1", (WORK,), ("work",) * 7, Origin("", "", 0), (("1 May", "work"),)),
            "expected a date",
        ),
    ],
)
def test_bad_schedules_are_refused(make, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make()


def test_a_cycle_that_does_not_divide_the_day_ends_at_midnight() -> None:
    town = Town()
    odd = tuple(plan(key, greens_s=(40, 37)) for key in "abc")
    assert odd[0].cycle_s == 87
    town.activate(town.approved_set((*odd, plan("d"))), NOW_MS)
    entry = town.street.in_force("a", NOW_MS + 1000)
    assert (entry.reference_ms, entry.until_ms) == (MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    after = town.street.in_force("a", MIDNIGHT_MS + DAY_MS)
    assert (after.from_ms, after.reference_ms) == (MIDNIGHT_MS + DAY_MS,) * 2
    assert town.street.in_force("d", NOW_MS).until_ms is None


def test_corridors_that_share_a_signal_are_one_group() -> None:
    def corridor(*signals: str) -> Corridor:
        ways = tuple(Crossing(s, (0,), (), (), (), "", "") for s in signals)
        return Corridor("", "", ways, ())

    roads = {"1": corridor("c", "b"), "2": corridor("e", "d"), "3": corridor("d", "f", "b")}
    groups = coordination_groups("fedcbaz", roads)
    assert [(g.id, g.signals) for g in groups] == [
        ("a", ("a",)),
        ("b", ("b", "c", "d", "e", "f")),
        ("z", ("z",)),
    ]
