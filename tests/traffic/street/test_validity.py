"""A plan set is put in force within its validity; what outlives it goes on, and that is said."""

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.errors import StateError
from traffic.street import decisions, going_back
from traffic.street.health import AlarmKind
from traffic.street.records import Origin, PlanSet, all_week
from traffic.street.switching import SwitchState

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
ORIGIN = Origin("王工", "import", NOW_MS)


def valid(town: Town, from_ms: int | None, until_ms: int | None) -> tuple[str, str]:
    """Keep and approve plans with a validity; the ids of their set and of its schedule."""
    set_id, schedule_id = (key for key, _ in zip(town.street.next_ids(), "ab", strict=False))
    plans = tuple(plan(key, 20) for key in "abcd")
    made = PlanSet(set_id, plans, ORIGIN, from_ms, until_ms)
    town.do(lambda s: decisions.make_plan_set(s, town.city, made, NOW_MS))
    schedule = all_week(schedule_id, set_id, ORIGIN)
    town.do(lambda s: decisions.make_schedule(s, town.city, schedule))
    town.do(lambda s: decisions.approve(s, "plan-set", set_id, "x", NOW_MS))
    town.do(lambda s: decisions.approve(s, "schedule", schedule_id, "x", NOW_MS))
    return set_id, schedule_id


def test_what_counts_is_the_moment_of_the_switch() -> None:
    town = Town().running()
    _, schedule_id = valid(town, NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS)
    for at_ms in (None, NOW_MS + HOUR_MS - 1, NOW_MS + 2 * HOUR_MS, NOW_MS + DAY_MS):
        with pytest.raises(StateError, match="not valid at the moment of the switch"):
            town.activate(schedule_id, NOW_MS, at_ms)
    assert town.activate(schedule_id, NOW_MS, NOW_MS + HOUR_MS)


def test_a_switch_is_given_up_where_a_postponement_leads_out_of_the_validity() -> None:
    town = Town().running()
    _, schedule_id = valid(town, None, NOW_MS + 5 * CYCLE_MS)
    first, _ = town.activate(schedule_id, NOW_MS)
    states = []
    for _ in range(2):
        at_ms = town.street.switch(first).activate_at_ms
        town.tick(at_ms - 10_000)
        states.append(town.street.switch(first).state)
    # The second one would be after the end.
    assert states == [SwitchState.PROPOSED, SwitchState.GIVEN_UP]
    assert town.street.in_force("a", NOW_MS + 10**8).plan == plan("a", 0)


def test_a_late_commitment_does_not_lead_out_of_it_either() -> None:
    town = Town().running()
    _, schedule_id = valid(town, None, NOW_MS + 3 * CYCLE_MS)
    first, _ = town.activate(schedule_id, NOW_MS)
    town.acknowledge(first, "a", "b", "c")
    town.tick(NOW_MS + 3 * CYCLE_MS - 5_000)
    assert town.street.switch(first).state is SwitchState.GIVEN_UP


def test_what_outlives_its_validity_goes_on_with_an_alarm_before_and_at_the_end() -> None:
    town = Town().running()
    town.street.known = set()
    end_ms = NOW_MS + 3 * DAY_MS
    set_id, schedule_id = valid(town, None, end_ms)
    town.activate(schedule_id, NOW_MS)
    at_ms = NOW_MS + 2 * CYCLE_MS
    assert town.street.in_force("a", at_ms).until_ms == end_ms
    assert town.street.in_force("a", end_ms).plan == plan("a", 20)
    assert town.street.in_force("a", end_ms).until_ms is None
    town.tick(end_ms - DAY_MS - 1)
    assert not town.street.alarms
    town.tick(end_ms - DAY_MS)
    (alarm,) = town.street.alarms.values()
    assert (alarm.kind, alarm.plan_set, alarm.signal_id) == (AlarmKind.EXPIRING, set_id, "")
    assert f"plan set {set_id} is in force and is valid until 2026-11-22 08:00:00" in alarm.detail
    town.tick(end_ms)
    (alarm,) = town.street.alarms.values()
    assert (alarm.kind, alarm.plan_set) == (AlarmKind.EXPIRED, set_id)
    # Another one replaces it: over.
    town.activate(town.approved_set(tuple(plan(key, 7) for key in "abcd")), end_ms)
    town.tick(end_ms + 2 * CYCLE_MS)
    assert not town.street.alarms


def test_going_back_to_what_is_not_valid_any_more_is_refused() -> None:
    town = Town().running()
    town.street.known = set()
    _, schedule_id = valid(town, None, NOW_MS + HOUR_MS)
    town.activate(schedule_id, NOW_MS)
    later_ms = NOW_MS + 2 * HOUR_MS
    town.activate(town.approved_set(tuple(plan(key, 7) for key in "abcd")), later_ms)
    now_ms = later_ms + HOUR_MS
    with pytest.raises(StateError, match="not valid at the moment"):
        going_back.roll_back(town.street, town.city, (), by="x", now_ms=now_ms)
