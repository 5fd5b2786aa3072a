"""A plan of two links, and a signal that it is safe for."""

from traffic.plan import Stage, TimingPlan
from traffic.signals import Phase, Program, Signal, SignalLink


def plan(
    signal_id: str, offset_s: int = 0, greens_s: tuple[int, int] = (25, 25), min_green_s: int = 5
) -> TimingPlan:
    """Two stages, each with 3 s of yellow and 2 s of all red."""
    stages = tuple(
        Stage(
            name=name,
            green_state=green,
            green_s=green_s,
            min_green_s=min_green_s,
            intergreen=(Phase(3, yellow), Phase(2, "rr")),
        )
        for name, green, yellow, green_s in (
            ("1", "Gr", "yr", greens_s[0]),
            ("2", "rG", "ry", greens_s[1]),
        )
    )
    cycle_s = sum(greens_s) + 10
    return TimingPlan(
        signal_id=signal_id, cycle_s=cycle_s, offset_s=offset_s, stages=stages, coordinated_stage=0
    )


def signal(signal_id: str) -> Signal:
    """Two ways that cross."""
    links = (
        SignalLink(0, "w", "e", 0, 0, "s", 20.0),
        SignalLink(1, "n", "s", 0, 0, "s", 20.0),
    )
    program = Program("0", plan(signal_id).phases())
    foes = (frozenset({1}), frozenset({0}))
    return Signal(signal_id, signal_id, None, None, links, foes, (program,))
