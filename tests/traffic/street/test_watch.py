"""Alarms come and go; a wrong clock is left out, by itself only where that was enabled."""

from dataclasses import replace

from tests.traffic.small_plans import plan
from tests.traffic.street.town import CYCLE_MS, NOW_MS, Town
from traffic.street import decisions
from traffic.street.events import AlarmCleared, AlarmRaised
from traffic.street.health import AlarmKind, Clocks, Health, HealthRules, Report, clocks_of
from traffic.street.records import Life

MINUTE_MS = 60_000
GOOD = Report("a", NOW_MS, "", "plan", 0, 0, True)


def report(town: Town, now_ms: int, signal_id: str = "a", **changes: object) -> None:
    said = replace(GOOD, signal_id=signal_id, at_ms=now_ms, **changes)
    known = town.healths.get(signal_id, Health(now_ms))
    town.healths[signal_id] = known.reported(said, town.rules)


def kinds(events: tuple) -> list[tuple[type, AlarmKind]]:
    found = [e for e in events if isinstance(e, AlarmRaised | AlarmCleared)]
    return [(type(e), e.alarm.kind if isinstance(e, AlarmRaised) else e.kind) for e in found]


def test_a_silent_controller_raises_one_alarm_and_nothing_else() -> None:
    town = Town().running()
    before = {key: town.street.in_force(key, NOW_MS) for key in "abcd"}
    report(town, NOW_MS)
    assert town.tick(NOW_MS + 89_999) == ()
    assert kinds(town.tick(NOW_MS + 90_000)) == [(AlarmRaised, AlarmKind.SILENT)]
    assert town.tick(NOW_MS + 200_000) == ()
    assert {key: town.street.in_force(key, NOW_MS) for key in "abcd"} == before
    report(town, NOW_MS + 210_000)
    assert kinds(town.tick(NOW_MS + 210_000)) == [(AlarmCleared, AlarmKind.SILENT)]


def test_three_wrong_clocks_running_propose_a_draft_without_the_signal_once() -> None:
    town = Town().running()
    running = town.street.in_force("a", NOW_MS).switch.schedule
    for error_ms in (2_500, -2_500, 100, 2_001, 3_000):
        report(town, NOW_MS, clock_error_ms=error_ms)
        assert town.tick(NOW_MS) == ()
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
    assert clocks(3_000, 3_100) == Clocks((), -3_050)
    assert clocks(3_000, 3_000, *[0] * 8) == Clocks(("0", "1"))
    assert clocks(*[3_000] * 3, *[0] * 12) == Clocks(("0", "1", "2"))
    assert clocks(*[3_000] * 3, *[0] * 11) == Clocks((), -3_000)


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


def test_faults_and_signals_that_stay_out_of_step_are_alarms() -> None:
    town = Town().running()
    report(town, NOW_MS, faults=("lamp 3",), in_step=False, out_of_step_s=181)
    assert kinds(town.tick(NOW_MS)) == [
        (AlarmRaised, AlarmKind.FAULT),
        (AlarmRaised, AlarmKind.OUT_OF_STEP),
    ]
    report(town, NOW_MS, in_step=True, out_of_step_s=181)
    assert len(kinds(town.tick(NOW_MS))) == 2
    assert not town.street.alarms


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
