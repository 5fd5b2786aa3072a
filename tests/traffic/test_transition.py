"""Transitions: no stage below its minimum, no intergreen skipped, in step at the end."""

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.io.test_sumo_net import resco
from traffic.errors import InvalidInputError, UnsafePlanError
from traffic.intergreens import intergreen
from traffic.io.sumo_net import read_network
from traffic.plan import Stage, TimingPlan
from traffic.safety import check_phases, check_plan
from traffic.signals import Signal
from traffic.stages import stages_of
from traffic.transition import METHODS, Method, shown, transition, worst_case_s

SIGNALS = ("cologne1", "cologne3", "arterial4x4", "ingolstadt1")


@lru_cache
def signal_of(name: str) -> Signal:
    return next(iter(read_network(resco(name)).signals.values()))


def plan_of(
    signal: Signal, order: tuple[int, ...], greens_s: tuple[int, ...], offset_s: int
) -> TimingPlan:
    """A plan that shows some of the signal's own stages in an order."""
    own = stages_of(signal)
    stages = []
    for k, green_s in zip(order, greens_s, strict=True):
        after = order[(order.index(k) + 1) % len(order)]
        between = intergreen(signal, own[k].green_state, own[after].green_state)
        stages.append(Stage(str(k), own[k].green_state, green_s, min(5, green_s), between))
    cycle_s = sum(stage.duration_s for stage in stages)
    return TimingPlan(signal.id, cycle_s, offset_s % cycle_s, tuple(stages))


@st.composite
def switches(draw: st.DrawFn) -> tuple[Signal, TimingPlan, TimingPlan, int]:
    """A signal, two safe plans of it and a second."""
    signal = signal_of(draw(st.sampled_from(SIGNALS)))
    own = range(len(stages_of(signal)))
    orders = [tuple(draw(st.permutations(own)))[: draw(st.integers(2, len(own)))] for _ in "ab"]
    if len(own) >= 4 and draw(st.booleans()):
        # Nothing in common.
        cut = draw(st.integers(2, len(own) - 2))
        mixed = tuple(draw(st.permutations(own)))
        orders = [mixed[:cut], mixed[cut:]]
    plans = []
    for order in orders:
        greens = tuple(draw(st.integers(5, 30)) for _ in order)
        plans.append(plan_of(signal, order, greens, draw(st.integers(0, 400))))
    return signal, plans[0], plans[1], draw(st.integers(0, 10_000))


@settings(deadline=None, max_examples=100)
@given(switches(), st.sampled_from(METHODS))
def test_transitions_are_safe_and_end_in_step(
    switch: tuple[Signal, TimingPlan, TimingPlan, int], method: Method
) -> None:
    signal, old, new, at_s = switch
    if check_plan(signal, old) or check_plan(signal, new):
        return
    try:
        way = transition(signal, old, new, at_s, method=method)
    except UnsafePlanError:
        # Only sequences of other stages may have no safe way between them.
        assert not {s.green_state for s in old.stages} & {s.green_state for s in new.stages}
        return
    assert way.begin_s == at_s
    assert sum(phase.duration_s for phase in way.phases) == way.end_s - way.begin_s
    # Before, the transition and after, as one stretch: every rule of safety holds.
    before = shown(old, at_s - old.cycle_s, at_s)
    after = shown(new, way.end_s, way.end_s + 2 * new.cycle_s)
    rows = _joined((*before, *way.phases, *after))
    assert check_phases(signal, rows, goes_round=False) == ()
    # No stage is shown for less than its least green.
    least_s = {s.green_state: s.min_green_s for s in (*old.stages, *new.stages)}
    for row in rows[1:-1]:
        assert row.duration_s >= least_s.get(row.state, 1)


def _joined(phases: tuple) -> list:
    rows = [phases[0]]
    for phase in phases[1:]:
        if phase.state == rows[-1].state:
            rows[-1] = type(phase)(rows[-1].duration_s + phase.duration_s, phase.state)
        else:
            rows.append(phase)
    return rows


@settings(deadline=None, max_examples=8)
@given(switches(), st.sampled_from(METHODS))
def test_no_transition_takes_longer_than_the_worst_case(
    switch: tuple[Signal, TimingPlan, TimingPlan, int], method: Method
) -> None:
    signal, old, new, at_s = switch
    if check_plan(signal, old) or check_plan(signal, new):
        return
    try:
        worst_s = worst_case_s(signal, old, new, method=method)
    except UnsafePlanError:
        return
    for t_s in range(at_s, at_s + 40):
        way = transition(signal, old, new, t_s, method=method)
        assert way.end_s - way.begin_s <= worst_s


ONE = signal_of("cologne1")


def test_plans_in_step_need_no_transition() -> None:
    plan = plan_of(ONE, (0, 1, 2, 3), (20, 8, 20, 8), 30)
    for method in METHODS:
        way = transition(ONE, plan, plan, 12345, method=method)
        assert (way.phases, way.end_s) == ((), 12345)
    # A bound: a switch within the longest change between two stages.
    assert worst_case_s(ONE, plan, plan) == 5


def test_nothing_to_shorten_falls_back_to_adding() -> None:
    old = plan_of(ONE, (0, 1, 2, 3), (5, 5, 5, 5), 0)
    new = old.with_offset(20)
    assert transition(ONE, old, new, 0, method="subtract") == transition(
        ONE, old, new, 0, method="add"
    )


def test_plans_without_a_common_stage_are_joined_by_an_intergreen() -> None:
    own = stages_of(ONE)
    old = plan_of(ONE, (0, 2), (20, 20), 0)
    new = plan_of(ONE, (1, 3), (20, 20), 11)
    way = transition(ONE, old, new, 3)
    assert way.phases[0].state == own[0].green_state
    assert any("y" in phase.state for phase in way.phases)
    assert worst_case_s(ONE, old, new) < 150


def test_unknown_methods_and_shares_are_refused() -> None:
    plan = plan_of(ONE, (0, 1, 2, 3), (20, 8, 20, 8), 0)
    with pytest.raises(InvalidInputError, match="dwell, add, subtract, short-way"):
        transition(ONE, plan, plan, 0, method="jump")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="most_share"):
        transition(ONE, plan, plan, 0, most_share=0)
