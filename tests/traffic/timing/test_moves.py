"""Moves of the search: whatever is drawn, a plan stays a plan."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.traffic.timing.small import options
from traffic.timing.moves import cycle_of, random_move
from traffic.timing.optimize import plans_of
from traffic.timing.state import SignalState


@given(seed=st.integers(0, 10**9), other_cycles=st.booleans())
@settings(max_examples=60, deadline=None)
def test_moves_keep_cycle_and_least_greens(seed: int, other_cycles: bool) -> None:
    """A hundred moves one after the other; with other cycles, only to those."""
    _, choices = options("cologne3")
    rng = random.Random(seed)
    k = rng.randrange(len(choices.timed))
    own = choices.timed[k]
    cycle_s = rng.randint(max(own.least_cycle_s, 60), 100)
    first = own.best(cycle_s)
    assert first is not None
    split = own.splits(first[1], cycle_s)
    assert split is not None
    state = SignalState(first[1], tuple(int(g) for g in split[1]), 0)
    cycles = (cycle_s, 2 * cycle_s) if other_cycles else ()
    for _ in range(100):
        state = random_move(own, state, rng, cycles_s=cycles)
        assert cycle_of(own, state) in (cycles or (cycle_s,))
        assert 0 <= state.start_s < cycle_of(own, state)
        stages = own.sequences[state.option].stages
        assert all(g >= s.min_green_s for g, s in zip(state.greens_s, stages, strict=True))


@given(seed=st.integers(0, 10**9))
@settings(max_examples=15, deadline=None)
def test_moved_plans_are_safe(seed: int) -> None:
    """``plans_of`` refuses an unsafe plan; it shows what the state says."""
    _, choices = options("cologne3")
    rng = random.Random(seed)
    states = []
    for own in choices.timed:
        split = own.splits(0, 90)
        assert split is not None
        state = SignalState(0, tuple(int(g) for g in split[1]), rng.randrange(90))
        for _ in range(10):
            state = random_move(own, state, rng, cycles_s=())
        states.append(state)
    plans = plans_of(choices, tuple(states))
    assert [plan.signal_id for plan in plans] == sorted(own.signal.id for own in choices.timed)
    by_id = {plan.signal_id: plan for plan in plans}
    for own, state in zip(choices.timed, states, strict=True):
        plan = by_id[own.signal.id]
        assert plan.cycle_s == 90
        assert tuple(stage.green_s for stage in plan.stages) == state.greens_s
        assert plan.program_start_s == state.start_s
