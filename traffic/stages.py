"""Reads stages out of a signal's own program: which greens it has and what ends each of them."""

import math
from collections.abc import Sequence

from traffic.errors import UnsafePlanError
from traffic.plan import Stage
from traffic.signals import GREEN, Phase, Program, Signal

# Assumptions that the safety rules share.
MIN_VEHICLE_GREEN_S = 5
PEDESTRIAN_WALK_S = 5
PEDESTRIAN_SPEED_MPS = 1.2


def stages_of(
    signal: Signal, program: Program | None = None, *, cross_in_green: bool = False
) -> tuple[Stage, ...]:
    """Derive the stages of a program (the signal's active one by default).

    A phase with a yellow, without any green, or in which a part of the running stage's greens
    simply goes on (a clearance for pedestrians) belongs to the intergreen of the stage before
    it; every other phase begins a stage. Times are taken in whole seconds: greens rounded down,
    intergreens up.

    Each stage's ``min_green_s`` is the largest of 5 s, the program's own minimum, and what a
    pedestrian needs: 5 s of walk and the crossing at 1.2 m/s, less the intergreen that follows;
    with ``cross_in_green``, the green alone must last that long.

    Raises
    ------
    UnsafePlanError
        The signal is a rail signal, or its program has no stages to time.
    """
    program = program or (signal.program if signal.programs else None)
    where = f"signal {signal.id}"
    if signal.kind != "road" or program is None:
        raise UnsafePlanError("is no road signal with a program", where=where)
    rows = _from_first_green(program.phases)
    groups: list[tuple[Phase, list[Phase]]] = []
    for phase in rows:
        if groups and _is_clearance(phase, *groups[-1]):
            groups[-1][1].append(phase)
        else:
            groups.append((phase, []))
    if len(groups) < 2:
        raise UnsafePlanError("its program has fewer than two stages", where=where)
    return tuple(
        _stage(signal, k, green, clearance, cross_in_green)
        for k, (green, clearance) in enumerate(groups)
    )


def greens_of(state: str) -> frozenset[int]:
    """Return the links that are green in a state."""
    return frozenset(k for k, aspect in enumerate(state) if aspect in GREEN)


def pedestrian_need_s(signal: Signal, state: str) -> int:
    """Whole seconds from the beginning of a green until everyone who began to walk is over."""
    lengths = [
        link.length_m for link in signal.links if link.is_crossing and state[link.index] in GREEN
    ]
    if not lengths:
        return 0
    return math.ceil(PEDESTRIAN_WALK_S + max(lengths) / PEDESTRIAN_SPEED_MPS)


def _is_clearance(phase: Phase, green: Phase, clearance: Sequence[Phase]) -> bool:
    greens = greens_of(phase.state)
    if not greens or "y" in phase.state or "u" in phase.state:
        return True
    # A left that gets the right of way after the through has ended is a stage of its own.
    same = all(phase.state[link] == green.state[link] for link in greens)
    return not clearance and same and greens < greens_of(green.state)


def _from_first_green(phases: Sequence[Phase]) -> list[Phase]:
    """Turn the cycle so that it begins with a green that follows an intergreen."""
    for k, phase in enumerate(phases):
        before = phases[k - 1]
        after_clearance = "y" in before.state or not greens_of(before.state)
        if after_clearance and "y" not in phase.state and greens_of(phase.state):
            return [*phases[k:], *phases[:k]]
    return list(phases)


def _stage(
    signal: Signal, k: int, green: Phase, clearance: Sequence[Phase], cross_in_green: bool
) -> Stage:
    intergreen = tuple(Phase(math.ceil(phase.duration_s), phase.state) for phase in clearance)
    cleared_s = 0 if cross_in_green else sum(int(phase.duration_s) for phase in intergreen)
    least_s = max(
        MIN_VEHICLE_GREEN_S,
        math.ceil(green.min_duration_s or 0),
        *(math.ceil(signal.min_green_s.get(link, 0)) for link in greens_of(green.state)),
        pedestrian_need_s(signal, green.state) - cleared_s,
    )
    return Stage(
        name=str(k + 1),
        green_state=green.state,
        green_s=max(least_s, math.floor(green.duration_s)),
        min_green_s=least_s,
        intergreen=intergreen,
    )
