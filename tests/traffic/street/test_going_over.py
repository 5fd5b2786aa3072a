"""What was let in once is looked at again when it is to come into force."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.signals import Signal
from traffic.street import decisions, going_back, going_over
from traffic.street.door import RefusedPlanError
from traffic.street.records import DayPlan, Origin, Period, Schedule, all_week
from traffic.street.switching import SwitchState

PLANS = tuple(plan(key, 20) for key in "abcd")
LATER_MS = NOW_MS + 10 * CYCLE_MS


def with_signals(town: Town, signals: Mapping[str, Signal]) -> Town:
    """The same log, read by a server that knows other signals."""
    town.city = replace(town.city, signals=signals)
    return town


def stricter(town: Town, *keys: str) -> Town:
    """The city demands longer greens of some signals now."""
    changed = {k: replace(town.city.signals[k], min_green_s={0: 30.0}) for k in keys}
    return with_signals(town, {**town.city.signals, **changed})


def without(town: Town, key: str) -> Town:
    """The network has lost a signal, and so have its groups."""
    groups = tuple(
        replace(group, signals=tuple(k for k in group.signals if k != key))
        for group in town.city.groups
    )
    town.city = replace(town.city, groups=tuple(group for group in groups if group.signals))
    return with_signals(town, {k: s for k, s in town.city.signals.items() if k != key})


def roll_back(town: Town, *groups: str, now_ms: int = LATER_MS) -> None:
    town.do(lambda s: going_back.roll_back(s, town.city, groups, by="李工", now_ms=now_ms))


def test_plans_that_the_door_refuses_by_now_do_not_come_into_force() -> None:
    town = Town().running()
    schedule_id = town.approved_set(PLANS)
    with pytest.raises(RefusedPlanError) as caught:
        stricter(town, "b").activate(schedule_id, NOW_MS)
    (refusal,) = caught.value.refusals
    assert (refusal.signal, refusal.rule, refusal.stage) == ("b", "minimum-green", "1")
    set_id = town.street.schedule(schedule_id).plan_sets[0]
    assert refusal.where == f"plan set {set_id}"
    assert not town.street.open_switches


def test_only_what_is_concerned_is_looked_at() -> None:
    town = stricter(Town().running(), "d")
    old = town.street.in_force("a", NOW_MS).switch.schedule
    town.street.known = set()
    # d is in another group; then it is left to its own plan.
    town.do(
        lambda s: going_over.activate(
            s, town.city, old, at_ms=None, by="李工", now_ms=NOW_MS, groups=("a",)
        )
    )
    own = replace(old, id=next(town.street.next_ids()), without=("d",))
    town.do(lambda s: decisions.make_schedule(s, town.city, own))
    town.do(lambda s: decisions.approve(s, "schedule", own.id, "李工", NOW_MS))
    assert len(town.activate(own.id, LATER_MS)) == 2


def test_rolling_back_does_not_lead_to_plans_that_the_door_refuses_by_now() -> None:
    town = Town().running()
    town.street.known = set()
    town.activate(town.approved_set(PLANS), NOW_MS)
    stricter(town, "b")
    with pytest.raises(RefusedPlanError, match="signal b: minimum-green"):
        roll_back(town)
    roll_back(town, "d")
    assert town.street.in_force("d", LATER_MS + 2 * CYCLE_MS).plan == plan("d", 0)


def test_no_schedule_is_made_of_plans_that_the_door_refuses_by_now() -> None:
    town = Town().running()
    set_id = town.street.in_force("a", NOW_MS).plan_set
    made = all_week(next(town.street.next_ids()), set_id, Origin("", "", NOW_MS))
    with pytest.raises(RefusedPlanError, match="signal c: minimum-green"):
        decisions.make_schedule(town.street, stricter(town, "c").city, made)


@pytest.mark.parametrize("gone", ["a", "d"])
def test_a_signal_that_the_network_has_lost_is_named_not_left_out(gone: str) -> None:
    town = Town().running()
    schedule_id = town.approved_set(PLANS)
    with pytest.raises(RefusedPlanError, match=f"signal {gone}: signal: not in the city's network"):
        without(town, gone).activate(schedule_id, NOW_MS)
    # The other group may be named.
    other = {"a": "d", "d": "a"}[gone]
    (made,) = town.do(
        lambda s: going_over.activate(
            s,
            town.city,
            s.schedule(schedule_id),
            at_ms=None,
            by="x",
            now_ms=NOW_MS,
            groups=(other,),
        )
    )
    assert made.switch.state is SwitchState.PROPOSED


def test_rolling_back_goes_on_without_a_signal_that_the_network_has_lost() -> None:
    town = Town().running()
    town.street.known = set()
    other = tuple(
        replace(one, stages=(replace(one.stages[0], name="x"), *one.stages[1:])) for one in PLANS
    )
    town.activate(town.approved_set(other), NOW_MS)
    roll_back(without(town, "a"))
    back = list(town.street.to_come(LATER_MS))
    assert [switch.signals for switch in back] == [("b", "c"), ("d",)]


def test_no_schedule_is_made_for_a_signal_that_the_network_has_lost() -> None:
    town = Town().running()
    sets = [
        town.street.schedule(town.approved_set(plans)).plan_sets[0]
        for plans in (PLANS, tuple(plan(key, 10) for key in "bcd"))
    ]
    day = DayPlan("day", (Period(0, sets[0]), Period(25_200, sets[1])))
    made = Schedule(next(town.street.next_ids()), (day,), ("day",) * 7, Origin("", "", NOW_MS))
    with pytest.raises(RefusedPlanError, match="signal a: signal: not in the city's network"):
        decisions.make_schedule(town.street, without(town, "a").city, made)
