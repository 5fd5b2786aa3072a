"""A controller's lamps: whatever happens to plan, clock and orders, every second is safe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.test_transition import SIGNALS, plan_of, signal_of
from traffic.controller.machine import Machine, Mode, Orders, Shown, longest_way_s
from traffic.controller.monitor import Monitor
from traffic.errors import UnsafePlanError
from traffic.plan import TimingPlan
from traffic.safety import check_phases, check_plan
from traffic.signals import GREEN, Signal
from traffic.stages import pedestrian_need_s, stages_of
from traffic.transition import phases_of

DAY_S = 86400


def checked(signal: Signal, plan: TimingPlan) -> TimingPlan | None:
    """The plan where it keeps every rule, with minimum greens that people on foot need."""
    stages = tuple(
        replace(s, min_green_s=min(s.green_s, max(5, need))) if s.intergreen else s
        for s in plan.stages
        for need in (pedestrian_need_s(signal, s.green_state) - s.intergreen_s,)
    )
    plan = replace(plan, stages=stages)
    return None if check_plan(signal, plan) else plan


@dataclass(frozen=True)
class Story:
    """A signal, the plans that may be wanted of it, and what is wanted from which second on."""

    signal: Signal
    plans: tuple[TimingPlan, ...]
    begin_s: int
    changes: tuple[tuple[int, str, int], ...]
    countdown_s: int


@st.composite
def stories(draw: st.DrawFn) -> Story:
    signal = signal_of(draw(st.sampled_from(SIGNALS)))
    own = range(len(stages_of(signal)))
    plans: list[TimingPlan] = []
    for _ in range(6):
        order = tuple(draw(st.permutations(own)))
        if len(own) > 2 and draw(st.booleans()):
            order = order[: draw(st.integers(2, len(own)))]
        greens = tuple(draw(st.integers(5, 40)) for _ in order)
        plan = checked(signal, plan_of(signal, order, greens, draw(st.integers(0, 400))))
        if plan is not None:
            plans.append(plan)
    if not plans:
        cycle = stages_of(signal)
        plans = [TimingPlan(signal.id, sum(s.duration_s for s in cycle), 0, cycle)]
    kinds = st.sampled_from(
        ["plan", "plan", "own", "clock", "hold", "flash", "pre-empt", "calm", "calm"]
    )
    changes = draw(
        st.lists(
            st.tuples(st.integers(1, 160), kinds, st.integers(0, 400)), min_size=2, max_size=14
        )
    )
    # Now and then midnight lies within.
    begin_s = draw(st.sampled_from([0, 25200, DAY_S - 300, DAY_S - 40]))
    return Story(
        signal, tuple(plans), begin_s, tuple(changes), draw(st.sampled_from([0, 0, 9, 300]))
    )


def play(story: Story) -> tuple[list[Shown], list[Orders], Machine]:
    """Step a machine through a story."""
    machine = Machine(story.signal, story.plans[0], countdown_s=story.countdown_s)
    clock_s, orders = story.begin_s, Orders(story.begin_s)
    shown: list[Shown] = []
    given_orders: list[Orders] = []
    for lasts_s, kind, value in story.changes:
        if kind == "plan":
            orders = replace(orders, plan=story.plans[value % len(story.plans)])
        elif kind == "own":
            orders = replace(orders, plan=None)
        elif kind == "clock":
            clock_s += value - 200
        elif kind == "hold":
            orders = replace(orders, hold=not orders.hold)
        elif kind == "flash":
            orders = replace(orders, flash=not orders.flash)
        elif kind == "pre-empt":
            stage = value % len(story.plans[0].stages)
            orders = replace(orders, pre_empt=None if orders.pre_empt is not None else stage)
        else:
            orders = Orders(0, plan=orders.plan)
        for _ in range(lasts_s):
            orders = replace(orders, clock_s=clock_s % DAY_S)
            given_orders.append(orders)
            shown.append(machine.step(orders))
            clock_s += 1
    return shown, given_orders, machine


def safe(signal: Signal, states: Sequence[str]) -> None:
    """Every second keeps every rule, by the monitor and by the rules of plans, one by one."""
    monitor = Monitor(signal)
    for t_s, state in enumerate(states):
        assert monitor.see(state) == (), t_s
    # A crossing's green and its clearance together are the monitor's; greens alone may be shorter.
    broken = check_phases(signal, phases_of(states), goes_round=False)
    assert [v for v in broken if v.rule != "pedestrian"] == []


def stages_whole(story: Story, states: Sequence[str]) -> None:
    """No stage of any plan is shown for less than the least of its minimum greens."""
    least: dict[str, int] = {}
    for plan in story.plans:
        for stage in plan.stages:
            least[stage.green_state] = min(
                stage.min_green_s, least.get(stage.green_state, stage.min_green_s)
            )
    for row in phases_of(states)[1:-1]:
        assert row.duration_s >= least.get(row.state, 1), row


@settings(deadline=None, max_examples=150)
@given(stories())
def test_whatever_happens_every_second_is_safe(story: Story) -> None:
    shown, _, machine = play(story)
    assert machine.faults == ()
    states = [second.state for second in shown]
    safe(story.signal, states)
    stages_whole(story, states)


@settings(deadline=None, max_examples=100)
@given(stories())
def test_a_number_that_was_shown_is_kept(story: Story) -> None:
    story = replace(story, countdown_s=story.countdown_s or 12)
    shown, _, _ = play(story)
    for now, after in pairwise(shown):
        for link, number in enumerate(now.numbers):
            if number is None:
                continue
            was, then = now.state[link] in GREEN, after.state[link] in GREEN
            if number == 1:
                assert was != then
            else:
                assert was == then
                assert after.numbers[link] == number - 1


@settings(deadline=None, max_examples=100)
@given(stories())
def test_three_calm_cycles_bring_it_into_step(story: Story) -> None:
    last = story.plans[-1]
    try:
        longest_s = max(longest_way_s(story.signal, plan, last) for plan in story.plans)
    except UnsafePlanError:
        return  # The door refuses such plans.
    if longest_s > 2 * last.cycle_s:
        return
    # It was in step with another plan of the set, and nothing else is ordered.
    first = story.plans[0]
    machine = Machine(story.signal, first, countdown_s=story.countdown_s)
    t_s = story.begin_s
    for _ in range(4 * first.cycle_s + 40):
        before = machine.step(Orders(t_s % DAY_S, plan=first))
        t_s += 1
    # Midnight may have come just now: a cycle that does not divide the day is out of step then.
    while not before.in_step:
        before = machine.step(Orders(t_s % DAY_S, plan=first))
        t_s += 1
    most_s = 2 * last.cycle_s + max(first.cycle_s, last.cycle_s)
    for _ in range(most_s):
        machine.step(Orders(t_s % DAY_S, plan=last))
        t_s += 1
        if t_s % DAY_S == 0:
            return
    for _ in range(min(2 * last.cycle_s, DAY_S - t_s % DAY_S)):
        assert machine.step(Orders(t_s % DAY_S, plan=last)).in_step
        t_s += 1


ONE = signal_of("cologne1")
PLAN = plan_of(ONE, (0, 1, 2, 3), (20, 8, 20, 8), 30)


def run(machine: Machine, begin_s: int, seconds: int, **orders: object) -> list[Shown]:
    return [
        machine.step(Orders((begin_s + k) % DAY_S, **orders))  # type: ignore[arg-type]
        for k in range(seconds)
    ]


def test_it_starts_all_red_and_gets_into_step() -> None:
    machine = Machine(ONE, PLAN)
    shown = run(machine, 0, 300, plan=PLAN)
    assert set(shown[0].state) == {"r"}
    assert shown[0].mode is Mode.START_UP
    assert all(second.in_step for second in shown[-PLAN.cycle_s :])


def test_a_cycle_that_does_not_divide_the_day_shifts_safely_at_midnight() -> None:
    odd = plan_of(ONE, (0, 1, 2, 3), (24, 10, 24, 9), 30)
    assert DAY_S % odd.cycle_s
    machine = Machine(ONE, odd)
    shown = run(machine, DAY_S - 300, 600, plan=odd)
    assert shown[299].in_step
    assert not all(second.in_step for second in shown[300:420])
    assert all(second.in_step for second in shown[300 + 3 * odd.cycle_s :])
    safe(ONE, [second.state for second in shown])


def test_an_emergency_gets_its_stage_and_the_wave_comes_back() -> None:
    machine = Machine(ONE, PLAN)
    run(machine, 0, 300, plan=PLAN)
    called = run(machine, 300, 90, plan=PLAN, pre_empt=2)
    wanted = PLAN.stages[2].green_state
    soon = next(k for k, second in enumerate(called) if second.state == wanted)
    assert soon <= 12, "a stage's least green and an intergreen"
    assert {second.state for second in called[soon:]} == {wanted}
    assert called[-1].mode is Mode.PRE_EMPTION
    back = run(machine, 390, 3 * PLAN.cycle_s + 60, plan=PLAN)
    assert all(second.in_step for second in back[3 * PLAN.cycle_s :])


def test_a_hold_keeps_the_stage_and_ends_in_step() -> None:
    machine = Machine(ONE, PLAN)
    run(machine, 0, 300, plan=PLAN)
    held = run(machine, 300, 200, plan=PLAN, hold=True)
    assert held[-1].mode is Mode.MANUAL_HOLD
    assert len({second.state for second in held[-150:]}) == 1
    after = run(machine, 500, 4 * PLAN.cycle_s, plan=PLAN)
    assert after[-1].in_step


def test_flashing_begins_after_a_stage_and_ends_all_red() -> None:
    machine = Machine(ONE, PLAN)
    run(machine, 0, 300, plan=PLAN)
    night = run(machine, 300, 120, plan=PLAN, flash=True)
    assert night[-1].mode is Mode.FLASHING
    assert set(night[-1].state) <= {"o", "O"}
    day = run(machine, 420, 300, plan=PLAN)
    assert set(day[0].state) == {"r"}
    assert all(second.in_step for second in day[-PLAN.cycle_s :])
    safe(ONE, [second.state for second in (*night, *day)])


def test_an_unsafe_own_plan_is_refused() -> None:
    short = plan_of(ONE, (0, 2), (2, 20), 0)
    with pytest.raises(UnsafePlanError, match="minimum-green"):
        Machine(ONE, short)
