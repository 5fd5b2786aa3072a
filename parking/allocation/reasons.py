"""Why a pool was not given, and why a request was not served: one word each."""

from functools import lru_cache
from itertools import pairwise

import numba
import numpy as np
from scipy.spatial import cKDTree

from parking.allocation.arcs import permitted, reach, stay_prices, with_pools
from parking.allocation.measure import measure
from parking.allocation.result import PassedOver
from parking.allocation.room import Room
from parking.allocation.rows import BLOCK
from parking.allocation.tables import Codes, Flags, Ints, LotTable, RequestTable
from parking.opening import is_open_many
from parking.travel import TravelTimes, unit_vectors

REASONS = (
    "ok",
    "wrong_class",
    "beyond_walk",
    "too_high",
    "no_permit",
    "no_connector",
    "closed",
    "over_price",
    "full",
    "dearer",
)
(
    OK,
    WRONG_CLASS,
    BEYOND_WALK,
    TOO_HIGH,
    NO_PERMIT,
    NO_CONNECTOR,
    CLOSED,
    OVER_PRICE,
    FULL,
    DEARER,
) = range(len(REASONS))
NO_POOL_IN_REACH = "no_pool_in_reach"
OUTSIDE_OPTION = "outside_option"
"""Served at a higher cost than the outside option, or not at all: the latter was better."""

PASSED_OVER_MAX = 3
LOOKED_AT = 12
"""Nearest pools by great circle among which the nearest walks are looked for."""


def reasons_of(
    asked: RequestTable, city: LotTable, request: Ints, pool: Ints, travel: TravelTimes
) -> tuple[Codes, Ints]:
    """Return why each pair is not feasible (``OK`` = it is, capacity aside), and its walk in s.

    Of several reasons the first of class, walk, height, permit, connector, closed, price.
    """
    lot = city.lot_of[pool]
    _, walk_s, walk_m = measure(asked, city, request, lot, travel)
    plug = asked.connector[request]
    no_plug = (plug >= 0) & (plug != city.connector[pool])
    no_plug |= asked.min_power_kw[request] > city.power_kw[pool]
    over = stay_prices(asked, city, request, pool) > asked.max_price_fen[request]
    found: list[tuple[int, Flags]] = [
        (WRONG_CLASS, asked.space_class[request] != city.space_class[pool]),
        (BEYOND_WALK, walk_m > asked.max_walk_m[request]),
        (TOO_HIGH, asked.height_cm[request] > city.max_height_cm[lot]),
        (NO_PERMIT, ~permitted(asked, city)[asked.permit_set[request], city.permit_set[lot]]),
        (NO_CONNECTOR, no_plug),
        (CLOSED, city.closed[lot] | ~_open(asked, city, request, lot)),
        (OVER_PRICE, over),
    ]
    reason = np.zeros(len(request), dtype=np.int8)
    for word, holds in reversed(found):
        reason[holds] = word
    return reason, walk_s


def _open(asked: RequestTable, city: LotTable, request: Ints, lot: Ints) -> Flags:
    is_open = np.ones(len(request), dtype=np.bool_)
    for k, windows in enumerate(city.openings):
        own = np.flatnonzero(city.opening[lot] == k)
        if windows and len(own):
            times = asked.arrive_ms[request[own]], asked.leave_ms[request[own]]
            is_open[own] = is_open_many(windows, *times)
    return is_open


def why_unserved(
    asked: RequestTable, city: LotTable, requests: Ints, travel: TravelTimes
) -> dict[int, str]:
    """Return why requests without any feasible pool have none.

    The reason that most of the pools in reach give; of equals, the first in ``REASONS``.

    Parameters
    ----------
    requests
        Their numbers, ascending.
    """
    words = dict.fromkeys(requests.tolist(), NO_POOL_IN_REACH)
    if not len(city.pools) or not words:
        return words
    near = reach(asked, city, travel)
    for block in _blocks(near.counts[requests] * int(np.diff(city.first_pool).max())):
        pairs = [near.pairs(int(i), int(i) + 1) for i in requests[block]]
        request, lot = (np.concatenate(column) for column in zip(*pairs, strict=True))
        request, pool = with_pools(city, request, lot)
        same = asked.space_class[request] == city.space_class[pool]
        request, pool = request[same], pool[same]
        reason, _ = reasons_of(asked, city, request, pool, travel)
        own = np.searchsorted(requests[block], request)
        count = np.zeros((len(requests[block]), len(REASONS)), dtype=np.int64)
        np.add.at(count, (own, reason), 1)
        count[:, [OK, WRONG_CLASS, BEYOND_WALK]] = 0
        told = count.any(axis=1)
        best = np.argmax(count, axis=1)
        for i, word in zip(requests[block][told].tolist(), best[told].tolist(), strict=True):
            words[i] = REASONS[word]
    return words


def _blocks(pairs: Ints) -> list[slice]:
    """Return stretches of requests with about ``BLOCK`` pairs each."""
    number = (np.cumsum(pairs) - pairs) // BLOCK
    cuts = np.flatnonzero(np.diff(number)) + 1
    edges = [0, *cuts.tolist(), len(pairs)]
    return [slice(first, last) for first, last in pairwise(edges)]


def passed_over(
    asked: RequestTable, city: LotTable, given: Ints, room: Room, travel: TravelTimes
) -> list[tuple[PassedOver, ...]]:
    """Return, for each request, the nearest pools of its class that it was not given.

    Parameters
    ----------
    given
        Pool of each request, -1 = none.
    """
    found: list[list[PassedOver]] = [[] for _ in range(len(asked))]
    request, pool = _nearest(asked, city)
    if not len(request):
        return [()] * len(asked)
    reason, walk = reasons_of(asked, city, request, pool, travel)
    own = np.full(len(asked), np.iinfo(np.int64).max)
    served = np.flatnonzero(given >= 0)
    lot = city.lot_of[given[served]]
    own[served] = measure(asked, city, served, lot, travel)[1]
    nearer = (walk < own[request]) & (pool != given[request])
    request, pool, reason, walk = request[nearer], pool[nearer], reason[nearer], walk[nearer]
    order = np.lexsort((pool, walk, request))
    rank = np.arange(len(order)) - np.searchsorted(request[order], request[order])
    order = order[rank < PASSED_OVER_MAX]
    request, pool, reason, walk = request[order], pool[order], reason[order], walk[order]
    full_ms = full_from(asked, given, room, request, pool)
    reason = np.where(reason == OK, np.where(full_ms >= 0, FULL, DEARER), reason)
    for i, j, word, walk_s, at_ms in zip(
        request.tolist(),
        pool.tolist(),
        reason.tolist(),
        walk.tolist(),
        full_ms.tolist(),
        strict=True,
    ):
        where, space = city.pools[j]
        moment = at_ms if word == FULL else None
        found[i].append(PassedOver(where.id, space.id, REASONS[word], walk_s, moment))
    return [tuple(group) for group in found]


def _nearest(asked: RequestTable, city: LotTable) -> tuple[Ints, Ints]:
    """Return pairs of each request and the nearest pools of its class, by great circle."""
    points = unit_vectors(asked.dest_lon, asked.dest_lat)
    requests, pools = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for kind in np.unique(asked.space_class):
        own: Ints = np.flatnonzero(asked.space_class == kind)
        there, tree = _of_class(city, int(kind))
        if tree is None:
            continue
        many = min(LOOKED_AT, len(there))
        _, near = tree.query(points[own], k=many)
        requests.append(np.repeat(own, many))
        pools.append(there[near.reshape(-1)])
    return np.concatenate(requests), np.concatenate(pools)


@lru_cache(maxsize=32)
def _of_class(city: LotTable, kind: int) -> tuple[Ints, cKDTree | None]:
    """Return the pools of a class and where they are; a server asks about the same lots often."""
    there: Ints = np.flatnonzero(city.space_class == kind)
    return there, cKDTree(city.position[city.lot_of[there]]) if len(there) else None


def full_from(asked: RequestTable, given: Ints, room: Room, request: Ints, pool: Ints) -> Ints:
    """Return when, in each pair's stay, the pool has no space left; -1 = never.

    What is committed counts, and every stay that was given.
    """
    served = np.flatnonzero(given >= 0)
    steps = np.diff(room.first)
    inner = np.repeat(np.arange(len(steps)), steps)
    before = np.concatenate([[0], room.levels[:-1]]) if len(room.levels) else room.levels
    begins = room.first[:-1][steps > 0]
    if len(before):
        before[begins] = 0
    pools = np.concatenate([given[served], given[served], inner])
    times = np.concatenate([asked.arrive_ms[served], asked.leave_ms[served], room.times_ms])
    change = np.concatenate(
        [np.ones(len(served)), -np.ones(len(served)), room.levels - before]
    ).astype(np.int64)
    order = np.lexsort((change, times, pools))
    pools, times, level = pools[order], times[order], np.cumsum(change[order])
    first = np.searchsorted(pools, np.arange(len(room.capacity) + 1))
    found = np.full(len(request), -1, dtype=np.int64)
    _full(
        pool,
        asked.arrive_ms[request],
        asked.leave_ms[request],
        room.capacity,
        first,
        times,
        level,
        found,
    )
    return found


@numba.njit(cache=True, nogil=True)
def _full(pool, arrive, leave, capacity, first, times, level, found):  # type: ignore[no-untyped-def]
    for k in range(len(pool)):
        j = pool[k]
        base = level[first[j] - 1] if first[j] > 0 else 0
        if capacity[j] <= 0:
            found[k] = arrive[k]
            continue
        start = first[j] + np.searchsorted(times[first[j] : first[j + 1]], arrive[k], side="right")
        now = (level[start - 1] if start > first[j] else base) - base
        if now >= capacity[j]:
            found[k] = arrive[k]
            continue
        for e in range(start, first[j + 1]):
            if times[e] >= leave[k]:
                break
            last_of_instant = e + 1 == first[j + 1] or times[e + 1] > times[e]
            if last_of_instant and level[e] - base >= capacity[j]:
                found[k] = times[e]
                break
