"""Every feasible arc of a batch as rows of pools and weights: what the solver works on.

The compiled way for great circles judges and prices all pairs in one pass, on two threads; any
other travel is asked in blocks, in columns. Both give the same rows (the tests hold them together).
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np

from parking.allocation.arcs import arcs_of, different_stays, permitted, reach, with_pools
from parking.allocation.measure import arc_m, time_cost_fen
from parking.allocation.reach import Reach
from parking.allocation.tables import Ints, LotTable, RequestTable
from parking.opening import is_open_many
from parking.travel import (
    DETOUR,
    DRIVE_SPEED_MPS,
    WALK_SPEED_MPS,
    GreatCircle,
    TravelTimes,
    unit_vectors,
)

BLOCK = 1_000_000
THREADS = min(2, os.cpu_count() or 1)
THREADED_FROM = 200_000
"""Pairs from which a second thread pays."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Arcs of each request: entries ``begin[i]`` to ``end[i] - 1``, in no order.

    Entries between rows are not arcs and may hold anything.

    Parameters
    ----------
    begin, end
        Shape (requests,).
    pool, weight
        Pool number and what the arc adds to the objective, fen.
    pools
        Number of pools.
    """

    begin: Ints
    end: Ints
    pool: Ints
    weight: Ints
    pools: int

    @property
    def arcs(self) -> int:
        """Number of arcs."""
        return int((self.end - self.begin).sum())

    def range_fen(self) -> tuple[int, int]:
        """Return the least and the largest weight of the arcs, at most and at least 0."""
        low, high = _range(self.begin, self.end, self.weight)
        return int(low), int(high)

    def entries(self) -> tuple[Ints, Ints]:
        """Return request and entry of every arc."""
        counts = self.end - self.begin
        request = np.repeat(np.arange(len(counts)), counts)
        ends = np.cumsum(counts)
        return request, np.arange(len(request)) - np.repeat(ends - counts - self.begin, counts)


@numba.njit(cache=True, nogil=True)
def _range(begin, end, weight):  # type: ignore[no-untyped-def]
    low, high = 0, 0
    for i in range(len(begin)):
        for e in range(begin[i], end[i]):
            low, high = min(low, weight[e]), max(high, weight[e])
    return low, high


def rows_of(request: Ints, pool: Ints, weight: Ints, requests: int, pools: int) -> Rows:
    """Make rows of arcs that are sorted by request."""
    cuts = np.searchsorted(request, np.arange(requests + 1))
    return Rows(cuts[:-1], cuts[1:], pool, weight, pools)


def find_rows(asked: RequestTable, city: LotTable, travel: TravelTimes) -> Rows:
    """Find and weigh every feasible arc, capacity aside."""
    if not len(asked) or not len(city.pools):
        nothing = np.zeros(0, dtype=np.int64)
        return rows_of(nothing, nothing, nothing, len(asked), len(city.pools))
    if isinstance(travel, GreatCircle):
        stays, stay_of = different_stays(asked)
        kinds = len(city.tariffs) + len(city.openings)
        near = _near_pools(asked, city, travel)
        if kinds * len(stays) <= 4 * near.counts.sum() + BLOCK:
            return _compiled(asked, city, near, stays, stay_of)
    return _in_blocks(asked, city, travel)


def _near_pools(asked: RequestTable, city: LotTable, travel: TravelTimes) -> Reach:
    points = unit_vectors(asked.dest_lon, asked.dest_lat)
    return Reach(points, asked.max_walk_m / travel.least_detour, city.position[city.lot_of])


def _in_blocks(asked: RequestTable, city: LotTable, travel: TravelTimes) -> Rows:
    """Ask the travel times for some requests at a time, so that memory stays small."""
    near = reach(asked, city, travel)
    most = int(np.diff(city.first_pool).max())
    total = np.cumsum(near.counts * most)
    edges = [0]
    while edges[-1] < len(asked):
        done = total[edges[-1] - 1] if edges[-1] else 0
        following = int(np.searchsorted(total, done + BLOCK, side="right"))
        edges.append(min(len(asked), max(edges[-1] + 1, following)))
    found = []
    for first, last in pairwise(edges):
        pairs = with_pools(city, *near.pairs(first, last))
        arcs = arcs_of(asked, city, *pairs, travel)
        found.append((arcs.request, arcs.pool, arcs.cost_fen))
    request, pool, weight = (np.concatenate(column) for column in zip(*found, strict=True))
    return rows_of(request, pool, weight, len(asked), len(city.pools))


def _compiled(asked: RequestTable, city: LotTable, near: Reach, stays: Ints, stay_of: Ints) -> Rows:
    arrive, leave = stays[:, 0], stays[:, 1]
    prices = np.array([tariff.prices_fen(arrive, leave) for tariff in city.tariffs])
    is_open = np.array([is_open_many(windows, arrive, leave) for windows in city.openings])
    ends = np.cumsum(near.counts)
    begin = ends - near.counts
    end = begin.copy()
    pool = np.empty(ends[-1], dtype=np.int64)
    weight = np.empty(ends[-1], dtype=np.int64)
    own, lot = near.order, city.lot_of[near.order]

    def judge(first: int, last: int) -> None:
        _judge(
            first,
            last,
            near.points,
            unit_vectors(asked.origin_lon, asked.origin_lat),
            near.chord,
            asked.max_walk_m,
            asked.value_of_time_fen_per_h,
            asked.space_class,
            asked.connector,
            asked.min_power_kw,
            asked.height_cm,
            asked.permit_set,
            asked.max_price_fen,
            stay_of,
            near.lots,
            near.axis,
            own,
            city.space_class[own],
            city.connector[own],
            city.power_kw[own],
            city.max_height_cm[lot],
            city.permit_set[lot],
            city.tariff[lot],
            city.opening[lot],
            city.closed[lot],
            permitted(asked, city),
            prices,
            is_open,
            begin,
            end,
            pool,
            weight,
        )

    in_threads(judge, ends)
    return Rows(begin, end, pool, weight, len(city.pools))


def in_threads(work: Callable[[int, int], None], ends: Ints) -> None:
    """Do rows on threads; ``ends`` = pairs up to and with each row."""
    if len(ends) < 2 or ends[-1] < THREADED_FROM or THREADS == 1:
        work(0, len(ends))
        return
    shares = 4 * THREADS
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], shares + 1)[1:-1])
    edges = [0, *(int(cut) for cut in cuts), len(ends)]
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(work, edges[:-1], edges[1:]))


@numba.njit(cache=True, nogil=True)
def _judge(  # type: ignore[no-untyped-def]
    first_row,
    last_row,
    dest,
    origin,
    reach,
    max_walk_m,
    value,
    kind,
    plug,
    power,
    height,
    permits,
    max_price,
    stay_of,
    pools,
    axis,
    number,
    pool_kind,
    pool_plug,
    pool_power,
    pool_height,
    pool_permits,
    tariff,
    opening,
    closed,
    permitted,
    prices,
    is_open,
    begin,
    end,
    out_pool,
    out_weight,
):
    for i in range(first_row, last_row):
        x, y, z, r = dest[i, 0], dest[i, 1], dest[i, 2], reach[i]
        ox, oy, oz = origin[i, 0], origin[i, 1], origin[i, 2]
        r2, at, stay = r * r, begin[i], stay_of[i]
        first = np.searchsorted(axis, dest[i, 3] - r)
        last = np.searchsorted(axis, dest[i, 3] + r, side="right")
        for k in range(first, last):
            px, py, pz = pools[k, 0], pools[k, 1], pools[k, 2]
            a, b, c = px - x, py - y, pz - z
            square = a * a + b * b + c * c
            if square > r2 and r < 2.0:
                continue
            if pool_kind[k] != kind[i] or closed[k] or height[i] > pool_height[k]:
                continue
            if (plug[i] >= 0 and plug[i] != pool_plug[k]) or power[i] > pool_power[k]:
                continue
            price = prices[tariff[k], stay]
            if price > max_price[i] or not permitted[permits[i], pool_permits[k]]:
                continue
            walk_m = DETOUR * arc_m(square)
            if walk_m > max_walk_m[i] or not is_open[opening[k], stay]:
                continue
            a, b, c = ox - px, oy - py, oz - pz
            drive = math.floor(DETOUR * arc_m(a * a + b * b + c * c) / DRIVE_SPEED_MPS + 0.5)
            walking = math.floor(walk_m / WALK_SPEED_MPS + 0.5)
            out_pool[at] = number[k]
            out_weight[at] = time_cost_fen(value[i], int(drive), int(walking)) + price
            at += 1
        end[i] = at
