"""Green bands by the engine on the written generator's corridors; the whole call is timed."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.band_instances import SPEEDS, Speeds, random_corridor
from traffic.bandwidth import Status, solve


@pytest.mark.parametrize("speeds", SPEEDS)
@pytest.mark.parametrize("n", [10, 20])
def test_maxband(benchmark: BenchmarkFixture, n: int, speeds: Speeds) -> None:
    """Proven real optimum and plan in whole seconds; a new corridor each round."""
    solve(random_corridor(3, speeds, 0))
    seeds = iter(range(1000))
    solved = benchmark.pedantic(
        solve, setup=lambda: ((random_corridor(n, speeds, next(seeds)),), {}), rounds=5
    )
    assert solved.real.certificate.status in {Status.OPTIMAL, Status.NO_BAND}


def test_multiband(benchmark: BenchmarkFixture) -> None:
    """Ten signals with volumes and a fixed speed."""
    asked = random_corridor(10, "fixed", 0, volumes=True)
    solved = benchmark.pedantic(solve, args=(asked,), kwargs={"method": "multiband"}, rounds=3)
    assert solved.real.certificate.status is Status.OPTIMAL
