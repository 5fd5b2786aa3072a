"""Signals that are green all the time bind nothing, in whole seconds neither."""

import pytest

from traffic.bandwidth import Corridor, CorridorSignal, Range, Status, solve
from traffic.bandwidth.corridor import Direction


@pytest.mark.parametrize("speed", [Range(10, 10), Range(9, 12)])
@pytest.mark.parametrize("direction", ["both", "out", "in"])
@pytest.mark.parametrize("k", [0.5, 1, 2])
@pytest.mark.parametrize("greens", [(1, 1), (1, 0.5), (0.5, 1)])
def test_a_green_of_the_whole_cycle(
    greens: tuple[float, float], k: float, direction: Direction, speed: Range
) -> None:
    """No bound exceeds the cycle, and no green is cut that has neither start nor end."""
    signals = tuple(
        CorridorSignal(f"{x}", x, green_out=greens[0], green_in=greens[1]) for x in (0, 225, 700)
    )
    solved = solve(Corridor(signals, Range(60, 62), speed, direction=direction, inbound_weight=k))
    real, whole = solved.real.certificate, solved.whole
    assert real.status is Status.OPTIMAL
    assert whole is not None
    assert whole.certificate.bound <= real.value + 1e-6
    assert whole.certificate.value >= real.value - 0.05
    for green, share in zip((0, 1), greens, strict=True):
        windows = (whole.plan.roads[0].green_out, whole.plan.roads[0].green_in)[green]
        assert share < 1 or all(w.length_s == whole.plan.cycle_s for w in windows)
