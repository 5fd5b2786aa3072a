"""Small changes of one signal's state, drawn at random."""

import random

from traffic.timing.options import SignalOptions
from traffic.timing.state import SignalState

SHIFTS_S = (1, 1, 2, 2, 3, 4, 5, 7, 10)
EXCHANGES_S = (1, 1, 2, 2, 3, 5, 8)


def cycle_of(own: SignalOptions, state: SignalState) -> int:
    """Cycle of a state."""
    return sum(state.greens_s) + own.sequences[state.option].lost_s


def random_move(
    own: SignalOptions, state: SignalState, rng: random.Random, *, cycles_s: tuple[int, ...]
) -> SignalState:
    """Change the offset, the splits, the sequence or the cycle of one signal.

    ``cycles_s`` are the cycles that it may take beside its own.
    """
    kind = rng.random()
    if kind < 0.34:
        return _shifted(own, state, rng)
    if kind < 0.74:
        moved = _exchanged(own, state, rng)
        return _shifted(own, moved, rng) if rng.random() < 0.25 else moved
    if kind < 0.94 or not cycles_s:
        return _resequenced(own, state, rng, cycle_of(own, state))
    return _resequenced(own, state, rng, rng.choice(cycles_s))


def _shifted(own: SignalOptions, state: SignalState, rng: random.Random) -> SignalState:
    cycle_s = cycle_of(own, state)
    if rng.random() < 0.3:
        shift_s = rng.randrange(1, cycle_s)
    else:
        shift_s = rng.choice(SHIFTS_S) * rng.choice((-1, 1))
    return SignalState(state.option, state.greens_s, (state.start_s + shift_s) % cycle_s)


def _exchanged(own: SignalOptions, state: SignalState, rng: random.Random) -> SignalState:
    """Take seconds from one stage and give them to another."""
    stages = own.sequences[state.option].stages
    givers = [k for k, stage in enumerate(stages) if state.greens_s[k] > stage.min_green_s]
    if not givers:
        return _shifted(own, state, rng)
    giver = rng.choice(givers)
    taker = rng.choice([k for k in range(len(stages)) if k != giver])
    most_s = state.greens_s[giver] - stages[giver].min_green_s
    seconds = min(most_s, rng.choice(EXCHANGES_S))
    greens = list(state.greens_s)
    greens[giver] -= seconds
    greens[taker] += seconds
    start_s = state.start_s
    # Either the ends of what stands between move, or its beginnings.
    if rng.random() < 0.5:
        start_s += seconds if rng.random() < 0.5 else -seconds
    return SignalState(state.option, tuple(greens), start_s % cycle_of(own, state))


def _resequenced(
    own: SignalOptions, state: SignalState, rng: random.Random, cycle_s: int
) -> SignalState:
    """Take another sequence (or cycle), the first common stage beginning when it did."""
    fits = [
        k
        for k, other in enumerate(own.sequences)
        if other.least_cycle_s <= cycle_s and (k != state.option or cycle_s != cycle_of(own, state))
    ]
    if not fits:
        return _shifted(own, state, rng)
    option = rng.choice(fits)
    split = own.splits(option, cycle_s)
    assert split is not None, "it fits"
    greens = tuple(int(g) for g in split[1])
    old, new = own.sequences[state.option], own.sequences[option]
    common = [k for k in old.order if k in new.order]
    start_s = state.start_s
    if common:
        stage = rng.choice(common)
        start_s += _begin(old, state.greens_s, stage) - _begin(new, greens, stage)
    else:
        start_s = rng.randrange(cycle_s)
    return SignalState(option, greens, start_s % cycle_s)


def _begin(sequence: object, greens_s: tuple[int, ...], stage: int) -> int:
    at = sequence.order.index(stage)  # type: ignore[attr-defined]
    return sum(
        green + own.intergreen_s
        for green, own in zip(greens_s[:at], sequence.stages[:at], strict=True)  # type: ignore[attr-defined]
    )
