"""MAXBAND by our model on written random arterials: spacing 200-800 m, lefts, all patterns."""

import random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from traffic.bandwidth import Arterial, ArterialLink, ArterialSignal, Status, solve_maxband
from traffic.bandwidth.arterial import PATTERNS


def arterial(signals: int, seed: int) -> Arterial:
    """Main-road share .35-.5, lefts .08-.16, cycle 60-120 s, speeds 12-16 m/s."""
    rng = random.Random(seed)
    rows = []
    for k in range(signals):
        green, left_out, left_in = (
            rng.uniform(*r) for r in ((0.35, 0.5), (0.08, 0.16), (0.08, 0.16))
        )
        rows.append(
            ArterialSignal(str(k), green, green + left_in - left_out, left_out, left_in, PATTERNS)
        )
    links = tuple(
        ArterialLink(rng.uniform(200, 800), (12.0, 16.0), (12.0, 16.0)) for _ in range(signals - 1)
    )
    return Arterial(tuple(rows), links, (60.0, 120.0))


@pytest.mark.parametrize("signals", [10, 20])
def test_maxband(benchmark: BenchmarkFixture, signals: int) -> None:
    seeds = iter(range(1000))
    result = benchmark.pedantic(
        solve_maxband, setup=lambda: ((arterial(signals, next(seeds)),), {}), rounds=5
    )
    assert result.certificate.status in {Status.OPTIMAL, Status.NO_BAND}
