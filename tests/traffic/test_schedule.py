"""A signal's day: which plan when, the switches between them, and midnight."""

import pytest

from tests.traffic.test_transition import plan_of, signal_of
from traffic.errors import InvalidInputError, NotFoundError
from traffic.plan import TimingPlan
from traffic.safety import check_phases
from traffic.schedule import DAY_S, timetable, timetables

ONE = signal_of("cologne1")
# 76 s does not divide the day, 80 s does.
SHORT = plan_of(ONE, (0, 1, 2, 3), (20, 8, 20, 8), 30)
LONG = plan_of(ONE, (0, 1, 2, 3), (22, 8, 22, 8), 11)
OTHER = plan_of(ONE, (2, 3, 0, 1), (30, 8, 14, 8), 50)


def test_a_plan_whose_cycle_divides_the_day_never_jumps() -> None:
    assert DAY_S % LONG.cycle_s == 0
    day = timetable(ONE, [(0, LONG)])
    assert [part.in_step_s for part in day.parts] == [0]
    assert all(day.state_at(t_s) == LONG.state_at(t_s) for t_s in range(0, DAY_S, 997))


def test_a_plan_whose_cycle_does_not_is_in_step_with_midnight_again_soon_after() -> None:
    day = timetable(ONE, [(0, SHORT)])
    assert 0 < day.parts[0].in_step_s < 2 * SHORT.cycle_s
    # The evening goes over into the morning: nothing is skipped there.
    evening = list(day.phases(DAY_S - 300, DAY_S))
    assert check_phases(ONE, [*evening, *day.phases(0, 600)], goes_round=False) == ()
    assert day.state_at(DAY_S - 1) == SHORT.state_at(DAY_S - 1)
    assert day.state_at(3600) == day.state_at(DAY_S + 3600) == SHORT.state_at(3600)


def test_every_switch_is_a_transition_and_nothing_else_changes() -> None:
    day = timetable(ONE, [(25_200, SHORT), (32_400, OTHER), (61_200, LONG)], method="dwell")
    assert [part.begin_s for part in day.parts] == [0, 25_200, 32_400, 61_200]
    # Before the first switch, what was last goes on.
    assert [part.plan for part in day.parts] == [LONG, SHORT, OTHER, LONG]
    assert day.part_at(40_000.5).plan is OTHER
    states = [phase.state for phase in day.phases() for _ in range(int(phase.duration_s))]
    assert len(states) == DAY_S
    assert all(states[t_s] == day.state_at(t_s) for t_s in range(0, DAY_S, 101))
    for part, until_s in zip(day.parts, [25_200, 32_400, 61_200, DAY_S], strict=True):
        for t_s in range(part.in_step_s, until_s, 37):
            assert states[t_s] == part.plan.state_at(t_s)
    for part in day.parts[1:]:
        around = list(day.phases(part.begin_s - 200, part.in_step_s + 200))
        assert check_phases(ONE, around, goes_round=False) == ()


def test_a_city_s_day_keeps_the_plan_of_a_signal_that_a_period_leaves_out() -> None:
    other = signal_of("ingolstadt1")
    plan = plan_of(other, (0, 1, 2), (20, 8, 20), 0)
    signals = {ONE.id: ONE, other.id: other}
    days = timetables(signals, [(0, {ONE.id: LONG, other.id: plan}), (30_000, {ONE.id: OTHER})])
    assert [day.signal_id for day in days] == [ONE.id, other.id]
    assert [len(day.parts) for day in days] == [2, 1]
    with pytest.raises(NotFoundError, match="nobody"):
        timetables(signals, [(0, {"nobody": LONG})])


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ([], "0 switches"),
        ([(k, LONG) for k in range(49)], "49 switches"),
        ([(100, LONG), (50, SHORT)], "increasing"),
        ([(0, LONG), (0, SHORT)], "increasing"),
        ([(-1, LONG)], "increasing"),
        ([(DAY_S, LONG)], "increasing"),
        ([(0, LONG), (5, SHORT), (6, OTHER)], "leads into step"),
        ([(0, LONG), (DAY_S - 1, OTHER)], "expected before the next one, at 86400 s"),
    ],
)
def test_days_that_no_controller_could_run_are_refused(
    switches: list[tuple[int, TimingPlan]], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        timetable(ONE, switches)
