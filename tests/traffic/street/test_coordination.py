"""Other plans for a part of a group do not break its coordination, in any period."""

from dataclasses import replace

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.street import decisions
from traffic.street.coordination import together
from traffic.street.door import RefusedPlanError
from traffic.street.records import DayPlan, Origin, Period, Schedule, all_week

ORIGIN = Origin("", "", NOW_MS)
LONG = (35, 35)
SHORT = (10, 10)


def test_a_set_for_a_part_of_a_group_must_fit_what_the_others_go_on_with() -> None:
    town = Town().running()
    for other, cycles in (("80 s", LONG), ("30 s", SHORT)):
        schedule_id = town.approved_set((plan("a", 0, cycles),))
        if cycles == LONG:
            with pytest.raises(RefusedPlanError) as caught:
                town.activate(schedule_id, NOW_MS)
            first = caught.value.refusals[0]
            assert (first.rule, first.signal) == ("coordination", "b")
            assert other in first.value
        else:
            assert town.activate(schedule_id, NOW_MS)
    # A signal by itself has nobody to fit.
    assert town.activate(town.approved_set((plan("d", 0, LONG),)), NOW_MS)


def test_what_is_to_come_for_the_others_is_looked_at_too() -> None:
    town = Town().running()
    town.street.known = set()
    town.activate(town.approved_set(tuple(plan(k, 0, SHORT) for k in "bc")), NOW_MS, NOW_MS + 10**8)
    # Every 60 s fits now; then the others run 30 s, and that fits as well.
    assert town.activate(town.approved_set((plan("a", 7),)), NOW_MS)
    later = town.approved_set(tuple(plan(k, 0, LONG) for k in "abc"))
    with pytest.raises(RefusedPlanError, match="coordination"):
        # In between all would run 80 s; then a alone.
        town.activate(later, NOW_MS + 10 * CYCLE_MS)


def test_each_period_of_the_day_is_looked_at() -> None:
    town = Town().running()
    sets = [
        town.street.schedule(town.approved_set((plan("a", 0, cycles),))).plan_sets[0]
        for cycles in (SHORT, LONG)
    ]
    day = DayPlan("day", (Period(0, sets[0]), Period(25_200, sets[1]), Period(30_000, sets[0])))
    schedule = Schedule(next(town.street.next_ids()), (day,), ("day",) * 7, ORIGIN)
    town.do(lambda s: decisions.make_schedule(s, town.city, schedule))
    town.do(lambda s: decisions.approve(s, "schedule", schedule.id, "x", NOW_MS))
    with pytest.raises(RefusedPlanError, match="coordination"):
        town.activate(schedule.id, NOW_MS)


def test_what_runs_its_own_plan_is_not_coordinated_anyway() -> None:
    town = Town().running()
    running = town.street.in_force("a", NOW_MS).switch.schedule
    without = replace(running, id=next(town.street.next_ids()), without=("b", "c"))
    town.do(lambda s: decisions.make_schedule(s, town.city, without))
    town.do(lambda s: decisions.approve(s, "schedule", without.id, "x", NOW_MS))
    town.street.known = set()
    town.activate(without.id, NOW_MS)
    assert town.activate(town.approved_set((plan("a", 0, LONG),)), NOW_MS + 5 * CYCLE_MS)


def test_plan_sets_run_together_by_weekday_date_and_time() -> None:
    one = Schedule(
        "1",
        (DayPlan("w", (Period(0, "n"), Period(25_000, "p"))), DayPlan("r", (Period(0, "r"),))),
        (*["w"] * 5, *["r"] * 2),
        ORIGIN,
    )
    two = Schedule(
        "2",
        (DayPlan("w", (Period(0, "x"), Period(30_000, "y"))), DayPlan("f", (Period(0, "z"),))),
        ("w",) * 7,
        ORIGIN,
        (("2026-10-01", "f"),),
    )
    pairs = {("n", "x"), ("p", "x"), ("p", "y"), ("r", "x"), ("r", "y")}
    # That feast is a Thursday.
    assert set(together((one, two))) == pairs | {("n", "z"), ("p", "z")}
    assert together((one, all_week("3", "a", ORIGIN))) == (("n", "a"), ("p", "a"), ("r", "a"))
