"""One call undoes what was done last: not less, and not more."""

from dataclasses import replace

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.errors import StateError
from traffic.street import going_back
from traffic.street.door import RefusedPlanError
from traffic.street.groups import Group
from traffic.street.switching import SwitchState

STEP_MS = 10 * CYCLE_MS
DAYS_MS = 3 * 86_400_000


class Days:
    """A town whose controllers agree to everything; each act comes ten cycles after the last."""

    def __init__(self) -> None:
        self.town = Town()
        self.now_ms = NOW_MS - STEP_MS

    def put(self, keys: str, offset_s: int, *, ahead_ms: int | None = None) -> str:
        """Put plans of some signals in force; the schedule's id."""
        self.now_ms += STEP_MS
        plans = tuple(plan(key, offset_s) for key in keys)
        schedule_id = self.town.approved_set(plans, self.now_ms)
        at_ms = None if ahead_ms is None else self.now_ms + ahead_ms
        self.town.activate(schedule_id, self.now_ms, at_ms)
        return schedule_id

    def back(self, *groups: str) -> tuple[str, ...]:
        """Roll back; the ids of the switches made, or cancelled."""
        self.now_ms += STEP_MS
        happened = self.town.do(
            lambda s: going_back.roll_back(s, self.town.city, groups, by="x", now_ms=self.now_ms)
        )
        return tuple(e.switch.id if hasattr(e, "switch") else e.id for e in happened)

    def offsets(self, after_ms: int = 3 * CYCLE_MS) -> str:
        """The offsets that signals run some time from now, in their order; - = nothing."""
        plans = (self.town.street.plan_at(key, self.now_ms + after_ms) for key in "abcd")
        return " ".join("-" if one is None else str(one.offset_s) for one in plans)


def test_what_a_part_of_a_group_was_given_last_is_undone_and_nothing_else() -> None:
    days = Days()
    days.put("abc", 0)
    days.put("abc", 10)
    days.put("b", 20)
    assert days.offsets() == "10 20 10 -"
    (made,) = days.back("a")
    assert days.town.street.switch(made).signals == ("b",)
    assert days.offsets() == "10 10 10 -"


def test_who_ran_different_schedules_goes_back_to_the_last_that_all_of_them_ran() -> None:
    days = Days()
    days.put("abc", 0)
    days.put("c", 10)
    days.put("abc", 20)
    days.back("a")
    assert days.offsets() == "0 0 0 -"


def test_who_never_ran_the_same_schedule_is_told_so_and_what_is_to_come_is_still_cancelled() -> (
    None
):
    days = Days()
    days.put("ab", 0)
    days.put("c", 10)
    days.put("abc", 20)
    with pytest.raises(StateError, match="different schedules were in force before"):
        days.back("a")
    ahead = days.put("abc", 30, ahead_ms=DAYS_MS)
    (cancelled,) = days.back("a")
    assert days.town.street.switch(cancelled).schedule.id == ahead
    assert days.town.street.switch(cancelled).state is SwitchState.CANCELLED


def test_who_ran_nothing_before_stays_as_it_is() -> None:
    days = Days()
    days.put("ab", 0)
    days.put("abc", 10)
    days.back()
    assert days.offsets() == "0 0 10 -"


def test_what_was_planned_before_for_much_later_is_left_as_it_is() -> None:
    days = Days()
    days.put("abcd", 0)
    far = days.put("abcd", 30, ahead_ms=DAYS_MS)
    days.put("abcd", 10)
    days.back()
    assert days.offsets() == "0 0 0 0"
    assert days.offsets(DAYS_MS) == "30 30 30 30"
    for switch in days.town.street.switches.values():
        assert switch.schedule.id != far or switch.state is SwitchState.COMMITTED


@pytest.mark.parametrize(("ahead_cycles", "is_cancelled"), [(4.9, True), (5, False)])
def test_what_comes_before_the_group_were_in_step_again_is_cancelled_instead(
    ahead_cycles: float, is_cancelled: bool
) -> None:
    days = Days()
    days.put("abcd", 0)
    days.put("abcd", 30, ahead_ms=2 * STEP_MS + int(ahead_cycles * CYCLE_MS))
    days.put("abcd", 10)
    days.back()
    after = "10 10 10 10", "0 0 0 0"
    assert days.offsets(4 * CYCLE_MS) == after[not is_cancelled]
    assert days.offsets(DAYS_MS) == ("10 10 10 10" if is_cancelled else "30 30 30 30")


def test_a_longer_cycle_takes_longer_to_be_in_step_again() -> None:
    days = Days()
    days.put("abcd", 0)
    long = days.town.approved_set(tuple(plan(key, 0, (50, 60)) for key in "abcd"), NOW_MS)
    days.town.activate(long, NOW_MS + 5 * CYCLE_MS)
    days.put("abcd", 30, ahead_ms=2 * STEP_MS + 7 * CYCLE_MS)
    days.put("abcd", 10)
    # Two and three cycles of 120 s: the other one would come in between.
    assert {days.town.street.switch(key).state for key in days.back()} == {SwitchState.CANCELLED}
    assert days.offsets(DAYS_MS) == "10 10 10 10"


def test_what_would_break_the_coordination_of_a_group_is_refused() -> None:
    days = Days()
    days.put("abc", 0)
    # Another one then grew together with the group by a new corridor, and its cycle does not fit.
    odd = plan("d", 0, (30, 35))
    days.town.activate(days.town.approved_set((odd,), NOW_MS), NOW_MS)
    days.put("d", 0)
    days.town.city = replace(days.town.city, groups=(Group("a", ("a", "b", "c", "d")),))
    with pytest.raises(RefusedPlanError, match="coordination"):
        days.back("a")
