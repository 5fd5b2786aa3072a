"""Arcs in columns against judging every pair by itself."""

import random
from dataclasses import replace

import numpy as np
import pytest

from parking.allocation import LotTable, RequestTable, find_arcs
from parking.inventory import Lot, Pool
from parking.opening import is_open
from parking.requests import ParkingRequest
from parking.travel import DETOUR, EARTH_RADIUS_M, GreatCircle
from tests.parking.allocation.cities import mixed_city, mixed_requests

NANOMETRES = 1e-8


def half_up(x: float) -> int:
    return int(np.floor(x + 0.5))


def haversine_m(lon_1: float, lat_1: float, lon_2: float, lat_2: float) -> float:
    lon_1, lat_1, lon_2, lat_2 = np.radians([lon_1, lat_1, lon_2, lat_2])
    a = np.sin((lat_2 - lat_1) / 2) ** 2
    a += np.cos(lat_1) * np.cos(lat_2) * np.sin((lon_2 - lon_1) / 2) ** 2
    return float(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(a)))


def judge(request: ParkingRequest, lot: Lot, pool: Pool) -> tuple[int, int, int, int] | None:
    """Drive, walk, price and cost of one pair by the rules as they are written; None = no."""
    walk_m = 1.3 * haversine_m(lot.lon, lot.lat, request.dest_lon, request.dest_lat)
    drive_m = 1.3 * haversine_m(request.origin_lon, request.origin_lat, lot.lon, lot.lat)
    price = lot.tariff.price_fen(request.arrive_ms, request.leave_ms)
    fits = (
        walk_m <= request.max_walk_m
        and pool.space_class is request.space_class
        and (lot.max_height_cm is None or request.height_cm <= lot.max_height_cm)
        and (not lot.permits or bool(lot.permits & request.permits))
        and (request.connector is None or pool.connector is request.connector)
        and (pool.power_kw or 0.0) >= request.min_power_kw
        and not lot.closed
        and is_open(lot.opening, request.arrive_ms, request.leave_ms)
        and (request.max_price_fen is None or price <= request.max_price_fen)
    )
    if not fits:
        return None
    drive_s, walk_s = half_up(drive_m / 8.333), half_up(walk_m / 1.25)
    cost = (request.value_of_time_fen_per_h * (drive_s + 2 * walk_s) + 1800) // 3600 + price
    return drive_s, walk_s, price, cost


@pytest.mark.parametrize("seed", range(30))
def test_arcs_are_the_pairs_that_the_rules_allow(seed: int) -> None:
    rng = random.Random(seed)
    requests, lots = mixed_requests(rng, 25, spread_ms=86_400_000), mixed_city(rng, 20)
    arcs = find_arcs(requests, lots)
    found = {
        (int(k), int(j)): (int(d), int(w), int(p), int(c))
        for k, j, d, w, p, c in zip(
            arcs.request,
            arcs.pool,
            arcs.drive_s,
            arcs.walk_s,
            arcs.price_fen,
            arcs.cost_fen,
            strict=True,
        )
    }
    wanted = {
        (k, j): costs
        for k, request in enumerate(requests)
        for j, (lot, pool) in enumerate(arcs.pools)
        if (costs := judge(request, lot, pool)) is not None
    }
    assert found == wanted
    assert list(found) == sorted(found)


def test_the_index_leaves_nothing_out_at_the_very_limit() -> None:
    rng = random.Random(5)
    lots = mixed_city(rng, 60)
    (plain,) = mixed_requests(rng, 1)
    plain = ParkingRequest("r", 118.6, 37.4, 118.61, 37.41, plain.arrive_ms, plain.leave_ms)
    for lot in lots:
        walk_m = float(
            GreatCircle().walk_m(
                np.array(lot.lon), np.array(lot.lat), np.array(118.61), np.array(37.41)
            )
        )
        alone = replace(lot, closed=False, opening=(), permits=frozenset(), max_height_cm=None)
        standard = [p for p in lot.pools if p.space_class is plain.space_class]
        found = find_arcs([replace(plain, max_walk_m=walk_m + NANOMETRES)], [alone])
        assert len(found) == len(standard)
        nearer = walk_m - NANOMETRES
        assert len(find_arcs([replace(plain, max_walk_m=nearer)], [alone])) == 0


class Slow:
    """Walks along great circles themselves: the shortest that a network could give."""

    least_detour = 1.0

    def drive_s(self, *points: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return GreatCircle().drive_s(*points)

    def walk_m(self, *points: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return GreatCircle().walk_m(*points) / DETOUR


def test_the_index_reaches_as_far_as_the_shortest_walks() -> None:
    rng = random.Random(6)
    requests, lots = mixed_requests(rng, 40), mixed_city(rng, 40)
    far = find_arcs([replace(r, max_walk_m=r.max_walk_m * DETOUR) for r in requests], lots)
    slow = find_arcs(requests, lots, travel=Slow())
    assert (slow.request == far.request).all()
    assert (slow.pool == far.pool).all()


def test_no_requests_no_lots_and_infinite_walks() -> None:
    rng = random.Random(7)
    requests, lots = mixed_requests(rng, 3), mixed_city(rng, 3)
    assert len(find_arcs([], lots)) == 0
    assert len(find_arcs(requests, [])) == 0
    assert len(find_arcs([], [])) == 0
    around = ParkingRequest("r", -179.9, 0, 179.9, -80, 0, 3_600_000, max_walk_m=float("inf"))
    plain = [replace(lot, opening=(), closed=False, permits=frozenset()) for lot in lots]
    pools = [p for lot in lots for p in lot.pools if p.space_class is around.space_class]
    assert len(find_arcs(RequestTable.of([around]), LotTable.of(plain))) == len(pools)
