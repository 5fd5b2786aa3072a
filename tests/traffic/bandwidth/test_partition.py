"""Where an arterial is cut: most signals in parts, then fewest parts, then most value."""

import itertools
import random

import pytest

from traffic.bandwidth import Corridor, CorridorSignal, Range
from traffic.bandwidth.partition import best_parts, ruling_pair, solve_parted

Parts = list[tuple[int, int]]


def ways(first: int, last: int) -> list[Parts]:
    """All ways to part a run of signals, some left alone."""
    if first > last:
        return [[]]
    found = ways(first + 1, last)
    for j in range(first + 1, last + 1):
        found = found + [[(first, j), *rest] for rest in ways(j + 1, last)]
    return found


@pytest.mark.parametrize("seed", range(20))
def test_no_other_way_is_better(seed: int) -> None:
    """Beside every way to part eight signals, whatever has bands and however wide."""
    rng = random.Random(seed)
    reach = list(itertools.accumulate((rng.randint(i, min(7, i + 3)) for i in range(8)), max))
    worth = {(i, j): rng.random() for i in range(8) for j in range(8)}

    def score(parts: Parts) -> tuple[int, int, float]:
        value = sum(worth[part] for part in parts)
        return sum(j - i + 1 for i, j in parts), -len(parts), round(value, 9)

    found = best_parts(0, 7, lambda i, j: j <= reach[i], lambda i, j: worth[i, j])
    allowed = [w for w in ways(0, 7) if all(j <= reach[i] for i, j in w)]
    assert score(found) == max(map(score, allowed))


def arterial(*positions_m: float) -> Corridor:
    """Greens of a fifth, 10 m/s, 100 s: two signals go together near multiples of 500 m."""
    return Corridor(
        tuple(CorridorSignal(f"{x:g}", x, green_out=0.2, green_in=0.2) for x in positions_m),
        cycle_s=Range(100, 100),
        speed_mps=Range(10, 10),
    )


def test_a_cut_elsewhere_than_at_the_longest_link() -> None:
    """Cutting the longest link of what has no band, again and again, would lose the second pair."""
    parted = solve_parted(arterial(0, 500, 1250, 1750, 2000))
    assert parted.parts == ((0, 1), (2, 3))
    assert [seen.out.width_s for seen in parted.solved.real.measured] == pytest.approx([20, 20])


def test_the_wider_of_two_pairs() -> None:
    """The middle signal goes with either neighbour, not both; one is nearer to half a cycle."""
    assert solve_parted(arterial(0, 550, 1210)).parts == ((0, 1),)
    assert solve_parted(arterial(0, 660, 1210)).parts == ((1, 2),)


def test_two_signals_that_alone_allow_no_band() -> None:
    """The nearest such pair is named; none is where time is over before it is met."""
    asked = arterial(0, 500, 1000, 1250)
    assert ruling_pair(asked, None, lambda: False) == ("1000", "1250")
    assert ruling_pair(asked, None, lambda: True) is None
    assert ruling_pair(arterial(0, 500, 1000), None, lambda: False) is None
