"""No schedule changes plans faster than signals get into step."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.small_plans import plan, signal
from tests.traffic.street.town import MIDNIGHT_MS, NOW_MS, Town
from traffic.controller.controller import Controller
from traffic.controller.held import HeldSwitch, Program
from traffic.plan import TimingPlan
from traffic.street import calendar, decisions
from traffic.street.door import RefusedPlanError
from traffic.street.periods import refuse_short_periods
from traffic.street.records import DayPlan, Origin, Period, PlanSet, Schedule
from traffic.street.switching import SwitchState

NOBODY = Origin("", "", 0)
SIGNALS = {key: signal(key) for key in "ab"}
# 60 s twice, 87 s, which does not divide the day, and 80 s.
PLANS = {
    "1": plan("a"),
    "2": plan("a", 30),
    "3": plan("a", 0, (40, 37)),
    "4": plan("a", 0, (40, 30)),
}


def schedule(*days: tuple[tuple[int, str], ...], **fields: object) -> Schedule:
    """Day plans 0, 1, ... ; the first one every day."""
    made = tuple(
        DayPlan(str(k), tuple(Period(begin_s, set_id) for begin_s, set_id in rows))
        for k, rows in enumerate(days)
    )
    return Schedule("9", made, fields.pop("weekdays", ("0",) * 7), NOBODY, **fields)  # type: ignore[arg-type]


def refuse(made: Schedule, *more: TimingPlan) -> None:
    others = {"b": more[0]} if more else {}
    sets = [
        PlanSet(key, (PLANS[key], *(others.values() if key == "1" else ())), NOBODY)
        for key in made.plan_sets
    ]
    refuse_short_periods(SIGNALS, made, sets)


@pytest.mark.parametrize(
    "made",
    [
        schedule(((0, "1"),)),
        schedule(((0, "1"), (180, "2"))),
        # The same plan goes on: no change.
        schedule(((0, "1"), (1, "1"), (2, "1"), (30_000, "2"))),
        schedule(((0, "3"), (261, "1"), (80_000, "3"))),
        schedule(((0, "1"), (86_399, "1"))),
        # Monday's last period goes on over midnight.
        schedule(
            ((0, "1"), (86_300, "2")),
            ((0, "2"), (40_000, "1")),
            weekdays=("0", *("1",) * 6),
        ),
    ],
)
def test_periods_of_three_cycles_pass(made: Schedule) -> None:
    refuse(made)


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (
            schedule(((0, "1"), (100, "2"), (279, "1"))),
            "day plan 0: what begins at 00:01:40 changes after 179 s; expected 180 s or more",
        ),
        # The longer cycle of both.
        (schedule(((0, "1"), (3600, "4"), (3800, "1"))), "200 s; expected 240 s or more"),
        # Over midnight: from the day before, ...
        (schedule(((0, "1"), (86_300, "2"))), "what begins at 23:58:20 changes after 100 s"),
        # ... where the cycle does not divide the day, ...
        (schedule(((0, "3"), (43_200, "1"), (86_200, "3"))), "after 200 s; expected 261 s"),
        (schedule(((0, "3"), (200, "1"))), "what begins at 00:00:00 changes after 200 s"),
        # ... from one weekday to another, ...
        (
            schedule(
                ((0, "1"), (86_300, "2")),
                ((0, "2"), (40_000, "1")),
                ((0, "1"),),
                weekdays=("0", "1", "1", "0", "2", "1", "1"),
            ),
            "day plan 0: what begins at 23:58:20 changes after 100 s",
        ),
        # ... and to an exception.
        (
            schedule(
                ((0, "1"), (86_300, "2")),
                ((0, "2"), (40_000, "1")),
                ((0, "1"),),
                weekdays=("0", *("1",) * 6),
                exceptions=(("2026-10-06", "2"),),
            ),
            "day plan 0: what begins at 23:58:20 changes after 100 s",
        ),
    ],
)
def test_shorter_ones_are_refused(made: Schedule, value: str) -> None:
    with pytest.raises(RefusedPlanError) as caught:
        refuse(made)
    first = caught.value.refusals[0]
    assert (first.signal, first.rule) == ("a", "period")
    assert value in first.value


def test_a_signal_that_a_set_leaves_out_changes_to_its_own_plan() -> None:
    made = schedule(((0, "1"), (40_000, "2"), (40_100, "1")), without=("a",))
    with pytest.raises(RefusedPlanError) as caught:
        refuse(made, plan("b", 10))
    assert {refusal.signal for refusal in caught.value.refusals} == {"b"}


def test_the_door_of_schedules_has_the_rule() -> None:
    town = Town()
    for key in "12":
        made = PlanSet(key, (PLANS[key],), Origin("", "", NOW_MS))
        town.do(lambda s, made=made: decisions.make_plan_set(s, town.city, made, NOW_MS))
    rows = tuple((second, "12"[second % 2]) for second in range(48))
    with pytest.raises(RefusedPlanError, match="period: day plan 0: what begins at"):
        decisions.make_schedule(town.street, town.city, schedule(rows))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Two day plans with changes near each other and around midnight."""
    days = []
    for _ in "ab":
        near = st.one_of(st.integers(1, 1000), st.integers(85_400, 86_399))
        begins = [0, *sorted(draw(st.lists(near, max_size=4, unique=True)))]
        days.append(tuple((begin_s, draw(st.sampled_from("1234"))) for begin_s in begins))
    weekdays = tuple(draw(st.sampled_from("01")) for _ in range(7))
    return schedule(*days, weekdays=weekdays)


@settings(deadline=None, max_examples=60)
@given(schedules(), st.integers(0, 6))
def test_what_passes_lets_a_controller_get_into_step_before_each_change(
    made: Schedule, weekday: int
) -> None:
    try:
        refuse(made)
    except RefusedPlanError:
        return
    plans = {key: PLANS[key] for key in made.plan_sets}
    program = Program(made, plans)
    day = calendar.civil_date(MIDNIGHT_MS) + timedelta(days=weekday)
    begin_ms = calendar.midnight_ms(day) - 2_000_000
    controller = Controller(SIGNALS["a"])
    controller.told(HeldSwitch("1", SwitchState.COMMITTED, 1, 0, program), begin_ms)
    last, was = controller.plan, None
    for second in range(4000):
        now_ms = begin_ms + 1000 * second
        shown = controller.step(now_ms)
        midnight = now_ms == calendar.midnight_ms(calendar.civil_date(now_ms))
        if controller.plan != last or (midnight and 86_400 % controller.plan.cycle_s):
            # In step right before it changes again.
            assert second < 1000 or (was is not None and was.in_step), second
            last = controller.plan
        was = shown
