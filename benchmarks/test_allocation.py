"""A batch of drivers around hot spots, from objects in memory to assignment."""

import random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from parking.allocation import allocate
from parking.inventory import Lot, Pool, SpaceClass
from parking.requests import ParkingRequest

HOUR_MS = 3_600_000


def batch(
    requests: int, lots: int, load: float, seed: int
) -> tuple[list[ParkingRequest], list[Lot]]:
    """Hot-spot demand, lognormal lot sizes, spaces = requests / load."""
    rng = random.Random(seed)
    sizes = [rng.lognormvariate(0, 0.8) for _ in range(lots)]
    scale = requests / load / sum(sizes)
    city = []
    for k, size in enumerate(sizes):
        spaces = max(1, round(size * scale))
        pool = Pool(f"p{k}", SpaceClass.STANDARD, spaces, spaces, 0, spaces)
        lon, lat = 118.6 + rng.uniform(-0.05, 0.05), 37.43 + rng.uniform(-0.04, 0.04)
        city.append(Lot(f"l{k}", "", lon, lat, (pool,)))
    spots = [(118.6 + rng.uniform(-0.04, 0.04), 37.43 + rng.uniform(-0.03, 0.03)) for _ in range(8)]
    asked = []
    for k in range(requests):
        lon, lat = rng.choice(spots)
        dest = (lon + rng.gauss(0, 0.006), lat + rng.gauss(0, 0.005))
        asked.append(ParkingRequest(f"r{k}", 118.5, 37.4, *dest, 0, HOUR_MS))
    return asked, city


@pytest.mark.parametrize("load", [0.6, 0.95, 1.3])
@pytest.mark.parametrize(("requests", "lots"), [(350, 80), (2000, 300)])
def test_allocate(benchmark: BenchmarkFixture, requests: int, lots: int, load: float) -> None:
    asked, city = batch(requests, lots, load, seed=1)
    result = benchmark.pedantic(allocate, args=(asked, city), rounds=5, warmup_rounds=1)
    assert result.proven
