"""A group goes over as one, or not at all."""

from dataclasses import replace

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.errors import InvalidInputError, StateError
from traffic.street import decisions, going_back, going_over
from traffic.street.records import Life
from traffic.street.state import Street
from traffic.street.switching import SwitchRules, SwitchState

PLANS = tuple(plan(key, 20) for key in "abcd")


def test_the_first_plans_come_into_force_at_once_and_nobody_is_waited_for() -> None:
    town = Town()
    ids = town.activate(town.approved_set(PLANS), NOW_MS)
    assert [town.street.switch(key).signals for key in ids] == [("a", "b", "c"), ("d",)]
    assert {town.street.in_force(key, NOW_MS).plan for key in "abcd"} == set(PLANS)


def test_a_running_group_goes_over_two_cycles_ahead_once_all_have_acknowledged() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    switch = town.street.switch(first)
    assert (switch.state, switch.activate_at_ms) == (SwitchState.PROPOSED, NOW_MS + 2 * CYCLE_MS)
    town.acknowledge(first, "a", "b")
    town.tick(NOW_MS + 1_000)
    assert town.street.switch(first).is_open
    town.acknowledge(first, "c")
    town.tick(NOW_MS + 2_000)
    assert town.street.switch(first).state is SwitchState.COMMITTED
    before, after = NOW_MS + 2 * CYCLE_MS - 1, NOW_MS + 2 * CYCLE_MS
    assert town.street.in_force("a", before).plan == plan("a", 0)
    assert town.street.in_force("a", before).until_ms == after
    assert town.street.in_force("a", after).plan == plan("a", 20)


def test_too_few_acknowledgements_postpone_and_list_the_silent() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    town.acknowledge(first, "a", b="yellow: stage 1: 2 s")
    decide_ms = NOW_MS + 2 * CYCLE_MS - 10_000
    town.tick(decide_ms - 1)
    assert town.street.switch(first).postponed == 0
    town.tick(decide_ms)
    switch = town.street.switch(first)
    assert (switch.state, switch.postponed, switch.silent) == (
        SwitchState.PROPOSED,
        1,
        ("b", "c"),
    )
    assert switch.activate_at_ms == NOW_MS + 4 * CYCLE_MS
    assert town.street.in_force("a", NOW_MS + 3 * CYCLE_MS).plan == plan("a", 0)
    assert ("b", "refused") in town.street.alarms
    for _ in range(6):
        town.tick(town.street.switch(first).activate_at_ms - 10_000)
    assert town.street.switch(first).state is SwitchState.GIVEN_UP
    assert town.street.in_force("a", NOW_MS + 10**8).plan == plan("a", 0)


def test_the_last_word_of_a_controller_counts() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    town.acknowledge(first, "a", "b")
    town.acknowledge(first, a="conflict: stage 1")
    town.acknowledge(first, "c")
    town.tick(NOW_MS + 1_000)
    switch = town.street.switch(first)
    assert switch.is_open, "a has taken its word back"
    assert switch.missing("abcd") == ("a",)
    assert ("a", "refused") in town.street.alarms
    town.acknowledge(first, "a")
    town.tick(NOW_MS + 2_000)
    switch = town.street.switch(first)
    assert (switch.state, dict(switch.refused)) == (SwitchState.COMMITTED, {})
    assert not town.street.alarms
    # Who finds out after all, once it is committed, is heard, too.
    town.acknowledge(first, b="yellow: stage 1")
    town.tick(NOW_MS + 3_000)
    assert ("b", "refused") in town.street.alarms
    assert town.street.switch(first).state is SwitchState.COMMITTED
    assert town.acknowledge(first, b="yellow: stage 1") == ()


def test_the_share_is_enough_and_who_missed_it_is_listed() -> None:
    town = Town()
    town.city = type(town.city)(
        town.city.signals, town.city.groups, switching=SwitchRules(share=0.6)
    )
    town.running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    town.acknowledge(first, "a", "c")
    town.tick(NOW_MS + 2 * CYCLE_MS - 10_000)
    switch = town.street.switch(first)
    assert (switch.state, switch.silent) == (SwitchState.COMMITTED, ("b",))


def test_a_decision_that_comes_late_moves_the_moment() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    town.street.known = set("ab")
    town.acknowledge(first, "a", "b")
    # The server was away.
    late_ms = NOW_MS + 3 * CYCLE_MS
    town.street.known = set("abc")
    town.tick(late_ms)
    assert town.street.switch(first).activate_at_ms >= late_ms + 2 * CYCLE_MS


@pytest.mark.parametrize(
    ("acknowledged", "late_ms"), [("abc", 60_000), ("abc", -500), ("ab", 60_000), ("ab", -500)]
)
def test_a_commitment_that_comes_late_gives_all_the_time_to_hear_of_it(
    acknowledged: str, late_ms: int
) -> None:
    town = Town()
    town.city = replace(town.city, switching=SwitchRules(share=0.6))
    town.running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    at_ms = town.street.switch(first).activate_at_ms
    town.acknowledge(first, *acknowledged)
    # The server was away until then.
    now_ms = at_ms + late_ms
    town.tick(now_ms)
    switch = town.street.switch(first)
    assert switch.state is SwitchState.COMMITTED
    assert 10_000 <= switch.activate_at_ms - now_ms <= 11_000
    assert town.street.in_force("a", now_ms).plan == plan("a", 0)


def test_a_decision_in_time_keeps_the_moment() -> None:
    town = Town().running()
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    at_ms = town.street.switch(first).activate_at_ms
    town.acknowledge(first, "a", "b", "c")
    town.tick(at_ms - 10_000 + 1_500)
    assert town.street.switch(first).activate_at_ms == at_ms


def test_too_soon_a_second_proposal_and_drafts_are_refused() -> None:
    town = Town().running()
    schedule_id = town.approved_set(PLANS)
    with pytest.raises(InvalidInputError, match="120 s ahead or more, two cycles"):
        town.activate(schedule_id, NOW_MS, NOW_MS + 2 * CYCLE_MS - 1)
    town.activate(schedule_id, NOW_MS, NOW_MS + 5 * CYCLE_MS)
    with pytest.raises(StateError, match="is to be decided first"):
        town.activate(schedule_id, NOW_MS)
    set_id = town.street.schedule(schedule_id).plan_sets[0]
    with pytest.raises(StateError, match="in force or about to be"):
        decisions.retire(town.street, "plan-set", set_id, "x", NOW_MS)


def test_rolling_back_is_one_call_and_twice_goes_forward_again() -> None:
    town = Town().running()
    old = town.street.in_force("a", NOW_MS).switch.schedule.id
    new = town.approved_set(PLANS)
    town.street.known = set()
    town.activate(new, NOW_MS)
    now_ms = NOW_MS + 3 * CYCLE_MS
    assert town.street.life("schedule", new, now_ms) is Life.IN_FORCE
    town.do(lambda s: going_back.roll_back(s, town.city, (), by="李工", now_ms=now_ms))
    later_ms = now_ms + 2 * CYCLE_MS
    assert [town.street.in_force(k, later_ms).switch.schedule.id for k in "ad"] == [old, old]
    assert town.street.life("schedule", new, later_ms) is Life.APPROVED
    town.do(lambda s: going_back.roll_back(s, town.city, ("d",), by="李工", now_ms=later_ms))
    end_ms = later_ms + 2 * CYCLE_MS
    assert town.street.in_force("d", end_ms).switch.schedule.id == new
    assert town.street.in_force("a", end_ms).switch.schedule.id == old


def test_rolling_back_an_open_switch_cancels_it_and_a_first_plan_has_nothing_before() -> None:
    town = Town().running()
    with pytest.raises(StateError, match="nothing was in force before"):
        going_back.roll_back(town.street, town.city, (), by="x", now_ms=NOW_MS)
    first, second = town.activate(town.approved_set(PLANS), NOW_MS)
    town.do(lambda s: going_back.roll_back(s, town.city, (), by="x", now_ms=NOW_MS))
    for key in (first, second):
        assert town.street.switch(key).state is SwitchState.CANCELLED
    assert {s.id for s in town.street.ended_since(0)} == {first, second}
    with pytest.raises(StateError, match="is cancelled"):
        going_over.cancel(town.street, town.city, first, by="x", now_ms=NOW_MS)


DAYS_MS = 3 * 86_400_000


def planned(town: Town, at_ms: int) -> tuple[str, ...]:
    """Put other plans in force far ahead: all acknowledge within seconds, so it is decided."""
    ids = town.activate(town.approved_set(PLANS), NOW_MS, at_ms)
    for key in ids:
        town.acknowledge(key, *town.street.switch(key).signals)
    town.tick(NOW_MS + 1_000)
    for key in ids:
        assert town.street.switch(key).state is SwitchState.COMMITTED
    return ids


def test_a_committed_switch_that_lies_ahead_can_be_cancelled_until_shortly_before() -> None:
    town = Town().running()
    at_ms = NOW_MS + DAYS_MS
    first, second = planned(town, at_ms)
    held = town.street.revision
    assert town.street.in_force("a", NOW_MS).until_ms == at_ms
    with pytest.raises(StateError, match="is committed"):
        going_over.cancel(town.street, town.city, first, by="x", now_ms=at_ms - 10_000)
    soon_ms = at_ms - 10_001
    town.do(lambda s: going_over.cancel(s, town.city, first, by="x", now_ms=soon_ms))
    assert town.street.switch(first).state is SwitchState.CANCELLED
    assert town.street.in_force("a", NOW_MS).until_ms is None
    assert town.street.in_force("a", at_ms).plan == plan("a", 0)
    assert town.street.in_force("d", at_ms).plan == plan("d", 20)
    # Controllers are told that it is off.
    assert [s.id for s in town.street.ended_since(held)] == [first]
    assert [s.id for s in town.street.since(0, "a", NOW_MS)] != [first]
    set_id = town.street.switch(first).schedule.plan_sets[0]
    assert town.street.life("plan-set", set_id, soon_ms) is Life.APPROVED
    with pytest.raises(StateError, match="is committed"):
        going_over.cancel(town.street, town.city, second, by="x", now_ms=at_ms + 1)


def test_what_is_planned_for_days_ahead_does_not_hinder_what_is_needed_now() -> None:
    town = Town().running()
    at_ms = NOW_MS + DAYS_MS
    planned(town, at_ms)
    between = town.approved_set(tuple(plan(key, 10) for key in "abcd"))
    first, _ = town.activate(between, NOW_MS + 2_000)
    moment_ms = town.street.switch(first).activate_at_ms
    assert moment_ms == NOW_MS + 2_000 + 2 * CYCLE_MS
    town.acknowledge(first, "a", "b", "c")
    town.tick(NOW_MS + 3_000)
    assert town.street.in_force("a", moment_ms).plan == plan("a", 10)
    assert town.street.in_force("a", moment_ms).until_ms == at_ms
    assert town.street.in_force("a", at_ms).plan == plan("a", 20)


def test_no_switch_comes_in_before_the_group_is_in_step_with_the_one_before() -> None:
    town = Town().running()
    planned(town, NOW_MS + 4 * CYCLE_MS)
    between = town.approved_set(tuple(plan(key, 10) for key in "abcd"))
    now_ms = NOW_MS + 2_000
    with pytest.raises(InvalidInputError, match="goes over by switch"):
        town.activate(between, now_ms, NOW_MS + 3 * CYCLE_MS)
    first, _ = town.activate(between, now_ms)
    assert town.street.switch(first).activate_at_ms == NOW_MS + 4 * CYCLE_MS


def test_a_proposal_that_is_postponed_does_not_overtake_what_was_committed_for_later() -> None:
    town = Town().running()
    later, _ = planned(town, NOW_MS + 8 * CYCLE_MS)
    between = town.approved_set(tuple(plan(key, 10) for key in "abcd"))
    first, _ = town.activate(between, NOW_MS + 2_000)
    # b does not answer. After one postponement three cycles are left, after another one are not.
    town.acknowledge(first, "a", "c")
    town.tick(town.street.switch(first).activate_at_ms - 10_000)
    assert town.street.switch(first).activate_at_ms == NOW_MS + 4 * CYCLE_MS + 2_000
    town.tick(town.street.switch(first).activate_at_ms - 10_000)
    assert town.street.switch(first).state is SwitchState.GIVEN_UP
    at_ms = town.street.switch(later).activate_at_ms
    for time_ms in (at_ms, at_ms + DAYS_MS):
        assert town.street.in_force("a", time_ms).switch.id == later


def test_a_decision_after_the_moment_of_the_next_switch_gives_the_earlier_one_up() -> None:
    town = Town().running()
    later, _ = planned(town, NOW_MS + 7 * CYCLE_MS)
    between = town.approved_set(tuple(plan(key, 10) for key in "abcd"))
    first, _ = town.activate(between, NOW_MS + 2_000)
    town.acknowledge(first, "a", "b", "c")
    # The server was away over both moments.
    town.tick(NOW_MS + 9 * CYCLE_MS)
    assert town.street.switch(first).state is SwitchState.GIVEN_UP
    assert town.street.in_force("a", NOW_MS + DAYS_MS).switch.id == later


def test_rolling_back_cancels_what_is_committed_ahead_and_goes_back_the_next_time() -> None:
    town = Town().running()
    old = town.street.in_force("a", NOW_MS).switch.schedule.id
    town.street.known = set()
    town.activate(town.approved_set(PLANS), NOW_MS)
    now_ms = NOW_MS + 3 * CYCLE_MS
    running = town.street.in_force("a", now_ms).switch.schedule.id
    ahead = town.approved_set(tuple(plan(key, 10) for key in "abcd"))
    ids = town.activate(ahead, now_ms, now_ms + DAYS_MS)
    town.do(lambda s: going_back.roll_back(s, town.city, (), by="李工", now_ms=now_ms))
    assert {town.street.switch(key).state for key in ids} == {SwitchState.CANCELLED}
    assert town.street.in_force("a", now_ms + 2 * DAYS_MS).switch.schedule.id == running
    town.do(lambda s: going_back.roll_back(s, town.city, (), by="李工", now_ms=now_ms))
    later_ms = now_ms + 2 * CYCLE_MS
    assert town.street.in_force("a", later_ms).switch.schedule.id == old


def test_rolling_back_shortly_before_a_switch_leads_back_to_what_runs_still() -> None:
    town = Town().running()
    old = town.street.in_force("a", NOW_MS).switch.schedule.id
    town.street.known = set()
    town.activate(town.approved_set(PLANS), NOW_MS)
    now_ms = NOW_MS + 2 * CYCLE_MS - 5_000
    assert town.street.in_force("a", now_ms).switch.schedule.id == old
    town.do(lambda s: going_back.roll_back(s, town.city, (), by="李工", now_ms=now_ms))
    later_ms = now_ms + 3 * CYCLE_MS
    assert town.street.in_force("a", later_ms).switch.schedule.id == old


def test_a_controller_that_comes_back_learns_what_it_missed_and_no_more() -> None:
    town = Town().running()
    held = town.street.revision
    first, _ = town.activate(town.approved_set(PLANS), NOW_MS)
    assert [s.id for s in town.street.since(held, "a", NOW_MS)] == [first]
    revision = town.street.revision
    assert town.street.since(revision, "a", NOW_MS) == ()
    town.acknowledge(first, "a", "b", "c")
    town.tick(NOW_MS + 1000)
    (known,) = town.street.since(revision, "a", NOW_MS)
    assert known.state is SwitchState.COMMITTED
    # Long after: only what is in force, not what it replaced.
    assert [s.id for s in town.street.since(0, "a", NOW_MS + 10**7)] == [first]


def test_steps_leave_the_state_as_it_was() -> None:
    town = Town().running()
    revision, switches = town.street.revision, dict(town.street.switches)
    steps = decisions.Steps(town.street)
    steps.add(decisions.set_auto_apply(steps.street, True, "x", NOW_MS))
    assert steps.street.auto_apply
    assert not town.street.auto_apply
    assert (town.street.revision, town.street.switches) == (revision, switches)
    assert isinstance(steps.street, Street)
