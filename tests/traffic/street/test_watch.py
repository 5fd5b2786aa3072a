"""Alarms come and go; a wrong clock is left out, by itself only where that was enabled."""

from dataclasses import replace

import pytest

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.io.street_messages import switch_to_proto
from traffic.street import decisions
from traffic.street.events import AlarmCleared, AlarmRaised, Settled
from traffic.street.health import AlarmKind, Clocks, Health, HealthRules, Report, clocks_of
from traffic.street.records import Life

MINUTE_MS = 60_000
GOOD = Report("a", NOW_MS, "", "plan", 0, 0, True)


def report(town: Town, now_ms: int, signal_id: str = "a", **changes: object) -> None:
    running = town.street.switch_at(signal_id, now_ms)
    switch = "" if running is None else running.id
    said = replace(GOOD, **{"signal_id": signal_id, "at_ms": now_ms, "switch": switch} | changes)
    known = town.healths.get(signal_id, Health(now_ms))
    town.healths[signal_id] = known.reported(said, town.rules)


def kinds(events: tuple) -> list[tuple[type, AlarmKind]]:
    found = [e for e in events if isinstance(e, AlarmRaised | AlarmCleared)]
    return [(type(e), e.alarm.kind if isinstance(e, AlarmRaised) else e.kind) for e in found]


def test_a_silent_controller_raises_one_alarm_and_nothing_else() -> None:
    town = Town().running()

    def running() -> list[tuple[object, ...]]:
        found = (town.street.in_force(key, NOW_MS) for key in "abcd")
        return [(entry.plan, entry.switch.id, entry.until_ms) for entry in found]

    before = running()
    report(town, NOW_MS)
    assert kinds(town.tick(NOW_MS + 89_999)) == []
    assert kinds(town.tick(NOW_MS + 90_000)) == [(AlarmRaised, AlarmKind.SILENT)]
    assert town.tick(NOW_MS + 200_000) == ()
    assert running() == before
    report(town, NOW_MS + 210_000)
    assert kinds(town.tick(NOW_MS + 210_000)) == [(AlarmCleared, AlarmKind.SILENT)]


def test_three_wrong_clocks_running_propose_a_draft_without_the_signal_once() -> None:
    town = Town().running()
    running = town.street.in_force("a", NOW_MS).switch.schedule
    for error_ms in (2_500, -2_500, 100, 2_001, 3_000):
        report(town, NOW_MS, clock_error_ms=error_ms)
        assert kinds(town.tick(NOW_MS)) == []
    report(town, NOW_MS, clock_error_ms=2_100)
    town.tick(NOW_MS)
    assert ("a", AlarmKind.CLOCK) in town.street.alarms
    draft = list(town.street.schedules.values())[-1]
    assert (draft.without, draft.origin.author) == (("a",), "greenlot")
    assert town.street.life("schedule", draft.id, NOW_MS) is Life.DRAFT
    assert town.street.in_force("a", NOW_MS + 10**7).switch.schedule == running
    assert town.tick(NOW_MS + 1) == (), "one draft is enough"


def test_many_clocks_wrong_the_same_way_put_the_server_in_doubt_and_leave_nobody_out() -> None:
    town = Town().running()
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    town.street.known = set()
    schedules = set(town.street.schedules)
    for k in range(3):
        for key in "abcd":
            report(town, NOW_MS + k, key, clock_error_ms=-3_000 - k)
            # One has three reports before the others have.
            town.tick(NOW_MS + k)
    (alarm,) = town.street.alarms.values()
    assert (alarm.signal_id, alarm.kind) == ("", AlarmKind.SERVER_CLOCK)
    assert "+3.0 s" in alarm.detail
    # The server's clock is set right; the last one to report again is not left out either.
    for key in "abcd":
        for _ in range(3):
            town.tick(NOW_MS + 10)
        report(town, NOW_MS + 10, key, clock_error_ms=0)
    town.tick(NOW_MS + 10)
    assert not town.street.alarms
    assert set(town.street.schedules) == schedules
    assert town.street.in_force("a", NOW_MS + 10**7).plan is not None


def test_one_slow_moment_is_no_alarm_and_leaves_nobody_out() -> None:
    town = Town().running()
    own = [f"{key}{k}" for key in "abcd" for k in range(5)]
    for key in own:
        town.healths[key] = Health(NOW_MS, replace(GOOD, signal_id=key, at_ms=NOW_MS))
    for key in own[:6]:
        report(town, NOW_MS, key, clock_error_ms=-3_000)
    # One of them reports more often.
    for _ in range(4):
        report(town, NOW_MS + 1, own[0], clock_error_ms=-3_000)
        assert kinds(town.tick(NOW_MS + 1)) == []
    report(town, NOW_MS + 2, own[1])
    report(town, NOW_MS + 2, own[2])
    assert kinds(town.tick(NOW_MS + 2)) == []
    for key in own[:6]:
        report(town, NOW_MS + 30_000, key)
    assert kinds(town.tick(NOW_MS + 30_000)) == []
    # Where it lasts it is.
    for key in own[:6]:
        for k in range(2):
            report(town, NOW_MS + 60_000 + k, key, clock_error_ms=-3_000)
    assert kinds(town.tick(NOW_MS + 60_000)) == [(AlarmRaised, AlarmKind.SERVER_CLOCK)]


def test_clocks_that_are_wrong_in_different_ways_or_few_of_many_are_their_own() -> None:
    rules = HealthRules()

    def clocks(*errors_ms: int) -> Clocks:
        rows = (replace(GOOD, clock_error_ms=error_ms) for error_ms in errors_ms)
        healths = {
            str(k): Health(NOW_MS, row, 3 if row.has_wrong_clock(rules) else 0)
            for k, row in enumerate(rows)
        }
        return clocks_of(healths, NOW_MS, rules)

    assert clocks(-3_000, 3_000) == Clocks(("0", "1"))
    assert clocks(3_000) == Clocks(("0",))
    assert clocks(3_000, 3_100) == Clocks((), -3_050, in_doubt=True)
    assert clocks(3_000, 3_000, *[0] * 8) == Clocks(("0", "1"))
    assert clocks(*[3_000] * 3, *[0] * 12) == Clocks(("0", "1", "2"))
    assert clocks(*[3_000] * 3, *[0] * 11) == Clocks((), -3_000, in_doubt=True)


def test_a_report_that_was_long_on_its_way_says_nothing_of_the_clock() -> None:
    town = Town().running()
    for _ in range(5):
        # A slow server: what looks like a clock that is behind is the wait.
        report(town, NOW_MS, clock_error_ms=-2_500, round_trip_ms=5_000)
    assert town.healths["a"].late_clocks == 0
    report(town, NOW_MS, clock_error_ms=-4_600, round_trip_ms=5_000)
    assert town.healths["a"].late_clocks == 1


def test_where_enabled_it_is_applied_but_not_twice_in_a_quarter_of_an_hour() -> None:
    town = Town().running()
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    town.street.known = set()
    for _ in range(3):
        report(town, NOW_MS, clock_error_ms=5_000)
    town.tick(NOW_MS)
    later_ms = NOW_MS + 2 * CYCLE_MS
    assert town.street.in_force("a", later_ms).plan is None
    assert town.street.in_force("b", later_ms).plan is not None
    for _ in range(3):
        report(town, later_ms, "b", clock_error_ms=-5_000)
        report(town, later_ms, clock_error_ms=5_000)
    soon_ms = NOW_MS + 15 * MINUTE_MS - 1
    town.tick(soon_ms)
    assert town.street.in_force("b", soon_ms + 3 * CYCLE_MS).plan is not None
    town.tick(soon_ms + 1)
    assert town.street.in_force("b", soon_ms + 3 * CYCLE_MS).plan is None
    assert town.street.in_force("d", soon_ms + 3 * CYCLE_MS).plan is not None


def test_what_is_planned_for_days_ahead_is_neither_waited_for_nor_replaced() -> None:
    town = Town().running()
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    town.street.known = set()
    far_ms = NOW_MS + 3 * 86_400_000
    town.activate(town.approved_set(tuple(plan(key, 20) for key in "abcd")), NOW_MS, far_ms)
    for _ in range(3):
        report(town, NOW_MS, clock_error_ms=5_000)
    town.tick(NOW_MS)
    later_ms = NOW_MS + 2 * CYCLE_MS
    assert town.street.in_force("a", later_ms).plan is None
    assert town.street.in_force("b", later_ms).plan == plan("b", 0)
    assert town.street.in_force("b", far_ms).plan == plan("b", 20)


def clock_goes_wrong(town: Town, now_ms: int, signal_id: str = "a") -> None:
    for _ in range(3):
        report(town, now_ms, signal_id, clock_error_ms=5_000)


def with_auto_apply() -> Town:
    town = Town().running()
    town.do(lambda s: decisions.set_auto_apply(s, True, "李工", NOW_MS))
    town.street.known = set()
    return town


@pytest.mark.parametrize("ahead_s", [60, 120, 200, 299])
def test_a_switch_that_is_near_is_not_replaced_by_a_draft(ahead_s: int) -> None:
    town = with_auto_apply()
    at_ms = NOW_MS + 500_000
    planned, _ = town.activate(
        town.approved_set(tuple(plan(key, 20) for key in "abcd")), NOW_MS, at_ms
    )
    clock_goes_wrong(town, at_ms - 1000 * ahead_s)
    town.tick(at_ms - 1000 * ahead_s)
    assert list(town.street.schedules.values())[-1].without == ("a",), "proposed it is"
    assert town.street.in_force("a", at_ms - 1).plan == plan("a", 0)
    for key in "abc":
        assert town.street.in_force(key, at_ms + 10**6).switch.id == planned
    # Once it has come, its schedule is what the signal is left out of.
    town.tick(at_ms)
    town.tick(at_ms + 1)
    later_ms = at_ms + 4 * CYCLE_MS
    assert town.street.in_force("a", later_ms).plan is None
    assert town.street.in_force("b", later_ms).plan == plan("b", 20)


def test_what_runs_elsewhere_is_not_replaced_by_a_draft() -> None:
    town = with_auto_apply()
    other, alone = (town.approved_set(tuple(plan(key, 20) for key in keys)) for keys in ("d", "b"))
    town.activate(other, NOW_MS)
    town.activate(alone, NOW_MS)
    now_ms = NOW_MS + 10 * CYCLE_MS
    clock_goes_wrong(town, now_ms)
    town.tick(now_ms)
    later_ms = now_ms + 4 * CYCLE_MS
    assert town.street.in_force("a", later_ms).plan is None
    shown = {key: town.street.in_force(key, later_ms).plan for key in "bcd"}
    assert shown == {"b": plan("b", 20), "c": plan("c", 0), "d": plan("d", 20)}


def test_a_draft_that_is_not_safe_rests_and_holds_no_other_one_up() -> None:
    town = with_auto_apply()
    stiff = replace(town.city.signals["b"], min_green_s={0: 30.0})
    town.city = replace(town.city, signals={**town.city.signals, "b": stiff})
    clock_goes_wrong(town, NOW_MS)
    town.tick(NOW_MS)
    draft_id = list(town.street.schedules)[-1]
    assert town.refused_ms == {draft_id: NOW_MS}
    town.tick(NOW_MS + 1000)
    assert town.refused_ms == {draft_id: NOW_MS}, "not each second"
    # Another schedule, and its draft.
    town.activate(town.approved_set((plan("d", 20),)), NOW_MS)
    now_ms = NOW_MS + 3 * CYCLE_MS
    clock_goes_wrong(town, now_ms, "d")
    for k in range(3):
        town.tick(now_ms + k)
    assert town.street.in_force("d", now_ms + 3 * CYCLE_MS).plan is None
    town.tick(NOW_MS + 30 * MINUTE_MS)
    assert town.refused_ms == {draft_id: NOW_MS + 30 * MINUTE_MS}
    assert town.street.in_force("a", NOW_MS + 60 * MINUTE_MS).plan == plan("a", 0)


def test_a_signal_that_the_network_has_lost_hinders_nobody() -> None:
    town = with_auto_apply()
    signals = {key: town.city.signals[key] for key in "abc"}
    town.city = replace(town.city, signals=signals, groups=town.city.groups[:1])
    clock_goes_wrong(town, NOW_MS)
    town.tick(NOW_MS)
    assert ("a", AlarmKind.CLOCK) in town.street.alarms
    assert town.street.in_force("a", NOW_MS + 3 * CYCLE_MS).plan is None
    assert town.street.in_force("d", NOW_MS + 3 * CYCLE_MS).plan == plan("d", 0)


def test_faults_and_signals_that_stay_out_of_step_are_alarms() -> None:
    town = Town().running()
    now_ms = NOW_MS + 200_000
    report(town, now_ms, faults=("lamp 3",), in_step=False, out_of_step_s=181)
    assert kinds(town.tick(now_ms)) == [
        (AlarmRaised, AlarmKind.FAULT),
        (AlarmRaised, AlarmKind.OUT_OF_STEP),
    ]
    report(town, now_ms, in_step=True, out_of_step_s=181)
    assert len(kinds(town.tick(now_ms))) == 2
    assert not town.street.alarms


def test_who_runs_something_else_after_a_switch_is_an_alarm_and_counted_as_out_of_step() -> None:
    town = Town().running()
    old = town.street.in_force("a", NOW_MS).switch.id
    town.street.known = set()
    first, second = town.activate(town.approved_set(tuple(plan(k, 20) for k in "abcd")), NOW_MS)
    town.street.known = set("abcd")
    at_ms = town.street.switch(first).activate_at_ms
    hour_ms = at_ms + 60 * MINUTE_MS

    def say(now_ms: int) -> None:
        report(town, now_ms, "a", switch=old)
        report(town, now_ms, "b", switch="", mode="own-plan")
        flashed_s = (now_ms - at_ms) // 1000
        report(town, now_ms, "c", mode="flashing", in_step=False, out_of_step_s=flashed_s)
        report(town, now_ms, "d", out_of_step_s=41)

    say(at_ms + 3 * CYCLE_MS)
    assert kinds(town.tick(at_ms + 3 * CYCLE_MS)) == [], "there is time to get into step"
    say(hour_ms)
    town.tick(hour_ms)
    details = {(key, kind): alarm.detail for (key, kind), alarm in town.street.alarms.items()}
    assert details == {
        ("a", AlarmKind.OTHER_PLAN): f"runs switch {old}; expected switch {first}",
        ("b", AlarmKind.OTHER_PLAN): f"runs its own plan; expected switch {first}",
        ("c", AlarmKind.OUT_OF_STEP): "out of step (flashing) for 3600 s or more",
    }
    for key in (first, second):
        message = switch_to_proto(town.street.switch(key), town.street, town.healths, "x", hour_ms)
        out = {row.signal[-1]: row.out_of_step_s for row in message.out_of_step}
        settled = {row.signal[-1]: row.out_of_step_s for row in message.settled}
        if key == first:
            assert (out, settled) == ({"a": 3600, "b": 3600, "c": 3600}, {})
        else:
            assert (out, settled) == ({}, {"d": 41})
    for key, cost_s in (("a", 12), ("b", 0), ("c", 3650)):
        report(town, hour_ms + MINUTE_MS, key, out_of_step_s=cost_s)
    town.tick(hour_ms + MINUTE_MS)
    assert not town.street.alarms
    # What came later does not change what the switch has cost.
    report(town, hour_ms + 2 * MINUTE_MS, "a", out_of_step_s=99)
    town.tick(hour_ms + 2 * MINUTE_MS)
    assert town.street.switch(first).settled == {"a": 12, "b": 0, "c": 3650}


def test_a_signal_that_is_to_run_its_own_plan_does_right_to() -> None:
    town = Town().running()
    town.street.known = set()
    town.activate(town.approved_set((plan("a"), plan("b"), plan("c"))), NOW_MS)
    schedule = replace(list(town.street.schedules.values())[-1], without=("a",))
    town.street.schedules[schedule.id] = schedule
    later_ms = NOW_MS + 10 * CYCLE_MS
    town.activate(schedule.id, later_ms)
    now_ms = later_ms + 20 * CYCLE_MS
    assert town.street.in_force("a", now_ms).plan is None
    report(town, now_ms, "a", switch="", mode="own-plan")
    assert kinds(town.tick(now_ms)) == []


def test_a_short_emergency_is_no_alarm_and_a_long_one_is() -> None:
    town = Town().running()
    now_ms = NOW_MS + 100 * CYCLE_MS
    report(town, now_ms, out_of_step_s=500)
    # The seconds add up over weeks; what counts is how long it lasts now.
    for k in range(1, 8):
        now_ms += MINUTE_MS // 2
        report(town, now_ms, mode="pre-emption", in_step=k % 3 == 0, out_of_step_s=500 + 30 * k)
        assert kinds(town.tick(now_ms)) == (
            [(AlarmRaised, AlarmKind.OUT_OF_STEP)] if k == 7 else []
        )


def test_who_has_not_reported_here_since_a_switch_is_unheard_and_not_out_of_step() -> None:
    town = Town().running()
    switch = town.street.in_force("a", NOW_MS).switch
    report(town, NOW_MS + 5_000, "a")
    town.healths["b"] = Health(NOW_MS)
    # Another server has heard c, and has written so.
    town.do(lambda _: (Settled(switch.id, (("c", 7),)),))
    now = switch_to_proto(
        town.street.switch(switch.id), town.street, town.healths, "x", NOW_MS + 9_000
    )
    assert not now.out_of_step
    assert list(now.unheard) == ["cities/x/signals/b"]


def test_who_was_silent_for_a_day_is_not_waited_for() -> None:
    town = Town().running()
    for key in "abc":
        report(town, NOW_MS, key)
    silent_ms = NOW_MS + 90_000
    town.tick(silent_ms)
    day_ms = silent_ms + 24 * 60 * MINUTE_MS
    for key in "bc":
        report(town, day_ms, key)
    town.tick(day_ms - 1)
    assert town.street.awaited(day_ms - 1) >= set("ad")
    assert town.street.awaited(day_ms) == set("bcd")
