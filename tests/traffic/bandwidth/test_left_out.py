"""Roads that no common cycle serves together, and questions in which nothing counts."""

from dataclasses import replace

import pytest

from traffic.bandwidth import (
    Corridor,
    CorridorLink,
    CorridorSignal,
    Network,
    NetworkCorridor,
    Range,
    Status,
    solve,
)
from traffic.errors import InvalidInputError


def pair(key: str, best_cycle_s: float, share: float = 0.1) -> Corridor:
    """Two signals half a cycle apart at one cycle, whose greens meet at few others."""
    signals = (
        CorridorSignal(f"{key}1", 0, green_out=share, green_in=share),
        CorridorSignal(f"{key}2", best_cycle_s * 10 / 2, green_out=share, green_in=share),
    )
    return Corridor(signals, speed_mps=Range(10, 10), id=key)


def test_two_roads_of_three_are_left_out() -> None:
    """Each road has a band near its own cycle alone; the heaviest one is served."""
    roads = [pair("a", 60), pair("b", 80), pair("c", 110)]
    network = Network(
        Range(60, 110),
        tuple(NetworkCorridor(road, w) for road, w in zip(roads, (1, 1.5, 1), strict=True)),
    )
    solved = solve(network)
    assert solved.real.certificate.status is Status.OPTIMAL
    assert solved.real.certificate.value == pytest.approx(1.5 * 0.2)
    assert [own.dropped for own in solved.real.plan.roads] == [True, False, True]
    assert solved.whole is not None
    assert solved.whole.certificate.value == pytest.approx(1.5 * 0.2)


@pytest.mark.parametrize("method", ["multiband", "amband"])
def test_volumes_of_zero_leave_nothing_to_ask(method: str) -> None:
    """Every plan would be worth 0, which is no proof that there is no band."""
    none = CorridorLink(volume_out_vph=0, volume_in_vph=0, saturation_vph=1800)
    asked = replace(pair("a", 60), cycle_s=Range(60, 60), links=(none,))
    with pytest.raises(InvalidInputError) as caught:
        solve(asked, method=method)  # type: ignore[arg-type]
    assert caught.value.where == "links"
    assert solve(replace(asked, p=0), method=method).real.certificate.value > 0  # type: ignore[arg-type]


def test_weights_of_zero_leave_nothing_to_ask() -> None:
    """The same of a network's corridors."""
    with pytest.raises(InvalidInputError) as caught:
        solve(Network(Range(60, 60), (NetworkCorridor(pair("a", 60), 0),)))
    assert caught.value.where == "corridors"
